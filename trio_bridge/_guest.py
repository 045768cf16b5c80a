"""Trio as a guest of an asyncio loop that runs: for programs that start from asyncio.

The loop stays what it is, the standard library's or any other, and makes its turns itself. Trio
is started at the first call into it, runs in *ticks*, each a pass of its scheduler, and ends when
the loop is closed. Between two runs of the loop it stands still, and nothing in it is lost.

1. A tick is made when a task of Trio's can run: somebody has called Trio, its descriptor has become
   readable, or its next deadline has come. Trio's own guest mode waits in a thread for the last
   two; here the loop waits for Trio's descriptor as for any other, and has a timer for the deadline
   (:class:`._private.GuestDoor`). Where that can't be done, the thread does it.
2. Trio is *parked* between two ticks. A tick leaves the asyncio side, and enters it again.
3. Trio's clock is the loop's.
4. While the loop runs, Trio's plain functions may be called in its thread; the first one starts
   Trio, if the loop is of the bridge's own. Between two runs of a loop of
   the bridge's own they may not, so that ``trio.run`` and other loops can use the thread; other
   loops don't say when they stop, so there Trio keeps the thread until the loop is closed.
5. Ctrl-C in asyncio code is asyncio's: a handler that Trio installs gets it in a tick only. What
   Trio makes of it there leaves ``run_forever``.
6. Closing the loop ends Trio first: all its tasks are cancelled, and the loop runs until they have
   cleaned up. Their errors go to the loop's exception handler.

``docs/architecture.md`` has the two other ways that were measured: ``trio.run`` suspended in a
greenlet, and the guest mode with its thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeVar

import outcome
import trio
from sniffio import thread_local as sniffio_thread_local

from . import _private
from ._asyncio_side import AsyncioSide
from ._bridge import Bridge, below, by_loop
from ._guest_nursery import GuestNursery
from ._loop_clock import LoopClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

T = TypeVar("T")

_inherited: Final[list[object]] = []
"""Trio runs of the parent process's, kept for ever."""

# So many ticks follow each other while there is work; then asyncio has its turn.
_TICKS_PER_CALLBACK: Final = 8


def call_between_runs(fn: Callable[[], T]) -> T:
    """Call a plain function of Trio's where nothing runs: in the one guest that there is, if any.

    Raises:
      RuntimeError: there are several guests, whose loops do not run.
    """
    guests = [
        guest
        for guest in map(guest_of, list(by_loop))
        if guest is not None and not guest.loop.is_running()
    ]
    if not guests:
        return fn()
    if len(guests) > 1:
        raise RuntimeError(
            "a function of Trio's was called while no loop runs, and there are several loops that "
            "have Trio in them. Call it in code that loop.run_until_complete() runs"
        )
    return guests[0].call_plain(fn)


def bridge_of(loop: asyncio.AbstractEventLoop) -> Bridge:
    """The bridge of the running loop. Trio becomes the loop's guest if it has none."""
    return by_loop.get(loop) or TrioGuest(loop).start()


def guest_of(loop: asyncio.AbstractEventLoop) -> TrioGuest | None:
    """The loop's guest, if there is one."""
    bridge = by_loop.get(loop)
    return bridge.pump if bridge is not None and isinstance(bridge.pump, TrioGuest) else None


class TrioGuest:
    """One Trio run on one loop. To a crossing (:class:`._bridge.Turns`) the loop is never idle."""

    is_parked = False
    is_held = False

    def release(self, *, make_turns: bool) -> None:
        """Nothing to do: the loop runs by itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self._clock: Final = LoopClock(loop)
        self._owner: Final = GuestNursery(loop, self.call_for_tick)
        self._context: Final = Context()
        self._tick: Callable[[], object] | None = None
        self._is_ticking = False
        self._is_waiting = False
        """Whether Trio is parked, and nobody has called for a tick."""
        self._descriptor = -1
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_when = math.inf
        self._is_to_end: Final = trio.Event()
        self._outcome: outcome.Outcome[object] | None = None
        self._has_ended: asyncio.Future[None] | None = None
        self._trio_sigint: Callable[[int, FrameType | None], object] | None = None
        self._outer_run: dict[str, Any] = {}

    # ---- phase 1: Trio starts

    def start(self) -> Bridge:
        """Start Trio. Called on the asyncio side, in the running loop.

        Raises:
          RuntimeError: Trio runs in this thread already, by other means.
        """
        _make_room()
        self._side, self._run = self._start_run()
        self._bridge = Bridge(
            self.loop,
            side=self._side,
            nursery=self._owner,
            pump=self,
            cancel_warn_after=5.0,
            redeliver_cancel_after=None,
            reschedule=self._reschedule,
        )
        self._bridge.open()
        vars(self.loop)["close"] = self._close_loop
        self._take_ctrl_c()
        self._open_door()
        while not self._owner.is_open:
            self._make_ticks()
        return self._bridge

    def _start_run(self) -> tuple[AsyncioSide, dict[str, Any]]:
        hooks = sys.get_asyncgen_hooks()
        library = vars(sniffio_thread_local).get("name")
        _private.set_running_loop(None)
        sys.set_asyncgen_hooks(None, None)  # Trio would keep asyncio's, and the loop by them
        try:
            trio.lowlevel.start_guest_run(
                self._main,
                run_sync_soon_threadsafe=self._make_ticks_threadsafe,
                run_sync_soon_not_threadsafe=self._keep_tick,
                done_callback=self._keep_outcome,
                host_uses_signal_set_wakeup_fd=True,  # its handlers run while the loop waits
                clock=self._clock,
            )
            side = AsyncioSide(self.loop, hooks, library=library)
        finally:
            _private.set_running_loop(self.loop)
            sys.set_asyncgen_hooks(*hooks)
        return side, dict(_private.trio_run_vars())

    def _open_door(self) -> None:
        """Wait for Trio without a thread, where that can be done."""
        assert self._tick is not None
        with contextlib.suppress(AttributeError, NotImplementedError):
            door = _private.GuestDoor(self._tick)
            # A duplicate, as Trio closes its own before the loop forgets it.
            descriptor = os.dup(door.fileno())
            try:
                self.loop.add_reader(descriptor, self._readable)
            except NotImplementedError:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            self._clock.door = door

    def _take_ctrl_c(self) -> None:
        """Take it from Trio, if Trio has taken it (rule 5)."""
        handler: Any = signal.getsignal(signal.SIGINT)
        if _is_main_thread() and _private.is_trios_sigint_handler(handler):
            self._trio_sigint = handler
            signal.signal(signal.SIGINT, self._on_sigint)

    def _take_ctrl_c_again(self) -> None:
        is_free = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if is_free and self._trio_sigint is not None and _is_main_thread():
            signal.signal(signal.SIGINT, self._on_sigint)

    def _give_ctrl_c_back(self) -> None:
        if _is_main_thread() and signal.getsignal(signal.SIGINT) == self._on_sigint:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _on_sigint(self, signum: int, frame: FrameType | None) -> None:
        if self._is_ticking and self._trio_sigint is not None:
            self._trio_sigint(signum, frame)
        else:
            signal.default_int_handler(signum, frame)

    @trio.lowlevel.enable_ki_protection
    async def _main(self) -> None:
        below.set(self._bridge)
        async with trio.open_nursery() as nursery:
            self._owner.open(nursery, self._side)
            await self._wait_until_closed()
            for owner in list(self._bridge.trio_owners):
                owner.end()
            for host in list(self._bridge.adopters.values()):
                host.look_again()  # whether it has come to its end: the bridge has
            nursery.cancel_scope.cancel()
        below.set(None)  # Trio keeps this task, and so its context, in a cycle

    async def _wait_until_closed(self) -> None:
        while True:
            try:
                await self._is_to_end.wait()
            except KeyboardInterrupt as exc:
                self._owner.exit(exc)
            else:
                return

    # ---- phase 2: ticks

    def _keep_tick(self, tick: Callable[[], object]) -> None:
        self._tick = tick

    def _make_ticks_threadsafe(self, tick: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(self._make_ticks_from, tick, context=self._context)

    def _make_ticks_from(self, tick: Callable[[], object]) -> None:
        self._tick = tick
        self._make_ticks()

    @trio.lowlevel.enable_ki_protection
    def _make_ticks(self) -> None:
        self._is_ticking = True
        self._is_waiting = False
        self.resume()
        self._side.leave()
        try:
            for _ in range(_TICKS_PER_CALLBACK):
                tick, self._tick = self._tick, None
                if tick is None:
                    break  # Trio has ended, or waits in its thread
                self._clock.forget_deadline()
                tick()
                if self._clock.next_deadline is not None and not self._has_events():
                    break
        finally:
            self._side.enter()
            self._is_ticking = False
        if self._outcome is not None:
            self._finish(self._outcome)
        elif self._tick is not None:
            self._wait_for_next()

    def _has_events(self) -> bool:
        return self._clock.door is None or self._clock.door.has_events()

    def _wait_for_next(self) -> None:
        door, when = self._clock.door, self._clock.next_deadline
        # Who is in wait_all_tasks_blocked is to go on, when asyncio has had its turn.
        if door is None or when is None or door.has_events() or door.waits_for_idle():
            self.loop.call_soon(self._make_ticks, context=self._context)
            return
        # An alarm that is set for an earlier time stays: the early tick is cheaper than to move it.
        if when < self._alarm_when:
            self._set_alarm(when)
        door.expect_tick(False)
        self._is_waiting = True

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_when = when
        self._alarm = self.loop.call_at(when, self._ring, context=self._context)

    def _ring(self) -> None:
        self._alarm, self._alarm_when = None, math.inf
        if self._is_waiting:
            self._make_ticks()

    def _readable(self) -> None:
        if self._is_waiting:
            assert self._clock.door is not None
            self._clock.door.poll()
            self._make_ticks()

    def call_for_tick(self) -> None:
        """Something is about to be scheduled in Trio. Saves Trio the call by its descriptor."""
        if self._is_waiting:
            assert self._clock.door is not None
            self._is_waiting = False
            self._clock.door.expect_tick(True)
            self.loop.call_soon(self._make_ticks, context=self._context)

    def _reschedule(self, task: trio.lowlevel.Task) -> None:
        self.call_for_tick()
        trio.lowlevel.reschedule(task)

    # ---- the thread's Trio run: ours while the loop runs

    def resume(self) -> None:
        """Make this Trio run the thread's."""
        here = _private.trio_run_vars()
        if here.get("runner") is not self._run["runner"]:
            self._outer_run = dict(here)
            here.clear()
            here.update(self._run)
            self._side.use_this_thread()
            self._bridge.thread = threading.get_ident()
            self._take_ctrl_c_again()

    def has_run(self, runner: object) -> bool:
        """Whether it is this Trio run."""
        return self._run["runner"] is runner

    def suspend(self) -> None:
        """Give the thread back, to the Trio run that had it before or to none."""
        here = _private.trio_run_vars()
        if here.get("runner") is self._run["runner"]:
            here.clear()
            here.update(self._outer_run)
            self._outer_run = {}
            self._give_ctrl_c_back()

    def call_plain(self, fn: Callable[[], T]) -> T:
        """Call a plain function of Trio's between two runs of the loop."""
        self.resume()
        try:
            return fn()
        finally:
            self.suspend()

    # ---- phase 3: the end

    def _close_loop(self) -> None:
        """The loop's ``close()``."""
        loop = self.loop
        if not loop.is_running():  # else it refuses
            # More than one, if what asyncio finalizes calls Trio again.
            while (guest := guest_of(loop)) is not None and not loop.is_closed():
                guest.run_to_end()
            vars(loop).pop("close", None)
        type(loop).close(loop)
        if loop.is_closed():
            self._let_go()

    def _let_go(self) -> None:
        # What is left of Trio leads to us, in cycles. The loop is to go when its users let it go.
        self._clock.release()
        for name in ("loop", "_bridge", "_side", "_owner", "_has_ended", "_alarm"):
            vars(self).pop(name, None)

    def run_to_end(self) -> None:
        """End Trio, with the loop running as long as it takes."""
        if self._bridge.is_inherited:
            self.suspend()
            self._bridge.close()  # the parent process ends it
            # As garbage, some time, Trio's run would clear the run context that others use by then.
            _inherited.append(self._tick)
            return
        if _private.get_running_loop() is None:
            self._run_until_ended()
            return
        # Another loop runs in this thread, and is closing ours.
        self.suspend()
        thread = threading.Thread(target=self._run_until_ended)
        thread.start()
        thread.join()
        self._give_ctrl_c_back()

    def _run_until_ended(self) -> None:
        ending = self.loop.create_task(self._await_end())
        ending.add_done_callback(lambda task: task.get_loop().stop())
        while not ending.done():  # somebody else may have called stop() before
            self.loop.run_forever()
        ending.result()

    async def _await_end(self) -> None:
        self.resume()
        await self._end_callers()
        self._bridge.is_ending = True
        self._has_ended = self.loop.create_future()
        self.call_for_tick()
        self._side.call_trio(None, self._is_to_end.set)
        while not self._has_ended.done():
            with contextlib.suppress(asyncio.CancelledError):  # by who cancels all tasks
                await asyncio.wait([self._has_ended])

    async def _end_callers(self) -> None:
        """Cancel the asyncio tasks that are in Trio code: they may need Trio to clean up."""
        cancelled: set[asyncio.Task[Any]] = set()
        while callers := {task for task in self._owner.callers if not task.done()} - cancelled:
            for task in callers:
                task.cancel()
            cancelled |= callers
            with contextlib.suppress(asyncio.CancelledError):  # by who cancels all tasks
                await asyncio.wait(callers)

    def _keep_outcome(self, run_outcome: outcome.Outcome[object]) -> None:
        self._outcome = run_outcome

    def _finish(self, run_outcome: outcome.Outcome[object]) -> None:
        try:
            if self._alarm is not None:
                self._alarm.cancel()
            if self._descriptor != -1:
                self.loop.remove_reader(self._descriptor)
                os.close(self._descriptor)
            self._give_ctrl_c_back()
            _private.trio_run_vars().update(self._outer_run)
            if isinstance(run_outcome, outcome.Error):
                self._report(run_outcome.error)
        finally:
            self._bridge.close()
            if self._has_ended is not None:
                self._has_ended.set_result(None)

    def _report(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self._owner.exit(error)
        else:
            self._owner.fail(error)


class TrioToCome:
    """Stands for Trio in the thread's run context until a plain function of Trio's needs it.

    ``aio2trio(trio.open_nursery())`` calls Trio before it calls us.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        here = _private.trio_run_vars()
        if "runner" not in here:
            here["runner"] = self

    def __getattr__(self, name: str) -> Any:
        bridge_of(self._loop)
        return getattr(_private.trio_run_vars()["runner"], name)

    def withdraw(self) -> None:
        """The loop stops."""
        here = _private.trio_run_vars()
        if here.get("runner") is self:
            del here["runner"]


def _make_room() -> None:
    """Another guest whose loop does not run gives the thread back."""
    here = _private.trio_run_vars()
    runner = here.get("runner")
    if runner is None:
        return
    if isinstance(runner, TrioToCome):
        runner.withdraw()
        return
    for bridge in by_loop.values():
        guest = guest_of(bridge.loop)
        if guest is not None and guest.has_run(runner):
            guest.suspend()
            return
        if bridge.is_inherited and bridge.thread == threading.get_ident():
            here.clear()  # os.fork() in a callback of the parent's
            return
    raise RuntimeError(
        "aio2trio() was called on an asyncio loop in a thread where Trio runs already, and not "
        "through trio_bridge. Start the program with trio_bridge.run(main), or open the loop with\n"
        "    async with trio_bridge.open_loop():\n"
        "in the Trio code"
    )


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
