"""A program as data: a tree of nodes, what strikes it at which step, and the seed of the scheduler.

Most times are small whole numbers, so that much happens at the same moment: what comes first then
is the scheduler's choice, and no law may depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Side = Literal["trio", "asyncio"]


def other(side: Side) -> Side:
    return "asyncio" if side == "trio" else "trio"


@dataclass(frozen=True)
class Node:
    """One thing that a program does. What ``how``, ``also`` and ``n`` mean depends on its kind."""

    kind: str
    side: Side
    how: str = ""
    also: str = ""
    n: int = 0
    parts: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        yield self
        for part in self.parts:
            yield from part.walk()

    def __repr__(self) -> str:
        """As Python code, without what is not said."""
        words = [f"{self.kind!r}", f"{self.side!r}"]
        words += [
            f"{name}={value!r}" for name in ("how", "also", "n") if (value := getattr(self, name))
        ]
        if self.parts:
            words.append(f"parts=({', '.join(map(repr, self.parts))},)")
        return f"Node({', '.join(words)})"


@dataclass(frozen=True)
class Strike:
    """Something that comes from outside, before the ``at``-th step of Trio's tasks."""

    at: int
    what: Literal["scope", "task", "deadline"]
    which: int


@dataclass(frozen=True)
class Program:
    root: Node
    strikes: tuple[Strike, ...] = ()
    schedule: int = 0
    """The seed of Trio's scheduler."""

    def __repr__(self) -> str:
        return f"Program({self.root!r}, {self.strikes!r}, schedule={self.schedule})"

    def with_root(self, root: Node) -> Program:
        return replace(self, root=root)


def sides_of_parts(node: Node) -> tuple[Side, Side]:
    """The side of the first part, and of the others."""
    if node.kind == "cross":
        return other(node.side), other(node.side)
    if node.kind == "nursery":
        return node.side, "trio"
    if node.kind in ("asyncio_nursery", "block"):
        return node.side, "asyncio"
    return node.side, node.side


# What a node must have of parts: the least number. Leaves have none.
LEAST_PARTS = {
    **dict.fromkeys(("cross", "catch", "deadline", "scope", "manager", "await", "spawn"), 1),
    **dict.fromkeys(("nursery", "asyncio_nursery", "block", "group", "loop", "gather", "seq"), 1),
    "generator": 0,
}
