"""When a pass of Trio's scheduler can be left out.

A checkpoint lets other Trio tasks run. It takes a pass of the scheduler, which costs more than all
the rest of a short crossing; where no other task can run, it does nothing but to look for I/O and
deadlines. So there it is made once in a while only: as seldom as where a loop is busy
(:mod:`._pump`), which keeps I/O and deadlines waiting for as long.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from ._engines import OtherThreads

if TYPE_CHECKING:
    from ._private import TrioTasks

# As for turns: the count is for a virtual clock, on which no time passes.
MOST_LEFT_OUT: Final = 100


class TrioPass:
    """The passes that all crossings to one loop make.

    Args:
      tasks: tells whether others can run; without, each checkpoint takes a pass.
      budget: for how many seconds passes may be left out.
    """

    __slots__ = ("_budget", "_due_at", "_left", "_look_at", "_tasks", "_threads")

    def __init__(self, tasks: TrioTasks | None, budget: float) -> None:
        self._tasks = tasks
        self._budget: Final = budget
        self._threads: Final = OtherThreads()
        self._left = 0
        self._due_at = self._look_at = 0.0

    def is_due(self) -> bool:
        """Whether the current task's checkpoint takes a pass. If not, it has been passed."""
        tasks = self._tasks
        if tasks is None:
            return True
        # is_recent() in line: this is a tenth of a short crossing.
        now = perf_counter()
        if self._left and (now < self._look_at or self._look(now)):
            if not tasks.passes_schedule_point():
                return True
            self._left -= 1
            return False
        self.made()
        return True

    def is_recent(self) -> bool:
        """Whether the last pass is so recent that one may be left out; counts those that are."""
        now = perf_counter()
        if not self._left or (now >= self._look_at and not self._look(now)):
            return False
        self._left -= 1
        return True

    def _look(self, now: float) -> bool:
        if now >= self._due_at:
            return False
        self._threads.let_run(now)  # in a pass they could
        self._look_at = min(self._threads.due_at, self._due_at)
        return True

    def made(self) -> None:
        """A pass is made here and now."""
        now = perf_counter()
        self._left = MOST_LEFT_OUT
        self._due_at = now + self._budget
        self._threads.have_run(now)
        self._look_at = min(self._threads.due_at, self._due_at)

    def close(self) -> None:
        """The run may end from here on: each checkpoint takes a pass."""
        self._tasks = None
