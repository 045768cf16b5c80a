"""The asyncio tasks that one nursery owns: those that were started in its context.

asyncio hands the context down to each task and each callback, and a context variable says which
nursery is the innermost (:data:`._bridge.owning`). So a task has its owner however deep in library
code it was started, and whatever the task factory.

1. Tasks that come from ``loop.create_task`` (:mod:`._task_creation`) are known as long as they
   live, by weak references: when the last user of a failed task lets it go, asyncio says at once
   that nobody has awaited it. (Of the loop's own nursery a thousand are: :mod:`._loop_tasks`.)
2. A failed task that somebody holds, and nobody has awaited, is found when its nursery ends.
3. Tasks that pass ``create_task`` by are found while they run (:mod:`._direct_tasks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from . import _private

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator


class OwnedTasks:
    """See the rules above."""

    __slots__ = ("loop", "refs")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self.refs: Final[set[ref[asyncio.Task[Any]]]] = set()
        """Each discards itself when its task goes."""

    def add(self, task: asyncio.Task[Any]) -> None:
        """A task was started."""
        try:  # noqa: SIM105 -- contextlib.suppress() costs some per cent of a short task
            self.refs.add(ref(task, self.refs.discard))
        except TypeError:
            # What a task factory has put around a task can't be weakly referred to: the task in it
            # is found as those of rule 3 are.
            pass

    def known_running(self) -> set[asyncio.Task[Any]]:
        """Those of them that came from ``create_task``."""
        return {task for task in self.known() if not task.done()}

    def known(self) -> Iterator[asyncio.Task[Any]]:
        """Those that came from ``create_task``, and live."""
        for reference in list(self.refs):
            if (task := reference()) is not None:
                yield task

    def has_unawaited(self) -> bool:
        """Whether there is a failed task that nobody has awaited."""
        return any(_is_unawaited(task) for task in self.known())

    def report_unawaited(self, others: Iterable[asyncio.Task[Any]] = ()) -> bool:
        """Say of each failed task, and of others, that nobody has awaited it (rule 2).

        Called on the asyncio side. Returns whether there was one.
        """
        has_reported = False
        for task in {*self.known(), *others}:
            if _is_unawaited(task):
                self.loop.call_exception_handler(
                    {
                        "message": "Task exception was never retrieved",
                        "exception": task.exception(),  # which retrieves it
                        "task": task,
                    }
                )
                has_reported = True
        return has_reported


def _is_unawaited(task: asyncio.Task[Any]) -> bool:
    return task.done() and _private.is_unretrieved(task)
