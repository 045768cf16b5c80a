"""The default engine: the standard library's selector loop, turned from outside.

Transports, TLS, pipes and subprocesses are the standard library's, unchanged. The selector's own
descriptor (epoll, kqueue) is readable whenever one of asyncio's descriptors is, so that a single
Trio task watches all of them.
"""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Final

import trio

from .. import _private
from ._interface import NOW
from ._stdlib_loop import StdlibEngine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_select: Final = selectors.DefaultSelector.select


# While callbacks are ready, and the last poll found nothing, so many turns go without a poll: it is
# a quarter of a short turn. Descriptors wait for a few callbacks more, as in a longer turn.
_TURNS_WITHOUT_POLL: Final = 3


class _PollingSelector(selectors.DefaultSelector):
    """A selector that never waits: Trio does that, on this selector's descriptor."""

    found_events = False
    _left_out = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0 and not self.found_events and self._left_out < _TURNS_WITHOUT_POLL:
            self._left_out += 1
            return []
        self._left_out = 0
        events = _select(self, 0)
        self.found_events = bool(events)
        return events


class SelectorEngine(StdlibEngine):
    """See :class:`._interface.Engine`, whose rules this keeps."""

    def __init__(self) -> None:
        self._selector = _PollingSelector()
        super().__init__(self._selector)
        self.descriptor: Final = self._selector.fileno()
        self._had_events = False  # since the loop was parked

    def turn(self) -> float:
        had_callbacks = bool(self._ready)
        self._run_once()
        if self._selector.found_events:
            self._had_events = True
            return NOW
        # What callbacks do after an event may make a descriptor ready, where both ends of a
        # connection are in this loop: another poll (a microsecond) is cheaper than to be parked and
        # woken (ten). To learn where it is in vain, and leave it out there, was tried twice: no
        # gain in asyncpg, and 2 to 7 % more instructions in short turns.
        if self._ready or (had_callbacks and self._had_events):
            return NOW
        self._had_events = False
        return _private.next_timer(self.loop)

    async def watch(self, drive: Callable[[], Awaitable[bool]]) -> None:
        while await drive():
            await trio.lowlevel.wait_readable(self.descriptor)
