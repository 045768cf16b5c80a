"""The task tree on a signal, while the program runs: ``tree_signal`` and ``--tree-signal``.

1. The handler prints the tree where the signal comes: in the main thread, between any two lines of
   Python code, so perhaps in the middle of Trio's scheduler or of a turn. It only reads, it calls
   none of the user's code, and an error of its own is printed and not raised.
2. It is put back to what it was when the last block that wants it ends, unless the program has set
   another meanwhile, which stays.

To have the tree printed later, by Trio (``TrioToken.run_sync_soon``) or the loop, was rejected: a
program that hangs in code of its own never gets there, and that is when one asks for the tree. A
thread of its own would read what the program changes at the same time.

``signal.siginterrupt`` is left as Python sets it: what blocks in the kernel is interrupted, and
goes on after the tree is printed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ._untrusted import shown

if TYPE_CHECKING:
    from types import FrameType

SignalName: TypeAlias = str | int

_WRITE: Final = "Write the name of a signal that the program can do without, as in 'SIGUSR1'"
# Ctrl-C is Trio's and asyncio's. What a fault causes would come again as soon as we return.
_NOT_FREE: Final = ("SIGINT", "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL")

_users: Final[dict[int, int]] = {}
"""How many blocks want the tree on a signal."""
_previous: Final[dict[int, Any]] = {}
_is_printing = False


class TreeSignal:
    """What ``tree_signal`` says, checked.

    Args:
      name: ``"SIGUSR1"``, ``signal.SIGUSR1``, or ``None``: no signal.

    Raises:
      TypeError, ValueError: it is something else, or a signal that isn't free.
    """

    def __init__(self, name: SignalName | None) -> None:
        self._number: Final = None if name is None else _number_of(name)

    def check_thread(self) -> None:
        """Refuse where :meth:`install` would fail.

        Raises:
          RuntimeError: not in the main thread.
        """
        if self._number is not None and threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "tree_signal was given for a loop of another thread: Python handles signals in the "
                "main thread only. Write\n"
                "    trio_bridge.inspect.print_tree()\n"
                "in a handler of your own, which sees the loops of all threads"
            )

    def install(self) -> None:
        """From now on the signal prints the tree."""
        number = self._number
        if number is None:
            return
        from .inspect._text import prepare

        if sys.stderr is not None:
            prepare(sys.stderr)  # while imports are safe
        _users[number] = _users.get(number, 0) + 1
        if _users[number] == 1:
            _previous[number] = signal.signal(number, _print_tree)

    def remove(self) -> None:
        """This block wants the tree no more."""
        number = self._number
        if number is None:
            return
        _users[number] -= 1
        if _users[number] == 0:
            previous = _previous.pop(number)
            if signal.getsignal(number) is _print_tree:
                # None: it was not installed by Python, which can't put it back.
                signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _number_of(name: object) -> signal.Signals:
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise TypeError(f"tree_signal={shown(name)} is no signal. {_WRITE}")
    try:
        number = signal.Signals[name] if isinstance(name, str) else signal.Signals(name)
    except (KeyError, ValueError):
        raise ValueError(f"tree_signal={name!r}: there is no such signal. {_WRITE}") from None
    if number.name in _NOT_FREE:
        raise ValueError(f"tree_signal={name!r}: this signal has another meaning. {_WRITE}")
    return number


def _print_tree(number: int, frame: FrameType | None) -> None:
    global _is_printing
    if _is_printing:  # the signal came once more meanwhile
        return
    _is_printing = True
    try:
        _write(_text(number))
    except Exception:  # such as a closed stderr: there is nowhere left to say so
        return
    finally:
        _is_printing = False


def _text(number: int) -> str:
    from .inspect import tree
    from .inspect._text import text_for

    name, now = signal.Signals(number).name, time.strftime("%H:%M:%S")
    title = f"Task tree of process {os.getpid()}, by {name} at {now}\n"
    try:
        return title + text_for(tree(), sys.stderr)
    except Exception as exc:
        return f"{title}failed: {type(exc).__name__}: {exc}\n"


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except RuntimeError:
        # The signal came in the middle of a write to stderr, whose buffer takes one at a time.
        data = text.encode(errors="backslashreplace")
        while data:
            data = data[os.write(2, data) :]
