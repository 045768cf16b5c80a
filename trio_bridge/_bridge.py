"""What connects one loop with Trio, and how code finds the bridge that it belongs to."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVar

import trio

from . import _breakpoints, _private
from ._cancelled_once import CancelledOnce

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from ._asyncio_side import AsyncioSide
    from ._call_nursery import CallNursery
    from ._crossing.asyncio_manager import AsyncioManager
    from ._crossing.asyncio_owner import AsyncioOwner
    from ._crossing.host import Host
    from ._crossing.to_trio import TrioCall
    from ._crossing.trio_manager import TrioManager
    from ._crossing.trio_owner import TrioOwner
    from ._task_nursery import TaskNursery
    from ._tracking import Tracking
    from ._trio_pass import TrioPass


T = TypeVar("T")


class Turns(Protocol):
    """Who gives the loop its turns, as far as a crossing needs to know."""

    is_parked: bool
    """Whether the loop is idle, and gets a turn only when it is woken."""
    is_held: bool
    """Whether somebody will call :meth:`release`: no need to wake the loop for work."""

    @property
    def hides_work(self) -> bool:
        """Whether an idle loop may have work that it doesn't tell of."""
        ...

    @property
    def trio_pass(self) -> TrioPass:
        """When a pass of Trio's scheduler is to be made."""
        ...

    def doze_until(self, is_over: Callable[[], bool], cancelled: _private.AbortFn) -> None:
        """Give turns as the current task, for as long as only the loop has anything to do."""
        ...

    def hold(self) -> bool:
        """The caller is about to make work for the loop; whether it has to call :meth:`release`."""
        ...

    def hold_for_code(self) -> bool:
        """The same for code that may make work."""
        ...

    def release(self, *, make_turns: bool) -> None:
        """If there is work since the loop was held, do it here and now, or have it done."""
        ...


class Bridge:
    """One loop beside Trio: what turns it, what owns its tasks, and who hosts whom."""

    __slots__ = (
        "_cancelled_crossings",
        "_process",
        "adopters",
        "asyncio_owners",
        "calls_plainly",
        "cancel_warn_after",
        "cancelled_once",
        "cancels",
        "entered",
        "first_call",
        "hosts",
        "in_iterations",
        "in_steps",
        "is_ending",
        "loop",
        "nurseries",
        "nursery",
        "open_in",
        "open_managers",
        "pump",
        "redeliver_cancel_after",
        "reschedule",
        "side",
        "started",
        "starting",
        "starts_eagerly",
        "thread",
        "tracking",
        "trio_owners",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        side: AsyncioSide,
        nursery: CallNursery,
        pump: Turns,
        cancel_warn_after: float | None,
        redeliver_cancel_after: float | None,
        reschedule: Callable[[trio.lowlevel.Task], object] = trio.lowlevel.reschedule,
    ) -> None:
        self.loop: Final = loop
        self.side: Final = side
        self.nursery: Final = nursery
        """Owns what no nursery of the user's owns."""
        self.pump: Final = pump
        self.cancel_warn_after: Final = cancel_warn_after
        self.redeliver_cancel_after: Final = redeliver_cancel_after
        self.reschedule: Final = reschedule
        """``trio.lowlevel.reschedule``, for the asyncio side."""
        self.thread = threading.get_ident()
        self._process: Final = os.getpid()
        self.open_in: int | None = self.thread
        """The same while it is open: one question for the two. If not: :meth:`admits_caller`."""
        self.is_ending = False
        """Whether the loop's block has ended, or the guest: what waits for a step won't get one."""
        # Who hosts whom: a crossing for as long as it lasts; an adopter, which comes first, for as
        # long as the asyncio task has Trio managers open.
        self.hosts: Final[dict[asyncio.Task[Any], Host]] = {}
        self.adopters: Final[dict[asyncio.Task[Any], Host]] = {}
        # The coroutine of a guest that makes its first step, or resumes, before its host is there;
        # and the Trio call that it has made meanwhile.
        self.starting: object = None
        self.started: asyncio.Task[Any] | None = None
        self.first_call: TrioCall | None = None
        self.calls_plainly: asyncio.Task[Any] | None = None
        # What has been entered and not left, by the task that did.
        self.entered: Final[dict[trio.lowlevel.Task, list[AsyncioManager]]] = {}
        self.open_managers: Final[dict[asyncio.Task[Any], list[TrioManager]]] = {}
        # The owners are kept here: asyncio and Trio have weak references only.
        self.asyncio_owners: Final[set[AsyncioOwner]] = set()
        self.trio_owners: Final[set[TrioOwner]] = set()
        self.in_steps: Final[set[asyncio.Task[Any]]] = set()
        """The tasks of all asyncio owners."""
        self.in_iterations: Final[set[asyncio.Task[Any]]] = set()
        """Those of them that take steps of an iterator: the next step may have another host."""
        self.nurseries: Final[set[TaskNursery]] = set()
        """Those of the user's that are open."""
        self.cancels: asyncio.Task[Any] | None = None
        """The guest that its host is cancelling just now."""
        self._cancelled_crossings: Final[Counter[trio.lowlevel.Task]] = Counter()
        self.cancelled_once: Final = CancelledOnce(
            loop, self.hosts, self.adopters, self.open_managers
        )
        self.tracking: Tracking | None = None
        self.starts_eagerly = False
        """Whether it is known that guests can take their first step at once: else ask the loop."""

    def call_asyncio(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """From Trio's side call a plain function asyncio-side, and let the loop do what it asks."""
        is_held = self.pump.hold_for_code()
        try:
            return self.side.call_asyncio(fn, *args, **kwargs)
        finally:
            if is_held:
                self.pump.release(make_turns=False)

    def open(self) -> None:
        """From here on asyncio code finds the bridge by its loop."""
        by_loop[self.loop] = self
        if isinstance(self.loop, _private.TellsSettings):
            self.loop.settings_changes.append(self._look_at_settings)
            self._look_at_settings()
        _breakpoints.take()

    def _look_at_settings(self) -> None:
        self.starts_eagerly = can_start_eagerly(self.loop)

    @property
    def is_open(self) -> bool:
        """Whether code may cross."""
        return self.open_in is not None

    def move_here(self) -> None:
        """It is in the current thread from now on."""
        self.thread = threading.get_ident()
        if self.is_open:
            self.open_in = self.thread

    def leave_forgotten_bodies(self) -> None:
        """The block ends in this task: managers of its that are not left are left by the loop."""
        for manager in reversed(self.entered.get(trio.lowlevel.current_task(), ())):
            manager.leave_body_forgotten()

    def close(self) -> None:
        """From here on nobody crosses."""
        self.open_in = None
        del by_loop[self.loop]
        if isinstance(self.loop, _private.TellsSettings):
            self.loop.settings_changes.remove(self._look_at_settings)
        _breakpoints.give_back()

    @property
    def is_inherited(self) -> bool:
        """Whether it is the parent process's, which has forked: here nothing runs on it."""
        return self._process != os.getpid()

    def host_of(self, task: asyncio.Task[Any]) -> Host | None:
        """The host that takes the task's Trio calls, if it has one."""
        return self.adopters.get(task) or self.hosts.get(task)

    @property
    def awaited_guests(self) -> set[asyncio.Task[Any]]:
        """Those whose hosts get their errors. Not those that take steps: a host gets the step's."""
        return {guest for guest, host in self.hosts.items() if host.awaits_guest}

    def is_waited_for(self, task: asyncio.Task[Any]) -> bool:
        """Whether Trio code has called it, and waits for it: a guest, or one that takes steps."""
        return (
            task in self.hosts
            or task in self.in_steps
            or task is self.started
            or (self.starting is not None and task.get_coro() is self.starting)
        )

    def crossing_was_cancelled(self, caller: trio.lowlevel.Task) -> None:
        """The loop has ended the asyncio code that a Trio task has called, as it ends itself.

        A Trio task that outlives the loop may take that for a failure and try again, and so again
        and again: then the loop could never close. That Trio task does not cross any more.

        Raises:
          RuntimeError: it was told often enough.
        """
        if not self.is_ending or not self.is_open or self._is_inside(caller):
            return
        self._cancelled_crossings[caller] += 1
        if self._is_told(caller):
            self.open_in = _ASK
            raise no_bridge(self)

    def admits_caller(self) -> bool:
        """Whether the current Trio task may cross, where :attr:`open_in` isn't its thread."""
        if self.open_in != _ASK or self.thread != threading.get_ident():
            return False
        return not self._is_told(trio.lowlevel.current_task())

    def _is_told(self, caller: trio.lowlevel.Task) -> bool:
        return self._cancelled_crossings[caller] >= _MOST_CANCELLED_CROSSINGS

    def guests_from_outside(self) -> set[asyncio.Task[Any]]:
        """Those that Trio tasks outside of the loop's block have called, not through each other.

        Not those by which a nursery waits for its tasks: they end with these.
        """
        waiting = {nursery.end_task for nursery in self.nurseries}
        outermost: dict[trio.lowlevel.Task, asyncio.Task[Any]] = {}
        for guest, host in self.hosts.items():
            outermost.setdefault(host.task, guest)
        return {
            guest
            for task, guest in outermost.items()
            if task not in waiting
            and not self._is_inside(task)
            and outermost.keys().isdisjoint(_ancestors(task))
        }

    def _is_inside(self, task: trio.lowlevel.Task) -> bool:
        """Whether it is a child of the loop's block, however deep: it is awaited, and cleans up."""
        nursery = task.parent_nursery
        while nursery is not None and nursery is not self.nursery.trio_nursery:
            nursery = nursery.parent_task.parent_nursery
        return nursery is not None

    @property
    def owning_nursery(self) -> CallNursery:
        """The nursery that owns the asyncio task which asks."""
        return nearest(owning.get(), self.loop) or self.nursery

    def asyncio_code_exits(self, exc: BaseException) -> None:
        """A callback or a task raised ``SystemExit`` or ``KeyboardInterrupt`` in a turn."""
        guests = self.awaited_guests
        if self.started is not None:
            guests.add(self.started)
        if not any(
            guest.done() and not guest.cancelled() and guest.exception() is exc for guest in guests
        ):
            self.nursery.exit(exc)
        # else a guest did, and its host gets the exception as it would any other


# More than the clean-up of one task makes of crossings that are cancelled in the middle.
_MOST_CANCELLED_CROSSINGS: Final = 100
# No thread's identifier: some Trio tasks may cross, and others not.
_ASK: Final = -1


def _ancestors(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    while (nursery := task.parent_nursery) is not None:
        task = nursery.parent_task
        yield task


def can_start_eagerly(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a task on the loop can take its first step at once (Python 3.12).

    Not in debug mode, as asyncio reports a slow step only if it was made in a turn, and not with a
    task factory, which decides that itself.
    """
    is_plain = loop.get_task_factory() is None and not loop.get_debug()
    return sys.version_info >= (3, 12) and is_plain


by_loop: Final[dict[asyncio.AbstractEventLoop, Bridge]] = {}

below: Final[ContextVar[Bridge | None]] = ContextVar("trio_bridge", default=None)
"""The innermost ``open_loop`` around the Trio code that asks."""

owning: Final[ContextVar[TaskNursery | None]] = ContextVar("trio_bridge.nursery", default=None)
"""The innermost ``open_asyncio_nursery`` around the code of either side that asks."""


def nearest(nursery: TaskNursery | None, loop: asyncio.AbstractEventLoop) -> TaskNursery | None:
    """The innermost nursery, from ``nursery`` outward, that owns what starts on the loop now."""
    while nursery is not None and not (nursery.is_open and nursery.loop is loop):
        nursery = nursery.parent
    return nursery


def current_bridge() -> Bridge:
    """The bridge for a call out of the current Trio task."""
    bridge = below.get()
    if bridge is None:
        raise no_bridge(None)
    if bridge.open_in != threading.get_ident() and not bridge.admits_caller():
        raise no_bridge(bridge)
    return bridge


async def refuse(bridge: Bridge | None) -> NoReturn:
    """Say why the code that found ``bridge`` can't use it. A checkpoint, if it is closed.

    Who tries again at once, whatever the error, is not to keep all others from running.
    """
    if bridge is not None and bridge.thread == threading.get_ident():
        await trio.lowlevel.checkpoint()
    raise no_bridge(bridge)


def no_bridge(bridge: Bridge | None) -> RuntimeError:
    """Why the code that found ``bridge`` can't use it."""
    if bridge is None:
        return RuntimeError(
            "no asyncio loop is open here. Start the program with trio_bridge.run(main), or write\n"
            "    async with trio_bridge.open_loop():\n"
            "around this code"
        )
    if bridge.thread != threading.get_ident():
        return RuntimeError(
            "the asyncio loop that is open here belongs to another thread. Write\n"
            "    trio.from_thread.run(async_fn, *args)\n"
            "to make the call in the loop's thread, or open a loop in this one"
        )
    state = "is closing" if bridge.is_open else "is closed already"
    return RuntimeError(
        f"the asyncio loop that this code was started under {state}: the task outlived "
        "its `async with trio_bridge.open_loop():` block. Start it in a nursery inside the block"
    )


def current_loop() -> asyncio.AbstractEventLoop:
    """The asyncio loop that the calling Trio or asyncio code belongs to.

    On the Trio side that is the loop of the innermost :func:`open_loop` around the code, on the
    asyncio side the running loop. Not a checkpoint.

    Raises:
      RuntimeError: there is none; the message shows what to write.
    """
    running = _private.get_running_loop()
    if running is not None:
        return running
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "current_loop() was called from code that neither Trio nor asyncio runs. "
            "Start the program with trio_bridge.run(main)"
        )
    return current_bridge().loop
