"""A Trio task waits for the loop and for Trio at once, in the middle of a step of its own.

Who gives the loop its turns has to wait when the loop is idle. In Trio that takes a pass of its
scheduler and four system calls for each message that comes. But where no other task can run, the
scheduler would do nothing but wait, too: for its descriptors, and for its next deadline. So the
task waits for all of that in its place, by one system call. If there is something for Trio, the
task returns to Trio at once; if there is something for the loop only, it makes the turn, and dozes
again. So does a host whose guest waits.

Whatever makes a Trio task run is one of the two: other threads and signals wake Trio by a socket
that is among its descriptors.
"""

from __future__ import annotations

import enum
import math
import select
from typing import TYPE_CHECKING, Final

from . import _private

if TYPE_CHECKING:
    from ._engines import Engine
    from ._private import AbortFn, TrioTasks

_LONGEST: Final = 3600.0  # seconds: the system call counts milliseconds in an int


class Found(enum.Enum):
    """What has ended a wait."""

    IO = "of the loop's"
    TIME = "the time that was given, or a deadline of Trio's"
    TRIO = "something that Trio has to handle"


class Doze:
    """The waits of one loop. Made by :func:`make_doze`."""

    __slots__ = ("_poll", "_tasks", "_trios", "_was_trios_too")

    def __init__(self, tasks: TrioTasks, trios: int, loops: int) -> None:
        self._tasks: Final = tasks
        self._trios: Final = trios
        self._was_trios_too = False
        self._poll: Final = select.poll()
        self._poll.register(trios, select.POLLIN)
        self._poll.register(loops, select.POLLIN)

    def begin(self, cancelled: AbortFn | None = None) -> None:
        """A row of waits begins, between which nothing but turns is made.

        Args:
          cancelled: what Trio calls if the current task is cancelled before :meth:`end`.
        """
        self._was_trios_too = False
        if cancelled is not None:
            self._tasks.set_abort(cancelled)

    def end(self) -> None:
        """The current task goes on."""
        self._tasks.set_abort(None)

    def wait(self, seconds: float) -> Found:
        """Wait for so long at most, and not at all if Trio has anything to do. No checkpoint."""
        if self._tasks.others_can_run():
            return Found.TRIO
        trios = self._tasks.seconds_to_deadline()
        if trios <= 0:  # lest a loop with one timer after the other keep Trio from it
            return Found.TRIO
        # To the millisecond that follows, as both wait themselves.
        events = self._poll.poll(max(0, math.ceil(min(seconds, trios, _LONGEST) * 1000)))
        if not events:
            return Found.TIME
        if len(events) == 1 and (events[0][0] == self._trios or events[0][1] == select.POLLNVAL):
            return Found.TRIO  # which says what is wrong if the loop's descriptor has been closed
        # While a task waits for the loop's descriptor in Trio, as the pump's does, Trio's is ready
        # by that alone, and is no more after the loop's turns: what is left then is for Trio.
        was_trios_too, self._was_trios_too = self._was_trios_too, len(events) == 2
        return Found.TRIO if was_trios_too and self._was_trios_too else Found.IO


def make_doze(tasks: TrioTasks | None, engine: Engine) -> Doze | None:
    """What this Trio run allows: none on a virtual clock, which jumps where Trio waits."""
    descriptor = engine.descriptor
    if tasks is None or tasks.descriptor is None or descriptor is None:
        return None
    if not _private.is_system_clock(tasks.clock):
        return None
    return Doze(tasks, tasks.descriptor, descriptor)
