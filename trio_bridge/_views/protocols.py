"""The special methods of a view class: those that the originals' type has, each adapted.

Python looks them up in the type, so ``__getattr__`` would not do; and a view that had them all
would claim to be awaitable, iterable and callable at once.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from .. import _private
from .._crossing.errors import readable
from .._private import get_running_loop
from .._untrusted import shown
from .awaitables import await_across
from .iterators import Iteration, nothing
from .kinds import has_special, is_a, takes_away
from .view import View, new_view, set_iteration, unview
from .view_type import ViewType

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from .objects import Views

_BINARY: Final = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "xor", "or"),
)
# What dataclasses look for in the class.
_COPIED: Final = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
_AROUND_CROSSINGS: Final = {"__aenter__", "__aexit__", "__anext__", "__await__", "aclose"}
# Forwarded as they are, with views taken off the arguments and put on the result.
_FORWARDED: Final = (
    *("__lt__", "__le__", "__gt__", "__ge__", "__contains__", "__next__", "__exit__"),
    *("__len__", "__length_hint__", "__getitem__", "__setitem__", "__delitem__"),
    *("__bool__", "__int__", "__float__", "__complex__", "__index__", "__bytes__", "__fspath__"),
    *("__neg__", "__pos__", "__abs__", "__invert__"),
    *("__round__", "__trunc__", "__floor__", "__ceil__"),
    *(f"__{prefix}{name}__" for name in _BINARY for prefix in ("", "r", "i")),
)


class _Iterable(View):
    __slots__ = ()

    def __iter__(self) -> Any:
        try:
            iterator = _begun(self, iter)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        is_its_own = iterator is self.trio_bridge_original
        return self if is_its_own else _items(self.trio_bridge_views, iterator)


class _Reversible(View):
    __slots__ = ()

    def __reversed__(self) -> Iterator[Any]:
        try:
            iterator = _begun(self, reversed)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        return _items(self.trio_bridge_views, iterator)


def _begun(view: View, begin: Callable[[Any], Any]) -> Any:
    return view.trio_bridge_views.side.call(begin, view.trio_bridge_original)


def _items(views: Views, iterator: Any) -> Iterator[Any]:
    try:
        while (item := views.side.call(next, iterator, _items)) is not _items:
            yield item if views.side.is_own() else views.adapt(item)
    except BaseException as exc:
        raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback


class _Manager(View):
    __slots__ = ()

    def __enter__(self) -> Any:
        views, original = self.trio_bridge_views, self.trio_bridge_original
        try:
            value = views.side.enter_plainly(type(original).__enter__, original)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        return self if value is original else views.adapt(value)


class _AsyncEntered(View):
    """Entered and left in one task; a manager that is not async too, as its task may matter."""

    __slots__ = ()

    async def __aenter__(self) -> Any:
        views, original, cls = _parts(self)
        if views.side.is_own():
            is_async = has_special(cls, "__aenter__")
            return await cls.__aenter__(original) if is_async else cls.__enter__(original)
        try:
            value = await views.side.manager(original).enter()
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        return self if value is original else views.adapt(value)


class _AsyncLeft(View):
    """Apart, as Python looks for both methods before it enters, and says which is missed."""

    __slots__ = ()

    async def __aexit__(self, *details: Any) -> Any:
        views, original, cls = _parts(self)
        if views.side.is_own():
            is_async = has_special(cls, "__aexit__")
            leave = cls.__aexit__ if is_async else cls.__exit__
            return await leave(original, *details) if is_async else leave(original, *details)
        try:
            return await views.side.entered(original).leave(details[1])
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        finally:
            del details  # an error leads to this frame: no cycles


def _parts(view: View) -> tuple[Views, Any, Any]:
    return view.trio_bridge_views, view.trio_bridge_original, type(view.trio_bridge_original)


class _Awaitable(View):
    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        views, original = self.trio_bridge_views, self.trio_bridge_original
        if views.side.is_own():
            return (yield from original.__await__())
        try:
            value = yield from await_across(views.side, original)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        if not self.trio_bridge_adapts_awaited:
            return value
        return self if value is original else views.adapt(value)


class _Startable(View):
    """Passes for a coroutine object, as an :class:`.awaitables.AwaitableView` does."""

    __slots__ = ("trio_bridge_steps",)

    trio_bridge_steps: Generator[Any, Any, Any]

    def send(self, value: Any) -> Any:
        return _steps(self).send(value)

    def throw(self, *error: Any) -> Any:
        return _steps(self).throw(*error)


class _Closable(View):
    """As a coroutine object; where the original has no ``close`` of its own."""

    __slots__ = ()

    def close(self) -> None:
        """Do nothing, for asyncio code. Trio asks it of what it should start, and can't."""
        if get_running_loop() is None:
            raise TypeError(
                f"Trio starts async functions, and {shown(self)} is what one has returned, to be "
                "awaited. Write\n"
                "    nursery.start_soon(function, ...)\n"
                "instead of nursery.start_soon(function(...)). If all you have is the awaitable:\n"
                "    async def wait():\n"
                "        await awaitable\n"
                "    nursery.start_soon(wait)"
            ) from None


_steps_slot: Final = _Startable.__dict__["trio_bridge_steps"]


def _steps(view: Any) -> Generator[Any, Any, Any]:
    try:
        steps: Any = _steps_slot.__get__(view)
    except AttributeError:
        pass
    else:
        if steps.gi_frame is not None:  # else it is awaited once more, by another task
            return steps  # type: ignore[no-any-return]
    steps = view.__await__()
    _steps_slot.__set__(view, steps)
    return steps  # type: ignore[no-any-return]


def _is_startable(cls: type) -> bool:
    """Not a future: ``asyncio.wait`` takes those, and refuses coroutines."""
    has_own = any(hasattr(cls, name) for name in ("send", "throw"))
    return not has_own and not _private.is_future_type(cls)


class _AsyncIterable(View):
    __slots__ = ()

    def __aiter__(self) -> Any:
        views, original = self.trio_bridge_views, self.trio_bridge_original
        try:
            iterator = views.side.call(type(original).__aiter__, original)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        if views.side.is_own():
            return iterator
        return self if iterator is original else views.adapt(iterator)


class _AsyncIterator(View):
    __slots__ = ()

    async def __anext__(self) -> Any:
        views, original = self.trio_bridge_views, self.trio_bridge_original
        if views.side.is_own():
            return await type(original).__anext__(original)
        if self.trio_bridge_iteration is None:
            set_iteration(self, Iteration(views.side, original))
        assert self.trio_bridge_iteration is not None
        try:
            return views.adapt(await self.trio_bridge_iteration.next())
        except StopAsyncIteration:
            raise
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    async def aclose(self, *args: Any, **kwargs: Any) -> None:
        """Close the iterator, if it can be closed, and let go of the task that it runs in."""
        aclose = getattr(self.trio_bridge_original, "aclose", nothing)
        iteration = self.trio_bridge_iteration
        side = self.trio_bridge_views.side
        try:
            if iteration is not None and not side.is_own():
                iteration.check_is_free()
                await iteration.aclose(functools.partial(aclose, *args, **kwargs))
            else:
                await side.crossing(aclose)(*args, **kwargs)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback


def _called(view: View, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return view.trio_bridge_views.functions.call(view.trio_bridge_original, args, kwargs)
    except BaseException as exc:
        raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback


class _Class(View):
    __slots__ = ()

    __call__ = _called

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(unview(instance), self.trio_bridge_original)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(unview(subclass), self.trio_bridge_original)

    def __mro_entries__(self, bases: object) -> tuple[type]:
        return (self.trio_bridge_original,)

    def __getitem__(self, item: Any) -> Any:
        alias = self.trio_bridge_original[item]  # Queue[int], which makes queues
        return new_view(self.trio_bridge_views.view_class(type(alias)), alias)

    @property
    def __bases__(self) -> tuple[type]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (self.trio_bridge_original,)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.trio_bridge_original)


_PROTOCOLS: Final = (
    ("__iter__", _Iterable),
    ("__reversed__", _Reversible),
    ("__enter__", _Manager),
    ("__aenter__", _AsyncEntered),
    ("__aexit__", _AsyncLeft),
    ("__await__", _Awaitable),
    ("__aiter__", _AsyncIterable),
    ("__anext__", _AsyncIterator),
)
_ASYNC_OF_PLAIN: Final = {"__enter__": "__aenter__", "__exit__": "__aexit__"}
"""A view of a plain manager is an async one too, if its class has nothing of one itself."""


_SPECIALS: Final = (*_FORWARDED, *dict(_PROTOCOLS), "__exit__", "__call__")


def view_class_of(views: Views, cls: Any) -> type[View]:
    """A view class for the objects of type ``cls``."""
    bases = _protocols_of(cls)
    if issubclass(cls, type):
        bases.append(_Class)
    if _Awaitable in bases and _is_startable(cls):
        bases += [_Startable] if hasattr(cls, "close") else [_Closable, _Startable]
    namespace = _around_crossings(views, bases) | _namespace(views, cls)
    view_class: Any = ViewType(cls.__name__, (*bases, View), namespace)
    view_class.trio_bridge_stands_for = weakref.ref(cls)
    abcs: tuple[Any, ...] = (Mapping, Sequence)  # the match statement asks for those
    for abc in abcs:
        if is_a(cls, abc):
            abc.register(view_class)
    if _Startable in bases:
        coroutine: Any = Coroutine
        coroutine.register(view_class)
    return view_class  # type: ignore[no-any-return]


def _protocols_of(cls: type) -> list[type[View]]:
    names = {name for name in (*dict(_PROTOCOLS), "__exit__") if has_special(cls, name)}
    if names.isdisjoint(_ASYNC_OF_PLAIN.values()):
        names |= {_ASYNC_OF_PLAIN[name] for name in names & _ASYNC_OF_PLAIN.keys()}
    return [base for name, base in _PROTOCOLS if name in names]


def _around_crossings(views: Views, bases: list[type[View]]) -> dict[str, Any]:
    return {
        name: views.side.holding_ctrl_c_back(vars(base)[name])
        for base in bases
        for name in _AROUND_CROSSINGS & vars(base).keys()
    }


def _namespace(views: Views, cls: Any) -> dict[str, Any]:
    methods: dict[str, Any] = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__class__": property(lambda view: type(view.trio_bridge_original)),
        "__dict__": property(lambda view: view.trio_bridge_original.__dict__),
        "trio_bridge_views": views,
        "trio_bridge_runs_code": {},
    }
    for name in _COPIED:
        if has_special(cls, name):
            methods[name] = getattr(cls, name)
    if issubclass(cls, type | ModuleType):
        methods["__doc__"] = property(lambda view: view.trio_bridge_original.__doc__)
    if cls.__hash__ is None:
        methods["__hash__"] = None
    methods |= {name: _forwarded(name) for name in _FORWARDED if has_special(cls, name)}
    # Else Python would look for another way.
    methods |= {name: None for name in _SPECIALS if takes_away(cls, name)}
    if has_special(cls, "__add__") and not has_special(cls, "__radd__"):
        methods["__radd__"] = _added_to
    if has_special(cls, "__call__") and not issubclass(cls, type):
        call = inspect.getattr_static(cls, "__call__")
        is_python = isinstance(call, FunctionType)
        methods["__call__"] = views.functions.adapt(call) if is_python else _called
    return methods


def _forwarded(name: str) -> Callable[..., Any]:
    def method(view: View, *args: Any) -> Any:
        original, views = view.trio_bridge_original, view.trio_bridge_views
        function = getattr(original, name) if isinstance(original, type) else _bound(original, name)
        try:
            if views.side.is_own():
                return function(*map(views.own_argument, args))
            value = views.side.call(function, *map(views.argument, args))
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        return view if value is original else views.adapt(value)

    method.__name__ = name
    return method


def _bound(original: Any, name: str) -> Any:
    cls = type(original)
    attribute = inspect.getattr_static(cls, name)
    is_descriptor = hasattr(type(attribute), "__get__")
    return attribute.__get__(original, cls) if is_descriptor else attribute


def _added_to(view: View, left: Any) -> Any:
    """A list plus a view of a list: the left operand knows no views."""
    return view.trio_bridge_views.adapt(left + view.trio_bridge_original)
