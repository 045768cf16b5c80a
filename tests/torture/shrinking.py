"""Makes what fails smaller, as long as it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
MOST_TRIES: Final = 3000


def shrink(program: T, smaller: Callable[[T], Iterable[T]], fails: Callable[[T], bool]) -> T:
    """The smallest program that fails, which small changes (``smaller``) lead to."""
    tries = MOST_TRIES
    has_changed = True
    while has_changed:
        has_changed = False
        for candidate in smaller(program):
            tries -= 1
            if tries < 0:
                return program
            if fails(candidate):
                program, has_changed = candidate, True
                break
    return program
