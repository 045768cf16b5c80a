"""What the program has acquired and released: a line each, for who watches its standard output."""

from __future__ import annotations

import itertools
import os
import time
from typing import Final

import trio
from processor import waited_for_processor

OUTPUT: Final = 1
_numbers: Final = itertools.count()


def tell(line: str) -> None:
    """One line, whole, at once, from any thread."""
    os.write(OUTPUT, f"{line}\n".encode())


class Held:
    """Something that is to be released once: what the ``with`` statement around clean-up does."""

    def __init__(self, what: str) -> None:
        self._what: Final = what
        self._number: Final = next(_numbers)

    # Ctrl-C before or after, not between the deed and the line that tells of it.
    @trio.lowlevel.enable_ki_protection
    def __enter__(self) -> None:
        tell(f"+ {self._number} {self._what}")

    @trio.lowlevel.enable_ki_protection
    def __exit__(self, *exc_info: object) -> None:
        tell(f"- {self._number} {self._what}")


class Readiness:
    """Tells when every part of the program has been through once."""

    def __init__(self, parts: int) -> None:
        self._missing = parts
        self._seen: Final[set[str]] = set()

    def has_been_through(self, part: str) -> None:
        """A part has. Once is enough."""
        if part in self._seen:
            return
        self._seen.add(part)
        if len(self._seen) == self._missing:
            tell(f"busy {time.monotonic()}")


def trigger() -> None:
    """The end begins now."""
    tell(f"ends {time.monotonic()} {waited_for_processor(os.getpid())}")
