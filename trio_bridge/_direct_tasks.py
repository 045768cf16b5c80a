"""Tasks that pass ``create_task`` by, and the nurseries that own them.

``asyncio.Task(coro, loop=loop, eager_start=True)``, as aiohttp writes it, tells nobody. Such a
task is found by its context, among all tasks of the loop, while it runs. (Python 3.11, where tasks
don't tell their context, has none that start eagerly.)

One look is for all nurseries, as there may be one for each connection, and all may end at once. It
is good until asyncio code has run again. On the asyncio side it may lack what was started in this
turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from . import _private
from ._bridge import by_loop, owning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._bridge import Bridge
    from ._task_nursery import TaskNursery


class DirectTasks:
    """The index of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self._seen_at = -1
        self._found: dict[TaskNursery, list[ref[asyncio.Task[Any]]]] = {}

    def of(self, nursery: TaskNursery) -> Iterator[asyncio.Task[Any]]:
        """Those of one nursery that have not ended; also such as it knows by ``create_task``."""
        bridge = by_loop[self._loop]
        if self._seen_at != bridge.side.visits:
            self._seen_at = bridge.side.visits
            self._look()
        for reference in self._found.get(nursery, ()):
            task = reference()
            if task is not None and not task.done() and not _is_called(task, nursery, bridge):
                yield task

    def _look(self) -> None:
        self._found = {}
        for task in asyncio.all_tasks(self._loop):
            context = _private.context_of(task)
            nursery = None if context is None else context.get(owning)
            if nursery is not None:
                self._found.setdefault(nursery, []).append(ref(task))


def _is_called(task: asyncio.Task[Any], nursery: TaskNursery, bridge: Bridge) -> bool:
    """Whether Trio code waits for the task, or the task is around the nursery, not inside."""
    host = bridge.host_of(task)
    return bridge.is_waited_for(task) or (host is not None and host.task is nursery.opener)
