"""Async generators and iterators as seen from the other side: every step in one task of their own.

1. A generator becomes a real async generator of the other side, so that its finalization is that
   side's own: Trio's or asyncio's hooks, ``aclosing``, and what takes generators only.
2. An iterator of another kind keeps its task until it ends, is closed, or is garbage.
3. A generator that is cancelled at a step (or was, since the last) gets the cancellation where it
   stands, and is never left half closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import trio

from .._crossing.errors import check_awaitable, readable
from .._untrusted import shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .sides import Side

originals: Final[WeakKeyDictionary[object, tuple[Side, Any]]] = WeakKeyDictionary()
"""What a generator of the other side stands for."""


def generator(
    side: Side, original: AsyncGenerator[Any, Any], adapt: Callable[[Any], Any]
) -> AsyncGenerator[Any, Any]:
    """A generator for the other side."""
    view = generator_function(side, lambda: original, adapt)()
    view.__name__ = getattr(original, "__name__", view.__name__)  # type: ignore[attr-defined]
    view.__qualname__ = getattr(original, "__qualname__", view.__qualname__)  # type: ignore[attr-defined]
    originals[view] = (side, original)
    return view


def generator_function(
    side: Side, make: Callable[..., AsyncGenerator[Any, Any]], adapt: Callable[[Any], Any]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """The function for the other side, where ``make`` is the function of its own."""

    async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        original = make(*args, **kwargs)
        steps = _OwnSteps(original) if side.is_own() else _Steps(side, original, adapt)
        try:
            try:
                value = await steps.first()
                while True:
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as exc:
                        value = await steps.throw(exc)
                    else:
                        value = await steps.send(sent)
            finally:
                await steps.close()
        except StopAsyncIteration:
            return
        except GeneratorExit:
            raise
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    return side.holding_ctrl_c_back(generate)


class _OwnSteps:
    """The steps of a generator on its own side."""

    def __init__(self, original: AsyncGenerator[Any, Any]) -> None:
        self._original: Final = original

    async def first(self) -> Any:
        return await self._original.__anext__()

    async def send(self, value: Any) -> Any:
        return await self._original.asend(value)

    async def throw(self, exc: BaseException) -> Any:
        return await self._original.athrow(exc)

    async def close(self) -> None:
        await self._original.aclose()


class _Steps:
    """The steps of a generator in its owner."""

    def __init__(
        self, side: Side, original: AsyncGenerator[Any, Any], adapt: Callable[[Any], Any]
    ) -> None:
        self._original: Final = original
        self._adapt: Final = adapt
        self._owner: Final = side.owner(original.aclose, is_generator=True)
        self._has_begun = False

    @trio.lowlevel.enable_ki_protection
    async def first(self) -> Any:
        value = await self._owner.call(self._begin)
        return self._adapt(value)

    @trio.lowlevel.enable_ki_protection
    async def send(self, value: Any) -> Any:
        original = self._original
        if value is None:
            return self._adapt(await self._owner.advance(self._step, original.__anext__))
        return self._adapt(await self._owner.advance(self._step, original.asend, value))

    @trio.lowlevel.enable_ki_protection
    async def throw(self, exc: BaseException) -> Any:
        return self._adapt(await self._owner.advance(self._step, self._original.athrow, exc))

    @trio.lowlevel.enable_ki_protection
    async def close(self) -> None:
        owner = self._owner
        if self._has_begun and not owner.is_ending and not owner.has_ended:
            await owner.close(self._original.aclose)

    # ---- in the owner's task

    async def _begin(self) -> Any:
        self._has_begun = True
        return await self._step(self._original.__anext__)

    async def _step(self, method: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        owner = self._owner
        cancellation, owner.cancellation = owner.cancellation, None
        try:
            if cancellation is not None:
                return await self._original.athrow(cancellation)
            return await method(*args)
        except BaseException:
            owner.is_ending = True
            raise
        finally:
            del cancellation, args


class Iteration:
    """The steps of an async iterator that is no generator."""

    def __init__(self, side: Side, original: Any) -> None:
        self._side: Final = side
        self._original: Final = original
        self._has_ended = False
        """Whether it was exhausted, or closed."""
        self._owner = side.owner(nothing, is_generator=False)

    @trio.lowlevel.enable_ki_protection
    async def next(self) -> Any:
        """The next item, or ``StopAsyncIteration``."""
        if self._has_ended:
            if not self._side.can_call():
                raise StopAsyncIteration
            # Some can go on after their end: a file after seek().
            self._owner = self._side.owner(nothing, is_generator=False)
            self._has_ended = False
        if self._owner.is_busy:  # an iterator may allow that; a task takes one step at a time
            original = self._original
            return await self._side.crossing(type(original).__anext__)(original)
        return await self._owner.call(self._step)

    async def _step(self) -> Any:
        cancellation, self._owner.cancellation = self._owner.cancellation, None
        if cancellation is not None:
            # It came between two steps. Unlike a generator an iterator stands nowhere, to have it
            # thrown in: it comes at its next suspension, and has been counted.
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            task.uncancel()
        try:
            step = type(self._original).__anext__(self._original)
            check_awaitable(step, "__anext__")
            return await step
        except StopAsyncIteration:
            self._has_ended = self._owner.is_ending = True
            raise

    def check_is_free(self) -> None:
        """Refuse to be closed while a step is being taken."""
        if self._owner.is_busy and not self._has_ended:
            raise RuntimeError(
                f"{shown(self._original)} is closed while another task waits for an item"
            )

    @trio.lowlevel.enable_ki_protection
    async def aclose(self, aclose: Callable[[], Awaitable[Any]]) -> None:
        """Close the iterator by ``aclose``, and let go of its task."""
        if self._has_ended:
            await self._side.crossing(aclose)()
            return
        self._has_ended = True
        if not self._owner.has_ended:
            await self._owner.close(aclose)

    def __del__(self) -> None:
        if hasattr(self, "_owner"):  # there may be no loop to make one for
            self._owner.abandon()


async def nothing() -> None:
    """Close what can't be closed."""
