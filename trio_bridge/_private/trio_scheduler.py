"""Names of Trio's scheduler, its tasks and scopes."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

# Without these two names (a future Trio) a program that starts from Trio goes on, and misuse is a
# later and darker error. A guest can't be kept then, and `_guest` says so. tests/test_private.py
# reports the absence.
_run_context: Any = getattr(getattr(trio._core, "_run", None), "GLOBAL_RUN_CONTEXT", None)
_system_clock: Any = getattr(getattr(trio._core, "_run", None), "SystemClock", None)


def trio_run_vars() -> dict[str, Any]:
    """This thread's part of Trio's run context: ``task`` is in it while a Trio task runs."""
    return {} if _run_context is None else vars(_run_context)


def knows_run_context() -> bool:
    """Whether :func:`trio_run_vars` has what Trio keeps there."""
    return _run_context is not None


def is_trios_sigint_handler(handler: object) -> bool:
    """Whether Trio has installed it."""
    return getattr(handler, "__module__", "").partition(".")[0] == "trio"


def is_system_clock(clock: trio.abc.Clock) -> bool:
    """Whether Trio runs on real time."""
    if _system_clock is None:
        from trio.testing import MockClock  # a slow import, for a Trio that does not exist yet

        return not isinstance(clock, MockClock)
    return isinstance(clock, _system_clock)


# ---- Trio's checkpoint, for a crossing, which is little more than one


def _message_of(checkpoint: Coroutine[object, Any, None]) -> object:
    message = checkpoint.send(None)
    checkpoint.close()
    return message


_SCHEDULE: Final = _message_of(trio.lowlevel.cancel_shielded_checkpoint())  # noqa: ASYNC105


@types.coroutine
def schedule_point() -> Generator[object, Any, None]:
    """``trio.lowlevel.cancel_shielded_checkpoint``, with one frame instead of three."""
    yield _SCHEDULE


def _passes_cancel_point(run_vars: dict[str, Any]) -> bool:
    """Count a cancel point of the running Trio task, unless it is cancelled, or gets Ctrl-C.

    What ``trio.lowlevel.checkpoint_if_cancelled`` looks at. If false, that is to be awaited.

    Args:
      run_vars: from :func:`trio_run_vars`.
    """
    task = run_vars.get("task")
    if task is None or task._cancel_status.effectively_cancelled:
        return False
    if task._runner.ki_pending:
        return False
    task._cancel_points += 1
    return True


def _never(run_vars: dict[str, Any]) -> bool:
    return False


_KNOWS_CANCEL_POINTS: Final = all(
    hasattr(getattr(getattr(trio._core, "_run", None), cls, None), name)
    for cls, name in (
        ("Task", "_cancel_points"),
        ("Task", "_runner"),
        ("Task", "_cancel_status"),
        ("CancelStatus", "effectively_cancelled"),
        ("Runner", "ki_pending"),
    )
)
passes_cancel_point: Final = _passes_cancel_point if _KNOWS_CANCEL_POINTS else _never


# ---- what the task tree reads. Where a name is missing the tree is poorer.

_runner_class: Any = getattr(getattr(trio._core, "_run", None), "Runner", ())


def trio_root_here() -> trio.lowlevel.Task | None:
    """The root task of the Trio run of this thread, if there is one."""
    runner: Any = trio_run_vars().get("runner")
    # Not the public current_root_task(): asking a ``TrioToCome`` for anything starts Trio.
    return getattr(runner, "init_task", None) if isinstance(runner, _runner_class) else None


def nurseries_of(task: trio.lowlevel.Task) -> list[trio.Nursery]:
    """The nurseries that a Trio task has open, outermost first, but for one that is half made.

    Trio lists a nursery before it gives it a scope and children, and a signal may come between.
    """
    return [
        nursery
        for nursery in task.child_nurseries
        if hasattr(nursery, "cancel_scope") and hasattr(nursery, "child_tasks")
    ]


def scopes_of(task: trio.lowlevel.Task) -> list[tuple[trio.CancelScope, bool]]:
    """The cancel scopes that a Trio task is in and has opened itself, outermost first.

    With each of them, whether it was cancelled.
    """
    nursery: Any = task.parent_nursery
    found: list[tuple[trio.CancelScope, bool]] = []
    try:
        status: Any = task._cancel_status
        end = None if nursery is None else nursery._cancel_status
        while status is not None and status is not end:
            found.append((status._scope, status._scope._cancel_called))
            status = status._parent
    except AttributeError:
        return [(child.cancel_scope, False) for child in nurseries_of(task)]
    found.reverse()
    return found


def birth_of(task: trio.lowlevel.Task) -> int:
    """A number that is larger for tasks that were started later."""
    return getattr(task, "_counter", 0)


def clock_of(task: trio.lowlevel.Task) -> trio.abc.Clock | None:
    """The clock of the task's run."""
    return getattr(getattr(task, "_runner", None), "clock", None)
