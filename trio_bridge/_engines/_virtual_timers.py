"""Timers on a clock that is not the real one, for an engine whose own know only that."""

from __future__ import annotations

import asyncio
import heapq
import math
from typing import TYPE_CHECKING, Any, Final

from .. import _private

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context


class VirtualTimers:
    """The timers of one loop.

    Args:
      loop: has a method ``_timer_handle_cancelled``, which a cancelled timer calls.
      current_time: the clock, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, current_time: Callable[[], float]) -> None:
        self._loop: Final = loop
        self._current_time: Final = current_time
        # A timer that is cancelled stays until it is the earliest. The number keeps their order.
        self._heap: Final[list[tuple[float, int, asyncio.TimerHandle]]] = []
        self._count = 0

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As ``loop.call_at()``. What is no number is refused here, not when it is due."""
        when += 0.0
        handle = asyncio.TimerHandle(when, callback, args, self._loop, context)
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As ``loop.call_later()``."""
        when = self._current_time() + delay
        return self._loop.call_at(when, callback, *args, context=context)

    def make_ready(self) -> None:
        """Schedule what is due."""
        while self._heap and self.next_due() <= self._current_time():
            _, _, handle = heapq.heappop(self._heap)
            self._loop.call_soon(_run, handle)

    def next_due(self) -> float:
        """When the earliest timer that was not cancelled is due, or infinity."""
        heap = self._heap
        while heap and heap[0][2].cancelled():
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf


def _run(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():  # by a callback that came first
        _private.run_handle(handle)()
