"""The asyncio tasks that one nursery owns: those that were started in its context.

asyncio hands the context down to each task and each callback, and a context variable says which
nursery is the innermost (:data:`._bridge.owning`). So a task has its owner however deep in library
code it was started, and whatever the task factory.

1. Tasks that come from ``loop.create_task`` (:mod:`._task_creation`) are known as long as they
   live, by weak references: when the last user of a failed task lets it go, asyncio says at once
   that nobody has awaited it.
2. A failed task that somebody holds, and nobody has awaited, is found when its nursery ends.
3. ``asyncio.Task(coro, eager_start=True)``, which aiohttp writes, passes ``create_task`` by. Such a
   task is found by its context, while it runs. (Python 3.11, where tasks don't tell their context,
   has none that start eagerly.)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from . import _private
from ._bridge import by_loop, owning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._bridge import Bridge
    from ._task_nursery import TaskNursery


class OwnedTasks:
    """See the rules above."""

    __slots__ = ("_nursery", "refs")

    def __init__(self, nursery: TaskNursery) -> None:
        self._nursery: Final = nursery
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

    def running(self) -> set[asyncio.Task[Any]]:
        """The tasks that have not ended."""
        running = {task for task in self._known() if not task.done()}
        running.update(self._started_directly())
        return running

    def _known(self) -> Iterator[asyncio.Task[Any]]:
        for reference in list(self.refs):
            if (task := reference()) is not None:
                yield task

    def _started_directly(self) -> Iterator[asyncio.Task[Any]]:
        nursery = self._nursery
        bridge = by_loop[nursery.loop]
        for task in asyncio.all_tasks(nursery.loop):
            context = _private.context_of(task)
            is_inside = context is not None and context.get(owning) is nursery
            if is_inside and not bridge.is_waited_for(task) and not self._is_around(task, bridge):
                yield task

    def _is_around(self, task: asyncio.Task[Any], bridge: Bridge) -> bool:
        """Whether the nursery is one that the task itself has open, and not one that owns it."""
        host = bridge.host_of(task)
        return host is not None and host.task is self._nursery.opener

    def report_unawaited(self, others: Iterable[asyncio.Task[Any]] = ()) -> bool:
        """Say of each failed task, and of others, that nobody has awaited it (rule 2).

        Called on the asyncio side. Returns whether there was one.
        """
        has_reported = False
        for task in {*self._known(), *others}:
            if task.done() and _private.is_unretrieved(task):
                self._nursery.loop.call_exception_handler(
                    {
                        "message": "Task exception was never retrieved",
                        "exception": task.exception(),  # which retrieves it
                        "task": task,
                    }
                )
                has_reported = True
        return has_reported
