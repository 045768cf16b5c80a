"""A loop's ``create_task``, which makes each task known to the nursery that owns it.

It is on the way of every task, so the common case, an ordinary task outside of all nurseries of the
user's, is made here without the loop's own ``create_task`` below: the two together would cost a
tenth of a short task.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from . import _private
from ._bridge import nearest, owning

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._task_nursery import TaskNursery

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

    def __init__(self, loop: asyncio.AbstractEventLoop, root: TaskNursery | None) -> None:
        self._loop: Final = loop
        self._root: Final = root
        self._create: Final = loop.create_task
        create_task = self._create_owned if root is None else self._fast(root)
        setattr(loop, "create_task", create_task)  # noqa: B010 -- mypy: a method

    def close(self) -> None:
        """Give the loop its own method back."""
        delattr(self._loop, "create_task")

    def _fast(self, root: TaskNursery) -> Callable[..., Any]:
        loop, create_owned = self._loop, self._create_owned
        innermost, new_task = owning.get, asyncio.Task
        add, forget = root.tasks.refs.add, root.tasks.refs.discard
        settings, ordinary = _private.task_settings(loop), _private.ORDINARY_TASKS

        def create_task(coro: Any, **options: Any) -> Any:
            if options or innermost() is not None or settings() != ordinary:
                return create_owned(coro, **options)
            task = new_task(coro, loop=loop)
            add(ref(task, forget))
            return task

        return create_task

    def _create_owned(self, coro: Any, **options: Any) -> Any:
        task = self._create(coro, **options)
        try:
            _private.forget_source_frames(task, __file__)
            context = options.get("context")
            innermost = owning.get() if context is None else context.get(owning)
            nursery = nearest(innermost, self._loop) or self._root
            if nursery is not None:
                nursery.tasks.add(task)
                if nursery is not self._root and not _private.TASKS_TELL_CONTEXT:
                    setattr(task, _NURSERY, nursery)
            return task
        finally:
            del task  # an error of an eager task leads to this frame: no cycles
