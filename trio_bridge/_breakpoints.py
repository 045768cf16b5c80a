"""``breakpoint()`` while a loop of ours is open: the debugger that knows crossings.

1. The hook is Python's own, ``sys.breakpointhook``. It is exchanged while a loop is open, and put
   back when the last one is closed.
2. Whoever has chosen a debugger already keeps it: another hook, ``PYTHONBREAKPOINT``, a debugger
   that has put itself in the place of ``pdb.set_trace`` (pytest's), one that runs the program
   (``python -m pdb``) and wants to keep its breakpoints.
3. A program that doesn't debug pays nothing: ``pdb`` is imported at the first breakpoint.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any, Final

_lock: Final = threading.Lock()
_open_loops = 0


def take() -> None:
    """A loop is open: breakpoints are ours, if nobody else's."""
    global _open_loops
    with _lock:
        _open_loops += 1
        if sys.breakpointhook is sys.__breakpointhook__ and not _has_other_debugger():
            sys.breakpointhook = _enter_debugger


def give_back() -> None:
    """A loop is closed."""
    global _open_loops
    with _lock:
        _open_loops -= 1
        if not _open_loops and sys.breakpointhook is _enter_debugger:
            sys.breakpointhook = sys.__breakpointhook__


def _has_other_debugger() -> bool:
    if os.environ.get("PYTHONBREAKPOINT"):
        return True
    pdb: Any = sys.modules.get("pdb")
    return pdb is not None and getattr(pdb.set_trace, "__module__", "pdb") != "pdb"


def _enter_debugger(*args: Any, **kwargs: Any) -> object:
    if os.environ.get("PYTHONBREAKPOINT"):  # set since
        return sys.__breakpointhook__(*args, **kwargs)
    # By name: the debugger stands on top of all the rest, and few will ever need it.
    debugger: Any = importlib.import_module(f"{__package__}._debugger")
    return debugger.enter(sys._getframe(1), *args, **kwargs)
