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
_MOST_LEFT_OUT: Final = 100


class TrioPass:
    """The checkpoints of all crossings to one loop.

    Args:
      tasks: tells whether others can run; without, each checkpoint takes a pass.
      budget: for how many seconds passes may be left out.
    """

    __slots__ = ("_budget", "_due_at", "_left", "_tasks", "threads")

    def __init__(self, tasks: TrioTasks | None, budget: float) -> None:
        self._tasks = tasks
        self._budget: Final = budget
        self._left = 0
        self._due_at = 0.0
        self.threads: Final = OtherThreads()
        """They can run in a pass; where there is none they need a moment now and then."""

    def is_due(self) -> bool:
        """Whether the current task's checkpoint takes a pass. If not, it has been passed."""
        tasks = self._tasks
        if tasks is None:
            return True
        now = perf_counter()
        if self._left and now < self._due_at and not tasks.others_can_run():
            self._left -= 1
            self.threads.let_run(now)
            tasks.count_schedule_point()
            return False
        self._left = _MOST_LEFT_OUT
        self._due_at = now + self._budget
        return True

    def close(self) -> None:
        """The run may end from here on: each checkpoint takes a pass."""
        self._tasks = None
