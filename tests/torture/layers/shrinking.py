"""The programs that are a little smaller than one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .program import MANAGERS, STATEMENTS, Node

if TYPE_CHECKING:
    from collections.abc import Iterator


def smaller(node: Node) -> Iterator[Node]:
    """What is a little smaller; what is much smaller comes first."""
    kinds = STATEMENTS if node.kind in STATEMENTS else MANAGERS
    yield from (inner for inner in _inside(node) if inner.kind in kinds)
    if node.kind in STATEMENTS and node.kind != "log":
        yield Node("log", name="-")
    least = {**STATEMENTS, **MANAGERS}[node.kind]
    yield from _changed(node, "parts", least)
    yield from _changed(node, "managers", 1 if node.kind == "with" else 0)


def _changed(node: Node, field: str, least: int) -> Iterator[Node]:
    """One of the parts, or of the managers, is gone, or is smaller."""
    all_of_them: tuple[Node, ...] = getattr(node, field)
    rest = range(least, len(all_of_them))
    for number in rest:
        yield replace(node, **{field: all_of_them[:number] + all_of_them[number + 1 :]})
    for number, one in enumerate(all_of_them):
        for new in smaller(one):
            changed = (*all_of_them[:number], new, *all_of_them[number + 1 :])
            yield replace(node, **{field: changed})


def _inside(node: Node) -> Iterator[Node]:
    for inner in (*node.parts, *node.managers):
        yield inner
        yield from _inside(inner)
