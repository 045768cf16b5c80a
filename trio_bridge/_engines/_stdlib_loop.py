"""The standard library's selector loop, as the engines have it that turn it from outside."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVarTuple

from ._signals import SignalHandlers
from ._windows import StdlibLoop

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable

Ts = TypeVarTuple("Ts")


class SelectorEventLoop(StdlibLoop):
    """The standard library's loop, but for signals: their wakeup descriptor stays Trio's."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        super().__init__(selector)
        self._signals = SignalHandlers(self)

    if sys.platform != "win32":

        def add_signal_handler(
            self, sig: int, callback: Callable[[*Ts], object], *args: *Ts
        ) -> None:
            """Call ``callback(*args)`` in the loop when the process gets the signal."""
            self._signals.add(sig, callback, args)

        def remove_signal_handler(self, sig: int) -> bool:
            """Put back what handled the signal before; whether there was a handler to remove."""
            return self._signals.remove(sig)

    def stop(self) -> None:
        """Refuse: the loop's life is that of its ``open_loop`` block."""
        raise RuntimeError(
            "this loop ends with its Trio scope, not by loop.stop(): "
            "leave the `async with trio_bridge.open_loop():` block, or cancel a scope around it"
        )

    def run_forever(self) -> None:
        """Run until stopped; refuse before anything is changed if the loop runs already."""
        # CPython 3.13.0 looks after it has begun to change things, and un-marks the running loop.
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        super().run_forever()

    def close(self) -> None:
        """Close the loop and give the process's signals back."""
        if not self.is_running():
            self._signals.remove_all()
        super().close()
