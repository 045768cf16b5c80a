"""Whose code a frame runs: by the module it was written in."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

BRIDGE: Final = __name__.partition(".")[0]
"""Our own package."""


def module_of(frame: FrameType) -> str:
    """The module's full name; nothing for code that a program has made without one."""
    name = frame.f_globals.get("__name__")
    return name if type(name) is str else ""  # a program may have put anything there


def package_of(frame: FrameType) -> str:
    """The module's top-level package."""
    return _top_level(module_of(frame))


@functools.lru_cache(maxsize=1000)
def _top_level(module: str) -> str:
    return module.partition(".")[0]


def is_ours(frame: FrameType) -> bool:
    """Whether it is a frame of the bridge's code."""
    return package_of(frame) == BRIDGE
