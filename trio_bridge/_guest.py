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
5. Ctrl-C in asyncio code is asyncio's (:mod:`._guest_ctrl_c`). What Trio makes of one that comes
   in a tick leaves ``run_forever``.
6. Closing the loop ends Trio first: all its tasks are cancelled, and the loop runs until they have
   cleaned up. Their errors go to the loop's exception handler. Ctrl-C leaves ``close()`` when the
   loop is closed; a second one doesn't wait for that.

``docs/architecture.md`` has the two other ways that were measured: ``trio.run`` suspended in a
greenlet, and the guest mode with its thread.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from contextvars import Context
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar

import outcome
import trio
from sniffio import thread_local as sniffio_thread_local

from . import _private
from ._asyncio_side import HostSide
from ._bridge import Bridge, below, by_loop
from ._guest_context import RunContext, TrioToCome
from ._guest_ctrl_c import CtrlC, runs_trio, uninterrupted
from ._guest_end import GuestEnd
from ._guest_nursery import GuestNursery
from ._loop_clock import LoopClock
from ._trio_pass import TrioPass

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

T = TypeVar("T")

_inherited: Final[list[object]] = []
"""Trio runs of the parent process's, kept for ever."""

# So many ticks, or ticks for so long, follow each other while there is work; then asyncio has its
# turn. A tick steps all tasks that can run, and can't be cut short: asyncio waits for half a
# millisecond, or for one tick if that is longer. The count is for a loop of virtual time, where
# schedules must not depend on the machine's speed.
_TICKS_PER_CALLBACK: Final = 8
_SECONDS_PER_CALLBACK: Final = 0.0005


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
    hides_work = False

    def hold(self) -> bool:
        """Nothing to do: the loop runs by itself."""
        return False

    hold_for_code = hold

    def release(self, *, make_turns: bool) -> None:
        """The same."""

    def doze_until(self, is_over: Callable[[], bool], cancelled: _private.AbortFn) -> None:
        """The same."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self._clock: Final = LoopClock(loop)
        self.budget: Final = math.inf if self._clock.is_virtual else _SECONDS_PER_CALLBACK
        self.trio_pass: Final = TrioPass(None, self.budget)
        self.owner: Final = GuestNursery(loop, self.call_for_tick)
        self._context: Final = Context()
        self.ctrl_c: Final = CtrlC(loop, self.look_again)
        self._tick: Callable[[], object] | None = None
        self._ticks_to_come: asyncio.Handle | None = None
        self._is_waiting = False
        """Whether Trio is parked, and nobody has called for a tick."""
        self._descriptor = -1
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_when = math.inf
        self.end: Final = GuestEnd(self)
        self._outcome: outcome.Outcome[object] | None = None

    # ---- phase 1: Trio starts

    @uninterrupted
    def start(self) -> Bridge:
        """Start Trio. Called on the asyncio side, in the running loop.

        Raises:
          RuntimeError: Trio runs in this thread already, by other means.
        """
        _make_room()
        self.ctrl_c.prepare()
        self.side = self._start_run()
        self._run_context = RunContext()
        self.bridge = Bridge(
            self.loop,
            side=self.side,
            nursery=self.owner,
            pump=self,
            cancel_warn_after=5.0,
            redeliver_cancel_after=None,
            reschedule=self._reschedule,
        )
        self.bridge.open()
        setattr(self.loop, "close", self._close_loop)  # noqa: B010 -- mypy: a method
        self.ctrl_c.take()
        self._open_door()
        while not self.owner.is_open:
            self._make_ticks()
        return self.bridge

    def _start_run(self) -> HostSide:
        hooks = sys.get_asyncgen_hooks()
        library = vars(sniffio_thread_local).get("name")
        try:  # Ctrl-C is not in our hands before Trio has taken it
            _private.set_running_loop(None)
            sys.set_asyncgen_hooks(None, None)  # Trio would keep asyncio's, and the loop by them
            trio.lowlevel.start_guest_run(
                self._main,
                run_sync_soon_threadsafe=self._make_ticks_threadsafe,
                run_sync_soon_not_threadsafe=self._keep_tick,
                done_callback=self._keep_outcome,
                host_uses_signal_set_wakeup_fd=True,  # its handlers run while the loop waits
                clock=self._clock,
            )
            return HostSide(self.loop, hooks, library=library)
        finally:
            _private.set_running_loop(self.loop)
            sys.set_asyncgen_hooks(*hooks)

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

    @trio.lowlevel.enable_ki_protection
    async def _main(self) -> None:
        below.set(self.bridge)
        async with trio.open_nursery() as nursery:
            self.owner.open(nursery, self.side)
            await self.end.wait_for_begin()
            for owner in list(self.bridge.trio_owners):
                owner.end()
            for host in list(self.bridge.adopters.values()):
                host.look_again()  # whether it has come to its end: the bridge has
            nursery.cancel_scope.cancel()
        below.set(None)  # Trio keeps this task, and so its context, in a cycle

    # ---- phase 2: ticks

    def _keep_tick(self, tick: Callable[[], object]) -> None:
        self._tick = tick

    def _make_ticks_threadsafe(self, tick: Callable[[], object]) -> None:
        self._tick = tick
        self.loop.call_soon_threadsafe(self._make_ticks, context=self._context)

    @uninterrupted
    def _make_ticks(self) -> None:
        if not self.bridge.is_open:
            return  # Trio has ended, and this was one callback too many
        self._ticks_to_come = None
        self._is_waiting = False
        self.resume()
        self.side.leave()
        try:
            self._make_batch()
        finally:
            self.side.enter()
        if self._outcome is not None:
            self._finish(self._outcome)
        elif self._tick is not None:
            self._wait_for_next()

    @runs_trio
    def _make_batch(self) -> None:
        end = perf_counter() + self.budget
        for _ in range(_TICKS_PER_CALLBACK):
            tick = self._tick
            if tick is None:
                break  # Trio has ended, or waits in its thread, which sets the next
            self._tick = None
            self._clock.forget_deadline()
            tick()
            if self._clock.next_deadline is not None and not self._has_events():
                break
            if perf_counter() > end:
                break

    def _make_ticks_soon(self) -> None:
        if self._ticks_to_come is not None:
            self._ticks_to_come.cancel()
        self._ticks_to_come = self.loop.call_soon(self._make_ticks, context=self._context)

    def _has_events(self) -> bool:
        return self._clock.door is None or self._clock.door.has_events()

    def _wait_for_next(self) -> None:
        door, when = self._clock.door, self._clock.next_deadline
        # Who is in wait_all_tasks_blocked is to go on, when asyncio has had its turn.
        if door is None or when is None or door.has_events() or door.waits_for_idle():
            self._make_ticks_soon()
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

    @uninterrupted
    def _ring(self) -> None:
        self._alarm, self._alarm_when = None, math.inf
        if self._is_waiting:
            self._make_ticks()

    @uninterrupted
    def _readable(self) -> None:
        if self._is_waiting:
            assert self._clock.door is not None
            self._clock.door.poll()
            self._make_ticks()

    @uninterrupted
    def look_again(self) -> None:
        """Make a tick soon. An exit that leaves the loop may have taken our callback with it."""
        if not self.bridge.is_open or self.bridge.is_inherited or self.loop.is_closed():
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm, self._alarm_when = None, math.inf
        self._make_ticks_soon()

    @uninterrupted
    def call_for_tick(self) -> None:
        """Something is about to be scheduled in Trio. Saves Trio the call by its descriptor."""
        if self.bridge.thread != get_ident():
            self.resume()  # a loop that isn't ours goes on in another thread
        if self._is_waiting:
            assert self._clock.door is not None
            self._is_waiting = False
            self._clock.door.expect_tick(True)
            self._ticks_to_come = self.loop.call_soon(self._make_ticks, context=self._context)

    @uninterrupted
    def _reschedule(self, task: trio.lowlevel.Task) -> None:
        self.call_for_tick()
        trio.lowlevel.reschedule(task)

    # ---- the thread's Trio run: ours while the loop runs

    @uninterrupted
    def resume(self) -> None:
        """Make this Trio run the thread's."""
        if self._run_context.take():
            self.side.use_this_thread()
            self.bridge.move_here()
            self.ctrl_c.take_again()

    def has_run(self, runner: object) -> bool:
        """Whether it is this Trio run."""
        return self._run_context.is_of(runner)

    @uninterrupted
    def suspend(self) -> None:
        """Give the thread back, to the Trio run that had it before or to none."""
        if self._run_context.give_back():
            self.ctrl_c.give_back()

    def call_plain(self, fn: Callable[[], T]) -> T:
        """Call a plain function of Trio's between two runs of the loop."""
        self.resume()
        try:
            return fn()
        finally:
            self.suspend()
            self.ctrl_c.raise_it()

    # ---- phase 3: the end

    def _close_loop(self) -> None:
        """The loop's ``close()``."""
        loop = self.loop
        exits: list[BaseException] = []
        if not loop.is_running():  # else it refuses
            # More than one, if what asyncio finalizes calls Trio again.
            while (guest := guest_of(loop)) is not None and not loop.is_closed():
                guest.end.run(exits)
        type(loop).close(loop)
        if loop.is_closed():
            vars(loop).pop("close", None)
            self._let_go()
        if exits:
            raise exits[0]
        self.ctrl_c.raise_it()

    def _let_go(self) -> None:
        # What is left of Trio leads to us, in cycles. The loop is to go when its users let it go.
        self._clock.release()
        for name in ("loop", "bridge", "side", "owner", "end", "_alarm"):
            vars(self).pop(name, None)

    def forget(self) -> None:
        """The run is the parent process's, which has forked, and ends it."""
        self.suspend()
        self.ctrl_c.end()
        self.bridge.close()
        # As garbage, some time, Trio's run would clear the run context that others use by then.
        _inherited.append(self._tick)

    @uninterrupted
    def _keep_outcome(self, run_outcome: outcome.Outcome[object]) -> None:
        self.ctrl_c.forget_trio()
        self._outcome = run_outcome

    def _finish(self, run_outcome: outcome.Outcome[object]) -> None:
        try:
            if self._alarm is not None:
                self._alarm.cancel()
            if self._descriptor != -1:
                self.loop.remove_reader(self._descriptor)
                os.close(self._descriptor)
            self._run_context.end()
            if isinstance(run_outcome, outcome.Error):
                self.end.report(run_outcome.error)
        finally:
            self.bridge.is_ending = True
            self.bridge.close()
            self.end.trio_has_ended()
            self.ctrl_c.end()  # last, as it may come at any line from here on


def forget_inherited() -> None:
    """In a child of ``os.fork``: its thread has its parent's Trio run, which stands still there.

    The child never goes back to it, so the thread is free for another.
    """
    here = _private.trio_run_vars()
    runner = here.get("runner")
    if isinstance(runner, TrioToCome):
        runner.withdraw()
        return
    for bridge in by_loop.values():
        if bridge.is_inherited and bridge.thread == get_ident():
            guest = guest_of(bridge.loop)
            if guest is None or guest.has_run(runner):
                here.clear()
                return


def _make_room() -> None:
    """Another guest whose loop does not run gives the thread back."""
    if not _private.knows_run_context():
        raise RuntimeError(
            "this version of Trio can't be the guest of an asyncio loop. Start the program with\n"
            "    trio_bridge.run(main)"
        )
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
        if bridge.is_inherited and bridge.thread == get_ident():
            here.clear()  # os.fork() in a callback of the parent's
            return
    raise RuntimeError(
        "aio2trio() was called on an asyncio loop in a thread where Trio runs already, and not "
        "through trio_bridge. Start the program with trio_bridge.run(main), or open the loop with\n"
        "    async with trio_bridge.open_loop():\n"
        "in the Trio code"
    )
