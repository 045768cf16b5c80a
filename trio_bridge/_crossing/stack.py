"""Where code is: a suspended coroutine by its chain of awaits, running code by its callers.

``asyncio.Task.get_stack`` gives only the outermost frame of a suspended coroutine.
"""

from __future__ import annotations

import gc
import linecache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


# What stands between an `await` and the coroutine or generator behind it. Only the garbage
# collector can look through them (https://github.com/python/cpython/issues/76991).
_WRAPPERS: Final = frozenset(
    {"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper"}
)
_KINDS: Final = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


def awaits(awaitable: Any) -> Iterator[tuple[FrameType, int]]:
    """The frames of a suspended coroutine (or generator), each with its line number."""
    while awaitable is not None:
        cls = type(awaitable)  # which is asked, as an object may answer with code of its own
        if cls.__name__ in _WRAPPERS and cls.__module__ == "builtins":
            awaitable = next(iter(gc.get_referents(awaitable)), None)
            continue
        for frame_name, inner_name in _KINDS:
            if not hasattr(cls, frame_name):
                continue
            frame: FrameType | None = getattr(awaitable, frame_name)
            if frame is not None:
                yield frame, frame.f_lineno
                awaitable = getattr(awaitable, inner_name)
                break
        else:
            return


def frames_down_to(innermost: FrameType) -> list[FrameType]:
    """The frames of a thread that is running, outermost first."""
    frames: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def format_awaits(awaitable: Any) -> str:
    """The frames as a traceback prints them."""
    lines: list[str] = []
    for frame, lineno in awaits(awaitable):
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {lineno}, in {code.co_name}')
        if text := linecache.getline(code.co_filename, lineno).strip():
            lines.append(f"    {text}")
    return "\n".join(lines)
