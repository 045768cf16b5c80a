"""The programs that are a little smaller than one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .program import LEAST_PARTS, Node, Program, sides_of_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = {
    "leaf": "value",
    "cross": "function",
    "deadline": "own",
    "manager": "class",
    "put": "queue",
    "get": "queue",
    "asyncio_nursery": "soon",
}


def smaller(program: Program) -> Iterator[Program]:
    """Programs that are a little smaller; those that are much smaller come first."""
    for number in range(len(program.strikes)):
        yield replace(program, strikes=program.strikes[:number] + program.strikes[number + 1 :])
    for root in smaller_nodes(program.root):
        if root.kind == program.root.kind:
            yield program.with_root(root)
    for number, strike in enumerate(program.strikes):
        for less in ({"at": strike.at // 2}, {"at": strike.at - 1}, {"which": 0}):
            new = replace(strike, **less)
            if new != strike and new.at > 0:
                strikes = (*program.strikes[:number], new, *program.strikes[number + 1 :])
                yield replace(program, strikes=strikes)
    if program.schedule:
        yield replace(program, schedule=0)


def smaller_nodes(node: Node) -> Iterator[Node]:
    yield from _inner(node)
    if node.parts and node.kind not in ("block", "loop"):
        yield Node("leaf", node.side)
    for number in range(len(node.parts)):
        rest = node.parts[:number] + node.parts[number + 1 :]
        if len(rest) >= LEAST_PARTS[node.kind] and (not rest or has_right_sides(node, rest)):
            yield replace(node, parts=rest)
    for number, part in enumerate(node.parts):
        for new in smaller_nodes(part):
            yield replace(node, parts=(*node.parts[:number], new, *node.parts[number + 1 :]))
    yield from _plainer(node)


def _inner(node: Node) -> Iterator[Node]:
    """What is inside of it, in its place."""
    for part in node.parts:
        yield from (inner for inner in (part, *part.parts) if inner.side == node.side)


def _plainer(node: Node) -> Iterator[Node]:
    if (how := PLAIN.get(node.kind, "")) != node.how:
        yield replace(node, how=how)
    if node.also:
        yield replace(node, also="")
    if node.n:
        yield replace(node, n=0)
        yield replace(node, n=node.n - 1)


def has_right_sides(node: Node, parts: tuple[Node, ...]) -> bool:
    first, rest = sides_of_parts(node)
    return parts[0].side == first and all(part.side == rest for part in parts[1:])
