"""How a cancellation looks on the other side: Trio's is level-triggered, asyncio's is an edge.

1. Trio asks a guest to end by one ``Task.cancel()``, and waits for it however long it takes.
2. A guest that then ends by ``CancelledError`` ends the call by ``trio.Cancelled``. Any other value
   or error is returned or raised as it is.
3. In an exception group, where Trio asked, each ``CancelledError`` becomes a ``trio.Cancelled``; a
   group of nothing else becomes one.
4. The same the other way for a Trio call that asyncio's task makes.
5. Somebody who waits for long is told whom they wait for.
"""

from __future__ import annotations

import warnings
from contextvars import Context
from typing import TYPE_CHECKING, Final

import trio

from .._frames import package_of
from .._untrusted import notes_of
from .stack import awaits, format_awaits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


def convert_group(
    group: BaseExceptionGroup[BaseException],
    was: type[BaseException] | tuple[type[BaseException], ...],
    becomes: BaseException,
) -> BaseException:
    """Replace each leaf of type ``was``; one alone if there are no others (rule 3)."""
    # Not split(), which calls the derive() of the group's own class.
    is_one = [isinstance(leaf, was) for leaf in _leaves(group)]
    if not any(is_one):
        return group
    if all(is_one):
        return becomes
    return _replace_leaves(group, was, becomes)


def _replace_leaves(
    group: BaseExceptionGroup[BaseException],
    was: type[BaseException] | tuple[type[BaseException], ...],
    becomes: BaseException,
) -> BaseExceptionGroup[BaseException]:
    # Not derive(): for an ExceptionGroup that would be one again, which can't hold a Cancelled.
    converted = BaseExceptionGroup(
        group.message,
        [
            _replace_leaves(exc, was, becomes)
            if isinstance(exc, BaseExceptionGroup)
            else (becomes if isinstance(exc, was) else exc)
            for exc in group.exceptions
        ],
    )
    converted.__cause__ = group.__cause__
    converted.__context__ = group.__context__
    converted.__suppress_context__ = group.__suppress_context__
    for note in notes_of(group):
        converted.add_note(note)
    return converted.with_traceback(group.__traceback__)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc


def holds(group: BaseExceptionGroup[BaseException], kind: type[BaseException]) -> bool:
    """Whether one of the group's leaves is of the type."""
    return any(isinstance(leaf, kind) for leaf in _leaves(group))


def first_cancelled(group: BaseExceptionGroup[BaseException]) -> trio.Cancelled | None:
    """A ``trio.Cancelled`` of the group's leaves, if it has one."""
    for exc in group.exceptions:
        found = first_cancelled(exc) if isinstance(exc, BaseExceptionGroup) else exc
        if isinstance(found, trio.Cancelled):
            return found
    return None


async def pending_interruption() -> BaseException | None:
    """The cancellation (or Ctrl-C) that the current Trio task would get at a checkpoint."""
    try:
        await trio.lowlevel.checkpoint_if_cancelled()
    except (trio.Cancelled, KeyboardInterrupt) as exc:
        return exc.with_traceback(None)  # which leads here, and to all who wait for us: no cycles
    return None


class CancelReminder:
    """Watches a task that was asked to end: warns, and where the user wants it asks again.

    Args:
      why: who cancelled it; follows the word "cancelled" in the warning.
    """

    def __init__(
        self,
        guest: asyncio.Task[object],
        why: str,
        *,
        warn_after: float | None,
        redeliver_after: float | None,
    ) -> None:
        self._guest: Final = guest
        self._why: Final = why
        self._warning: asyncio.TimerHandle | None = None
        self._redelivery: asyncio.TimerHandle | None = None
        # asyncio keeps a cancelled timer, and its context, until it is due.
        self._context: Final = Context()
        loop = guest.get_loop()
        if warn_after is not None:
            self._warning = loop.call_later(
                warn_after, self._warn, warn_after, context=self._context
            )
        if redeliver_after is not None:
            self._redeliver_later(loop, redeliver_after)

    def stop(self) -> None:
        for timer in (self._warning, self._redelivery):
            if timer is not None:
                timer.cancel()

    def _warn(self, seconds: float) -> None:
        guest = self._guest
        if guest.done():
            return  # the loop was busy for long, and nobody has had the time to stop us
        name, place = repr(guest), ""
        if hasattr(guest, "get_coro"):  # else it is a future, which a task factory may return
            name, place = guest.get_name(), f" It waits here:\n{format_awaits(guest.get_coro())}"
        filename, lineno = _waits_at(guest)
        warnings.warn_explicit(
            f"{name} was cancelled {self._why} {seconds:g} s ago and has "
            "not ended: its code swallowed the CancelledError, or cleans up for long. The scope "
            f"waits for it. Pass redeliver_cancel_after=... to cancel it again.{place}",
            RuntimeWarning,
            filename,
            lineno,
        )

    def _redeliver(self, seconds: float) -> None:
        self._guest.cancel()
        if getattr(self._guest, "cancelling", int)() > 1:
            self._guest.uncancel()  # it is the same that asks
        self._redeliver_later(self._guest.get_loop(), seconds)

    def _redeliver_later(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._redelivery = loop.call_later(seconds, self._redeliver, seconds, context=self._context)


def _waits_at(task: asyncio.Task[object]) -> tuple[str, int]:
    """The innermost line of the task's that is not asyncio's."""
    found = __file__, 0
    for frame, lineno in awaits(getattr(task, "get_coro", _nothing)()):
        if package_of(frame) != "asyncio":
            found = frame.f_code.co_filename, lineno
    return found


def _nothing() -> None: ...
