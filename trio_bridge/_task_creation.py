"""A loop's ``create_task``, which makes each task known to the nursery that owns it.

It is on the way of every task, so the common case, an ordinary task where no nursery of the user's
is open, is made here without the loop's own ``create_task`` below, and without a question: a call
of Python's costs some per cent of a short task. After the loop's first thousand nobody need know it
(:mod:`._loop_tasks`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from . import _private
from ._bridge import nearest, owning

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._loop_tasks import LoopTasks
    from ._task_nursery import LoopNursery, TaskNursery

# Before Python 3.12 a task does not tell its context.
_NURSERY: Final = "trio_bridge_nursery"


def started_in(thing: Any) -> TaskNursery | None:
    """The nursery in whose context a task or a callback was started."""
    context = _private.context_of(thing)
    nursery: TaskNursery | None = (
        getattr(thing, _NURSERY, None) if context is None else context.get(owning)
    )
    return nursery


class TaskCreation:
    """The exchanged method of one loop.

    Args:
      root: owns what no nursery of the user's owns. ``None``: nobody does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, root: LoopNursery | None) -> None:
        self._loop: Final[Any] = loop
        self._root: Final = root
        self._create: Final = loop.create_task
        self._tasks: Final = None if root is None else root.loop_tasks
        self._nurseries = 0
        if isinstance(loop, _private.TellsSettings):
            loop.settings_changes.append(self.choose)
        self.choose()

    def close(self) -> None:
        """Give the loop its own method back."""
        del self._loop.create_task
        if isinstance(self._loop, _private.TellsSettings):
            self._loop.settings_changes.remove(self.choose)

    def count_nurseries(self, change: int) -> int:
        """How many nurseries of the user's are open, after one is opened (1) or closed (-1)."""
        self._nurseries += change
        self.choose()
        return self._nurseries

    def choose(self) -> None:
        """The quickest way to make a task, as things are."""
        loop = self._loop
        is_ordinary = (
            not self._nurseries
            and isinstance(loop, _private.TellsSettings)  # which says when this changes:
            and loop.get_task_factory() is None
            and not loop.get_debug()
        )
        if self._tasks is None or not is_ordinary:
            loop.create_task = self.create_owned
        elif self._tasks.left:
            loop.create_task = _creation_of_known(loop, self._tasks, self)
        else:
            loop.create_task = _creation(loop, self)

    def create_owned(self, coro: Any, **options: Any) -> Any:
        task = self._create(coro, **options)
        try:
            _private.forget_source_frames(task, __file__)
            context = options.get("context")
            innermost = owning.get() if context is None else context.get(owning)
            nursery = nearest(innermost, self._loop) or self._root
            if nursery is not None:
                nursery.tasks.add(task)
                if nursery is not self._root and not _private.TASKS_TELL_CONTEXT:
                    try:  # noqa: SIM105 -- as in OwnedTasks.add
                        setattr(task, _NURSERY, nursery)
                    except AttributeError:
                        pass
            return task
        finally:
            del task  # an error of an eager task leads to this frame: no cycles


def _creation_of_known(
    loop: asyncio.AbstractEventLoop, tasks: LoopTasks, creation: TaskCreation
) -> Callable[..., Any]:
    new_task, add, forget = asyncio.Task, tasks.refs.add, tasks.refs.discard

    def create_task(coro: Any, **options: Any) -> Any:
        if options:
            return creation.create_owned(coro, **options)
        task = new_task(coro, loop=loop)
        if tasks.left:  # as LoopTasks.add() does
            tasks.left -= 1
            add(ref(task, forget))
        else:
            creation.choose()
        return task

    return create_task


def _creation(loop: asyncio.AbstractEventLoop, creation: TaskCreation) -> Callable[..., Any]:
    new_task = asyncio.Task

    def create_task(coro: Any, **options: Any) -> Any:
        return creation.create_owned(coro, **options) if options else new_task(coro, loop=loop)

    return create_task
