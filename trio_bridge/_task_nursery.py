"""Nurseries for asyncio tasks: who owns what asyncio starts.

1. A nursery owns each asyncio task that is started in its context (:mod:`._owned_tasks`), and the
   Trio calls that these tasks make (:mod:`._call_nursery`).
2. An error that nobody awaits (:mod:`._tracking`) cancels the nursery's block at once, and leaves
   it in an ExceptionGroup.
3. Nothing that a nursery owns outlives its block. What is left when the nursery is cancelled gets
   one ``Task.cancel()``, and is awaited.
4. The loop's own nursery is the outermost. When its body has ended it cancels all tasks of the
   loop, where one that the user opened waits for its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import trio

from ._call_nursery import CallNursery
from ._crossing.cancellation import CancelReminder
from ._loop_tasks import LoopTasks
from ._owned_tasks import OwnedTasks
from ._private import get_running_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._bridge import Bridge


class TaskNursery(CallNursery):
    """What all nurseries for asyncio tasks have in common.

    Args:
      scope: what a failure cancels.
      tasks: those that it owns, known in a way of their own.
    """

    parent: TaskNursery | None = None
    """The nursery around this one."""
    end_task: trio.lowlevel.Task | None = None
    """The Trio task in which it waits for its asyncio tasks."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        scope: trio.CancelScope,
        tasks: OwnedTasks | None = None,
    ) -> None:
        super().__init__(loop)
        self.tasks: Final = OwnedTasks(loop) if tasks is None else tasks
        self.errors: Final[list[BaseException]] = []
        """The errors that nobody awaits."""
        self.scope: Final = scope
        self._cancelled: Final[WeakSet[asyncio.Task[Any]]] = WeakSet()
        self._trio_token: Final = trio.lowlevel.current_trio_token()

    def fail(self, exc: BaseException) -> None:
        """An error ends the block."""
        if not any(exc is known for known in self.errors):
            self.errors.append(exc)
        self._cancel_block()

    def _cancel_block(self) -> None:
        if get_running_loop() is self.loop:
            self.scope.cancel()
        else:
            # From the garbage collector: in any thread, or in the middle of Trio's scheduler.
            with contextlib.suppress(trio.RunFinishedError):
                self._trio_token.run_sync_soon(self.scope.cancel, idempotent=True)

    def remaining(self, bridge: Bridge) -> set[asyncio.Task[Any]]:
        """The tasks that have not ended and are to be cancelled. Called asyncio-side."""
        return self.tasks.known_running()

    async def cancel_tasks(self, bridge: Bridge, why: str) -> None:
        """Cancel the tasks that are left, and await them, until there are none. Asyncio side."""
        this_task = asyncio.current_task()
        ended: set[asyncio.Task[Any]] = set()
        while remaining := self.remaining(bridge) - {this_task}:
            # Those that know come first: they may have started others, to clean up.
            waiting = remaining.intersection(self._cancelled)
            if not waiting:
                waiting = remaining
                for task in remaining:
                    bridge.cancelled_once.cancel(task)
                    self._cancelled.add(task)
            ended |= remaining - bridge.awaited_guests
            with _reminders(waiting, bridge, why), contextlib.suppress(asyncio.CancelledError):
                # The error is from a task that cleans up by cancelling all tasks, ours included.
                await asyncio.wait(waiting)
        await a_turn()
        self.tasks.report_unawaited(ended)


async def a_turn() -> None:
    """Let those who wait for a task that ended just now have its error, before it is looked at."""
    with contextlib.suppress(asyncio.CancelledError):  # by who cancels all tasks
        await asyncio.sleep(0)


@contextlib.contextmanager
def _reminders(tasks: set[asyncio.Task[Any]], bridge: Bridge, why: str) -> Iterator[None]:
    reminders = [
        CancelReminder(
            task,
            why,
            warn_after=bridge.cancel_warn_after,
            redeliver_after=bridge.redeliver_cancel_after,
        )
        for task in tasks
    ]
    try:
        yield
    finally:
        for reminder in reminders:
            reminder.stop()


class LoopNursery(TaskNursery):
    """The nursery of one ``open_loop`` block."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.body_scope: Final = trio.CancelScope()
        self.loop_tasks: Final = LoopTasks(loop)
        super().__init__(loop, self.body_scope, self.loop_tasks)
        self.exits: Final[list[BaseException]] = []

    def exit(self, exc: BaseException) -> None:
        """``SystemExit`` or ``KeyboardInterrupt`` of asyncio code ends the block."""
        self.exits.append(exc)
        self._cancel_block()

    def remaining(self, bridge: Bridge) -> set[asyncio.Task[Any]]:
        """All tasks of the loop: guests, and what else the bridge has made, are among them.

        Those that Trio code waits for, or has a manager or a generator or a nursery around, come
        last if that code may be called by another of the tasks. It is cancelled with that, and
        cancels them in its own way: once, and not if it is shielded.
        """
        tasks = asyncio.all_tasks(self.loop)
        guests = bridge.hosts.keys() - bridge.guests_from_outside()
        others = tasks - bridge.in_steps - guests - {asyncio.current_task()}
        for nursery in bridge.nurseries:
            others -= nursery.tasks.known_running()
        return others or tasks
