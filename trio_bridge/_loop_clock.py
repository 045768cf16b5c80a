"""Trio's clock where Trio is the guest of an asyncio loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    import asyncio

    from ._private import GuestDoor


# uvloop's time is that of the beginning of its turn, which may have been a while ago.
_LATE: Final = 60.0


class LoopClock(trio.abc.Clock):
    """The loop's time. Without Trio's thread the loop waits, not Trio."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self.is_virtual: Final = abs(loop.time() - time.monotonic()) > _LATE
        """Whether the loop's time is not the real one."""
        self.door: GuestDoor | None = None
        self.next_deadline: float | None = None
        """What Trio waits for, if it has asked since the last tick: no task can run."""

    def forget_deadline(self) -> None:
        """A tick begins."""
        self.next_deadline = None

    def start_clock(self) -> None:
        """Nothing to do."""

    def current_time(self) -> float:
        """Seconds."""
        return self._time()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio has nothing to run until ``deadline``, and asks how long it may wait for I/O."""
        self.next_deadline = deadline
        if self.door is not None and not self.door.waits_for_idle():
            return 0
        return deadline - self._time()

    def release(self) -> None:
        """Trio has ended: let go of the loop."""
        now = self._time()
        self._time = lambda: now
        self.door = None
