"""asyncio's signal handlers, without taking the process's wakeup descriptor.

The standard library's loop sets ``signal.set_wakeup_fd`` when the first handler is added and clears
it with the last. Trio needs that descriptor too, so here a Python-level handler schedules the
callback instead: Trio is woken by its own descriptor, and the interpreter runs the handler then.
"""

from __future__ import annotations

import functools
import inspect
import signal
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._thread_calls import ThreadCalls


class _Handler:
    """What the interpreter calls for a signal, and what it called before."""

    def __init__(self, schedule: Callable[[], object], calls: ThreadCalls) -> None:
        self._schedule = schedule
        self._calls = calls
        self.displaced: Any = None

    def __call__(self, signum: int, frame: object) -> None:
        if not self._calls.is_shut:  # it would raise in whatever code the signal has interrupted
            self._schedule()


class SignalHandlers:
    """The signal handlers of one loop, and what they displaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop, calls: ThreadCalls) -> None:
        self._loop = loop
        self._calls = calls
        self._handlers: dict[int, _Handler] = {}

    def add(self, sig: int, callback: object, args: tuple[Any, ...]) -> None:
        """Handle ``sig``; the errors are those of the standard library's loop."""
        if inspect.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        _check_signal(sig)
        if self._loop.is_closed():
            raise RuntimeError("Event loop is closed")
        if not callable(callback):
            raise TypeError(f"a callable object was expected, got {callback!r}")
        context = copy_context()
        handler = _Handler(
            functools.partial(self._loop.call_soon_threadsafe, callback, *args, context=context),
            self._calls,
        )
        try:
            displaced = signal.signal(sig, handler)
            signal.siginterrupt(sig, False)
        except ValueError as exc:  # not the main thread
            raise RuntimeError(str(exc)) from None
        except OSError:
            raise RuntimeError(f"sig {sig} cannot be caught") from None
        replaced = self._handlers.get(sig)
        handler.displaced = displaced if replaced is None else replaced.displaced
        self._handlers[sig] = handler

    def remove(self, sig: int) -> bool:
        """Put back what handled ``sig`` before: with SIGINT, Trio's handler."""
        _check_signal(sig)
        handler = self._handlers.pop(sig, None)
        if handler is None:
            return False
        newer: Any = signal.getsignal(sig)
        if newer is handler:
            # None: a handler that was not installed from Python, which Python can't put back.
            signal.signal(sig, signal.SIG_DFL if handler.displaced is None else handler.displaced)
        # Otherwise somebody took the signal after us: loops side by side end in any order. If a
        # loop did, it is to give the signal back to whom we had it from.
        while isinstance(newer, _Handler):
            if newer.displaced is handler:
                newer.displaced = handler.displaced
            newer = newer.displaced
        return True

    def remove_all(self) -> None:
        for sig in list(self._handlers):
            self.remove(sig)


def _check_signal(sig: object) -> None:
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")
