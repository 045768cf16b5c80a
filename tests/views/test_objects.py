"""Objects, classes and modules as seen from the other side."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import copy
import dataclasses
import enum
import functools
import gc
import inspect
import math
import operator
import os
import pickle
import pydoc
import sys
import threading
import types
import typing
import weakref
from contextlib import asynccontextmanager
from unittest import mock

import pytest
import sniffio
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio, unview

adapters = pytest.mark.parametrize("adapt", [trio2aio, aio2trio], ids=["trio2aio", "aio2trio"])


def both(test):
    """In both directions; the test is code of the side that uses what ``adapt`` gives."""

    @adapters
    @functools.wraps(test)
    async def run(adapt, **kwargs):
        await (test if adapt is trio2aio else trio2aio(test))(adapt, **kwargs)

    return run


side = sniffio.current_async_library


def owner(adapt):
    return "asyncio" if adapt is trio2aio else "trio"


def user(adapt):
    return "trio" if adapt is trio2aio else "asyncio"


def is_view(value):
    return unview(value) is not value


async def pause():
    await (asyncio.sleep(0) if side() == "asyncio" else trio.lowlevel.checkpoint())


class ThingError(Exception):
    pass


class Descriptor:
    """A data descriptor whose code runs on its object's side."""

    def __get__(self, thing, cls=None):
        if thing is None:
            return self
        return thing.on_side(thing.described)

    def __set__(self, thing, value):
        thing.described = thing.on_side(value)

    def __delete__(self, thing):
        thing.on_side(None)
        del thing.described


class Base:
    def overridden(self):
        return ["base"]

    async def overridden_async(self):
        await pause()
        return ["base"]

    def inherited(self):
        return self

    async def inherited_async(self):
        await pause()
        return self


class Thing(Base):
    """Code of one side, that minds which side runs it."""

    Error = ThingError
    kind = "thing"
    descriptor = Descriptor()

    class Nested:
        pass

    def __init__(self, own, value=0):
        self.own = own
        self.value = value
        self.described = 1
        self.seen = None
        self.callback = None
        self.listeners = []

    def on_side(self, result):
        assert side() == self.own
        return result

    # ---- attributes

    @property
    def prop(self):
        return self.on_side(self.value)

    @prop.setter
    def prop(self, value):
        self.value = self.on_side(value)

    @prop.deleter
    def prop(self):
        self.value = self.on_side(None)

    @property
    def child(self):
        return self.on_side(Thing(self.own, self.value + 1))

    @functools.cached_property
    def cached(self):
        return self.on_side(Thing(self.own, 100))

    @property
    def failing(self):
        raise AttributeError("no such luck")

    def __getattr__(self, name):
        if name.startswith("dynamic"):
            return self.on_side(name)
        raise AttributeError(f"no {name}")

    # ---- methods

    def plain(self, add, *, times=1):
        """Add and multiply."""
        return self.on_side((self.value + add) * times)

    async def method(self, add: int, *, times: int = 1) -> int:
        """Add and multiply, later."""
        self.on_side(None)
        await pause()
        return self.on_side((self.value + add) * times)

    @staticmethod
    def static(own):
        assert side() == own
        return own

    @staticmethod
    async def static_async(own):
        await pause()
        assert side() == own
        return own

    @classmethod
    def make(cls, own, value=0):
        assert side() == own
        return cls(own, value)

    @classmethod
    async def make_async(cls, own, value=0):
        await pause()
        assert side() == own
        return cls(own, value)

    async def generate(self, count):
        for n in range(count):
            await pause()
            self.on_side(None)
            yield Thing(self.own, n)

    @asynccontextmanager
    async def managed(self, value):
        self.on_side(None)
        await pause()
        thing = Thing(self.own, value)
        try:
            yield thing
        finally:
            await pause()
            self.on_side(None)
            self.value = "left"

    def me(self):
        return self

    async def me_later(self):
        return self

    async def fail(self):
        await pause()
        raise ThingError("failed")

    def fail_plainly(self):
        raise ThingError("failed")

    def awaitable(self, add):
        self.on_side(None)
        return self.method(add)

    def manager(self):
        return Manager(self.own)

    def steps(self, count):
        return Steps(self.own, count)

    def pair(self):
        return Thing(self.own, 1), 2

    def named(self):
        return Named(Thing(self.own, 1), 2)

    def things(self):
        return [Thing(self.own, 1), Thing(self.own, 2)]

    def mapping(self):
        return {"one": Thing(self.own, 1)}

    def group(self):
        return {Thing(self.own, 1)}

    def function(self):
        return self.method

    def overridden(self):
        return ["thing", *super().overridden()]

    async def overridden_async(self):
        return ["thing", *(await super().overridden_async())]

    partial = functools.partialmethod(plain, 5)

    @functools.lru_cache(8)  # noqa: B019
    def lru(self, value, *, times=1):
        return self.on_side(value * times)

    def _wrapped(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return fn(*args, **kwargs)

        return wrapper

    wrapped = _wrapped(method)
    del _wrapped

    # ---- what goes in

    def take(self, *args, **kwargs):
        self.on_side(None)
        self.seen = kwargs or args

    async def take_async(self, *args, **kwargs):
        self.on_side(None)
        self.seen = kwargs or args

    def add_listener(self, callback):
        self.listeners.append(callback)

    def remove_listener(self, callback):
        self.listeners.remove(callback)

    def notify(self, *args):
        return [listener(*args) for listener in self.listeners]

    def call_it(self, callback, *args, **kwargs):
        self.on_side(None)
        return self.on_side(callback(*args, **kwargs))

    def call_it_and_keep(self, callback, *args):
        self.seen = callback(*args)

    def call_in_thread(self, callback, *args):
        results = []
        thread = threading.Thread(target=lambda: results.append(callback(*args)))
        thread.start()
        thread.join()
        return results[0]

    async def await_it(self, async_fn, *args):
        return await async_fn(*args)


class Named(typing.NamedTuple):
    thing: Thing
    number: int


class Manager:
    def __init__(self, own):
        self.own = own
        self.log = []

    async def __aenter__(self):
        await pause()
        assert side() == self.own
        self.log.append("enter")
        return self

    async def __aexit__(self, kind, exc, traceback):
        await pause()
        assert side() == self.own
        self.log.append(kind)
        return kind is ThingError


class Steps:
    def __init__(self, own, count):
        self.own = own
        self.left = count

    def __aiter__(self):
        assert side() == self.own
        return self

    async def __anext__(self):
        await pause()
        assert side() == self.own
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return Thing(self.own, self.left)


class Slotted:
    __slots__ = ("__weakref__", "value")

    def __init__(self, value):
        self.value = value

    async def get(self):
        await pause()
        return self.value


# ---- attributes


@both
async def test_attributes(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)
    assert view.value == view.prop == 5
    assert view.kind == "thing"
    assert view.descriptor == 1
    assert view.dynamic_name == "dynamic_name"
    assert view.Error is ThingError
    assert is_view(view.child)
    assert view.child.child.value == 7
    assert unview(view.cached) is thing.cached
    assert view.cached == view.cached
    for name in ("missing", "failing", "_missing"):
        with pytest.raises(AttributeError, match="no "):
            getattr(view, name)
        assert getattr(view, name, None) is None
        assert not hasattr(view, name)


@both
async def test_setting_and_deleting_attributes(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    view.value = 1
    assert thing.value == 1
    view.prop = 2
    assert thing.value == 2
    del view.prop
    assert thing.value is None
    view.descriptor = 3
    assert view.descriptor == thing.described == 3
    del view.descriptor
    assert not hasattr(thing, "described")
    view.other = view
    assert thing.other is thing
    assert view.other == view
    del view.other
    assert not hasattr(thing, "other")
    with pytest.raises(AttributeError):
        del view.other
    view.value = 5
    view.value += 1
    assert thing.value == 6
    view.listeners += [view]
    assert thing.listeners == [thing]
    assert type(thing.listeners[0]) is Thing


@both
async def test_slots(adapt):
    view = adapt(Slotted(1))
    view.value = 2
    assert view.value == 2
    assert await view.get() == 2
    with pytest.raises(AttributeError):
        view.other = 1
    del view.value
    with pytest.raises(AttributeError):
        view.value  # noqa: B018


@both
async def test_attributes_of_classes(adapt):
    view = adapt(Thing)
    assert view.kind == "thing"
    assert view.Error is ThingError
    assert view.__name__ == view.__qualname__ == "Thing"
    assert unview(view.Nested) is Thing.Nested
    assert unview(view.Nested()).__class__ is Thing.Nested
    view.extra = view
    try:
        assert Thing.extra is Thing
    finally:
        del view.extra
    assert not hasattr(Thing, "extra")
    assert view.mro()[0] == view


@both
async def test_a_callback_set_as_attribute_runs_on_its_own_side(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    view.callback = lambda: side()
    assert view.call_it(thing.callback) == user(adapt)
    assert view.callback() == user(adapt)


@both
async def test_a_callback_set_by_code_of_the_own_side_is_left_alone(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)

    def callback():
        pass

    async def set_it():
        view.callback = callback

    await adapt(set_it)()
    assert thing.callback is callback


# ---- methods


@both
async def test_methods(adapt):
    own = owner(adapt)
    view = adapt(Thing(own, 5))
    for _ in range(3):  # the first time and later
        assert view.plain(1) == 6
        assert view.plain(1, times=2) == view.plain(add=1, times=2) == 12
        assert await view.method(1) == await view.method(add=1) == 6
        assert await view.method(1, times=2) == 12
        assert view.static(own) == own
        assert await view.static_async(own) == own
        assert view.make(own, 3).value == 3
        assert (await view.make_async(own, 3)).value == 3
        assert view.partial() == 10
        assert view.lru(2, times=3) == 6
        assert await view.wrapped(1) == 6
        assert view.overridden() == await view.overridden_async() == ["thing", "base"]
        assert view.inherited() == await view.inherited_async() == view
        assert await view.awaitable(1) == 6
        assert await view.function()(1) == 6
    assert side() == user(adapt)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        view.plain()
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        await view.method()


@both
async def test_methods_got_from_a_class_view(adapt):
    own = owner(adapt)
    cls = adapt(Thing)
    assert cls.static(own) == own
    assert await cls.static_async(own) == own
    made = cls.make(own, 5)
    assert is_view(made)
    assert (await cls.make_async(own, 5)).value == 5
    assert cls.plain(made, 1) == 6
    assert await cls.method(made, 1) == 6
    assert await cls.wrapped(made, 1) == 6
    assert [it.value async for it in cls.generate(made, 2)] == [0, 1]


@both
async def test_what_methods_return(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)
    assert view.me() == await view.me_later() == view
    first, second = view.pair()
    assert is_view(first)
    assert second == 2
    named = view.named()
    assert type(named) is Named
    assert is_view(named.thing)
    assert named.number == 2
    assert [it.value for it in view.things()] == [1, 2]
    assert all(is_view(it) for it in view.things())
    assert view.mapping()["one"].plain(1) == 2
    assert [it.plain(1) for it in view.group()] == [2]


@both
async def test_async_generator_methods(adapt):
    view = adapt(Thing(owner(adapt)))
    assert inspect.isasyncgenfunction(view.generate)
    assert inspect.isasyncgen(view.generate(0))
    found = [it async for it in view.generate(3)]
    assert all(is_view(it) for it in found)
    assert [it.value for it in found] == [0, 1, 2]
    async with contextlib.aclosing(view.generate(3)) as things:
        async for it in things:
            assert await it.method(1) == 1
            break


@both
async def test_managers(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    async with view.managed(5) as inner:
        assert await inner.method(1) == 6
    assert thing.value == "left"
    with pytest.raises(ThingError):
        async with view.managed(5):
            raise ThingError
    async with view.manager() as manager:
        assert is_view(manager)
        raise ThingError  # swallowed
    assert unview(manager).log == ["enter", ThingError]
    manager = view.manager()
    async with manager as entered:
        assert entered is manager


@both
async def test_async_iterators(adapt):
    view = adapt(Thing(owner(adapt)))
    assert [it.plain(0) async for it in view.steps(3)] == [2, 1, 0]
    steps = view.steps(2)
    assert aiter(steps) is steps
    assert (await anext(steps)).value == 1
    assert (await anext(steps)).value == 0
    with pytest.raises(StopAsyncIteration):
        await anext(steps)
    assert await anext(steps, "end") == "end"


@both
async def test_errors(adapt):
    view = adapt(Thing(owner(adapt)))
    with pytest.raises(view.Error, match="failed"):
        await view.fail()
    with pytest.raises(view.Error, match="failed"):
        view.fail_plainly()
    error = None
    try:
        await view.fail()
    except view.Error as exc:
        error = exc
    assert error.__context__ is error.__cause__ is None
    assert side() == user(adapt)


@both
async def test_a_method_exchanged_in_the_instance(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)
    assert await view.method(1) == 6
    assert view.plain(1) == 6

    async def method(add):
        assert side() == owner(adapt)
        return "new"

    thing.method = method
    thing.plain = lambda add: thing.on_side("new")
    assert await view.method(1) == view.plain(1) == "new"
    del thing.method, thing.plain
    assert await view.method(1) == view.plain(1) == 6
    thing.method = 5
    assert view.method == 5


@both
async def test_a_method_exchanged_in_the_class(adapt, monkeypatch):
    class Local(Thing):
        async def method(self, add):
            return "old"

        def plain(self, add):
            return "old"

    view = adapt(Local(owner(adapt)))
    assert await view.method(1) == view.plain(1) == "old"

    async def method(self, add):
        assert side() == owner(adapt)
        return "new", self.value

    monkeypatch.setattr(Local, "method", method)
    monkeypatch.setattr(Local, "plain", lambda self, add: self.on_side("new"))
    for _ in range(2):
        assert await view.method(1) == ("new", 0)
        assert view.plain(1) == "new"
    monkeypatch.setattr(Local, "method", property(lambda self: 5))
    assert view.method == 5
    del Local.plain
    assert view.plain(1) == 1  # Thing's


@both
async def test_an_async_method_exchanged_for_a_plain_one(adapt, monkeypatch):
    class Local(Thing):
        async def method(self, add):
            return "old"

    view = adapt(Local(owner(adapt)))
    assert await view.method(1) == "old"
    monkeypatch.setattr(Local, "method", lambda self, add: self.on_side("new"))
    assert view.method(1) == "new"


@both
async def test_objects_of_a_class_and_its_subclass(adapt):
    class Sub(Thing):
        def plain(self, add, *, times=1):
            return "sub"

        async def method(self, add, *, times=1):
            return await super().method(add + 1)

    parent, child = adapt(Thing(owner(adapt))), adapt(Sub(owner(adapt)))
    for _ in range(2):
        assert parent.plain(1) == 1
        assert child.plain(1) == "sub"
        assert await parent.method(1) == 1
        assert await child.method(1) == 2


@both
async def test_callable_objects(adapt):
    own = owner(adapt)

    class Plain:
        def __call__(self, add, *, times=1):
            assert side() == own
            return Thing(own, add * times)

    class Async:
        async def __call__(self, add, *, times=1):
            await pause()
            assert side() == own
            return Thing(own, add * times)

    class Generating:
        async def __call__(self):
            yield Thing(own, 1)

    made = adapt(Plain())(2, times=3)
    assert is_view(made)
    assert made.value == 6
    assert (await adapt(Async())(2, times=3)).value == 6
    assert [it.value async for it in adapt(Generating())()] == [1]
    assert callable(adapt(Plain()))


@both
async def test_an_object_that_is_not_callable(adapt):
    view = adapt(Slotted(1))
    assert not callable(view)
    with pytest.raises(TypeError, match="not callable"):
        view()


@both
async def test_operators_of_the_metaclass_are_not_those_of_the_object(adapt):
    class Meta(type):
        def __len__(cls):
            return 5

        def __iter__(cls):
            return iter("abc")

        def __getitem__(cls, item):
            return item

        def __bool__(cls):
            return False

    class Local(metaclass=Meta):
        pass

    class Right:
        def __ror__(self, left):
            return "reflected"

    view = adapt(Local())
    assert not isinstance(view, collections.abc.Iterable)
    assert not isinstance(view, collections.abc.Sized)
    assert view
    with pytest.raises(TypeError, match="not subscriptable"):
        view[0]
    with pytest.raises(TypeError, match="unsupported operand"):
        adapt(Slotted(1)) | 5
    assert adapt(Slotted(1)) | Right() == "reflected"
    cls = adapt(Local)
    assert len(cls) == 5
    assert list(cls) == ["a", "b", "c"]
    assert not cls


@both
async def test_a_cached_function_takes_keywords(adapt):
    module = types.ModuleType("module")

    @functools.lru_cache
    def cached(value, *, times=1):
        assert side() == owner(adapt)
        return value * times

    module.cached = cached
    view = adapt(module)
    assert view.cached(2) == 2
    assert view.cached(2, times=3) == 6
    assert view.cached.cache_info().misses == 2


@both
async def test_a_partial_as_attribute(adapt):
    thing = Thing(owner(adapt), 5)
    thing.later = functools.partial(thing.method, 1)
    thing.soon = functools.partial(thing.plain, 1)
    view = adapt(thing)
    assert await view.later() == view.soon() == 6
    assert await view.later(times=2) == view.soon(times=2) == 12


@both
async def test_an_attribute_to_be_awaited(adapt):
    class Local(Thing):
        @property
        def later(self):
            return self.method(1)

    assert await adapt(Local(owner(adapt))).later == 1


@both
async def test_a_partial_of_a_method_of_a_view_goes_in(adapt):
    view = adapt(Thing(owner(adapt), 5))
    assert view.call_it(functools.partial(view.plain, 1)) == 6
    assert await view.await_it(functools.partial(view.method, 1)) == 6


@both
async def test_keywords_with_the_names_of_our_parameters(adapt):
    class Local:
        def __init__(self, **kwargs):
            self.kwargs = kwargs

        def plain(self, /, **kwargs):
            return kwargs

        async def later(self, /, **kwargs):
            return kwargs

        def __call__(self, /, **kwargs):
            return kwargs

    kwargs = dict.fromkeys(("fn", "args", "kwargs", "view", "original", "value", "side"), 1)
    view = adapt(Local)(**kwargs)
    assert view.kwargs == kwargs
    kwargs["self"] = 1
    assert view.plain(**kwargs) == view(**kwargs) == await view.later(**kwargs) == kwargs


# ---- operators


class Number:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        if not isinstance(other, Number | int):
            return NotImplemented
        return self.value == getattr(other, "value", other)

    def __hash__(self):
        return hash(self.value)

    def __lt__(self, other):
        return self.value < getattr(other, "value", other)

    def __le__(self, other):
        return self.value <= getattr(other, "value", other)

    def __repr__(self):
        return f"Number({self.value})"

    def __str__(self):
        return f"number {self.value}"

    def __format__(self, spec):
        return format(self.value, spec) if spec else "formatted"

    def __bool__(self):
        return bool(self.value)

    def __int__(self):
        return self.value

    __index__ = __int__

    def __float__(self):
        return float(self.value)

    def __complex__(self):
        return complex(self.value)

    def __bytes__(self):
        return b"bytes"

    def __fspath__(self):
        return "path"

    def __round__(self, digits=None):
        return Number(round(self.value, digits))

    def __trunc__(self):
        return self.value

    __floor__ = __ceil__ = __trunc__

    def __divmod__(self, other):
        return divmod(self.value, other)

    def __rdivmod__(self, other):
        return divmod(other, self.value)

    def __pow__(self, other, modulo=None):
        return Number(pow(self.value, int(other), modulo))

    def __ipow__(self, other):
        self.value **= other
        return self

    def __rpow__(self, other):
        return Number(other**self.value)


def _operators():
    def unary(function):
        return lambda self: Number(function(self.value))

    def binary(function):
        def forward(self, other):
            if not isinstance(other, Number | int):
                return NotImplemented
            return Number(function(self.value, getattr(other, "value", other)))

        def reflected(self, other):
            if not isinstance(other, Number | int):
                return NotImplemented
            return Number(function(getattr(other, "value", other), self.value))

        def in_place(self, other):
            self.value = function(self.value, getattr(other, "value", other))
            return self

        return forward, reflected, in_place

    for name in BINARY:
        function = getattr(operator, name if name not in ("and", "or") else f"{name}_")
        forward, reflected, in_place = binary(function)
        setattr(Number, f"__{name}__", forward)
        setattr(Number, f"__r{name}__", reflected)
        setattr(Number, f"__i{name}__", in_place)
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Number, f"__{name}__", unary(getattr(operator, name)))


BINARY = [
    *("add", "sub", "mul", "floordiv", "mod", "lshift", "rshift", "and", "xor", "or", "truediv")
]
_operators()


@both
@pytest.mark.parametrize("name", BINARY)
async def test_binary_operators(adapt, name):
    plain_name = name if name not in ("and", "or") else f"{name}_"
    function, in_place = getattr(operator, plain_name), getattr(operator, f"i{name}")
    expected = function(12, 2)
    original = Number(12)
    view = adapt(original)
    for result in (function(view, 2), function(view, Number(2)), function(view, adapt(Number(2)))):
        assert is_view(result)
        assert unview(result).value == expected
    assert is_view(function(12, adapt(Number(2))))
    assert unview(function(12, adapt(Number(2)))).value == expected
    assert unview(function(Number(12), adapt(Number(2)))).value == expected
    assert in_place(view, adapt(Number(2))) is view
    assert original.value == expected
    for wrong in (lambda: function(view, Slotted(1)), lambda: function(None, view)):
        with pytest.raises(TypeError, match="unsupported operand"):
            wrong()


@both
async def test_unary_operators_and_conversions(adapt):
    view = adapt(Number(5))
    for function in (operator.neg, operator.pos, abs, operator.invert, round):
        assert is_view(function(view))
        assert unview(function(view)).value == function(5)
    assert (int(view), float(view), complex(view)) == (5, 5.0, 5 + 0j)
    assert operator.index(view) == 5
    assert "abcdef"[view] == "f"
    assert list(range(view)) == [0, 1, 2, 3, 4]
    assert round(view, 0).value == 5
    assert (math.trunc(view), math.floor(view), math.ceil(view)) == (5, 5, 5)
    assert bytes(view) == b"bytes"
    assert os.fspath(view) == "path"
    assert divmod(view, 2) == (2, 1)
    assert divmod(11, view) == (2, 1)
    assert (view**2).value == 25
    assert pow(view, 2, 7).value == 4
    assert (2**view).value == 32
    same = view
    same **= 2
    assert same is view
    assert view.value == 25
    assert view
    assert not adapt(Number(0))


@both
async def test_text(adapt):
    view = adapt(Number(5))
    name = adapt.__name__
    assert repr(view) == f"{name}(Number(5))"
    assert str(view) == "number 5"
    assert f"{view}" in ("formatted", "number 5")
    assert f"{view:03}" == "005"
    assert f"{view!r}" == repr(view)
    assert str(adapt(Slotted(1))).startswith(f"{name}(<")
    with pytest.raises(TypeError):
        f"{adapt(Slotted(1)):03}"
    assert repr(adapt(Slotted)) == f"{name}({Slotted!r})"
    assert repr(adapt(math)) == f"{name}({math!r})"


@both
async def test_format_without_a_specification(adapt):
    assert f"{adapt(Number(5))}" == "formatted"


@both
async def test_comparisons_and_hash(adapt):
    five, six = Number(5), Number(6)
    view = adapt(five)
    assert view == five
    assert five == view
    assert view == adapt(Number(5))
    assert view == 5
    assert view != six
    assert view != "text"
    assert view < six
    assert view <= adapt(six)
    assert adapt(six) > view
    assert six > view
    assert sorted([adapt(six), view]) == [view, adapt(six)]
    assert hash(view) == hash(five)
    mapping = {view: "view"}
    assert mapping[five] == mapping[adapt(Number(5))] == "view"
    assert {five: 1}[view] == 1
    assert len({view, five, adapt(five)}) == 1
    with pytest.raises(TypeError):
        view < "text"  # noqa: B015
    assert adapt(Slotted(1)) != adapt(Slotted(1))


@both
async def test_unhashable_objects(adapt):
    class Unhashable:
        __hash__ = None

        def __eq__(self, other):
            return True

    assert not isinstance(adapt(Unhashable()), collections.abc.Hashable)
    with pytest.raises(TypeError, match="unhashable"):
        hash(adapt(Unhashable()))


@both
async def test_comparisons_that_build_an_expression(adapt):
    class Column:
        """As SQLAlchemy's: a comparison is an object."""

        def __eq__(self, other):
            return Expression("=", other)

        def __ne__(self, other):
            return Expression("!=", other)

        def __lt__(self, other):
            return Expression("<", other)

        __hash__ = object.__hash__

    class Expression:
        def __init__(self, operation, value):
            self.operation = operation
            self.value = value

    column = adapt(Column())
    assert (column < 5).operation == "<"
    assert (column == 5).operation == "="
    assert (column != 5).operation == "!="


@both
async def test_an_operator_exchanged_in_the_class(adapt, monkeypatch):
    class Local:
        def __len__(self):
            return 1

    view = adapt(Local())
    assert len(view) == 1
    monkeypatch.setattr(Local, "__len__", lambda self: 2)
    assert len(view) == 2


class Shelf(collections.abc.MutableMapping):
    """Holds objects, and minds its side."""

    def __init__(self, own, **items):
        self.own = own
        self.items_held = items

    def _check(self):
        assert side() == self.own
        return self.items_held

    def __getitem__(self, key):
        return self._check()[key]

    def __setitem__(self, key, value):
        self._check()[key] = value

    def __delitem__(self, key):
        del self._check()[key]

    def __len__(self):
        return len(self._check())

    def __iter__(self):
        self._check()
        return iter(self.items_held)


@both
async def test_a_mapping_of_objects(adapt):
    own = owner(adapt)
    shelf = Shelf(own, a=Thing(own, 1), b=Thing(own, 2))
    view = adapt(shelf)
    assert len(view) == 2
    assert "a" in view
    assert "c" not in view
    assert list(view) == ["a", "b"]
    assert is_view(view["a"])
    assert view.get("c") is None
    view["c"] = adapt(Thing(own, 3))
    assert type(shelf.items_held["c"]) is Thing
    assert [it.value for it in view.values()] == [1, 2, 3]
    assert {key: it.value for key, it in view.items()} == {"a": 1, "b": 2, "c": 3}
    assert all(is_view(it) for it in view.values())
    del view["a"]
    with pytest.raises(KeyError):
        view["a"]
    assert isinstance(view, collections.abc.MutableMapping)
    assert set(dict(view)) == {"b", "c"}


class Sequence:
    """The old protocol: indexing only."""

    def __init__(self, *items):
        self.items = items

    def __getitem__(self, index):
        return self.items[index]


@both
async def test_indexing_slicing_and_iterating(adapt):
    one, two = Slotted(1), Slotted(2)
    view = adapt(Sequence(one, two))
    assert [unview(it) for it in view] == [one, two]
    assert unview(view[0]) is unview(view[-2]) is one
    assert [unview(it) for it in view[:1]] == [one]
    with pytest.raises(IndexError):
        view[2]
    assert one in view
    assert adapt(one) in view
    with pytest.raises(TypeError):
        len(view)
    with pytest.raises(TypeError):
        view[0] = one


@both
async def test_plain_iterators(adapt):
    class Iterator:
        def __init__(self):
            self.left = 3

        def __iter__(self):
            return self

        def __next__(self):
            assert side() == owner(adapt)
            if not self.left:
                raise StopIteration
            self.left -= 1
            return Slotted(self.left)

        def __length_hint__(self):
            return self.left

        def __reversed__(self):
            return iter([Slotted(5)])

    view = adapt(Iterator())
    assert operator.length_hint(view) == 3
    assert next(view).value == 2
    assert is_view(next(iter(view)))
    assert [it.value for it in view] == [0]
    assert [it.value for it in view] == []
    assert next(view, "end") == "end"
    with pytest.raises(StopIteration):
        next(view)
    assert [it.value for it in reversed(view)] == [5]


@both
async def test_an_iterator_is_its_own_iterator(adapt):
    class Iterator:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

    view = adapt(Iterator())
    assert iter(view) is view


@both
async def test_a_plain_manager(adapt):
    class Plain:
        log = ()

        def __enter__(self):
            assert side() == owner(adapt)
            return self

        def __exit__(self, kind, exc, traceback):
            assert side() == owner(adapt)
            self.log = (kind, exc)
            return kind is ThingError

    view = adapt(Plain())
    with view as entered:
        assert entered is view
    assert view.log == (None, None)
    with view:
        raise ThingError
    assert view.log[0] is ThingError
    with pytest.raises(ZeroDivisionError), view:
        1 / 0  # noqa: B018
    async with view as entered:
        assert entered is view


# ---- what goes in


@both
async def test_views_are_unwrapped_in_arguments(adapt):
    thing, other = Thing(owner(adapt)), Slotted(1)
    view = adapt(thing)
    given = adapt(other)
    view.take(given, 1)
    assert thing.seen[0] is other
    view.take(key=given)
    assert thing.seen["key"] is other
    for container in ([given], (given,), {given}, {"key": given}):
        view.take(container)
        (seen,) = thing.seen
        assert type(seen) is type(container)
        (item,) = seen.values() if isinstance(seen, dict) else seen
        assert item is other
        assert is_view(next(iter(container.values() if isinstance(seen, dict) else container)))
    await view.take_async(given, [given])
    assert thing.seen[0] is thing.seen[1][0] is other
    await view.take_async(key=given)
    assert thing.seen["key"] is other
    assert unview(adapt(Thing)(owner(adapt), given)).value is other


@both
@pytest.mark.parametrize(
    "make",
    [
        lambda given: {given: "value"},
        lambda given: [[given]],
        lambda given: {"key": [given]},
        lambda given: ((given,), 1),
        lambda given: frozenset({given}),
        lambda given: collections.deque([given]),
        lambda given: Named(given, 1),
        lambda given: collections.OrderedDict(key=given),
    ],
    ids=["key", "list", "dict", "tuple", "frozenset", "deque", "namedtuple", "OrderedDict"],
)
async def test_views_are_unwrapped_in_other_containers(adapt, make):
    def has_view(value):
        if isinstance(value, dict):
            return any(map(has_view, [*value, *value.values()]))
        if isinstance(value, list | tuple | frozenset | set | collections.deque):
            return any(map(has_view, value))
        return is_view(value)

    thing = Thing(owner(adapt))
    given = make(adapt(Slotted(1)))
    assert has_view(given)
    adapt(thing).take(given)
    assert type(thing.seen[0]) is type(given)
    assert not has_view(thing.seen[0])


@both
async def test_containers_that_need_no_change_are_the_same_object(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    for container in ([], [1], [Slotted(1)], (1,), {1}, {"a": Slotted(1)}, [[1]]):
        view.take(container)
        assert thing.seen[0] is container
        view.take([container, view])
        assert thing.seen[0][0] is container
        assert thing.seen[0][1] is thing


@both
async def test_callbacks_run_on_the_callers_side(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)
    seen = []

    def callback(*args, **kwargs):
        seen.append((side(), args, kwargs))
        if side() == "asyncio":
            asyncio.get_running_loop()
        else:
            trio.lowlevel.current_trio_token()
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
        return adapt(thing)

    assert view.call_it(callback, 1, view, key=view) == view
    assert seen[0] == (user(adapt), (1, view), {"key": view})
    assert is_view(seen[0][1][1])
    view.call_it_and_keep(callback)
    assert thing.seen is thing  # its result went in
    view.call_it_and_keep(functools.partial(callback, 1))
    assert seen[-1][1] == (1,)
    with pytest.raises(ZeroDivisionError):
        view.call_it(lambda: 1 / 0)
    assert side() == user(adapt)


def test_callbacks_where_no_greenlet_is_imported(run_script):
    """SQLAlchemy's would tell what may wait in the middle of a plain function."""
    result = run_script(
        "import asyncio, sys, trio_bridge\n"
        "class Library:\n"
        "    def call(self, fn): return fn()\n"
        "async def main():\n"
        "    value = trio_bridge.trio2aio(Library()).call(lambda: 'called')\n"
        "    print(value, 'greenlet' in sys.modules)\n"
        "trio_bridge.run(main)\n"
    )
    assert (result.stdout, result.stderr) == ("called False\n", "")


@both
async def test_callbacks_and_methods_of_the_callers_objects(adapt):
    class Mine:
        def callback(self, it):
            return side(), is_view(it), self

        @classmethod
        def of_class(cls, it):
            return side(), is_view(it), cls

    mine = Mine()
    view = adapt(Thing(owner(adapt)))
    thing = adapt(Thing(owner(adapt)))
    called = view.call_it(mine.callback, thing)
    assert called[:2] == (user(adapt), True)
    called = view.call_it(Mine.of_class, thing)
    assert called[:2] == (user(adapt), True)


@both
async def test_a_library_may_keep_a_callers_method_weakly(adapt):
    class Mine:
        def callback(self, value):
            return side(), value

    class Library:
        def keep(self, method):
            self.method = weakref.WeakMethod(method)

        def call(self, value):
            method = self.method()
            return None if method is None else method(value)

    library, mine = Library(), Mine()
    view = adapt(library)
    view.keep(mine.callback)
    assert library.method == weakref.WeakMethod(mine.callback)
    assert view.call(5) == (user(adapt), 5)
    listed = unview(view).method
    view.keep(mine.callback)
    assert library.method == listed
    del mine
    gc.collect()
    assert view.call(5) is None


@both
async def test_the_same_callback_is_the_same_object(adapt):
    class Mine:
        def callback(self):
            return 5

    thing = Thing(owner(adapt))
    view = adapt(thing)
    mine = Mine()

    def function():
        return 6

    partial = functools.partial(function)
    for callback, value in ((function, 6), (mine.callback, 5), (partial, 6)):
        view.add_listener(callback)
        assert view.notify() == [value]
        callback = mine.callback if value == 5 else callback
        view.remove_listener(callback)
        assert thing.listeners == []
    view.add_listener(function)
    assert unview(view.listeners[0]) is function
    assert view.listeners[0] is function  # it comes back as what it was


@both
async def test_async_functions_pass_as_they_are(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)

    async def function(value):
        await pause()
        return side(), value

    async def generate():
        yield 1

    for given in (function, functools.partial(function, 1), generate):
        view.take(given)
        assert thing.seen[0] is given
    assert await view.await_it(function, 5) == (owner(adapt), 5)


@both
async def test_adapted_functions_lose_their_adapter(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)

    async def function():
        pass

    def plain():
        pass

    for original in (function, plain):
        view.take(adapt(original))
        assert thing.seen[0] is original
    other = aio2trio if adapt is trio2aio else trio2aio
    view.take(other(function))  # asyncio code that gets a way to Trio's function
    assert unview(thing.seen[0]) is function
    view.take(view.method)
    assert await view.await_it(view.method, 1) == 6
    assert view.call_it(view.plain, 1) == 6


@both
async def test_methods_of_views_lose_the_view(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)
    for name in ("method", "plain", "wrapped", "generate", "static", "make", "lru"):
        for _ in range(2):
            bound = getattr(view, name)
            assert unview(bound) == getattr(thing, name), name
            view.take(bound)
            assert thing.seen[0] == getattr(thing, name), name


@both
async def test_a_method_of_a_view_as_listener(adapt):
    thing, other = Thing(owner(adapt), 5), Thing(owner(adapt), 6)
    view, other_view = adapt(thing), adapt(other)
    view.add_listener(other_view.plain)
    assert view.notify(1) == [7]
    thing.remove_listener(other.plain)
    assert thing.listeners == []


@both
async def test_a_method_of_the_own_side_sees_itself(adapt):
    class Local(Thing):
        async def who(self):
            return type(self)

    async def call(fn):
        return await fn()

    view = adapt(Local(owner(adapt)))
    assert unview(await view.await_it(view.who)) is Local
    bound = view.who
    assert await adapt(call)(bound) is Local
    assert await adapt(call)(unview(bound)) is Local


@both
async def test_what_is_written_in_c_passes_as_it_is(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    items = []
    for given in (len, items.append, math.factorial, str.upper, operator.itemgetter(0), Slotted):
        view.take(given)
        assert thing.seen[0] == given
    assert view.call_it(math.factorial, 3) == 6


async def test_views_in_a_worker_thread():
    view = trio2aio(Constructed(5))
    assert await trio.to_thread.run_sync(lambda: (view.plain(), view.value)) == (5, 5)

    @trio2aio
    async def guest():
        view = aio2trio(Constructed(5))
        assert await asyncio.to_thread(lambda: (view.plain(), view.value)) == (5, 5)

    await guest()


@both
async def test_callbacks_called_from_a_worker_thread(adapt):
    thing = Thing(owner(adapt))

    def callback(value):
        with pytest.raises(sniffio.AsyncLibraryNotFoundError):
            side()
        return value, threading.current_thread() is not threading.main_thread()

    assert adapt(thing).call_in_thread(callback, 5) == (5, True)


async def test_trio_functions_as_callbacks_of_asyncio_objects():
    loop = trio2aio(asyncio).get_running_loop()
    event = trio.Event()
    send, receive = trio.open_memory_channel(10)
    loop.call_soon(event.set)
    await event.wait()
    future = loop.create_future()
    future.add_done_callback(send.send_nowait)
    future.set_result(5)
    got = await receive.receive()
    assert is_view(got)
    assert got.result() == 5
    ran = trio.Event()

    async def trio_task(value):
        await trio.lowlevel.checkpoint()
        assert value == 6
        ran.set()

    async with trio.open_nursery() as nursery:
        loop.call_soon(lambda: nursery.start_soon(trio_task, 6))
        await ran.wait()


async def test_asyncio_functions_as_callbacks_of_trio_objects():
    @trio2aio
    async def guest():
        t = aio2trio(trio)
        event = asyncio.Event()
        t.lowlevel.current_trio_token().run_sync_soon(event.set)
        await asyncio.wait_for(event.wait(), 30)
        queue = asyncio.Queue()
        t.lowlevel.current_trio_token().run_sync_soon(queue.put_nowait, 5)
        assert await asyncio.wait_for(queue.get(), 30) == 5

    await guest()


async def test_done_callbacks_can_be_removed():
    future = trio2aio(asyncio).get_running_loop().create_future()

    def callback(future):
        raise AssertionError

    future.add_done_callback(callback)
    assert future.remove_done_callback(callback) == 1
    future.set_result(1)
    assert await future == 1


async def test_a_set_of_background_tasks():
    aio = trio2aio(asyncio)
    tasks = set()
    task = aio.create_task(asyncio.sleep(0, "done"))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    assert await task == "done"
    await aio.sleep(0)
    assert not tasks


# ---- what it is


@both
async def test_isinstance_and_issubclass(adapt):
    class Sub(Thing):
        pass

    own = owner(adapt)
    view, cls = adapt(Sub(own)), adapt(Thing)
    assert isinstance(view, Thing)
    assert isinstance(view, Base)
    assert isinstance(view, cls)
    assert isinstance(Sub(own), cls)
    assert isinstance(view, adapt(Sub))
    assert isinstance(view, (int, cls))
    assert not isinstance(view, Manager)
    assert not isinstance(view, adapt(Manager))
    assert not isinstance(5, cls)
    assert view.__class__ is Sub
    assert issubclass(Sub, cls)
    assert issubclass(adapt(Sub), cls)
    assert issubclass(adapt(Sub), Thing)
    assert not issubclass(adapt(Manager), cls)
    assert not issubclass(int, cls)
    assert isinstance(cls, type)
    assert inspect.isclass(cls)
    assert inspect.ismodule(adapt(math))
    with pytest.raises(TypeError):
        issubclass(5, cls)


@both
async def test_abstract_base_classes(adapt):
    abc = collections.abc
    own = owner(adapt)

    class Waiting:
        def __await__(self):
            yield

    cases = [
        (Waiting(), abc.Awaitable),
        (Steps(own, 1), abc.AsyncIterator),
        (Steps(own, 1), abc.AsyncIterable),
        (Manager(own), contextlib.AbstractAsyncContextManager),
        (Shelf(own), abc.Mapping),
        (Shelf(own), abc.Sized),
        ([Slotted(1)], abc.Sequence),
        (Number(1), abc.Hashable),
        (contextlib.nullcontext(), contextlib.AbstractContextManager),
        (Number(1), typing.SupportsInt),
        (Number(1), os.PathLike),
    ]
    for original, base in cases:
        assert isinstance(original, base)
        assert isinstance(adapt(original), base)
    bases = {base for _, base in cases} - {abc.Hashable}
    for base in bases:
        assert not isinstance(adapt(Slotted(1)), base)
    assert inspect.isawaitable(adapt(Waiting()))


@both
async def test_subclassing_a_class_view(adapt):
    own = owner(adapt)
    view = adapt(Thing)

    class Sub(view):
        def plain(self, add, *, times=1):
            return super().plain(add) + 1000

    assert Sub.__bases__ == (Thing,)
    assert issubclass(Sub, Thing)
    assert adapt(Sub)(own, 5).plain(1) == 1006
    assert adapt(Sub(own, 5)).plain(1) == 1006


@both
async def test_calling_a_class(adapt):
    own = owner(adapt)

    class Local(Thing):
        def __init__(self, value):
            assert side() == own
            super().__init__(own, value)

    made = adapt(Local)(5)
    assert is_view(made)
    assert await made.method(1) == 6
    assert type(unview(made)) is Local
    with pytest.raises(TypeError):
        adapt(Local)()


@both
async def test_generic_classes(adapt):
    class Box(typing.Generic[typing.TypeVar("T")]):
        def __init__(self, value=0):
            self.value = value

        async def get(self):
            return self.value

    view = adapt(Box)
    assert view[int] is not None
    assert view | None == Box | None
    assert None | view == Box | None
    assert view | int == Box | int
    assert isinstance(adapt(Box()), view | None)
    assert typing.get_origin(view[int]) is Box


@both
async def test_a_generic_alias_makes_views(adapt):
    class Box(typing.Generic[typing.TypeVar("T")]):
        async def get(self):
            await pause()
            return side()

    assert await adapt(Box)[int]().get() == owner(adapt)


@dataclasses.dataclass
class Data:
    """A point."""

    x: int
    y: object = None

    async def get(self):
        await pause()
        return self.x


@both
async def test_dataclasses(adapt):
    view = adapt(Data(1, Slotted(2)))
    assert (view.x, view.y.value) == (1, 2)
    assert await view.get() == 1
    assert view == adapt(Data(1, view.y))
    assert [field.name for field in dataclasses.fields(view)] == ["x", "y"]
    assert [field.name for field in dataclasses.fields(adapt(Data))] == ["x", "y"]
    assert repr(view).startswith(f"{adapt.__name__}(Data(x=1,")
    made = adapt(Data)(x=3)
    assert made.x == 3


@both
async def test_functions_of_dataclasses(adapt):
    view = adapt(Data(1, "y"))
    assert dataclasses.is_dataclass(view)
    assert dataclasses.asdict(view) == {"x": 1, "y": "y"}
    assert dataclasses.astuple(view) == (1, "y")
    assert dataclasses.replace(view, x=2).x == 2


@both
async def test_match_statements(adapt):
    match adapt(Data(1, Slotted(2))):
        case Data(x=1, y=Slotted(value=value)):
            assert value == 2
        case _:
            pytest.fail("no match")
    match adapt(Data(1)):
        case Data(1, None):
            pass
        case _:
            pytest.fail("no match")


@both
async def test_match_statements_with_mappings_and_sequences(adapt):
    match adapt(Shelf(owner(adapt), a=1)):
        case {"a": 1}:
            pass
        case _:
            pytest.fail("no match")
    match adapt([Slotted(1), 2]):
        case [Slotted(value=1), 2]:
            pass
        case _:
            pytest.fail("no match")


@both
async def test_match_statements_with_a_class_view(adapt):
    cls = adapt(Data)
    with pytest.raises(TypeError, match=r"class|type"):
        match adapt(Data(1)):
            case cls(x=1):
                pass


class Colour(enum.Enum):
    RED = 1


@both
async def test_enumerations_and_exception_classes_come_as_they_are(adapt):
    module = types.ModuleType("module")
    module.Colour, module.Error, module.Named = Colour, ThingError, Named
    view = adapt(module)
    assert view.Colour is Colour
    assert view.Colour.RED is Colour.RED
    assert view.Colour(1) is Colour.RED
    assert list(view.Colour) == [Colour.RED]
    assert view.Error is ThingError
    assert view.Named is Named
    try:
        raise view.Error
    except view.Error:
        pass

    class Sub(view.Error):
        pass

    assert issubclass(Sub, ThingError)


# ---- copies, pickles, references


@both
async def test_copies(adapt):
    original = Data(1, Slotted([1]))
    view = adapt(original)
    shallow, deep = copy.copy(view), copy.deepcopy(view)
    for copied in (shallow, deep):
        assert is_view(copied)
        assert unview(copied) is not original
        assert copied.x == 1
    assert unview(shallow).y is original.y
    assert unview(deep).y is not original.y
    assert copy.copy(adapt(Data)) == adapt(Data)
    assert unview(copy.deepcopy({"key": view})["key"]).x == 1
    memo_shared = copy.deepcopy([view, view])
    assert unview(memo_shared[0]) is unview(memo_shared[1])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@both
async def test_pickles(adapt, protocol):
    for view in (adapt(Data(1)), adapt(Data), adapt(math), adapt([Data(1), adapt(Data(2))])):
        copied = pickle.loads(pickle.dumps(view, protocol))
        assert is_view(copied)
        assert type(copied) is type(view)
        if not isinstance(view, list):
            assert copied == view
    assert pickle.loads(pickle.dumps(adapt(os.path))) == adapt(os.path)


def double(number):
    """Twice as much."""
    return 2 * number


class Doubler:
    def double(self, number):
        return 2 * number


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@both
async def test_a_callback_is_pickled_as_the_function_that_it_calls(adapt, protocol):
    # As a process pool does, and as clusters do, where trio_bridge may not be installed.
    thing = Thing(owner(adapt))
    callbacks = [double, Doubler().double, functools.partial(double), len]
    for number, callback in enumerate(callbacks):
        adapt(thing).add_listener(callback)
        assert unview(thing.listeners[number]) is callback
        pickled = pickle.dumps(thing.listeners[number], protocol)
        assert b"trio_bridge" not in pickled.replace(__name__.encode(), b"")
        assert type(pickle.loads(pickled)) is type(callback)
    assert pickle.loads(pickle.dumps(thing.listeners[0], protocol)) is double


@both
async def test_a_callback_is_taken_for_the_function_that_it_calls(adapt):
    thing = Thing(owner(adapt))
    adapt(thing).add_listener(double)
    adapt(thing).add_listener(Doubler().double)
    function, method = thing.listeners
    assert inspect.isfunction(function)
    assert inspect.ismethod(method)
    assert not inspect.iscoroutinefunction(function)
    assert (function.__name__, function.__doc__) == ("double", "Twice as much.")
    assert function.__module__ == method.__module__ == __name__
    assert inspect.signature(function) == inspect.signature(method) == inspect.signature(double)
    assert repr(function) == repr(double)
    assert copy.copy(function) is copy.deepcopy(function) is function


@both
async def test_what_is_set_on_a_callback_is_its_own(adapt):
    thing = Thing(owner(adapt))

    def callback():
        return side()

    callback.before = 1
    adapt(thing).add_listener(callback)
    (given,) = thing.listeners
    given.after = 2
    assert (given.before, given.after) == (1, 2)
    assert vars(callback) == {"before": 1}


@both
async def test_a_callback_in_a_class_becomes_a_method(adapt):
    class Button:
        def press(self):
            return self.on_press()

    def on_press(button):
        return side(), is_view(button)

    adapt(Button).on_press = on_press
    assert adapt(Button()).press() == (user(adapt), True)


@both
async def test_weak_references(adapt):
    view = adapt(Data(1))
    reference = weakref.ref(view)
    assert reference() is view
    del view
    assert reference() is None
    slotted = adapt(Slotted(1))
    held = weakref.WeakSet([slotted])
    assert slotted in held


@both
async def test_unview(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    assert unview(view) is thing
    assert unview(adapt(Thing)) is Thing
    assert unview(adapt(math)) is math
    assert unview(thing) is thing
    generator = view.generate(1)
    assert unview(generator) is generator  # made by a function: there is no original yet
    original = thing.generate(1)
    assert unview(adapt(original)) is original
    await original.aclose()

    async def function():
        pass

    def plain():
        pass

    async def generate():
        yield

    for fn in (function, plain, generate, thing.method, thing.plain, functools.partial(plain)):
        assert unview(adapt(fn)) == fn
        assert unview(fn) == fn
    for value in (None, 5, "text", [1], ValueError, Colour.RED, thing.method, Slotted(1), len):
        assert unview(value) is value


async def test_unview_of_awaitables():
    coroutine = asyncio.sleep(0, 5)
    view = trio2aio(coroutine)
    assert unview(view) is coroutine
    assert await view == 5
    future = trio_bridge.current_loop().create_future()
    assert unview(trio2aio(future)) is future
    thing = Thing("asyncio", 5)
    awaitable = trio2aio(thing).awaitable(1)
    assert inspect.iscoroutine(unview(awaitable))
    assert await awaitable == 6


@both
async def test_a_view_of_a_view(adapt):
    other = aio2trio if adapt is trio2aio else trio2aio

    async def function():
        return side()

    def plain():
        return 5

    async def generate():
        yield 1

    values = [Slotted(1), Slotted, math, [Slotted(1)], function, plain, generate, Slotted(1).get]
    for value in values:
        view = adapt(value)
        assert view is not value
        assert adapt(view) is view
        assert other(view) == value
        assert type(other(view)) is type(value)
    generator = generate()
    view = adapt(generator)
    assert adapt(view) is view
    await view.aclose()
    await generator.aclose()


@both
async def test_a_generator_of_the_other_side_is_itself_again(adapt):
    other = aio2trio if adapt is trio2aio else trio2aio

    async def generate():
        yield 1

    generator = generate()
    assert other(adapt(generator)) is generator
    await generator.aclose()


async def test_an_awaitable_view_of_a_view():
    coroutine = asyncio.sleep(0, 5)
    view = trio2aio(coroutine)
    assert trio2aio(view) is view
    assert await view == 5


async def test_a_view_of_a_view_of_a_future():
    future = trio_bridge.current_loop().create_future()
    view = trio2aio(future)
    assert trio2aio(view) is view
    assert aio2trio(view) is future
    task = trio2aio(asyncio).create_task(asyncio.sleep(0, 5))
    assert trio2aio(task) is task
    assert await task == 5


@both
async def test_the_two_sides_can_be_crossed_in_calls(adapt):
    """Views of the caller's own objects go in, and come out, as what they are."""
    other = aio2trio if adapt is trio2aio else trio2aio

    class Local(Thing):
        async def give(self, value):
            return value

        def give_plainly(self, value):
            return value

    view = adapt(Local(owner(adapt)))
    mine = Slotted(1)
    # the other side's object, seen from there, is for me what it is
    assert await view.give(other(mine)) is mine or unview(await view.give(other(mine))) is mine
    assert unview(await view.give(view)) is unview(view)
    assert unview(view.give_plainly(view)) is unview(view)


@both
async def test_a_view_that_is_given_back_is_the_original(adapt):
    other = aio2trio if adapt is trio2aio else trio2aio
    mine = Slotted(1)
    thing = Thing(owner(adapt))
    thing.mine = other(mine)  # as code of its side would keep it
    assert adapt(thing).mine is mine


@both
async def test_identity_of_views(adapt):
    """A view is made each time: equal, not the same."""
    thing = Thing(owner(adapt))
    thing.other = Slotted(1)
    view = adapt(thing)
    assert view.other == view.other
    assert adapt(thing) == view
    assert hash(adapt(thing)) == hash(view)


# ---- introspection


@both
async def test_introspection(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    for _ in range(2):
        assert inspect.iscoroutinefunction(view.method)
        assert not inspect.iscoroutinefunction(view.plain)
        assert inspect.isasyncgenfunction(view.generate)
        assert inspect.ismethod(view.method)
        for name in ("plain", "method", "generate", "static_async", "make", "managed"):
            assert inspect.signature(getattr(view, name)) == inspect.signature(getattr(thing, name))
            assert getattr(view, name).__name__ == name
            assert getattr(view, name).__doc__ == getattr(thing, name).__doc__
            assert getattr(view, name).__qualname__ == f"Thing.{name}"
            assert getattr(view, name).__module__ == __name__
    assert dir(view) == dir(thing)
    assert dir(adapt(math)) == dir(math)
    assert vars(view) == vars(thing)
    assert set(vars(adapt(Thing))) == set(vars(Thing))
    assert inspect.signature(adapt(Thing).method) == inspect.signature(Thing.method)
    assert inspect.getdoc(view) == Thing.__doc__
    assert view.__doc__ == Thing.__doc__
    assert view.__module__ == __name__
    assert view.__class__.__name__ == type(view).__name__ == "Thing"


@both
async def test_introspection_of_classes(adapt):
    view = adapt(Data)
    assert view.__doc__ == Data.__doc__
    assert inspect.signature(view) == inspect.signature(Data)
    assert view.__mro__ == Data.__mro__


@both
async def test_docs_of_modules(adapt):
    assert adapt(math).__doc__ == math.__doc__
    assert adapt(math).__name__ == "math"
    assert adapt(asyncio).__file__ == asyncio.__file__
    assert adapt(asyncio).__all__ == asyncio.__all__


@both
async def test_help(adapt):
    assert "Add and multiply." in pydoc.render_doc(adapt(Thing(owner(adapt))).plain)
    assert pydoc.render_doc(adapt(Thing(owner(adapt))))


@both
async def test_help_of_a_module(adapt):
    assert "mathematical functions" in pydoc.render_doc(adapt(math))


@both
async def test_protocols_that_are_checked_at_run_time(adapt):
    @typing.runtime_checkable
    class Getting(typing.Protocol):
        async def get(self): ...

    @typing.runtime_checkable
    class Valued(typing.Protocol):
        value: int

    assert isinstance(adapt(Slotted(1)), Getting)
    assert not isinstance(adapt(Manager("trio")), Getting)
    assert isinstance(Slotted(1), Valued)
    assert isinstance(adapt(Slotted(1)), Valued)


@both
async def test_single_dispatch(adapt):
    @functools.singledispatch
    def kind(it):
        return "object"

    kind.register(Base, lambda it: "base")
    assert kind(adapt(Thing(owner(adapt)))) == "base"
    assert kind(adapt(Slotted(1))) == "object"


# ---- mocks


@both
async def test_mocks_inside_of_an_object(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    with mock.patch.object(thing, "method", mock.AsyncMock(return_value=5)) as method:
        assert await view.method(1, times=2) == 5
        method.assert_awaited_once_with(1, times=2)
        view.method.assert_awaited_once_with(1, times=2)
    with mock.patch.object(Thing, "plain", autospec=True, return_value=7):
        assert view.plain(1) == 7
    assert view.plain(1) == 1
    thing.plain = mock.Mock(side_effect=ThingError)
    with pytest.raises(ThingError):
        view.plain(1)


@both
async def test_patching_a_view(adapt):
    thing = Thing(owner(adapt), 5)
    view = adapt(thing)
    with mock.patch.object(view, "value", 6):
        assert thing.value == view.value == 6
    assert thing.value == 5
    with mock.patch.object(view, "plain", return_value=7):
        assert view.plain(1) == thing.plain(1) == 7
    assert view.plain(1) == 6
    assert "plain" not in vars(thing)
    with mock.patch.object(view, "method", mock.AsyncMock(return_value=8)):
        assert await view.method(1) == 8
    assert await view.method(1) == 6
    module = types.ModuleType("module")
    exec("def function(): return 1", vars(module))
    view = adapt(module)
    assert view.function() == 1
    with mock.patch.object(view, "function", return_value=2):
        assert view.function() == 2
    assert view.function() == 1


@both
async def test_a_mock_with_a_view_as_its_specification(adapt):
    view = adapt(Slotted(1))
    mocked = mock.Mock(spec=view)
    assert mocked.get
    with pytest.raises(AttributeError):
        mocked.missing  # noqa: B018
    view = adapt(mock.Mock())
    assert is_view(view.anything.at.all)
    assert is_view(view.something())


# ---- on its own side


@both
async def test_on_its_own_side_a_view_is_the_original(adapt):
    own = owner(adapt)
    view = adapt(Thing(own, 5))
    shelf = adapt(Shelf(own, a=1))
    number = adapt(Number(5))
    manager = adapt(Manager(own))
    steps = adapt(Steps(own, 2))
    cls = adapt(Thing)

    async def use():
        assert side() == own
        assert view.value == view.prop == 5
        assert view.child.value == 6
        assert view.plain(1) == await view.method(1) == 6
        assert view.static(own) == own
        assert await cls.make(own, 5).method(1) == 6
        assert await (await cls.make_async(own, 5)).method(1) == 6
        assert view.me() is unview(view)
        assert await view.me_later() is unview(view)
        assert await view.awaitable(1) == 6
        assert [it.value async for it in view.generate(2)] == [0, 1]
        assert [it.value async for it in steps] == [1, 0]
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
        async with view.managed(3) as it:
            assert await it.method(1) == 4
        view.value = 5
        async with manager as it:
            assert it is unview(manager)
            raise ThingError
        assert (number + 1).value == 6
        assert unview(number + number).value == 10
        assert number == 5
        assert number < 6
        assert shelf["a"] == 1
        assert list(shelf) == ["a"]
        assert len(shelf) == 1
        with pytest.raises(ThingError):
            await view.fail()
        assert view.call_it(lambda value: (side(), value), 1) == (own, 1)
        unview(view).take([view, view])
        view.take(view)
        assert unview(view).seen[0] is unview(view)
        assert side() == own

    await adapt(use)()
    assert side() == user(adapt)


@both
async def test_on_its_own_side_an_operator_gives_the_original(adapt):
    number = adapt(Number(5))

    async def use():
        assert not is_view(number + 1)

    await adapt(use)()


@both
async def test_on_its_own_side_attributes_take_containers_as_they_are(adapt):
    thing = Thing(owner(adapt))
    view = adapt(thing)
    items = [Slotted(1)]

    async def use():
        view.seen = items

    await adapt(use)()
    assert thing.seen is items


# ---- without a loop


class Constructed:
    def __init__(self, value):
        self.value = value

    def plain(self):
        return self.value


at_import = {adapt: adapt(sys.modules[__name__]) for adapt in (trio2aio, aio2trio)}


@adapters
def test_outside_of_any_loop(adapt):
    module = at_import[adapt]
    assert module.ThingError is ThingError
    assert module.Colour is Colour
    assert module.Thing.kind == "thing"
    assert module.Thing.Error is ThingError
    assert isinstance(Constructed(1), module.Constructed)
    made = module.Constructed(5)
    assert made.value == made.plain() == 5
    assert inspect.iscoroutinefunction(module.Thing.method)

    class Sub(module.Constructed):
        pass

    assert Sub(5).plain() == 5
    assert repr(module)
    assert adapt(Constructed(1)).value == 1


def test_asyncio_and_trio_as_module_views_outside_of_any_loop():
    aio, t = trio2aio(asyncio), aio2trio(trio)
    assert aio.CancelledError is asyncio.CancelledError
    assert aio.TimeoutError is asyncio.TimeoutError
    assert aio.FIRST_COMPLETED == asyncio.FIRST_COMPLETED
    assert issubclass(asyncio.Queue, aio.Queue)
    assert aio.Queue(5).maxsize == 5
    assert t.TooSlowError is trio.TooSlowError
    assert t.Event().is_set() is False
    with pytest.raises(RuntimeError, match="no running event loop"):
        aio.get_running_loop()
    with pytest.raises(RuntimeError, match="must be called from async context"):
        t.current_time()


def test_an_object_that_is_made_outside_of_any_loop_can_be_used_inside():
    limiter = aio2trio(trio).CapacityLimiter(1)
    lock = trio2aio(asyncio).Lock()

    @trio2aio
    async def guest():
        async with limiter:
            pass

    async def main():
        async with lock:
            pass
        await guest()

    trio_bridge.run(main)


def test_in_a_trio_task_with_no_loop_open():
    view = trio2aio(Constructed(5))
    thing = trio2aio(Thing("asyncio"))
    aio = trio2aio(asyncio)

    async def main():
        assert view.value == 5
        assert aio.CancelledError is asyncio.CancelledError
        assert aio.Queue
        for use in (view.plain, lambda: aio.Queue(), lambda: aio.Event()):
            with pytest.raises(RuntimeError, match=r"trio_bridge\.(run|open_loop)"):
                use()
        with pytest.raises(RuntimeError, match=r"trio_bridge\.(run|open_loop)"):
            await thing.method(1)
        with pytest.raises(RuntimeError, match=r"trio_bridge\.(run|open_loop)"):
            async with trio2aio(Manager("asyncio")):
                pass
        with pytest.raises(RuntimeError, match=r"trio_bridge\.(run|open_loop)"):
            async for _ in trio2aio(Steps("asyncio", 1)):
                pass
        async with trio_bridge.open_loop():
            assert await thing.method(1) == 1

    trio.run(main)


def test_views_of_trio_objects_in_plain_trio():
    view = aio2trio(Thing("trio", 5))

    async def main():
        assert await view.method(1) == view.plain(1) == 6

    trio.run(main)


def test_views_of_asyncio_objects_in_plain_asyncio():
    view = trio2aio(Thing("asyncio", 5))

    async def main():
        assert await view.method(1) == view.plain(1) == 6

    asyncio.run(main())


# ---- modules


@both
async def test_modules(adapt):
    module = types.ModuleType("module")
    exec(
        "import sniffio\n"
        "number = 5\n"
        "def function(value): return sniffio.current_async_library(), value\n"
        "async def later(value): return sniffio.current_async_library(), value\n"
        "async def generate():\n    yield sniffio.current_async_library()\n"
        "def __getattr__(name):\n"
        "    if name == 'lazy': return 'lazy'\n"
        "    raise AttributeError(name)\n",
        vars(module),
    )
    view = adapt(module)
    for _ in range(2):
        assert view.number == 5
        assert view.function(1) == await view.later(1) == (owner(adapt), 1)
        assert [it async for it in view.generate()] == [owner(adapt)]
        assert view.lazy == "lazy"
        with pytest.raises(AttributeError):
            view.missing  # noqa: B018
    view.number = 6
    assert module.number == 6
    assert is_view(view.sniffio)
    module.function = lambda value: "new"
    assert view.function(1) == "new"
    del module.function
    with pytest.raises(AttributeError):
        view.function  # noqa: B018
    assert adapt(os.path) == adapt(os).path
    assert type(view).later is view.later
    assert view.later.__name__ == "later"
    assert inspect.iscoroutinefunction(view.later)


async def test_asyncio_as_a_library_for_trio():
    aio = trio2aio(asyncio)

    async def add(one, two):
        await asyncio.sleep(0)
        return one + two

    assert await aio.sleep(0, "value") == "value"
    assert await aio.gather(add(1, 2), add(3, 4)) == [3, 7]
    assert await aio.wait_for(add(1, 2), 30) == 3
    with pytest.raises(aio.TimeoutError):
        await aio.wait_for(aio.sleep(60), 0.001)
    task = aio.create_task(add(1, 2), name="adding")
    assert isinstance(task, asyncio.Task)
    assert isinstance(task, aio.Task)
    assert task.get_name() == "adding"
    assert await task == 3
    assert task.done()
    assert task.result() == 3
    done, pending = await aio.wait([aio.create_task(add(1, n)) for n in range(3)])
    assert sorted(task.result() for task in done) == [1, 2, 3]
    assert not pending
    assert await aio.to_thread(lambda: threading.current_thread().name != "MainThread")
    assert aio.get_running_loop() == aio.get_event_loop()
    assert unview(aio.get_running_loop()) is trio_bridge.current_loop()
    assert await aio.get_running_loop().run_in_executor(None, lambda: 5) == 5
    assert aio.current_task() is None
    assert is_view(aio.subprocess)
    assert aio.subprocess.PIPE == asyncio.subprocess.PIPE
    assert unview(aio.tasks) is asyncio.tasks


async def test_wait_first_completed_with_tasks_as_keys():
    aio = trio2aio(asyncio)
    names = {
        aio.create_task(asyncio.sleep(0, 1)): "fast",
        aio.create_task(asyncio.sleep(60)): "slow",
    }
    done, pending = await aio.wait(names, return_when=aio.FIRST_COMPLETED)
    assert [names[task] for task in done] == ["fast"]
    for task in pending:
        assert names[task] == "slow"
        task.cancel()
    await aio.wait(pending)
    assert all(task.cancelled() for task in pending)


async def test_as_completed():
    aio = trio2aio(asyncio)
    tasks = [aio.create_task(asyncio.sleep(delay, delay)) for delay in (0.01, 0)]
    assert [await earliest for earliest in aio.as_completed(tasks)] == [0, 0.01]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="async iteration came with Python 3.13")
async def test_as_completed_async():
    aio = trio2aio(asyncio)
    tasks = [aio.create_task(asyncio.sleep(n, n)) for n in (0.01, 0)]
    found = [task async for task in aio.as_completed(tasks)]
    assert [task.result() for task in found] == [0, 0.01]
    assert found == tasks[::-1]


async def test_asyncio_queues_locks_and_events():
    aio = trio2aio(asyncio)
    queue = aio.Queue(1)
    got = []

    async def consume():
        for _ in range(3):
            got.append(await queue.get())
            queue.task_done()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        for n in range(3):
            await queue.put(n)
    await queue.join()
    assert got == [0, 1, 2]
    assert queue.empty()
    assert queue.maxsize == 1
    with pytest.raises(aio.QueueEmpty):
        queue.get_nowait()

    lock = aio.Lock()
    async with lock:
        assert lock.locked()
        with trio.move_on_after(0.001) as scope:
            await lock.acquire()
        assert scope.cancelled_caught
    assert not lock.locked()
    async with aio.Semaphore(1) as entered:
        assert entered is None
    condition = aio.Condition()
    async with condition:
        condition.notify_all()

    event = aio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(event.wait)
        await trio.lowlevel.checkpoint()
        event.set()
    assert event.is_set()


async def test_asyncio_timeouts_and_task_groups():
    aio = trio2aio(asyncio)
    with pytest.raises(TimeoutError):
        async with aio.timeout(0.001):
            await trio.sleep(60)
    with pytest.raises(TimeoutError):
        async with aio.timeout(0.001):
            await aio.sleep(60)
    async with aio.timeout(60) as timeout:
        assert not timeout.expired()
        timeout.reschedule(aio.get_running_loop().time() + 30)

    results = []

    async def work(n):
        await asyncio.sleep(0)
        results.append(n)
        return n

    async with aio.TaskGroup() as group:
        tasks = [group.create_task(work(n)) for n in range(3)]
    assert results == [task.result() for task in tasks] == [0, 1, 2]

    async def fail():
        raise ThingError

    with pytest.raises(ExceptionGroup) as caught:
        async with aio.TaskGroup() as group:
            group.create_task(fail())
            await trio.sleep(60)
    assert caught.group_contains(ThingError)


async def test_asyncio_streams():
    aio = trio2aio(asyncio)

    async def handle(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await aio.start_server(handle, "127.0.0.1", 0)
    async with server:
        assert server.is_serving()
        host, port = server.sockets[0].getsockname()
        reader, writer = await aio.open_connection(host, port)
        assert isinstance(reader, asyncio.StreamReader)
        writer.write(b"riri\n")
        writer.writelines([b"fifi\n", b"loulou\n"])
        await writer.drain()
        assert await reader.readline() == b"RIRI\n"
        assert [await reader.readline() for _ in range(2)] == [b"FIFI\n", b"LOULOU\n"]
        assert writer.get_extra_info("peername") == (host, port)
        assert not writer.transport.is_closing()
        writer.write_eof()
        assert [line async for line in reader] == []
        writer.close()
        await writer.wait_closed()


async def test_asyncio_subprocesses():
    aio = trio2aio(asyncio)
    process = await aio.create_subprocess_exec(
        *(sys.executable, "-S", "-c", "print(input()[::-1])"),
        stdin=aio.subprocess.PIPE,
        stdout=aio.subprocess.PIPE,
    )
    out, err = await process.communicate(b"abc\n")
    assert (out.strip(), err) == (b"cba", None)
    assert process.returncode == await process.wait() == 0


async def test_asyncio_protocols():
    aio = trio2aio(asyncio)

    class Echo(aio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            asyncio.get_running_loop()

        def data_received(self, data):
            self.transport.write(data)

    loop = aio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"data")
        assert await reader.readexactly(4) == b"data"
        writer.close()
        await writer.wait_closed()


async def test_trio_as_a_library_for_asyncio():
    @trio2aio
    async def guest():
        t = aio2trio(trio)
        await t.sleep(0)
        await t.lowlevel.checkpoint()
        assert isinstance(t.current_time(), float)
        results = []

        async def work(n):
            await trio.lowlevel.checkpoint()
            results.append(n)

        async with t.open_nursery() as nursery:
            assert isinstance(nursery, trio.Nursery)
            for n in range(3):
                nursery.start_soon(work, n)
            assert len(nursery.child_tasks) == 3
        assert sorted(results) == [0, 1, 2]

        async def fail():
            raise ThingError

        with pytest.raises(ExceptionGroup) as caught:
            async with t.open_nursery() as nursery:
                nursery.start_soon(fail)
                await asyncio.sleep(60)
        assert caught.group_contains(ThingError)

        async with t.move_on_after(0.001) as scope:
            await t.sleep(60)
        assert scope.cancelled_caught
        with pytest.raises(t.TooSlowError):
            async with t.fail_after(0.001):
                await t.sleep(60)
        async with t.CancelScope() as scope:
            scope.cancel()
            await t.sleep(60)
        assert scope.cancel_called

        event, lock = t.Event(), t.Lock()
        async with lock:
            assert lock.locked()
        async with t.Semaphore(1):
            pass
        async with t.CapacityLimiter(1) as limited:
            assert limited is None
        task = asyncio.create_task(event.wait())
        await asyncio.sleep(0)
        event.set()
        await task

    await guest()


async def test_trio_channels_for_asyncio():
    @trio2aio
    async def guest():
        t = aio2trio(trio)
        send, receive = t.open_memory_channel(1)
        async with send, receive:
            await send.send("one")
            with pytest.raises(t.WouldBlock):
                send.send_nowait("two")
            assert receive.statistics().current_buffer_used == 1
            assert await receive.receive() == "one"
            async with receive.clone() as clone:
                send.send_nowait("three")
                assert await clone.receive() == "three"
            send.send_nowait("four")
            await send.aclose()
            assert [it async for it in receive] == ["four"]

    await guest()


async def test_trio_files_and_threads_for_asyncio(tmp_path):
    @trio2aio
    async def guest():
        t = aio2trio(trio)
        path = t.Path(tmp_path) / "file"
        assert isinstance(path, trio.Path)
        await path.write_text("text\nmore\n")
        assert await path.read_text() == "text\nmore\n"
        assert [it.name for it in await t.Path(tmp_path).iterdir()] == ["file"]
        assert open(path).close() is None
        async with await t.open_file(path) as file:
            assert [line async for line in file] == ["text\n", "more\n"]
        assert await t.to_thread.run_sync(lambda: threading.current_thread().name != "MainThread")

    await guest()


async def test_trio_networking_for_asyncio():
    @trio2aio
    async def guest():
        t = aio2trio(trio)
        listener = (await t.open_tcp_listeners(0, host="127.0.0.1"))[0]
        address = listener.socket.getsockname()
        async with t.open_nursery() as nursery, listener:
            client = await t.open_tcp_stream(*address)
            server = await listener.accept()
            assert isinstance(client, trio.SocketStream)
            async with client, server:
                await client.send_all(b"data")
                assert await server.receive_some(10) == b"data"
                await client.send_eof()
                assert [chunk async for chunk in server] == []
            nursery.cancel_scope.cancel()
        with t.socket.socket() as sock:
            await sock.bind(("127.0.0.1", 0))
            assert sock.getsockname()[0] == "127.0.0.1"
            assert t.socket.AF_INET == trio.socket.AF_INET

    await guest()


async def test_trio_processes_for_asyncio():
    @trio2aio
    async def guest():
        done = await aio2trio(trio).run_process(
            [sys.executable, "-S", "-c", "print(input()[::-1])"], stdin=b"abc", capture_stdout=True
        )
        assert done.stdout.strip() == b"cba"
        assert done.returncode == 0

    await guest()


def _square(value):
    return value * value


@both
async def test_an_attribute_that_is_a_data_holder_of_the_own_side(adapt):
    """Containers that are held are seen through a view: what is put in is the original."""
    thing = Thing(owner(adapt))
    thing.listeners.append(thing)
    view = adapt(thing)
    view.listeners.append(view)
    assert list(map(type, thing.listeners)) == [Thing, Thing]
    assert is_view(view.listeners[1])
    view.listeners.remove(view)
    assert thing.listeners == [thing]


@both
async def test_adding_a_list_to_a_view_of_a_list(adapt):
    view = adapt([Slotted(1)])
    assert len(view + [2]) == len([2, *view]) == 2  # noqa: RUF005
    assert len([2] + view) == 2  # noqa: RUF005


async def test_an_iterator_that_begins_anew():
    class Lines:
        def __iter__(self):
            return iter([1, 2])

        def __next__(self):
            return 0

    assert list(trio2aio(Lines())) == [1, 2]


@both
async def test_an_iterator_that_fails_later(adapt):
    class Library:
        def numbers(self):
            yield 1
            raise ThingError

    numbers = iter(adapt(Library()).numbers())
    assert next(numbers) == 1
    with pytest.raises(ThingError):
        next(numbers)
    iterator = iter(adapt([1, Broken()]))
    with pytest.raises(ThingError) as caught:
        for _ in adapt(Broken()):
            pass
    assert len(caught.traceback) <= 4
    assert next(iterator) == 1


class Broken:
    def __iter__(self):
        return self.numbers()

    def numbers(self):
        raise ThingError
        yield


async def test_an_iterable_that_fails_does_so_at_once():
    class Broken:
        def __iter__(self):
            raise KeyError

    with pytest.raises(KeyError):
        iter(trio2aio(Broken()))


async def test_what_says_that_it_cannot_be_called_is_callable_to_python_all_the_same():
    class Thing:
        __call__ = None

    view = trio2aio(Thing())
    assert callable(Thing())
    assert callable(view)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        view()


async def test_what_a_class_takes_away_its_view_has_not():
    class NotIterable(list):
        __iter__ = None
        __contains__ = None

        def method(self):
            pass

    view = trio2aio(NotIterable())
    with pytest.raises(TypeError):
        iter(view)
    with pytest.raises(TypeError):
        assert 1 in view
