"""Makes a program of random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .program import Node

if TYPE_CHECKING:
    import random

MOST_NODES: Final = 28
DEEPEST: Final = 6
# Each as often as it is to come.
STATEMENTS: Final = (
    *["cross"] * 5,
    *["with"] * 7,
    *["for"] * 2,
    *("catch", "catch", "finally", "clean up", "clean up", "child", "child", "seq", "seq"),
)
LEAVES: Final = ("sleep", "sleep", "sleep", "fail", "set", "log", "cancel")
MANAGERS: Final = (
    *("fail after", "fail after", "move on after", "scope", "scope", "nursery", "nursery"),
    *("sync", "manager", "manager", "manager", "manager"),
)
HELD_OVER_A_YIELD: Final = ("sync", "manager", "manager")
"""By a generator. Scopes and nurseries may not be: Trio says so."""


def make_program(rnd: random.Random) -> Node:
    """One program; of the same random numbers the same."""
    return _Maker(rnd).statement(DEEPEST)


class _Maker:
    def __init__(self, rnd: random.Random) -> None:
        self._rnd: Final = rnd
        self._names = 0
        self._scopes: Final[list[str]] = []
        self._left = MOST_NODES

    def _name(self) -> str:
        self._names += 1
        return f"n{self._names}"

    def _seconds(self) -> float:
        return round(self._rnd.uniform(0.1, 3), 6)

    def _is_foreign(self) -> bool:
        return self._rnd.random() < 0.75

    def leaf(self) -> Node:
        kind = self._rnd.choice(LEAVES)
        name = self._name()
        if kind == "cancel" and self._scopes:
            name = self._rnd.choice(self._scopes)
        if kind in ("fail", "cancel"):
            return self._at_some_time(kind, name)
        return Node(kind, name=name, seconds=self._seconds() if kind == "sleep" else 0.0)

    def _at_some_time(self, kind: str, name: str) -> Node:
        """Not at the moment when something else begins."""
        waits = Node("sleep", seconds=self._seconds())
        seconds = self._seconds() if kind == "cancel" else 0.0
        return Node("seq", parts=(waits, Node(kind, name=name, seconds=seconds)))

    def statement(self, depth: int) -> Node:
        self._left -= 1
        if depth <= 0 or self._left < 0:
            return self.leaf()
        kind = self._rnd.choice(STATEMENTS)
        if kind == "with":
            manager = self.manager(depth - 1, MANAGERS)
            return Node(kind, parts=(self.statement(depth - 1),), managers=(manager,))
        if kind == "for":
            return self._loop(depth)
        count = self._rnd.choice((2, 2, 3)) if kind == "seq" else 1
        seconds = self._seconds() if kind in ("clean up", "child") else 0.0
        name = self._name() if kind == "finally" else ""
        parts = tuple(self.statement(depth - 1) for _ in range(count))
        return Node(kind, parts=parts, seconds=seconds, name=name)

    def _loop(self, depth: int) -> Node:
        """Over a generator: its managers, and a body; then what each of its steps does."""
        foreign, how = self._is_foreign(), self._rnd.choice(("", "", "break"))
        body = self.statement(depth - 1)
        steps = tuple(self._step() for _ in range(self._rnd.choice((1, 2, 3))))
        managers = ()
        if self._rnd.random() < 0.5:
            managers = (self.manager(depth - 2, HELD_OVER_A_YIELD),)
        parts = (body, *steps)
        return Node("for", parts, managers, foreign=foreign, name=self._name(), how=how)

    def _step(self) -> Node:
        """Of a generator, or of a manager that is entered or left."""
        node = self.leaf()
        for _ in range(self._rnd.choice((0, 0, 1, 2))):
            node = Node("cross", parts=(node,))
        return node

    def manager(self, depth: int, kinds: tuple[str, ...]) -> Node:
        kind = self._rnd.choice(kinds)
        foreign, name = self._is_foreign(), self._name()
        if kind in ("fail after", "move on after"):
            return Node(kind, foreign=foreign, seconds=self._seconds())
        if kind == "scope":
            self._scopes.append(name)
            return Node(kind, foreign=foreign, name=name)
        how = self._rnd.choice(("", "", "", "swallow", "replace"))
        if kind == "sync":
            return Node(kind, foreign=foreign, name=name, how=how)
        if kind == "nursery":
            children = tuple(self._child(depth) for _ in range(self._rnd.choice((1, 1, 2))))
            return Node(kind, parts=children, foreign=foreign)
        count = self._rnd.choice((0, 1, 1, 2)) if depth > 0 else 0
        inner = tuple(self.manager(depth - 1, kinds) for _ in range(count))
        shape = self._rnd.choice(("function", "class"))
        parts = (self._step(), self._step())
        return Node(kind, parts, inner, foreign=foreign, name=name, how=f"{shape} {how}".strip())

    def _child(self, depth: int) -> Node:
        waits = Node("sleep", seconds=self._seconds())
        return Node("seq", parts=(waits, self.statement(depth - 1)))
