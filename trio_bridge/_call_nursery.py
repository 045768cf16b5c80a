"""Who owns the Trio calls that asyncio's own tasks make.

1. A Trio call made by a task that no Trio call hosts runs in a Trio task here. While the block's
   surroundings are not cancelled it has their scopes and deadline. When they are cancelled, it is
   cancelled with them. What the asyncio task calls after that, to clean up, is shielded from them.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio
from trio.lowlevel import Abort

from ._bridge import by_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ._asyncio_side import AsyncioSide
    from ._crossing.to_trio import TrioCall


class Cancellable(Protocol):
    """Trio code that runs for an asyncio task."""

    task: asyncio.Task[Any]

    @property
    def cancel_scope(self) -> trio.CancelScope | None:
        """Around it. Only a call that a host is to take has none yet."""
        ...


class CallNursery(ABC):
    """Owns the Trio calls that asyncio's own tasks make, on one loop."""

    lets_managers_outlive_tasks = False
    """Whether a Trio manager stays open when the asyncio task that entered it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self._trio_nursery: trio.Nursery | None = None
        self._side: AsyncioSide | None = None
        self._watcher: trio.lowlevel.Task | None = None
        self._calls: Final[set[Cancellable]] = set()
        self.is_closing = False
        """Whether the block's body has ended, or its surroundings are cancelled."""

    @abstractmethod
    def fail(self, exc: BaseException) -> None:
        """Take an error that nobody awaits."""

    @abstractmethod
    def exit(self, exc: BaseException) -> None:
        """Take a ``SystemExit`` or ``KeyboardInterrupt`` that ends the program."""

    @trio.lowlevel.enable_ki_protection
    async def _watch(self) -> None:
        """Notice when the surroundings of the block are cancelled."""

        # At once, not when this task is next run: a task that is awaited by a guest is cancelled by
        # its awaiter too, and asyncio makes one CancelledError of both only if no step is between.
        def abort(raise_cancel: object) -> Abort:
            self._watcher = None
            if not self.is_closing:
                self._cancel_tasks()
                self.start_closing()
            return Abort.SUCCEEDED

        # No scope of its own, which shut() might cancel: Trio tells the tasks that stand directly
        # in a scope first, and then the scopes inside, in any order. All calls have such a scope,
        # so none sees the cancellation before it is shielded.
        if self.is_open:
            self._watcher = trio.lowlevel.current_task()
            with contextlib.suppress(trio.Cancelled):
                await trio.lowlevel.wait_task_rescheduled(abort)

    def _cancel_tasks(self) -> None:
        # Asyncio's way: one cancel(), which ends the Trio code. Before that is shielded: Trio code
        # that sees a cancellation, and then none, breaks (Trio's checkpoint_if_cancelled).
        assert self._side is not None
        tasks = self.to_cancel()
        with self._side:
            for task in tasks:
                by_loop[self.loop].cancelled_once.cancel(task)

    def to_cancel(self) -> set[asyncio.Task[Any]]:
        """The asyncio tasks that are cancelled with the surroundings."""
        return {task for task in self.callers if not task.cancelling()}

    @property
    def trio_nursery(self) -> trio.Nursery | None:
        """Where the Trio calls run, while it is open."""
        return self._trio_nursery

    @property
    def calls(self) -> set[Cancellable]:
        """The Trio code that runs here, a copy."""
        return set(self._calls)

    @property
    def callers(self) -> set[asyncio.Task[Any]]:
        """The asyncio tasks that are in Trio code of this nursery."""
        # Not those that have ended since, and whose Trio task is not there yet: cancel() would make
        # asyncio forget that nobody has retrieved their error.
        return {call.task for call in self._calls if not call.task.done()}

    @property
    def is_open(self) -> bool:
        """Whether it can start Trio tasks."""
        return self._trio_nursery is not None

    @property
    def opener(self) -> trio.lowlevel.Task | None:
        """The Trio task in which the block stands, while it is open."""
        return None if self._trio_nursery is None else self._trio_nursery.parent_task

    def open(self, trio_nursery: trio.Nursery, side: AsyncioSide) -> None:
        """Run Trio calls in this Trio nursery."""
        self._trio_nursery = trio_nursery
        self._side = side
        trio_nursery.start_soon(self._watch)

    def shut(self) -> None:
        """Nothing is left here, and nothing may start."""
        self.is_closing = True
        self._trio_nursery = None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            trio.lowlevel.reschedule(watcher)

    def start_closing(self) -> None:
        """From now on asyncio's tasks clean up: their Trio calls are shielded from outside."""
        self.is_closing = True
        for work in self._calls:
            _shield(work)

    def run(self, call: TrioCall) -> None:
        """Run a Trio call in a Trio task of its own. Called on the asyncio side."""
        self.start_trio_task(self._run, call, name=call.name)
        self.own(call)

    def start_trio_task(
        self, async_fn: Callable[..., Awaitable[object]], *args: object, name: str
    ) -> None:
        """Start a Trio task. Called on the asyncio side."""
        assert self._trio_nursery is not None
        self._trio_nursery.start_soon(async_fn, *args, name=name)

    def own(self, work: Cancellable) -> None:
        """While the surroundings are not cancelled, their scopes are around it."""
        if self.is_closing:
            _shield(work)
        self._calls.add(work)

    def disown(self, work: Cancellable) -> None:
        """It has ended."""
        self._calls.discard(work)

    @trio.lowlevel.enable_ki_protection
    async def _run(self, call: TrioCall) -> None:
        await call.run()
        self.disown(call)
        interruption, call.interruption = call.interruption, None
        if call.has_outcome:
            call.settle()
        else:
            self.interrupt(call, interruption)
        del call, interruption  # an error of the call leads to this frame: no cycles

    def interrupt(self, call: TrioCall, interruption: BaseException | None) -> None:
        """The call has ended by a cancellation from around it, or by Ctrl-C."""
        call.bridge.cancelled_once.cancel(call.task)
        call.interrupt(cancel_task=False)
        if isinstance(interruption, KeyboardInterrupt):
            self.exit(interruption)


def _shield(work: Cancellable) -> None:
    assert work.cancel_scope is not None
    work.cancel_scope.shield = True
