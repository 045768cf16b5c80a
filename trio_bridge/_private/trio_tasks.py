"""Whether Trio has anything to do but the task that asks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final, NoReturn

import trio

from .trio_scheduler import trio_run_vars

if TYPE_CHECKING:
    from types import FrameType

AbortFn = Callable[[Callable[[], NoReturn]], trio.lowlevel.Abort]
"""What Trio calls to end a wait that is cancelled: ``abort_fn`` of ``wait_task_rescheduled``."""

_run_module: Any = getattr(trio._core, "_run", None)
_scheduler_code: Any = getattr(getattr(_run_module, "unrolled_run", None), "__code__", None)

# The tasks that are still to run in this pass are in a local variable of Trio's, and nowhere else.
_BATCH: Final = "batch"

_SHOWS_VARIABLES: Final = sys.version_info >= (3, 13)


class TrioTasks:
    """The tasks of the Trio run of this thread. Made by :func:`trio_tasks_here`.

    It keeps the frame of Trio's scheduler, and so all that this refers to: forget it before the
    run ends.
    """

    __slots__ = ("_frame", "_hooks", "_run_vars", "_runner", "clock", "descriptor")

    def __init__(self, runner: Any, frame: FrameType, run_vars: dict[str, Any]) -> None:
        self._runner: Final = runner
        self._frame: Final = frame
        self._run_vars: Final = run_vars
        self._hooks: Final = runner.instruments.data
        self.clock: Final[trio.abc.Clock] = runner.clock
        epoll: Any = getattr(runner.io_manager, "_epoll", None)
        self.descriptor: Final[int | None] = None if epoll is None else epoll.fileno()
        """It becomes readable when Trio has I/O to handle, or is called. None: there is no such."""
        _ = runner.waiting_for_idle, runner.deadlines.next_deadline, runner.runq

    def others_can_run(self) -> bool:
        """Whether a pass of the scheduler would let another task run now, or somebody watches it.

        To be asked by a task. Not asked are Trio's I/O, deadlines, and calls of threads.
        """
        # The first hook is the list of all instruments.
        return bool(self._runner.runq or self._frame.f_locals[_BATCH] or len(self._hooks) > 1)

    def passes_schedule_point(self) -> bool:
        """Count a schedule point of the current task, without a pass, unless others can run."""
        if self._runner.runq or self._frame.f_locals[_BATCH] or len(self._hooks) > 1:
            return False
        self._run_vars["task"]._schedule_points += 1
        return True

    def set_abort(self, abort: AbortFn | None) -> None:
        """What Trio calls, once, if the current task is cancelled, as if it waited; or nothing."""
        self._run_vars["task"]._abort_func = abort

    def seconds_to_deadline(self) -> float:
        """For how long the scheduler would wait at most, were no task to run."""
        if self._runner.waiting_for_idle:
            return 0
        deadline: float = self._runner.deadlines.next_deadline()
        return deadline if deadline == inf else self.clock.deadline_to_sleep_time(deadline)


def trio_tasks_here() -> TrioTasks | None:
    """The tasks of the Trio run that the current task belongs to, if they can be asked.

    Before Python 3.13 (PEP 667) to look at a variable of a frame is slow, and keeps copies of all
    of them alive. A guest's host loop is to run in each pass.
    """
    run_vars = trio_run_vars()
    task: Any = run_vars.get("task")
    if not _SHOWS_VARIABLES or _scheduler_code is None or task is None:
        return None
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not _scheduler_code:
        frame = frame.f_back
    try:
        runner = task._runner
        if frame is None or runner.is_guest or type(frame.f_locals[_BATCH]) is not list:
            return None
        _ = task._schedule_points, task._abort_func
        return TrioTasks(runner, frame, run_vars)
    except (AttributeError, LookupError):
        return None
    finally:
        del frame  # which leads to this one
