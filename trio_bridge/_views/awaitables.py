"""Awaitable objects as seen from the other side."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

import trio

from .._crossing.errors import readable
from .._untrusted import is_coroutine
from .sides import ASYNCIO, TRIO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from .sides import Side


async def _await(awaitable: Awaitable[Any], begun: list[bool]) -> Any:
    begun.append(True)
    return await awaitable


def _as_coroutine(awaitable: Awaitable[Any], begun: list[bool]) -> Awaitable[Any]:
    # A coroutine object becomes the guest itself; other awaitables need a coroutine around them.
    if type(awaitable) is CoroutineType:
        return awaitable
    if hasattr(type(awaitable), "asFuture"):
        return _await_deferred(awaitable, begun)
    return _await(awaitable, begun)


async def _await_deferred(deferred: Any, begun: list[bool]) -> Any:
    # Twisted's: its own await is for Twisted's coroutines only, and this is its way to asyncio.
    begun.append(True)
    return await deferred.asFuture(asyncio.get_running_loop())


_crossings: Final = {ASYNCIO: ASYNCIO.crossing(_as_coroutine), TRIO: TRIO.crossing(_await)}


@trio.lowlevel.enable_ki_protection
def await_across(side: Side, awaitable: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """What ``__await__`` returns to code of the other side."""
    begun: list[bool] = []
    try:
        return (yield from _crossings[side](awaitable, begun).__await__())
    except BaseException:
        if not begun:
            _drop(awaitable)
        raise


def _drop(awaitable: Awaitable[Any]) -> None:
    """Cancelled before it began: what was to be awaited is not wanted any more."""
    if type(awaitable) is CoroutineType:
        if inspect.getcoroutinestate(awaitable) == inspect.CORO_CREATED:
            awaitable.close()
    elif is_coroutine(awaitable):  # what holds one, as aiohttp's requests
        awaitable.close()  # type: ignore[attr-defined]


class AwaitableView:
    """A coroutine object for code of the other side to await, once.

    It passes for a coroutine object itself: ``nursery.start_soon(library.function)`` and
    ``create_task(view)`` ask for one. Trio then awaits it, as it has no frame; an asyncio task
    takes its steps.
    """

    __slots__ = ("_result", "_steps", "original", "side")

    def __init__(self, side: Side, original: Awaitable[Any], result: Callable[[Any], Any]) -> None:
        self.side = side
        self.original = original
        self._result = result
        self._steps: Any = None  # a generator

    def __await__(self) -> Generator[Any, Any, Any]:
        original = self.original
        try:
            if self.side.is_own():
                return (yield from _await(original, []).__await__())
            value = yield from await_across(self.side, original)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback
        return self._result(value)

    def send(self, value: Any) -> Any:
        """Take a step."""
        if self._steps is None or self._steps.gi_frame is None:  # a second task: it may not
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """Take a step that begins with an error."""
        if self._steps is None:
            self.close()
            self._steps = self.__await__()
        return self._steps.throw(*error)

    def close(self) -> None:
        """Close the coroutine object without awaiting it.

        Raises:
          ValueError: the other side is running it, and would find its scopes left.
        """
        if type(self.original) is CoroutineType:
            if inspect.getcoroutinestate(self.original) == inspect.CORO_SUSPENDED:
                raise ValueError("coroutine already executing")
            self.original.close()

    def __getattr__(self, name: str) -> Any:
        # Trio names it, who says that it wants a function; asyncio, whose task it is.
        if name in ("__name__", "__qualname__"):
            return getattr(self.original, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"{self.side.adapter}({self.original!r})"


_coroutine: Any = Coroutine  # an ABC, which pyright doesn't know
_coroutine.register(AwaitableView)
