"""The two decorators, and what they make of each kind of object."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Never, ParamSpec, TypeVar, overload

from .._untrusted import shown
from .awaitables import AwaitableView
from .functions import Caller, as_is, is_async_function, original_of
from .objects import FUNCTIONS, VIEWS
from .sides import ASYNCIO, TRIO
from .view import View

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import _GeneratorContextManager

    from trio import CancelScope

    from .sides import Side

P = ParamSpec("P")
T = TypeVar("T")


class EitherManager(
    AbstractContextManager[T, bool | None], AbstractAsyncContextManager[T, bool | None]
):
    """For type checkers: a plain context manager that is seen from the other side."""


@overload
def trio2aio(x: _GeneratorContextManager[T, None, None]) -> EitherManager[T]: ...
@overload
def trio2aio(
    x: Callable[P, _GeneratorContextManager[T, None, None]],
) -> Callable[P, EitherManager[T]]: ...
@overload
def trio2aio(x: T) -> T: ...
def trio2aio(x: Any) -> Any:
    """Adapt ``x``, which belongs to asyncio, for Trio code to use.

    Args:
      x: a function of any kind, an awaitable, an object, a class or a module. As a decorator it
        goes above or below ``staticmethod``, ``classmethod`` and ``asynccontextmanager``.

    Returns:
      The same kind of thing for Trio, which a type checker takes for an ``x``:

      - an async function, an async generator function, or a plain function, with the name,
        signature and docs of ``x``. What an async function returns comes through as it is; what a
        plain function or a class returns is adapted, as it is the way to an object;
      - an awaitable for a coroutine object, a future or a task, an async generator for an async
        generator;
      - plain data unchanged, exception classes too;
      - for any other object a view. Its attributes, its methods' results and what it yields are
        adapted in turn; what goes in loses its view, and functions that go in run as callbacks on
        the Trio side. It is entered by ``async with`` if ``x`` is a context manager, async or not.
        See :func:`unview`.

      In asyncio code all of them do what the original does.

    A call (an await, entering and leaving, a step of an iteration) is made by an
    :class:`asyncio.Task` of the current loop, and raises :exc:`RuntimeError` where none is open. It
    is a checkpoint, always. When the Trio scope around it is cancelled, the task gets one
    ``Task.cancel()``, and the call returns when the task has ended: with :exc:`trio.Cancelled` if
    it ended by ``CancelledError``, else with its value or error. A context manager is entered and
    left, and an iterator takes all its steps, in one task. Rules: 4.1 and 4.2 of the contract.
    """
    return _adapt(ASYNCIO, x)


# A type checker should refuse a coroutine object too: what comes after Never is an error to it.
@overload
def aio2trio(x: CoroutineType[Any, Any, Any]) -> Never: ...
# In asyncio code a cancel scope (move_on_after, fail_after) is entered by `async with`.
@overload
def aio2trio(x: CancelScope) -> AbstractAsyncContextManager[CancelScope, bool | None]: ...
@overload
def aio2trio(
    x: Callable[P, CancelScope],
) -> Callable[P, AbstractAsyncContextManager[CancelScope, bool | None]]: ...
@overload
def aio2trio(x: _GeneratorContextManager[T, None, None]) -> EitherManager[T]: ...
@overload
def aio2trio(
    x: Callable[P, _GeneratorContextManager[T, None, None]],
) -> Callable[P, EitherManager[T]]: ...
@overload
def aio2trio(x: T) -> T: ...
def aio2trio(x: Any) -> Any:
    """Adapt ``x``, which belongs to Trio, for asyncio code to use.

    Args:
      x: as for :func:`trio2aio`, but no coroutine object: Trio never hands them out.

    Returns:
      As :func:`trio2aio`, the other way. In Trio code all of them do what the original does.

    Raises:
      TypeError: ``x`` is a coroutine object, or an asyncio future.

    A call from a task that a Trio call hosts is made in that Trio task, inside all of its scopes;
    from another asyncio task, in a Trio task of its own. A nursery or a cancel scope is entered by
    ``async with`` there too: it is around the body, and around all Trio calls of the body. The
    steps of an iterator are taken in one Trio task of their own. Each call suspends the asyncio
    task; it is a checkpoint of Trio's where the function makes one. When asyncio cancels the task,
    the scope around the call is cancelled, and the task sees ``CancelledError`` when the call has
    ended, if it ended by that. Rules: 4.2 and 4.3 of the contract.
    """
    if issubclass(type(x), CoroutineType):  # type(): an object may lie about its __class__
        x.close()  # else Python warns that it was never awaited, which is beside the point
        raise TypeError(
            f"aio2trio() takes the async function, not a coroutine object. Write\n"
            f"    await aio2trio({x.__name__})(...)\n"
            f"instead of aio2trio({x.__name__}(...))"
        )
    if asyncio.isfuture(x) and not issubclass(type(x), View):
        raise TypeError(
            f"{shown(x)} belongs to asyncio. Write `await future` in asyncio code, "
            "or `await trio2aio(future)` in Trio code"
        )
    return _adapt(TRIO, x)


# What is adapted by itself gives and takes values as they are. A view's functions do not.
_FUNCTIONS: Final = {side: Caller(side, as_is, as_is, as_is) for side in VIEWS}


def _adapt(side: Side, x: Any) -> Any:
    if issubclass(type(x), View):
        return VIEWS[side].adapt(x)
    cls: Any = type(x)
    if issubclass(cls, staticmethod | classmethod):
        return cls(_adapt(side, x.__func__))
    if (found := original_of(x)) is not None:
        return x if found[0] is side else found[1]
    is_function = issubclass(cls, FUNCTIONS) or bool(inspect.ismethoddescriptor(x))
    if is_function and (is_async_function(x) or inspect.isasyncgenfunction(x)):
        return _FUNCTIONS[side].adapt(x)
    if issubclass(cls, CoroutineType):
        return AwaitableView(side, x, as_is)
    if asyncio.isfuture(x):
        return VIEWS[side].raw_view(x)
    return VIEWS[side].adapt(x)


aio_as_trio = trio2aio
trio_as_aio = aio2trio
