"""Where a suspended coroutine waits: the chain of awaits, outermost first.

``asyncio.Task.get_stack`` gives only the outermost frame of a suspended coroutine.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def awaits(awaitable: Any) -> Iterator[tuple[FrameType, int]]:
    """The frames of a suspended coroutine (or generator), each with its line number."""
    while awaitable is not None:
        for prefix, inner in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            frame: FrameType | None = getattr(awaitable, f"{prefix}_frame", None)
            if frame is not None:
                yield frame, frame.f_lineno
                awaitable = getattr(awaitable, f"{prefix}_{inner}")
                break
        else:
            return


def format_awaits(awaitable: Any) -> str:
    """The frames as a traceback prints them."""
    lines: list[str] = []
    for frame, lineno in awaits(awaitable):
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {lineno}, in {code.co_name}')
        if text := linecache.getline(code.co_filename, lineno).strip():
            lines.append(f"    {text}")
    return "\n".join(lines)
