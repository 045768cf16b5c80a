"""How things end, in words that hold for both libraries."""

from __future__ import annotations

import asyncio

import trio


class Failure(Exception):
    """What programs raise."""


def shape(exc: BaseException) -> str:
    """What both libraries have of an error."""
    if isinstance(exc, BaseExceptionGroup):
        return f"[{', '.join(sorted(map(shape, exc.exceptions)))}]"
    if isinstance(exc, trio.Cancelled | asyncio.CancelledError):
        return "a cancellation"
    if isinstance(exc, trio.TooSlowError | TimeoutError):
        return "too slow"
    return repr(exc)
