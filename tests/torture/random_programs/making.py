"""Makes a program of random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .program import LEAST_PARTS, Node, Program, Strike, sides_of_parts

if TYPE_CHECKING:
    import random

    from .program import Side

MOST_NODES = 18
DEEPEST = 7

# Each kind as often as it is to come, and more often what crosses.
ON_BOTH = (
    *("leaf", "leaf", "leaf", "put", "get", "wait", "resolve", "cancel"),
    *("seq", "seq", "catch", "deadline", "deadline", "scope", "nursery", "asyncio_nursery"),
    *("manager", "generator", "cross", "cross", "cross", "cross"),
)
KINDS: dict[Side, tuple[str, ...]] = {
    "trio": (*ON_BOTH, *["cross"] * 5, "nursery", "asyncio_nursery", "loop"),
    "asyncio": (*ON_BOTH, *["await", "spawn", "gather", "group"] * 2, "await", "spawn"),
}
LEAVES = ("leaf", "leaf", "leaf", "put", "get", "wait", "resolve", "cancel")

HOW: dict[str, tuple[str, ...]] = {
    "leaf": ("value", "value", "value", "error", "base", "forever", "forever"),
    "put": ("queue", "channel", "callback"),
    "get": ("queue", "channel", "callback"),
    "cross": ("function", "function", "view", "task"),
    "deadline": ("own", "other"),
    "scope": ("", "", "shield"),
    "manager": ("class", "function", "sync"),
    "asyncio_nursery": ("soon", "soon", "start"),
    "await": ("", "guarded"),
    "generator": ("", "early", "closing"),
}
ALSO: dict[str, tuple[str, ...]] = {
    "leaf": ("", "", "", "wait", "cross", "cross", "swallow", "fail"),
    "manager": ("", "wait"),
    "generator": ("", "wait", "deadline"),
    "put": ("", "other"),
    "get": ("", "other"),
}


def make_program(rnd: random.Random) -> Program:
    """A program; which one, the numbers say."""
    return Maker(rnd).program()


class Maker:
    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.left = rnd.randint(5, MOST_NODES)

    def program(self) -> Program:
        kind = "loop" if self.rnd.random() < 0.25 else "block"
        body = self.node("trio", 1, but=LEAVES)
        extra = () if kind == "loop" else self.several("asyncio", 1, 0, 1)
        root = Node(kind, "trio", parts=(body, *extra))
        strikes = tuple(self.strike() for _ in range(self.rnd.choice((0, 0, 1, 1, 2, 3))))
        return Program(root, strikes, self.rnd.randrange(1_000_000))

    def strike(self) -> Strike:
        # The early steps more often: there is something to be hit.
        at = int(self.rnd.randint(1, 9) ** 2)
        at = self.rnd.randint(at // 2, at)
        return Strike(
            at, self.rnd.choice(("scope", "scope", "task", "deadline")), self.rnd.randrange(8)
        )

    def node(self, side: Side, depth: int, but: tuple[str, ...] = ()) -> Node:
        self.left -= 1
        kinds: tuple[str, ...] = tuple(kind for kind in KINDS[side] if kind not in but)
        if depth >= DEEPEST or self.left <= 0:
            kinds = LEAVES
        elif depth <= 3 and self.rnd.random() < 0.7:
            kinds = tuple(kind for kind in kinds if kind not in LEAVES)
        kind = self.rnd.choice(kinds)
        how = self.rnd.choice(HOW.get(kind, ("",)))
        also = self.rnd.choice(ALSO.get(kind, ("",)))
        if how == "task" and side == "asyncio":
            how = "function"
        node = Node(kind, side, how, also, self.rnd.choice((0, 0, 1, 1, 2, 3, 5)))
        if kind in LEAST_PARTS:
            most = {"seq": 3, "generator": 2}.get(kind, 1)
            most = 3 if kind in ("nursery", "asyncio_nursery", "group", "gather") else most
            first, rest = sides_of_parts(node)
            parts = (self.node(first, depth + 1), *self.several(rest, depth + 1, 0, most - 1))
            node = Node(kind, side, how, also, node.n, parts)
        return node

    def several(self, side: Side, depth: int, least: int, most: int) -> tuple[Node, ...]:
        count = self.rnd.randint(least, most)
        return tuple(self.node(side, depth) for _ in range(count) if self.left > 0)
