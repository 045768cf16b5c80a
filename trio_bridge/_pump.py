"""Gives an engine its turns: the Trio tasks that make an asyncio loop run.

1. A turn is made by whichever Trio task woke up: the one that watches the engine for I/O, the one
   that waits for the earliest timer (:mod:`._alarm`), the one that waits for somebody to call the
   loop, or a host that has just made work for the loop (:meth:`Pump.hold`).
2. Turns follow each other while there is work, up to a budget; then comes a Trio checkpoint, and
   the task that passed it *drives*: it goes on until the loop is idle.
3. The loop is *parked* when it is idle and nobody drives. Only then do ``call_soon`` and
   ``call_at`` differ from the engine's own: they wake the waiting task first. At all other times
   they cost what they cost on the engine.
4. Turns don't stop for cancellation, as asyncio code may need them to clean up, nor for an error
   that leaves the loop itself. They stop for :meth:`Pump.stop`.
5. Where no other Trio task can run, who drives doesn't go back to Trio when the loop is idle: it
   waits for the loop and for Trio at once (:mod:`._doze`).
6. Nothing here is interrupted by Ctrl-C: Trio raises it in the user's code, or at a checkpoint of
   the main task. That holds for asyncio's callbacks too, as they run below.

A timer that asyncio cancels leaves the alarm set: on real time the early turn that follows is
harmless, and cheaper than to move the alarm for each of the timeouts that never fire. A virtual
clock would jump to it, so there the alarm is moved.
"""

from __future__ import annotations

import math
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import trio
from trio.lowlevel import Abort

from . import _private
from ._alarm import make_alarm
from ._doze import Found, make_doze
from ._engines import NOW
from ._loop_clock import LoopClock
from ._trio_pass import TrioPass
from ._untrusted import add_note

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

    from ._asyncio_side import AsyncioSide
    from ._engines import Engine
    from ._private import AbortFn

# The budget between two checkpoints. A pass of Trio's scheduler costs some 15 µs, as its code isn't
# in the processor's caches then: a millisecond makes it one and a half per cent, and other Trio
# tasks wait a millisecond at most (or one turn, if longer). Half of that cost aiohttp 1.6 % more.
# The count bounds it on a virtual clock, where schedules must not depend on the machine's speed.
SECONDS_PER_BATCH: Final = 0.001
TURNS_PER_BATCH: Final = 100

_MOST_FAILURES: Final = 10
"""So many errors that left turns are reported. What can't be mended fails in each of them."""


class Pump:
    """Turns one engine."""

    on_exit: Callable[[BaseException], None]
    """Gets each ``SystemExit`` or ``KeyboardInterrupt`` that leaves a turn, and whatever a signal
    handler raises in a doze."""
    on_failure: Callable[[BaseException], None]
    """Gets what else leaves one: misuse has made the loop itself fail."""

    def __init__(self, engine: Engine, side: AsyncioSide) -> None:
        self._engine: Final = engine
        self.hides_work: Final = engine.hides_work
        """Whether the engine may have work that nobody is told of."""
        self._loop: Final[Any] = engine.loop
        self._side: Final = side
        self._thread: Final = threading.get_ident()
        self._scope: Final = trio.CancelScope(shield=True)
        self.is_parked = False
        self.is_held = False
        """Don't wake the pump for work: who has called :meth:`hold` will call :meth:`release`."""
        self._is_driven = False
        self._is_stopping = False
        self._waiter: trio.lowlevel.Task | None = None
        self._alarm_when = math.inf
        self._next_due = math.inf
        self._failures = 0
        self.budget = SECONDS_PER_BATCH
        self._is_virtual = False
        clock = trio.lowlevel.current_clock()
        if not (_private.is_system_clock(clock) or isinstance(clock, LoopClock)):
            engine.use_clock(clock.current_time)
            self.budget = math.inf
            self._is_virtual = True
        tasks = _private.trio_tasks_here()
        self.trio_pass: Final = TrioPass(tasks, self.budget)
        self._dozes = make_doze(tasks, engine)
        self._due: Final = engine.due
        self._alarm: Final = make_alarm()
        # By attributes, not by vars(loop): see _private.RoomyLoop. Values are exchanged,
        # never names: the interpreter's attribute caches depend on those.
        self._call_soon: Final = engine.loop.call_soon
        self._call_at: Final = engine.loop.call_at
        # asyncio's own calls call_at(); an engine whose own doesn't has hidden work anyway.
        self._call_later: Final = engine.loop.call_later if engine.hides_work else None
        self._unpark()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Give turns until :meth:`stop`; cancellation from outside has no effect."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch_engine)
                    nursery.start_soon(self._watch_alarm)
                    nursery.start_soon(self._watch_calls)
        finally:
            self._alarm.close()
            self.trio_pass.close()
            self._dozes = None

    def stop(self) -> None:
        """Give no more turns."""
        self._is_stopping = True
        self._dozes = None
        del self._loop.call_soon, self._loop.call_at
        if self._call_later is not None:
            del self._loop.call_later
        self._scope.cancel()

    # ---- turns

    def make_turns(self) -> bool:
        """Give turns until the loop is idle (true, and it is parked) or the budget is spent.

        For the asyncio side: the caller has entered it.
        """
        if self.is_parked:
            self._unpark()
        turn = self._engine.turn
        end = perf_counter() + self.budget
        turns = iter(range(TURNS_PER_BATCH))
        while True:
            try:
                for _ in turns:
                    due = turn()
                    if due != NOW and self._park(due):
                        return True
                    if perf_counter() > end:
                        break
                return False
            except (SystemExit, KeyboardInterrupt) as exc:
                self.on_exit(exc)
            except BaseException as exc:
                self._turn_failed(exc)

    def _turn_failed(self, exc: BaseException) -> None:
        # On with the turns, or what is cancelled now could not end. First the loop must be fit for
        # that: whom it cancels sets timers.
        for timer in self._engine.recover():
            add_note(exc, f"a timer was set to no time: {timer}")
        self._failures += 1
        if self._failures <= _MOST_FAILURES:
            self.on_failure(exc)

    def hold(self) -> bool:
        """The caller is about to make work for the loop, and calls :meth:`release` then if true."""
        self.is_held = is_parked = self.is_parked
        if is_parked:
            self._unpark()
        return is_parked

    def hold_for_code(self) -> bool:
        """The same for code that may make work: it says so, or :meth:`release` looks."""
        self.is_held = self.is_parked
        return self.is_held

    def release(self, *, make_turns: bool) -> None:
        """If there is work since the loop was held, do it here and now, or let the pump do it.

        For the asyncio side: the caller has entered it.
        """
        self.is_held = False
        if self.is_parked and self.hides_work:
            due = self._due()
            if due != self._next_due and not self._park(due):
                self._unpark()
        if self.is_parked or (make_turns and self.make_turns()):
            if self._next_due != self._alarm_when:
                self._set_alarm_if_due()
        else:
            self._wake()
        self._side.visits += 1

    @trio.lowlevel.enable_ki_protection
    def _make_batch(self) -> bool:
        if self._is_stopping:
            return True  # a task that was scheduled already: the loop may be closed by now
        self._side.enter()
        try:
            return self.make_turns()
        finally:
            self._side.leave()

    async def _drive(self) -> bool:
        """Give turns until there are none to give but after a wait in Trio; whether to go on."""
        if self._dozes is not None:
            self._dozes.begin()
        while self._make_batch() or await self._make_batches():
            if self._is_stopping:
                return False
            if not self._doze():
                self._set_alarm_if_due()
                break
        return not self._is_stopping

    async def _make_batches(self) -> bool:
        """Give turns until the loop is idle, with checkpoints; false if somebody else does."""
        if self._is_driven:
            return False
        self._is_driven = True
        try:
            await trio.lowlevel.cancel_shielded_checkpoint()
            while not self._make_batch():
                await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._is_driven = False
        return True

    @trio.lowlevel.enable_ki_protection
    def doze_until(self, is_over: Callable[[], bool], cancelled: AbortFn) -> None:
        """Give turns and doze, as the current task, until that or there is something for Trio.

        For a host, which waits for its guest: in Trio that takes two passes of the scheduler for
        each message that the guest waits for.

        Args:
          is_over: is asked before each doze.
          cancelled: is called, once, if asyncio code cancels the current task in a turn.
        """
        dozes = self._dozes
        if dozes is None or not self.is_parked:
            return
        try:
            dozes.begin(cancelled)
            while not is_over() and self._doze():
                if not self._make_batch():
                    self._wake()
                    return
        finally:
            dozes.end()
        if self.is_parked:
            self._set_alarm_if_due()

    def _doze(self) -> bool:
        """Wait here and now, if Trio has nothing else to do; whether the loop is to go on."""
        if self._dozes is None:
            return False
        loop, due = self._loop, self._next_due
        try:
            found = self._dozes.wait(due - loop.time())
            if found is Found.TIME:
                return bool(loop.time() >= due)
        except BaseException as exc:
            # Of a signal handler. Nobody's code runs here: it is to leave the program, as it leaves
            # Trio's own wait, but here asyncio code can clean up.
            self.on_exit(exc)
            return False
        # A signal handler may have called the loop, and found nobody waiting to be woken.
        return found is Found.IO or not self.is_parked

    # ---- what wakes us

    @trio.lowlevel.enable_ki_protection
    async def _watch_engine(self) -> None:
        await self._engine.watch(self._drive)

    @trio.lowlevel.enable_ki_protection
    async def _watch_alarm(self) -> None:
        await self._alarm.watch(self._ring)

    async def _ring(self) -> None:
        self._alarm_when = math.inf
        await self._drive()

    @trio.lowlevel.enable_ki_protection
    async def _watch_calls(self) -> None:
        while await self._drive():
            self._waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort_wait)

    def _abort_wait(self, raise_cancel: object) -> Abort:
        self._waiter = None
        return Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None

    # ---- parking

    def _park(self, due: float) -> bool:
        """Park the loop, unless its next turn is due already."""
        # "not >": what is due at NaN is due now, as in asyncio.
        if due != math.inf and not due - self._loop.time() > 0:
            return False
        self._next_due = due
        if not self.is_parked:
            self.is_parked = True
            self._loop.call_soon = self._call_soon_while_parked
            self._loop.call_at = self._call_at_while_parked
            if self._call_later is not None:
                self._loop.call_later = self._call_later_while_parked
        return True

    def _unpark(self) -> None:
        self.is_parked = False
        self._loop.call_soon = self._call_soon
        self._loop.call_at = self._call_at
        if self._call_later is not None:
            self._loop.call_later = self._call_later

    def _set_alarm_if_due(self) -> None:
        """The loop is parked, and who has parked it waits in Trio, or goes on with Trio's work."""
        due = self._next_due
        if due < self._alarm_when or (self._is_virtual and due > self._alarm_when):
            self._set_alarm(due, due - self._loop.time())

    def _wake_at(self, when: float) -> None:
        if not when >= self._next_due:
            self._next_due = when
        if not when >= self._alarm_when:
            self._set_alarm(when, when - self._loop.time())

    def _set_alarm(self, when: float, delay: float) -> None:
        self._alarm_when = when
        delay = max(0, delay)  # it may be minus infinity, or NaN
        if not self._is_virtual:
            # To the millisecond that follows, as asyncio waits: else timers that are due at nearly
            # the same time would have an alarm each.
            delay = math.ceil(delay * 1000) / 1000
        self._alarm.set(delay)

    def _call_soon_while_parked(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self._check_thread("call_soon")
        self._unpark()
        if not self.is_held:
            self._wake()
        return self._call_soon(callback, *args, context=context)

    def _call_at_while_parked(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._check_thread("call_at() or loop.call_later")  # which asyncio's call_later calls
        self._wake_at(when)  # first, as it fails if that is no time, and the loop would later
        return self._call_at(when, callback, *args, context=context)

    def _call_later_while_parked(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._check_thread("call_later")
        assert self._call_later is not None
        handle = self._call_later(delay, callback, *args, context=context)
        self._wake_at(self._loop.time() + delay)
        return handle

    def _check_thread(self, method: str) -> None:
        if threading.get_ident() != self._thread:
            timer = "" if method == "call_soon" else "loop.call_later, delay, "
            raise RuntimeError(
                f"loop.{method}() was called from another thread than the loop's. "
                f"Write loop.call_soon_threadsafe({timer}callback, *args), or for a coroutine "
                "asyncio.run_coroutine_threadsafe(coro, loop)"
            )
