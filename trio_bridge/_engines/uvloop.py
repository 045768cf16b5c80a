"""The fast engine: uvloop's loop, turned from outside.

libuv's loop has what an engine needs: ``uv_run`` makes one iteration without waiting, its backend
descriptor is readable when there is I/O, and its backend timeout says when the next timer is due
(:class:`.._private.UvloopDoor`).

1. libuv hands a new descriptor to the kernel, and uvloop writes what was written to transports, in
   the next iteration. Nobody is told, so whenever code outside of a turn may have used the loop
   somebody must look (:attr:`UvloopEngine.hides_work`).
2. ``SystemExit`` and ``KeyboardInterrupt`` end the run of a loop that uvloop runs. Here it keeps
   the error, and tells libuv to stop, which it does anyway after one iteration: so we look for it.
   So does, from some callbacks of libuv's, any error that is no ``Exception``: that is reported, as
   by asyncio.
3. libuv's timers are on real time, in milliseconds. On a virtual clock the loop has timers of ours.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from contextvars import Context
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

import trio
import uvloop

from .. import _private
from ._connecting import connecting
from ._interface import NOW
from ._other_threads import OtherThreads
from ._scoped_loop import ScopedLoop
from ._virtual_timers import VirtualTimers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    _Loop = asyncio.SelectorEventLoop  # uvloop's own types are not those of typeshed
else:
    _Loop = uvloop.Loop

Ts = TypeVarTuple("Ts")

_ORIGIN_DEPTH: Final = 10  # asyncio's own, in debug mode


class UvloopEventLoop(_private.TellsSettings, ScopedLoop, _Loop):
    """uvloop's loop, but for signals, whose wakeup descriptor stays Trio's, and for who runs it."""

    _is_turned = False
    stop_iterations: Callable[[], None]
    time = staticmethod(monotonic)  # pyright: ignore[reportAssignmentType]
    """libuv's clock, with the fractions of a millisecond that it leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.exits: list[BaseException] = []
        self._origin_depth = 0

    # ---- who runs it

    def begin_running(self) -> None:
        """Say that the loop runs."""
        self._is_turned = True
        self._origin_depth = sys.get_coroutine_origin_tracking_depth()
        if self.get_debug():
            sys.set_coroutine_origin_tracking_depth(_ORIGIN_DEPTH)

    def end_running(self) -> None:
        """The loop may be closed from here on."""
        self._is_turned = False
        sys.set_coroutine_origin_tracking_depth(self._origin_depth)

    def is_running(self) -> bool:
        """Whether Trio gives the loop its turns."""
        return self._is_turned

    def set_debug(self, enabled: bool) -> None:
        """As asyncio's; while the loop runs, coroutines tell where they were made."""
        # uvloop itself would do the second part in the next turn, and undo it when its run ends.
        if not self._is_turned:
            super().set_debug(enabled)
            return
        self._is_turned = False
        try:
            super().set_debug(enabled)
        finally:
            self._is_turned = True
        sys.set_coroutine_origin_tracking_depth(_ORIGIN_DEPTH if enabled else self._origin_depth)

    def create_task(self, coro: Any, **options: Any) -> Any:
        """As asyncio's."""
        # uvloop's own hands factories an ``eager_start=None``, to which asyncio's says no.
        factory = self.get_task_factory()
        if factory is not None:
            return factory(self, coro, **options)
        task = super().create_task(coro, **options)
        _private.forget_source_frames(task, __file__)
        return task

    async def start_tls(
        self,
        transport: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        **options: Any,
    ) -> asyncio.Transport | None:
        """As asyncio's, over its transports (and the bridge's) as well as over uvloop's."""
        is_asyncios = isinstance(transport, asyncio.BaseTransport)  # uvloop's own are not
        start = partial(_start_asyncios_tls, self) if is_asyncios else super().start_tls
        result: asyncio.Transport | None = await start(transport, protocol, sslcontext, **options)
        return result

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        """As asyncio's."""
        return await connecting(super().create_connection(*args, **options))

    async def create_unix_connection(self, *args: Any, **options: Any) -> Any:
        """As asyncio's."""
        return await connecting(super().create_unix_connection(*args, **options))

    async def connect_accepted_socket(self, *args: Any, **options: Any) -> Any:
        """As asyncio's."""
        return await connecting(super().connect_accepted_socket(*args, **options))

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], *args: Any, **options: Any
    ) -> Any:
        """As asyncio's."""
        is_open = False  # uvloop forgets to close it if it is cancelled; it waits a turn, no more

        def make_protocol() -> Any:
            nonlocal is_open
            is_open = True
            return protocol_factory()

        making = super().create_datagram_endpoint(make_protocol, *args, **options)
        return await connecting(making, waits_shortly=lambda: is_open)

    def run_forever(self) -> None:
        """Refuse: Trio runs it, or it is closed."""
        if self._is_turned:
            raise RuntimeError("This event loop is already running")
        super().run_forever()

    def run_until_complete(self, future: Any) -> Any:
        """Refuse: Trio runs it, or it is closed."""
        self.run_forever()

    def close(self) -> None:
        """As asyncio's, which says no while the loop runs: uvloop's would look at its own run."""
        if self._is_turned:
            raise RuntimeError("Cannot close a running event loop")
        super().close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """As asyncio's."""
        self.stop_iterations()  # see UvloopEngine
        exc = context.get("exception")
        if isinstance(exc, SystemExit | KeyboardInterrupt) and "transport" in context:
            self.exits.append(exc)  # of a protocol: asyncio lets it leave the turn, as all others
            return
        super().call_exception_handler(context)

    # ---- what is asked for between two turns

    def add_reader(self, fd: Any, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """As asyncio's."""
        super().add_reader(fd, callback, *args)
        self.call_soon(_nothing)  # libuv hands the descriptor to the kernel in the next turn

    def add_writer(self, fd: Any, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """As asyncio's."""
        super().add_writer(fd, callback, *args)
        self.call_soon(_nothing)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A timer of :class:`VirtualTimers` says that it is cancelled."""

    # ---- signals

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call ``callback(*args)`` in the loop when the process gets the signal."""
        if sig == signal.SIGCHLD:  # libuv's own handler displaces Python's with the first process
            raise RuntimeError(
                "cannot add a signal handler for SIGCHLD: "
                "it is used by the event loop to track subprocesses"
            )
        super().add_signal_handler(sig, callback, *args)


# It asks nothing of the loop but what every loop has.
_start_asyncios_tls: Final[Any] = asyncio.BaseEventLoop.start_tls


def _nothing() -> None: ...


# A turn makes iterations for so long, if there is work for more than one.
SECONDS_PER_TURN: Final = 0.0002


class UvloopEngine:
    """See :class:`._interface.Engine`, whose rules this keeps.

    What a crossing needs is done in one iteration or two, and libuv is called for each of these. A
    call takes as long as a short iteration does. So where there is more work libuv runs by itself,
    and the *stopper*, a callback of our own, stops it when there is nothing more to do. libuv never
    waits: each iteration has the stopper or a callback that leads to it, or libuv has been told to
    stop. A stopper that raises (a signal handler of the user's may, anywhere) is no exception: then
    uvloop or ``call_exception_handler`` stops libuv.
    """

    hides_work = True

    def __init__(self) -> None:
        self.loop = UvloopEventLoop()
        self.thread_calls = self.loop.thread_calls
        self._door = door = _private.UvloopDoor(self.loop)
        self.descriptor: Final = door.fileno()
        self.loop.stop_iterations = self._stop_iterations = door.stop
        self._run, self._run_once = door.run_until_stopped, door.run_once
        self.due: Callable[[], float] = door.due
        self._ready, self._events = door.ready, door.events
        self._exits: Final = self.loop.exits
        self._call_soon: Final = self.loop.call_soon
        self._context: Final = Context()
        self._has_stopped = False
        self._handles: Final[list[asyncio.Handle]] = []
        self._stopper: Final = self._handle(self._stop_if_idle)
        # In a row of iterations the stopper is in every fourth, and where those are quick in every
        # sixteenth. What is in the others does nothing but schedule the next, in C: a third of the
        # stopper's time.
        rows = [self._stopper]
        for _ in range(15):
            rows.append(self._handle(self._ready.append, rows[-1]))
        self._row_of_4, self._row_of_16 = rows[3], rows[15]
        self._next = self._stopper
        self._stopped_at = 0.0
        self._busy_turns = 0
        self._is_slow = False
        self._events_seen = -1
        self._end = 0.0
        self._timers: VirtualTimers | None = None
        self._threads: Final = OtherThreads()  # as libuv is called with the interpreter in hand

    def start(self) -> None:
        self.loop.begin_running()

    def end(self) -> None:
        self.loop.end_running()

    def turn(self) -> float:
        if self._timers is not None:
            return self._virtual_turn(self._timers)
        start = perf_counter()
        if self._busy_turns > 1 and not self._is_slow:
            self._end = start + SECONDS_PER_TURN
            self._run_while_busy()
        else:
            self._events_seen = self._events.value
            self._run_once()
        # The stopper comes before the poll of its iteration. Where a poll's events take long, Trio
        # would wait for those of one poll more.
        self._is_slow = perf_counter() - start > 2 * SECONDS_PER_TURN
        if self._exits:
            raise self._exits.pop(0)
        # Where there were events there are often more: another poll (a microsecond) is cheaper than
        # to park and be woken by Trio (ten).
        if self._ready or self._events.value != self._events_seen:
            self._busy_turns += 1
            if start >= self._threads.due_at:
                self._threads.let_run(start)
            return NOW
        self._busy_turns = 0
        return self.due()

    def recover(self) -> list[str]:
        """Nothing to do: libuv, which keeps the timers, takes numbers only."""
        return []

    def _run_while_busy(self) -> None:
        self._events_seen = -1
        self._next = self._stopper
        self._has_stopped = False
        first = self._call_soon(self._stop_if_idle, context=self._context)
        try:
            self._run()
        finally:
            if not self._has_stopped:  # an error did: what is left of ours would go on next time
                for handle in (first, *self._handles):
                    with suppress(ValueError):
                        self._ready.remove(handle)

    def _stop_if_idle(self) -> None:
        events = self._events.value
        is_busy = self._ready or events != self._events_seen
        self._events_seen = events
        now = perf_counter()
        if is_busy and now < self._end:
            if now >= self._threads.due_at:
                self._threads.let_run(now)
            self._ready.append(self._next)
            is_quick = self._next is not self._stopper and now - self._stopped_at < 2e-5
            self._next = self._row_of_16 if is_quick else self._row_of_4
            self._stopped_at = now
        else:
            self._has_stopped = True
            self._stop_iterations()

    def _handle(self, callback: Callable[..., object], *args: object) -> asyncio.Handle:
        """A callback of ours, not scheduled."""
        handle = self._call_soon(callback, *args, context=self._context)
        self._ready.remove(handle)
        self._handles.append(handle)
        return handle

    def _virtual_turn(self, timers: VirtualTimers) -> float:
        timers.make_ready()
        events = self._events.value
        self._run_once()
        if self._exits:
            raise self._exits.pop(0)
        return NOW if self._events.value != events else self.due()

    def _virtual_due(self, timers: VirtualTimers) -> float:
        return NOW if self._door.due() == NOW else timers.next_due()

    async def watch(self, drive: Callable[[], Awaitable[bool]]) -> None:
        while await drive():
            await trio.lowlevel.wait_readable(self.descriptor)

    def use_clock(self, current_time: Callable[[], float]) -> None:
        loop: Any = self.loop
        self._timers = timers = VirtualTimers(loop, current_time)
        self.due = partial(self._virtual_due, timers)
        loop.time = current_time
        loop.call_at, loop.call_later = timers.call_at, timers.call_later
