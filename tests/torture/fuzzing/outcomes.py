"""What came of something, so that two runs of it can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trio_bridge import unview

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def of_error(exc: BaseException) -> tuple[str, ...]:
    """Its type and words; not the words that Python finds for types, tasks and addresses."""
    try:
        words = str(exc)
    except Exception as failing:
        words = f"unprintable: {failing}"
    is_pythons = isinstance(exc, TypeError) or "<" in words or "'" in words
    return ("error", type(exc).__name__, "" if is_pythons else words)


def of_value(value: Any) -> tuple[str, ...]:
    """Its type, and itself if it is plain."""
    value = unview(value)
    shown = repr(value) if type(value) in (int, str, bool, float, type(None)) else ""
    return ("value", type.__dict__["__name__"].__get__(type(value)), shown)


async def outcome(fn: Callable[..., Awaitable[Any]], *args: Any) -> tuple[str, ...]:
    """What awaiting ``fn(*args)`` gives."""
    try:
        return of_value(await fn(*args))
    except BaseException as exc:
        return of_error(exc)


def plain_outcome(fn: Callable[..., Any], *args: Any) -> tuple[str, ...]:
    """What calling ``fn(*args)`` gives."""
    try:
        return of_value(fn(*args))
    except BaseException as exc:
        return of_error(exc)
