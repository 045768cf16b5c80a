"""Ctrl-C where Trio is a guest, and nobody else handles it (as ``asyncio.Runner`` does).

1. In a tick Trio handles it: it holds it back in its own frames and in ours, and raises it in the
   user's code, or delivers it to the main task.
2. Between two ticks it is raised where it comes, as in any asyncio program, but not in the
   functions that are :func:`uninterrupted`: their caller would lose Trio, half started or half
   stopped. There it is held back, and raised by the loop's next callback; or at the end of the
   loop's run, if that comes first.
3. asyncio loses the callback that it was about to call when Ctrl-C comes. If that was a tick, Trio
   would stand for ever: so another is scheduled whenever Ctrl-C is raised.
4. Where Python drops what is raised, it is held back too: in ``__del__``, as Trio does, and in the
   callbacks of weak references. There asyncio programs lose it.
5. A handler that somebody else installs wins.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from . import _private

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import CodeType, FrameType

Fn = TypeVar("Fn", bound="Callable[..., Any]")

_uninterrupted: Final[set[CodeType]] = set()
_of_trio: Final[set[CodeType]] = set()


def uninterrupted(fn: Fn) -> Fn:
    """Hold Ctrl-C back in ``fn`` and in all that it calls: so it may call no code of the user's."""
    _uninterrupted.add(fn.__code__)
    return trio.lowlevel.enable_ki_protection(fn)


def runs_trio(fn: Fn) -> Fn:
    """What ``fn`` calls is a tick, in which Ctrl-C is Trio's."""
    _of_trio.add(fn.__code__)
    return trio.lowlevel.enable_ki_protection(fn)


class CtrlC:
    """Handles Ctrl-C for one guest.

    Args:
      loop: the loop that has the guest.
      look_again: schedules a tick, for the one that may be lost (rule 3).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, look_again: Callable[[], object]) -> None:
        self._loop = loop
        self._look_again: Final = look_again
        self._trios: Callable[[int, FrameType | None], object] | None = None
        self.is_here = True
        """Whether Trio is the guest of a loop in the main thread."""
        self._is_held_back = False

    @staticmethod
    def prepare() -> None:
        """Trio is about to start: make it free, if a guest that ended elsewhere has left it."""
        for callback in _private.weakref_callbacks():
            uninterrupted(callback)
        left = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
        if isinstance(left, CtrlC) and not left.is_here:
            left.give_back()

    def take(self) -> None:
        """Take it from Trio, if Trio has taken it."""
        handler: Any = signal.getsignal(signal.SIGINT)
        if _is_main_thread() and _private.is_trios_sigint_handler(handler):
            self._trios = handler
            signal.signal(signal.SIGINT, self._handle)

    def take_again(self) -> None:
        """The loop goes on, in this thread."""
        self.is_here = _is_main_thread()
        is_free = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if is_free and self._trios is not None and self.is_here:
            signal.signal(signal.SIGINT, self._handle)

    def give_back(self) -> None:
        """The loop stands, or Trio has ended."""
        if _is_main_thread() and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def forget_trio(self) -> None:
        """Trio has ended, in a tick, and takes no more of them."""
        self._trios = None

    def end(self) -> None:
        """All that is left of Trio has been cleaned up."""
        self.give_back()
        self.is_here = False
        del self._loop

    def raise_it(self) -> None:
        """Raise what was held back.

        Raises:
          KeyboardInterrupt: there was something.
        """
        if self._is_held_back:
            self._is_held_back = False
            raise KeyboardInterrupt

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        around = _innermost_of_ours(frame)
        if not self.is_here:  # the loop has gone on, or ended, in another thread
            signal.default_int_handler(signum, frame)
        elif around in _of_trio and self._trios is not None:
            self._trios(signum, frame)
        elif around is not None:
            self._is_held_back = True
            if self._loop.is_running():
                self._loop.call_soon(self.raise_it)
        else:
            self._look_again()
            signal.default_int_handler(signum, frame)


def _innermost_of_ours(frame: FrameType | None) -> CodeType | None:
    """The innermost code around the frame that says who handles Ctrl-C."""
    dropping = None
    while frame is not None:
        code = frame.f_code
        if code in _uninterrupted or code in _of_trio:
            return code  # in a tick Trio knows of ``__del__`` by itself
        if code.co_name == "__del__":
            dropping = code
        frame = frame.f_back
    return dropping


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
