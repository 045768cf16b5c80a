"""Frames, and the code by which some of them are known."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from .uvloop_door import UvloopDoor

if TYPE_CHECKING:
    from types import CodeType, FrameType


def frames_by_thread() -> dict[int, FrameType]:
    """The innermost frame of each thread."""
    return sys._current_frames() if hasattr(sys, "_current_frames") else {}


TURNS: Final[frozenset[CodeType]] = frozenset(
    {
        asyncio.BaseEventLoop._run_once.__code__,  # type: ignore[attr-defined]
        UvloopDoor.run_once.__code__,
        UvloopDoor.run_until_stopped.__code__,
    }
)
"""The code of iterations of a loop that Python makes, by which its frame is known."""
