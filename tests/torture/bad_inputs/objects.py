"""Views over objects that are as bad as Python lets them be."""

from __future__ import annotations

import asyncio
import types

from trio_bridge import aio2trio, trio2aio

from . import hostile
from .hostile import Mischief, fails
from .kinds import asyncio_own, own


def made_of(**attributes):
    """An object of a class with these attributes."""
    return type("Made", (), attributes)()


@own(Mischief, "of the object's own")
async def a_property_that_raises():
    """A property raises"""
    _ = trio2aio(hostile.RaisingProperty()).value


@own(AttributeError, "of the object's own")
async def a_property_that_lacks_something():
    """A property raises `AttributeError`"""
    _ = trio2aio(hostile.RaisingProperty()).missing


@asyncio_own(Mischief, "of the object's own")
async def a_trio_property_that_raises():
    """A property of a Trio object raises"""
    _ = aio2trio(hostile.RaisingProperty()).value


@own(AttributeError, "'RaisingProperty' object has no attribute 'nonesuch'")
async def an_attribute_that_there_is_not():
    """An attribute that the object doesn't have"""
    _ = trio2aio(hostile.RaisingProperty()).nonesuch


@own(RecursionError, "recursion")
async def an_attribute_without_an_end():
    """`__getattr__` calls itself, again and again"""
    _ = trio2aio(hostile.LooksForever()).x


@own(Mischief, "of the object's own")
async def an_object_that_raises_on_everything():
    """`__getattribute__` raises, for every name"""
    _ = trio2aio(hostile.RaisesOnEverything()).x


@own(Mischief, "of the object's own")
async def setting_what_refuses():
    """`__setattr__` raises"""
    trio2aio(made_of(__setattr__=fails)).x = 1


@own(Mischief, "of the object's own")
async def deleting_what_refuses():
    """`__delattr__` raises"""
    del trio2aio(made_of(__delattr__=fails)).x


@own(Mischief, "of the object's own")
async def comparing():
    """`__eq__` raises"""
    _ = trio2aio(hostile.RaisesOnEquality()) == 1


@own(Mischief, "of the object's own")
async def hashing():
    """`__hash__` raises"""
    hash(trio2aio(hostile.RaisesOnEquality()))


@own(TypeError, "unhashable type: 'Made'")
async def hashing_what_is_unhashable():
    """`__hash__ = None`"""
    hash(trio2aio(made_of(__hash__=None)))


@own(Mischief, "of the object's own")
async def asking_for_truth():
    """`__bool__` raises"""
    bool(trio2aio(hostile.RaisesOnEquality()))


@own(TypeError, "__bool__", "return", "bool")
async def a_truth_that_is_none():
    """`__bool__` returns a string"""
    bool(trio2aio(made_of(__bool__=lambda self: "yes")))


@own(ValueError, "__len__() should return >= 0")
async def less_than_nothing():
    """`__len__` returns -1"""
    len(trio2aio(made_of(__len__=lambda self: -1)))


@own(TypeError, "cannot be interpreted as an integer")
async def a_length_that_is_none():
    """`__len__` returns a string"""
    len(trio2aio(made_of(__len__=lambda self: "long")))


@own(TypeError, "iter", "iterator", "int")
async def an_iterable_that_is_none():
    """`__iter__` returns a number"""
    iter(trio2aio(made_of(__iter__=lambda self: 42))).__next__()


@own(TypeError, "is not iterable")
async def an_iterable_that_says_that_it_is_none():
    """`__iter__ = None`"""
    iter(trio2aio(made_of(__iter__=None))).__next__()


@own(Mischief, "of the object's own")
async def printing():
    """`__repr__` raises"""
    repr(trio2aio(hostile.RaisesOnRepr()))


@own(RecursionError, "recursion")
async def printing_without_an_end():
    """`__repr__` calls itself, again and again"""
    repr(trio2aio(made_of(__repr__=lambda self: repr(self))))


@own(TypeError, "'int' object is not callable")
async def calling_what_is_not_callable():
    """`__call__ = 42`"""
    trio2aio(made_of(__call__=42))()


@own(TypeError, "object is not callable")
async def calling_a_module():
    """A view of a module is called"""
    trio2aio(asyncio)()


@own(TypeError, "argument")
async def calling_with_what_does_not_fit():
    """A method is called with arguments that it doesn't take"""
    trio2aio(hostile.RaisingProperty()).method(1, 2, 3)


@own(AttributeError, "__dict__")
async def attributes_of_an_object_with_slots():
    """`__dict__` of an object with `__slots__`"""
    trio2aio(made_of(__slots__=())).__dict__  # noqa: B018


@own(Mischief, "of the object's own")
async def a_descriptor_that_raises():
    """A descriptor's `__get__` raises"""
    _ = trio2aio(made_of(x=type("Descriptor", (), {"__get__": fails})())).x


@own(Mischief, "of the object's own")
async def a_function_that_fails_to_print_its_error():
    """A function raises an error whose `__str__` raises"""

    class Unprintable(Mischief):
        __str__ = __repr__ = fails

    @trio2aio
    async def raises():
        raise Unprintable("of the object's own")

    try:
        await raises()
    except Unprintable as exc:
        raise Mischief(*exc.args) from None


@own(RuntimeError, "RaisesOnRepr")
async def an_error_of_what_cannot_be_printed():
    """`raise RuntimeError(object)`, where its `__str__` raises"""

    @trio2aio
    async def raises():
        raise RuntimeError(hostile.RaisesOnRepr())

    try:
        await raises()
    except RuntimeError as exc:
        raise RuntimeError(type(exc.args[0]).__name__) from None


@own(TypeError, "exceptions must derive from BaseException")
async def raising_what_is_no_error():
    """`raise 42`"""

    @trio2aio
    async def raises():
        raise 42  # noqa: B016 -- that is the mistake

    await raises()


@own(RuntimeError, "coroutine raised StopIteration")
async def raising_stop_iteration():
    """An async function raises `StopIteration`"""

    @trio2aio
    async def raises():
        raise StopIteration

    await raises()


@asyncio_own(RuntimeError, "coroutine raised StopIteration")
async def raising_stop_iteration_in_trio():
    """An async function of Trio's raises `StopIteration`"""

    async def raises():
        raise StopIteration

    await aio2trio(raises)()


@own(TypeError, "is not callable")
async def calling_what_claims_to_be_a_function():
    """`trio2aio(object)()`, whose `__class__` says that it is a function"""
    trio2aio(hostile.claims(types.FunctionType))()


@own(AttributeError, "no attribute 'close'")
async def closing_what_claims_to_be_a_coroutine():
    """`trio2aio(object).close()`, whose `__class__` says that it is a coroutine object"""
    trio2aio(hostile.claims(types.CoroutineType)).close()


@own(AttributeError, "no attribute 'nonesuch'")
async def an_attribute_of_an_object_of_an_unhashable_type():
    """An attribute that an object doesn't have, whose type is unhashable"""
    view = trio2aio(hostile.Unhashable())
    assert view.method() == 1
    _ = view.nonesuch


@own(Mischief, "of the class's own")
async def hashing_a_type_that_refuses():
    """`hash(type)`, where the metaclass raises"""
    assert trio2aio(hostile.OfRaisingMeta()).method() == 1
    hash(trio2aio(hostile.OfRaisingMeta))


@own(Mischief, "of the object's own")
async def an_error_that_refuses_to_be_changed():
    """A function raises an error whose `__setattr__` raises, as a frozen dataclass has it"""

    class Frozen(Mischief):
        __setattr__ = fails

    @trio2aio
    async def raises():
        raise Frozen("of the object's own")

    try:
        await raises()
    except Frozen as exc:
        raise Mischief(*exc.args) from None


@own(RuntimeError, "no running event loop")
async def an_error_whose_notes_are_none():
    """A function raises an error whose `__notes__` is a number"""

    class Noted(RuntimeError):
        __notes__ = 42

    @trio2aio
    async def raises():
        raise Noted("no running event loop")

    try:
        await raises()
    except Noted as exc:
        raise RuntimeError(*exc.args) from None
