"""What becomes of the arguments and the result of a call on their way to the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Args = tuple[Any, dict[str, Any]]
    """Positional arguments, in any sequence, and those by name."""


class Changes(NamedTuple):
    """Those of one way. All are made on the caller's side."""

    arguments: Callable[[tuple[Any, ...], dict[str, Any]], Args]
    result: Callable[[Any], Any]
    own: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]
    """What code of the function's own side calls in its place."""
