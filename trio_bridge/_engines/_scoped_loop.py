"""What the loops that Trio turns have in common, whoever wrote the rest of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVarTuple

from .. import _private
from ._signals import SignalHandlers
from ._thread_calls import ThreadCalls

if TYPE_CHECKING:
    import asyncio
    import selectors
    from collections.abc import Callable
    from contextvars import Context

    _Loop = asyncio.SelectorEventLoop
else:
    _Loop = object

Ts = TypeVarTuple("Ts")


class ScopedLoop(_Loop):
    """Mixed into a loop's class: it ends with its Trio scope, and signals stay Trio's.

    That is, their wakeup descriptor, which both asyncio and uvloop would take.
    """

    def __init__(self, *args: selectors.BaseSelector) -> None:
        super().__init__(*args)
        self.thread_calls = ThreadCalls()
        self._signals = SignalHandlers(self, self.thread_calls)

    def stop(self) -> None:
        """Refuse: the loop's life is that of its ``open_loop`` block."""
        raise RuntimeError(
            "this loop ends with its Trio scope, not by loop.stop(): "
            "leave the `async with trio_bridge.open_loop():` block, or cancel a scope around it; "
            "that of trio_bridge.run(main) ends when main returns"
        )

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As asyncio's, and what it accepts of another thread is run."""
        calls = self.thread_calls
        with calls.gate:
            # Its own callbacks may still: before Python 3.13 a thread's future that is cancelled
            # with its task does, and concurrent.futures prints the refusal.
            if calls.is_shut and _private.get_running_loop() is not self:
                raise RuntimeError("Event loop is closed")
            return super().call_soon_threadsafe(callback, *args, context=context)

    if sys.platform != "win32":  # where asyncio has neither

        def add_signal_handler(
            self, sig: int, callback: Callable[[*Ts], object], *args: *Ts
        ) -> None:
            """Call ``callback(*args)`` in the loop when the process gets the signal."""
            self._signals.add(sig, callback, args)

        def remove_signal_handler(self, sig: int) -> bool:
            """Put back what handled the signal before; whether there was a handler to remove."""
            return self._signals.remove(sig)

    def close(self) -> None:
        """Close the loop and give the process's signals back."""
        if not self.is_running():  # else the loop refuses
            self._signals.remove_all()
        super().close()
