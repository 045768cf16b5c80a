"""The tree as text, in colour on a terminal."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from ._collect import tree
from ._parts import Places, head, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from ._data import Node, Tree
    from ._parts import Part

_NOTHING: Final = "no Trio run and no asyncio loop"


class Guides(NamedTuple):
    """What the tree is drawn with."""

    child: str = "├─ "
    last_child: str = "└─ "
    line: str = "│  "
    space: str = "   "


_ASCII: Final = Guides("|- ", "`- ", "|  ", "   ")


def print_tree(file: TextIO | None = None) -> None:
    """Print the tree of all Trio tasks, nurseries, cancel scopes and asyncio tasks, as it is now.

    Under each task is its stack, outermost line first. On a terminal it is in colour, if ``rich``
    is installed (``pip install trio-bridge[tree]``); the ``NO_COLOR`` variable is heeded. Not a
    checkpoint; may be called from where :func:`tree` may.

    Args:
      file: where to; ``None``: ``sys.stdout``.
    """
    out = sys.stdout if file is None else file
    out.write(text_for(tree(), out))


def prepare(file: TextIO) -> None:
    """Import what printing to the file needs: in a signal handler it may be half imported."""
    if file.isatty():
        with contextlib.suppress(ImportError):
            importlib.import_module("._colour", __package__)


def text_for(shown: Tree, file: TextIO) -> str:
    """The tree as a file can show it."""
    guides, encoding = Guides(), getattr(file, "encoding", None) or "utf-8"
    try:
        "".join(guides).encode(encoding)
    except UnicodeError:
        guides = _ASCII
    text = _in_colour(shown, file, guides) if file.isatty() else plain(shown, guides) + "\n"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _in_colour(shown: Tree, file: TextIO, guides: Guides) -> str:
    try:
        from ._colour import in_colour
    except ImportError:  # there is no rich, or it is being imported just now
        return plain(shown, guides) + "\n"
    return in_colour(shown, file, guides)


def plain(shown: Tree, guides: Guides | None = None) -> str:
    """The tree without colour."""
    return "\n".join("".join(text for text, _ in line) for line in lines(shown, guides or Guides()))


def lines(shown: Tree, guides: Guides) -> Iterator[list[Part]]:
    """The lines of the text, each in parts."""
    if not shown.roots:
        yield [(_NOTHING, "detail")]
    places = Places()
    # The node, what stands before its own line, and before the lines below it.
    pending: list[tuple[Node, str, str]] = [(root, "", "") for root in reversed(shown.roots)]
    while pending:
        node, first, rest = pending.pop()
        yield [(first, "guide"), *head(node, is_root=not first)]
        yield from _stack(node, rest + (guides.line if node.children else guides.space), places)
        is_last = True
        for child in reversed(node.children):
            guide = guides.last_child if is_last else guides.child
            below = guides.space if is_last else guides.line
            pending.append((child, rest + guide, rest + below))
            is_last = False


def _stack(node: Node, before: str, places: Places) -> Iterator[list[Part]]:
    rows = [
        (printable(frame.function), places.of(frame), printable(frame.code)) for frame in node.stack
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for function, place, code in rows:
        parts: list[Part] = [
            (before, "guide"),
            (function.ljust(widths[0]), "function"),
            ("  " + (place.ljust(widths[1]) if code else place), "place"),
        ]
        if code:
            parts.append(("  " + code, "code"))
        yield parts
