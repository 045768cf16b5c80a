"""The tree as a page: one file, with nothing to load and no server. It is well-formed XML, too."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ._collect import tree
from ._page import PAGE
from ._parts import Places, head, printable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from ._data import Node, Tree


def write_html(path: str | os.PathLike[str], shown: Tree | None = None) -> None:
    """Write the tree as an HTML page: one file, to be opened in a browser.

    What a node has below it can be folded away, and the nodes can be searched. The page is light or
    dark, as the browser is. Not a checkpoint; may be called from where :func:`tree` may.

    Args:
      path: the file to write. One that is there is replaced.
      shown: the tree; ``None``: :func:`tree`, as it is now.

    Raises:
      OSError: the file can't be written.
    """
    Path(path).write_text(page(tree() if shown is None else shown), encoding="utf-8")


def page(shown: Tree) -> str:
    """The page."""
    nodes = "\n".join(_nodes(shown)) or '<p class="detail">no Trio run and no asyncio loop</p>'
    return PAGE.replace("<!--counts-->", _counts(shown)).replace("<!--tree-->", nodes)


def _counts(shown: Tree) -> str:
    kinds = [node.kind for _, node in shown.walk()]
    counts = [(kind, kinds.count(kind)) for kind in ("Trio task", "Trio call", "asyncio task")]
    return ", ".join(f"{count:,} {kind}{'' if count == 1 else 's'}" for kind, count in counts)


def _nodes(shown: Tree) -> Iterator[str]:
    places = Places()
    open_depth = 0
    for depth, node in shown.walk():
        while open_depth > depth:
            yield "</details>"
            open_depth -= 1
        is_leaf = not node.children and not node.stack
        line = "".join(
            f'<span class="{style}">{escape(text)}</span>'
            for text, style in head(node, is_root=depth == 0)
        )
        if is_leaf:
            yield f'<div class="leaf node">{line}</div>'
            continue
        yield f'<details open="open" class="node"><summary>{line}</summary>'
        yield from _stack(node, places)
        open_depth += 1
        if not node.children:
            yield "</details>"
            open_depth -= 1
    yield from ["</details>"] * open_depth


def _stack(node: Node, places: Places) -> Iterator[str]:
    if not node.stack:
        return
    yield "<table>"
    for frame in node.stack:
        columns = (("function", frame.function), ("place", places.of(frame)), ("code", frame.code))
        cells = (f'<td class="{style}">{escape(printable(text))}</td>' for style, text in columns)
        yield f'<tr title="{escape(printable(frame.file))}">{"".join(cells)}</tr>'
    yield "</table>"
