"""The standard library's selector loop, turned from outside: what the engines that do so share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .. import _private
from ._interface import NOW
from ._read_memory import keep_read_memory
from ._scoped_loop import ScopedLoop
from ._windows import WindowsLimits

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable


if sys.platform == "win32":  # pragma: no cover -- the tests use its base WindowsLimits on Linux

    class _PlatformLoop(WindowsLimits, _private.RoomyLoop):  # type: ignore[misc]
        pass

else:
    _PlatformLoop = _private.RoomyLoop


class StdlibLoop(_PlatformLoop):
    """The standard library's selector loop on this platform."""

    def __init__(self, *args: Any) -> None:
        keep_read_memory()
        super().__init__(*args)


class SelectorEventLoop(ScopedLoop, StdlibLoop):
    """The standard library's loop, with a selector of an engine's."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        try:
            super().__init__(selector)
        except OSError:  # no descriptors for its socket pair
            _private.was_never_made(self)
            selector.close()
            raise

    def run_forever(self) -> None:
        """Run until stopped; refuse before anything is changed if the loop runs already."""
        # CPython 3.13.0 looks after it has begun to change things, and un-marks the running loop.
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        super().run_forever()


class StdlibEngine:
    """All of an engine but its turns and its watch."""

    hides_work = False

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.loop = SelectorEventLoop(selector)
        self.thread_calls = self.loop.thread_calls
        self._run_once = _private.run_once(self.loop)
        self._ready = _private.ready_queue(self.loop)

    def start(self) -> None:
        """See :class:`._interface.Engine`."""
        _private.begin_running(self.loop)

    def end(self) -> None:
        """See :class:`._interface.Engine`."""
        _private.end_running(self.loop)

    def recover(self) -> list[str]:
        """See :class:`._interface.Engine`."""
        return _private.drop_wrong_timers(self.loop)

    def due(self) -> float:
        """See :class:`._interface.Engine`."""
        return NOW if self._ready else _private.next_timer(self.loop)

    def use_clock(self, current_time: Callable[[], float]) -> None:
        """See :class:`._interface.Engine`."""
        setattr(self.loop, "time", current_time)  # noqa: B010 -- mypy: a method
