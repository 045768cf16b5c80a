"""``breakpoint()`` while a loop of ours is open: the debugger that knows crossings.

1. The hook is Python's own, ``sys.breakpointhook``. It is exchanged while a loop is open, and put
   back when the last one is closed.
2. Whoever has chosen a debugger keeps it: another hook, ``PYTHONBREAKPOINT``, or what has put
   itself in the place of ``pdb.set_trace`` (pytest).
3. A ``pdb`` that runs the program (``python -m pdb script.py``) learns to know crossings.
4. A program that doesn't debug pays nothing: ``pdb`` is imported at the first breakpoint.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

_lock: Final = threading.Lock()
_open_loops = 0


def take() -> None:
    """A loop is open: breakpoints are ours, if nobody else's."""
    global _open_loops
    with _lock:
        _open_loops += 1
        if sys.breakpointhook is sys.__breakpointhook__ and not _has_other_debugger():
            sys.breakpointhook = _enter_debugger
    if "pdb" in sys.modules and (running := _running_pdb(inspect.currentframe())) is not None:
        _debugger().adopt(running)


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


def _running_pdb(frame: FrameType | None) -> Any:
    """The ``pdb.Pdb`` below this frame that runs the program, if there is one."""
    while frame is not None and frame.f_globals.get("__name__") != "bdb":
        frame = frame.f_back
    return frame and frame.f_locals.get("self")


def _enter_debugger(*args: Any, **kwargs: Any) -> object:
    if os.environ.get("PYTHONBREAKPOINT"):  # set since
        return sys.__breakpointhook__(*args, **kwargs)
    frame = inspect.currentframe()
    assert frame is not None
    frame = frame.f_back
    _debugger().enter(_running_pdb(frame), frame, *args, **kwargs)
    return None


def _debugger() -> Any:
    # By name: the debugger stands on top of all the rest, and few will ever need it.
    return importlib.import_module(f"{__package__}._debugger")
