"""Functions and methods as seen from the other side, and callbacks the way back.

Every adapter is a real function of its kind (a callback is taken for one), with the name, signature
and docs of the original. In code of the original's own side it does what the original does.
"""

from __future__ import annotations

import functools
import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from .._crossing import Changes
from .._crossing.errors import readable
from .._private import may_wait_in_greenlet
from .callbacks import Callback, callback_class
from .iterators import generator_function
from .view_type import is_view

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .._crossing.changes import Args
    from .sides import Side

    Change = Callable[[Any], Any]

_ADAPTED: Final = "__trio_bridge__"
"""The attribute of an adapter that tells what it stands for, and its own id: ``functools.wraps``
copies it to functions that are none. Not a table: one with weak keys would keep what refers to its
own adapter for ever."""


def is_async_function(x: object) -> bool:
    """Whether calling ``x`` gives a coroutine: a function, method, partial or callable object."""
    if inspect.iscoroutinefunction(x):
        return True
    return callable(x) and inspect.iscoroutinefunction(type(x).__call__)


def original_of(fn: Any) -> tuple[Side, Any] | None:
    """The side and the original of an adapter, or of a method made with one."""
    if type(fn) is MethodType:
        found = _adapted(fn.__func__)
        owner: Any = fn.__self__
        original_self = owner.trio_bridge_original if is_view(owner) else owner
        return found and (found[0], MethodType(found[1], original_self))
    return _adapted(fn)


def _adapted(fn: Any) -> tuple[Side, Any] | None:
    if issubclass(type(fn), Callback):
        return fn.trio_bridge_caller.side, fn.__wrapped__
    found = vars(fn).get(_ADAPTED) if type(fn) is FunctionType else None
    return found[:2] if found and found[2] == id(fn) else None


def as_is(value: Any) -> Any:
    """No change."""
    return value


class Caller:
    """How functions of one side are called by the other.

    ``arguments`` and ``result`` change what goes in and what comes out; ``own_arguments`` changes
    what goes in when code of the functions' own side calls.
    """

    def __init__(
        self, side: Side, arguments: Change, result: Change, own_arguments: Change
    ) -> None:
        self.side: Final = side
        self._arguments: Final = arguments
        self._result: Final = result
        self._own_arguments: Final = own_arguments
        self._changes: Final = (
            None if result is as_is else Changes(self._change_arguments, result, self._own)
        )
        self._cache: Final[WeakValueDictionary[tuple[int, int], Any]] = WeakValueDictionary()

    def adapt_once(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """As :meth:`adapt`, but the same adapter for as long as somebody has it.

        What takes a callback back (``remove_listener``) looks for the one that it was given.
        """
        # By identity, which holds while the adapter is there and holds its function; a reference to
        # the function would keep it, and all that it leads to.
        method: Any = fn
        is_method = type(fn) is MethodType
        key = (id(method.__self__), id(method.__func__)) if is_method else (id(fn), 0)
        adapter: Callable[..., Any] | None = self._cache.get(key)
        if adapter is None:
            adapter = self._cache[key] = self.adapt(fn)
        return adapter

    def adapt(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The adapter for any kind of function."""
        if is_async_function(fn):
            adapter = self._async_function(fn)
        elif inspect.isasyncgenfunction(fn):
            adapter = self._generator_function(fn)
        else:
            adapter = self._plain_function(fn)
        vars(adapter)[_ADAPTED] = (self.side, fn, id(adapter))
        return adapter

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a plain function or a class. What it raises is for the caller to make readable."""
        if self.side.is_own():
            return fn(*map(self._own_arguments, args), **_mapped(self._own_arguments, kwargs))
        change = self._arguments
        return self._result(self.side.call(fn, *map(change, args), **_mapped(change, kwargs)))

    def _async_function(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(fn)(self.side.crossing(fn, self._changes))

    def _change_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Args:
        change = self._arguments
        return [change(arg) for arg in args], _mapped(change, kwargs) if kwargs else kwargs

    def _own(self, fn: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        change = self._own_arguments
        return lambda *args, **kwargs: fn(*map(change, args), **_mapped(change, kwargs))

    def _generator_function(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        is_own, own_arguments = self.side.is_own, self._own_arguments
        arguments = self._arguments

        def make(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            change = own_arguments if is_own() else arguments
            generator: AsyncGenerator[Any, Any] = fn(*map(change, args), **_mapped(change, kwargs))
            return generator

        return functools.wraps(fn)(generator_function(self.side, make, self._result))

    def _plain_function(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return self.call(fn, args, kwargs)
            except BaseException as exc:
                raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

        return call


class CallbackCaller(Caller):
    """How plain functions of one side, that went into a function of the other, are called by it."""

    def __init__(
        self, side: Side, arguments: Change, result: Change, own_arguments: Change
    ) -> None:
        super().__init__(side, arguments, result, own_arguments)
        self._class: Final = callback_class(self)

    def adapt(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The callback for a plain function of any kind."""
        return self._class(fn)

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it on its own side, or where the library runs it as code of the library's side.

        SQLAlchemy's ``run_sync`` does so: in there each of its plain functions may suspend the
        task, and in the middle of a plain function there is no going from one side to the other.
        """
        if may_wait_in_greenlet():
            return fn(*args, **kwargs)
        return super().call(fn, args, kwargs)


def _mapped(change: Change, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: change(value) for key, value in kwargs.items()} if kwargs else kwargs
