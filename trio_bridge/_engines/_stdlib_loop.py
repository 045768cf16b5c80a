"""The standard library's selector loop, turned from outside: what the engines that do so share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVarTuple

from .. import _private
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


class StdlibEngine:
    """All of an engine but its turns and its watch."""

    hides_work = False

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.loop = SelectorEventLoop(selector)
        self._run_once = _private.run_once(self.loop)
        self._ready = _private.ready_queue(self.loop)

    def start(self) -> None:
        """See :class:`._interface.Engine`."""
        _private.begin_running(self.loop)

    def end(self) -> None:
        """See :class:`._interface.Engine`."""
        _private.end_running(self.loop)

    def use_clock(self, current_time: Callable[[], float]) -> None:
        """See :class:`._interface.Engine`."""
        setattr(self.loop, "time", current_time)  # noqa: B010 -- mypy: a method
