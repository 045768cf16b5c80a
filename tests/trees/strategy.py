"""Random programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from programs import (
    MOST_WAITS,
    AsyncioNursery,
    Await,
    Cancel,
    Catch,
    Cleanup,
    Gather,
    Leaf,
    MoveOn,
    Node,
    Raise,
    Return,
    Spawn,
    Steps,
    TaskGroup,
    ToAsyncio,
    ToTrio,
    TrioNursery,
    Wait,
)

MOST_NODES = 22

ON_BOTH = ["Steps", "Catch", "MoveOn", "TrioNursery", "AsyncioNursery"]
KINDS = {
    "trio": ["Leaf", "ToAsyncio", *ON_BOTH, "ToAsyncio", "AsyncioNursery"],
    "asyncio": ["Leaf", "ToTrio", *ON_BOTH, "Spawn", "Gather", "Await", "TaskGroup", "ToTrio"],
}


@st.composite
def programs(draw: Any) -> Node:
    """A program whose root belongs to Trio's side."""
    return Maker(draw).node("trio", 0, but=("Leaf",))


@dataclass
class Maker:
    """Draws one program, and gives out its names and its waits."""

    draw: Any
    nodes: int = 0
    waits: int = 0
    scopes: list[str] = field(default_factory=list)
    is_owned: bool = False
    """Whether a nursery of the user's waits for the asyncio tasks that are started here."""
    is_loose: bool = False
    """Whether it is in a task that the closing loop may find running."""

    def wait(self, least: int = 1) -> Wait:
        self.waits += 1
        return Wait(self.draw(st.integers(least, 6)), self.waits)

    @property
    def is_full(self) -> bool:
        return self.nodes >= MOST_NODES or self.waits >= MOST_WAITS - 14

    def node(self, side: str, depth: int, but: tuple[str, ...] = ()) -> Node:
        self.nodes += 1
        name = f"n{self.nodes}"
        kinds = [kind for kind in KINDS[side] if kind not in but]
        if depth >= 6 or self.is_full:
            kinds = ["Leaf"]
        kind = self.draw(st.sampled_from(kinds))
        made: Node = getattr(self, kind)(name, side, depth + 1)
        return made

    def several(self, side: str, depth: int, least: int, most: int) -> tuple[Node, ...]:
        count = self.draw(st.integers(least, most))
        return tuple(self.node(side, depth) for _ in range(count) if not self.is_full)

    # ---- the kinds

    def Leaf(self, name: str, side: str, depth: int) -> Leaf:
        wait = self.wait()
        if self.is_full:
            return Leaf(name, wait, self.draw(st.sampled_from([Return(), Raise()])))
        then: Any = self.draw(st.sampled_from([Return(), Raise(), Cancel]))
        if then is Cancel:
            target = self.draw(st.sampled_from(self.scopes)) if self.scopes else None
            then = Return() if target is None else Cancel(target, self.wait())
        cleanup = None
        if self.draw(st.booleans()):
            ends = self.draw(st.sampled_from(["cancelled", "raises", "returns"]))
            cleanup = Cleanup(self.wait(), ends, self.draw(st.booleans()))
        return Leaf(name, wait, then, cleanup)

    def Steps(self, name: str, side: str, depth: int) -> Steps:
        steps = [self.node(side, depth, but=("Steps",))]
        steps += self.several(side, depth, 1, 2)
        return Steps(name, tuple(steps))

    def Catch(self, name: str, side: str, depth: int) -> Catch:
        return Catch(name, self.node(side, depth, but=("Catch",)))

    def MoveOn(self, name: str, side: str, depth: int) -> MoveOn:
        of = self.draw(st.sampled_from(["trio", "asyncio"]))
        if side == "trio" and self.is_loose:
            of = "trio"  # docs/limits.md: such a manager of asyncio's is left by the closing loop
        wait = self.wait()
        if "trio" in (side, of):
            self.scopes.append(name)
        return MoveOn(name, wait, self.node(side, depth), of, side)

    def TrioNursery(self, name: str, side: str, depth: int) -> TrioNursery:
        self.scopes.append(name)
        body = self.node(side, depth)
        return TrioNursery(name, body, self.several("trio", depth, 1, 3))

    def AsyncioNursery(self, name: str, side: str, depth: int) -> AsyncioNursery:
        self.scopes.append(name)
        outer, self.is_owned = self.is_owned, True
        body = self.node(side, depth)
        children = self.several("asyncio", depth, 0, 2)
        self.is_owned = outer
        return AsyncioNursery(name, body, children)

    def ToAsyncio(self, name: str, side: str, depth: int) -> ToAsyncio:
        return ToAsyncio(name, self.node("asyncio", depth))

    def ToTrio(self, name: str, side: str, depth: int) -> ToTrio:
        return ToTrio(name, self.node("trio", depth))

    def Await(self, name: str, side: str, depth: int) -> Await:
        return Await(name, self.node(side, depth))

    def Spawn(self, name: str, side: str, depth: int) -> Spawn:
        wait = self.wait()
        outer, self.is_loose = self.is_loose, self.is_loose or not self.is_owned
        child = self.node(side, depth)
        self.is_loose = outer
        return Spawn(name, child, wait)

    def Gather(self, name: str, side: str, depth: int) -> Gather:
        outer, self.is_loose = self.is_loose, self.is_loose or not self.is_owned
        children = (self.node(side, depth), *self.several(side, depth, 1, 2))
        self.is_loose = outer
        return Gather(name, children)

    def TaskGroup(self, name: str, side: str, depth: int) -> TaskGroup:
        body = self.node(side, depth)
        return TaskGroup(name, body, self.several(side, depth, 1, 2))
