"""Names of asyncio's tasks, futures and callbacks."""

from __future__ import annotations

import asyncio
import gc
from contextvars import Context
from typing import Any, Final

TASKS_TELL_CONTEXT: Final = hasattr(asyncio.Task, "get_context")
"""Since Python 3.12."""


def context_of(thing: Any) -> Context | None:
    """The context that a task or a callback runs in, if it can be known; or uvloop's transport."""
    context: Context | None
    if type(thing).__module__ == "uvloop.loop":
        return next((held for held in gc.get_referents(thing) if type(held) is Context), None)
    get_context = getattr(thing, "get_context", None)
    context = getattr(thing, "_context", None) if get_context is None else get_context()
    return context


def is_unretrieved(task: asyncio.Future[Any]) -> bool:
    """Whether it has failed, and nobody has asked for its error."""
    return bool(getattr(task, "_log_traceback", False))


def forget_source_frames(task: asyncio.Future[Any], filename: str) -> None:
    """Leave a file's functions out of what debug mode says of where a task was created."""
    source = getattr(task, "_source_traceback", None)
    while source and source[-1].filename == filename:
        del source[-1]


def is_future_type(cls: type) -> bool:
    """Whether asyncio takes its objects for futures."""
    return hasattr(cls, "_asyncio_future_blocking")


def waited_for_by(task: asyncio.Task[Any]) -> list[asyncio.Future[Any]]:
    """The futures that an asyncio task waits for: one, or those that it has given to ``gather``."""
    waited_for: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    if waited_for is None:
        return []
    gathered: Any = getattr(waited_for, "_children", None)
    return list(gathered) if isinstance(gathered, list) else [waited_for]
