"""The portable engine: the standard library's selector loop, without a selector that can be polled.

Windows' ``select`` has no descriptor of its own that Trio could watch. So each registration with
asyncio's selector, one direction of one descriptor, is a *watch*, and a Trio task, a *watcher*,
waits for it with ``trio.lowlevel.wait_readable`` or ``wait_writable``.

1. A watcher that finds something gives the loop a turn itself, in the same step of Trio's: one task
   step for one event. It waits again when the callback has run, not before: a descriptor that is
   still readable is then found again (level-triggered), and none is found twice for one callback.
2. If the loop is busy, somebody gives it turns already. The watcher reports, sleeps, and is woken
   when the callback has run: in the turn after that, or at the end of its own if no other follows.
3. A watcher whose loop doesn't become idle would be kept from its descriptor: after a few turns
   another takes its watch over.
4. A watch that ends takes its watcher out of Trio's wait at once, before the descriptor can be
   closed and its number given to another. That is a cancel scope around each watcher's life, not
   around each wait: it costs nothing until it is used. Not ``trio.lowlevel.notify_closing``, which
   would wake other people's waits too.
5. Watchers without a watch are idle, and serve the next one: they are seldom made.
"""

from __future__ import annotations

import contextvars
import errno
import os
import selectors
import stat
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import trio
from trio.lowlevel import Abort

from .. import _private
from ._interface import NOW
from ._other_threads import OtherThreads
from ._stdlib_loop import StdlibEngine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# Idle watchers cost 4 kB each; a burst of connections leaves no more of them than this.
MAX_IDLE: Final = 100

# A callback's work is often done after two or three turns. Then its watcher is back, and to call
# another would cost two steps of Trio's.
_TURNS_BEFORE_REPLACED: Final = 4

_WAITS: Final = (
    (selectors.EVENT_READ, trio.lowlevel.wait_readable),
    (selectors.EVENT_WRITE, trio.lowlevel.wait_writable),
)


class _Watch:
    """One direction of one descriptor, from its registration to the end of that."""

    __slots__ = ("key", "mask", "wait", "watcher")

    def __init__(
        self, key: selectors.SelectorKey, mask: int, wait: Callable[[int], Awaitable[None]]
    ) -> None:
        self.key = key
        self.mask = mask
        self.wait = wait
        self.watcher: _Watcher | None = None


class _Watcher:
    """A Trio task that serves one watch after the other."""

    __slots__ = ("_is_recalled", "_is_waiting", "_scope", "_selector", "_sleeper", "watch")

    _scope: trio.CancelScope

    def __init__(self, selector: WatchingSelector) -> None:
        self._selector = selector
        self.watch: _Watch | None = None
        self._sleeper: trio.lowlevel.Task | None = None
        self._is_waiting = False
        self._is_recalled = False

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        goes_on = True
        while goes_on:
            self._is_recalled = False
            with trio.CancelScope() as self._scope:
                while goes_on and not self._is_recalled:
                    watch = self.watch
                    goes_on = await (self._idle() if watch is None else self._serve(watch))

    async def _serve(self, watch: _Watch) -> bool:
        """Wait once, and see to it that the loop handles what is found."""
        self._is_waiting = True
        try:
            await watch.wait(watch.key.fd)
        except (OSError, trio.BusyResourceError, trio.ClosedResourceError) as exc:
            if watch is self.watch:
                self._selector.give_up(watch, exc)
            return True
        finally:
            self._is_waiting = False
        if watch is not self.watch:
            return True  # unregistered, between Trio's finding it and this step
        self._selector.report(watch)
        if not self._selector.is_busy:
            return await self._selector.drive_by(self)
        await self._sleep()
        return True

    async def _idle(self) -> bool:
        return self._selector.offer(self) and await self._sleep()

    async def _sleep(self) -> bool:
        self._sleeper = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)
        return True

    def _abort(self, raise_cancel: object) -> Abort:
        self._sleeper = None
        return Abort.SUCCEEDED

    def wake(self) -> None:
        """End its sleep, if it sleeps."""
        if self._sleeper is not None:
            trio.lowlevel.reschedule(self._sleeper)
            self._sleeper = None

    def recall(self) -> None:
        """It has lost its watch. On return Trio doesn't know of the descriptor any more."""
        if self._is_waiting:
            self._is_recalled = True
            self._scope.cancel()
        else:
            self.wake()


class WatchingSelector(selectors.SelectSelector):
    """A selector whose ``select`` returns what the watchers have found.

    Its base keeps the registrations, by the standard library's rules, on every platform.
    """

    on_failure: Callable[[selectors.SelectorKey, Exception], object]
    """Is told, Trio side, of a descriptor that can't be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.is_busy = False
        """Whoever gives turns will give another: a report is enough."""
        self._watches: Final[dict[int, dict[int, _Watch]]] = {mask: {} for mask, _ in _WAITS}
        self._reported: Final[list[_Watch]] = []
        self._delivered: Final[list[_Watch]] = []
        self._idle: Final[list[_Watcher]] = []
        self._driver: _Watcher | None = None
        self._turns_of_driver = 0
        self._nursery: trio.Nursery | None = None

    # ---- asyncio's part

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        try:
            _check_can_be_waited_for(key.fd)
        except OSError:
            super().unregister(fileobj)
            raise
        self._set_watches(key, events)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._set_watches(key, 0)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        old = self.get_key(fileobj)
        if old.events == events:
            # Another callback, so perhaps another file: the old one may have been closed behind
            # our back, and its number be that of a new one, of which Trio doesn't know.
            self._set_watches(old, 0)
            key = super().modify(fileobj, events, data)
        else:
            super().unregister(fileobj)
            key = super().register(fileobj, events, data)
        self._set_watches(key, events)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Never waits. The callbacks of the events of last time have run.
        self._wake_delivered()
        if self._driver is not None:
            self._turns_of_driver += 1
            if self._turns_of_driver > _TURNS_BEFORE_REPLACED:
                self._replace_driver()
        if not self._reported:
            return []
        self._delivered.extend(watch for watch in self._reported if watch.watcher is not None)
        self._reported.clear()
        return [(watch.key, watch.mask) for watch in self._delivered]

    def rest(self) -> None:
        """No callback is left, and perhaps nobody gives the loop another turn."""
        self.is_busy = False
        self._wake_delivered()

    def _wake_delivered(self) -> None:
        for watch in self._delivered:
            if watch.watcher is not None:
                watch.watcher.wake()
        self._delivered.clear()

    def close(self) -> None:
        for watches in self._watches.values():
            for watch in watches.values():
                _part(watch)
            watches.clear()
        super().close()

    def _set_watches(self, key: selectors.SelectorKey, events: int) -> None:
        for mask, wait in _WAITS:
            watches = self._watches[mask]
            watch = watches.get(key.fd)
            if not events & mask:
                if watch is not None:
                    del watches[key.fd]
                    _part(watch)
            elif watch is not None:
                watch.key = key
            else:
                watches[key.fd] = watch = _Watch(key, mask, wait)
                self._find_watcher(watch)

    # ---- Trio's part

    async def watch(self, drive: Callable[[], Awaitable[bool]]) -> None:
        """See :class:`._interface.Engine`."""
        self._drive = drive
        # Not that of whatever asyncio code registers a descriptor.
        self._context = contextvars.copy_context()
        try:
            async with trio.open_nursery() as self._nursery:
                for watches in self._watches.values():
                    for watch in watches.values():
                        self._find_watcher(watch)
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def _find_watcher(self, watch: _Watch) -> None:
        if self._driver is not None and self._driver.watch is None:
            watcher = self._driver  # it will be back in a moment
        elif self._idle:
            watcher = self._idle.pop()
            watcher.wake()
        elif self._nursery is not None:
            watcher = _Watcher(self)
            self._context.run(self._nursery.start_soon, watcher.run)
        else:
            return  # before watch(): it begins with this
        watch.watcher = watcher
        watcher.watch = watch

    def report(self, watch: _Watch) -> None:
        """It is to be among the next events."""
        self._reported.append(watch)

    async def drive_by(self, watcher: _Watcher) -> bool:
        """Give turns in the watcher's task, until the loop is idle; whether it is to go on."""
        self._driver = watcher
        self._turns_of_driver = 0
        goes_on = await self._drive()
        if self._driver is watcher:
            self._driver = None
        if not goes_on and self._nursery is not None:
            self._nursery.cancel_scope.cancel()
        return goes_on

    def _replace_driver(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None and driver.watch is not None:
            watch, driver.watch = driver.watch, None
            self._find_watcher(watch)

    def offer(self, watcher: _Watcher) -> bool:
        """Keep an idle watcher for another watch, if there are not enough of them."""
        if len(self._idle) >= MAX_IDLE:
            return False
        self._idle.append(watcher)
        return True

    def give_up(self, watch: _Watch, exc: Exception) -> None:
        """Trio can't wait for it. It stays registered, as asyncio will want to unregister it."""
        del self._watches[watch.mask][watch.key.fd]
        _part(watch)
        # epoll forgets a descriptor that is closed without being unregistered, and so do we.
        is_closed = isinstance(exc, trio.ClosedResourceError) or (
            isinstance(exc, OSError) and exc.errno == errno.EBADF
        )
        if not is_closed:
            self.on_failure(watch.key, exc)


def _part(watch: _Watch) -> None:
    """The watch has ended."""
    watcher, watch.watcher = watch.watcher, None
    if watcher is not None:
        watcher.watch = None
        watcher.recall()


def _check_can_be_waited_for(fd: int) -> None:
    """Refuse at once what epoll refuses at once. On Windows Trio does so, a step later."""
    if os.name == "posix":
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class PortableEngine(StdlibEngine):
    """See :class:`._interface.Engine`, whose rules this keeps."""

    descriptor = None  # Trio waits for each of the loop's own

    def __init__(self) -> None:
        self._selector = WatchingSelector()
        self._selector.on_failure = self._report_failure
        self._threads = OtherThreads()
        super().__init__(self._selector)

    def turn(self) -> float:
        selector = self._selector
        selector.is_busy = True  # also if a callback raises: what is behind it is still to be run
        self._run_once()
        if (now := perf_counter()) >= self._threads.due_at:
            self._threads.let_run(now)  # as nothing else in a turn does
        if self._ready:
            return NOW
        selector.rest()
        return _private.next_timer(self.loop)

    async def watch(self, drive: Callable[[], Awaitable[bool]]) -> None:
        await self._selector.watch(drive)

    def _report_failure(self, key: selectors.SelectorKey, exc: Exception) -> None:
        context = {
            "message": f"Trio can't wait for descriptor {key.fd}, which asyncio has registered",
            "exception": exc,
        }
        self.loop.call_soon(self.loop.call_exception_handler, context)
