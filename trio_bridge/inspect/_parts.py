"""How a node and a frame read, in parts with a style each: what the text and the page both show."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._data import Frame, Node

Style: TypeAlias = Literal[
    "trio", "asyncio", "scope", "name", "detail", "alarm", "function", "place", "code", "guide"
]
Part: TypeAlias = tuple[str, Style]

_STYLES: Final[dict[str, Style]] = {
    "Trio run": "trio",
    "Trio task": "trio",
    "Trio call": "trio",
    "nursery": "scope",
    "cancel scope": "scope",
    "asyncio loop": "asyncio",
    "asyncio task": "asyncio",
}


def head(node: Node, *, is_root: bool) -> Iterator[Part]:
    """The line that says what a node is."""
    yield node.kind, _STYLES[node.kind]
    if node.name:
        yield f" {printable(node.name)}", "name"
    if node.function and not (node.stack and node.stack[0].function == node.function):
        yield f" {printable(node.function)}", "detail"
    if node.waits_for:
        yield f", waits for {_some(node.waits_for)}", "detail"
    if is_root and node.thread:
        yield f" in thread {printable(node.thread)}", "detail"
    if node.deadline is not None:
        yield f", {_deadline(node.deadline)}", "detail"
    if node.is_shielded:
        yield ", shielded", "detail"
    if node.is_cancelled:
        yield ", cancelled", "alarm"
    if node.is_running:
        yield ", running", "detail"


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal or an XML reader would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - _NAMES
    return ", ".join(map(printable, names[:_NAMES])) + (f" and {rest} more" if rest > 0 else "")


_NAMES: Final = 3


def _deadline(seconds: float) -> str:
    size = abs(seconds)
    digits = f"{size:.0f}" if size >= 100 else f"{size:.3g}" if size >= 1 else f"{size:.3f}"
    return f"deadline in {digits} s" if seconds >= 0 else f"deadline {digits} s ago"


class Places:
    """Shortens the paths of files: from the current directory, or where modules are found."""

    def __init__(self) -> None:
        directories = {str(Path(entry or ".").absolute()) + os.sep for entry in ["", *sys.path]}
        self._directories: Final = sorted(directories, key=len, reverse=True)
        self._short: Final[dict[str, str]] = {}

    def of(self, frame: Frame) -> str:
        """The frame's file and line."""
        file = self._short.get(frame.file)
        if file is None:
            file = self._short[frame.file] = printable(self._shorten(frame.file))
        return f"{file}:{frame.line}" if frame.line else file

    def _shorten(self, file: str) -> str:
        for directory in self._directories:
            if file.startswith(directory):
                return file.removeprefix(directory)
        return file
