"""Programs as data: trees of nurseries, tasks and crossings, and how their nodes end.

Each node is run on one side, Trio's or asyncio's. Which one follows from the nodes around it; the
names of the classes say where it changes.

1. Each wait has a time of its own: ``Wait(3, 5)`` is 3 units and a fraction that no other wait, nor
   any sum of others, has. So two things that happen at one time have one cause, and what comes
   first is never left to a scheduler.
2. What asks for a cancellation waits before it starts anything new. Each leaf takes time.
3. A block that may have absorbed a cancellation ends with a checkpoint, on either side. So does a
   step that another follows. Between the two sides is then one difference less: asyncio's
   cancellation is an edge, and Trio's a level.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["trio", "asyncio"]
UNIT = 256
MOST_WAITS = 36  # asyncio takes a timer for due that is due in 1e-9 s: UNIT * 2**-36 is more


@dataclass(frozen=True)
class Wait:
    """See rule 1."""

    units: int
    number: int

    @property
    def seconds(self) -> float:
        assert self.number <= MOST_WAITS
        return UNIT * (self.units + 2.0**-self.number)

    def __repr__(self) -> str:
        return f"{self.units}+{self.number}"


# ---- how a node ends


@dataclass(frozen=True)
class Value:
    value: Any


@dataclass(frozen=True)
class Failed:
    """By these errors, alone or in groups, each as often as it is there."""

    errors: tuple[str, ...]


@dataclass(frozen=True)
class Cancelled:
    """By a cancellation from around it."""


@dataclass(frozen=True)
class Unexpected:
    """In a way that no program asks for."""

    what: str


Outcome = Value | Failed | Cancelled | Unexpected
TIMED_OUT, CAUGHT, ABSORBED = "timed out", "caught", "absorbed"


# ---- leaves


@dataclass(frozen=True)
class Return:
    pass


@dataclass(frozen=True)
class Raise:
    pass


@dataclass(frozen=True)
class Cancel:
    """Cancel a scope or a nursery, if it is open, and go on for a while."""

    target: str
    then: Wait


@dataclass(frozen=True)
class Cleanup:
    """What a cancelled leaf does: takes time, here or on the other side, and ends as it says."""

    wait: Wait
    ends: Literal["cancelled", "raises", "returns"]
    crosses: bool


@dataclass(frozen=True)
class Leaf:
    name: str
    wait: Wait
    then: Return | Raise | Cancel
    cleanup: Cleanup | None = None


# ---- both sides


@dataclass(frozen=True)
class Steps:
    name: str
    steps: tuple[Node, ...]


@dataclass(frozen=True)
class Catch:
    """``except*`` around the body."""

    name: str
    body: Node


@dataclass(frozen=True)
class MoveOn:
    """A deadline of either side's, here or there: ``trio.move_on_after`` or ``asyncio.timeout``."""

    name: str
    wait: Wait
    body: Node
    of: Side
    side: Side


@dataclass(frozen=True)
class TrioNursery:
    """The children are Trio tasks. The body may be asyncio code: ``aio2trio(open_nursery())``."""

    name: str
    body: Node
    children: tuple[Node, ...]


@dataclass(frozen=True)
class AsyncioNursery:
    """The children are asyncio tasks, by ``start_soon``. The body may belong to either side."""

    name: str
    body: Node
    children: tuple[Node, ...]


# ---- where the sides change


@dataclass(frozen=True)
class ToAsyncio:
    name: str
    body: Node


@dataclass(frozen=True)
class ToTrio:
    name: str
    body: Node


# ---- asyncio side


@dataclass(frozen=True)
class Await:
    """``await create_task(...)``."""

    name: str
    body: Node


@dataclass(frozen=True)
class Spawn:
    """``create_task(...)`` that nobody awaits. It goes on for a while."""

    name: str
    child: Node
    wait: Wait


@dataclass(frozen=True)
class Gather:
    name: str
    children: tuple[Node, ...]


@dataclass(frozen=True)
class TaskGroup:
    name: str
    body: Node
    children: tuple[Node, ...]


Node = (
    Leaf
    | Steps
    | Catch
    | MoveOn
    | TrioNursery
    | AsyncioNursery
    | ToAsyncio
    | ToTrio
    | Await
    | Spawn
    | Gather
    | TaskGroup
)


@dataclass(frozen=True)
class Ended:
    """That a node has ended."""

    time: float
    name: str
    outcome: Outcome
    after: frozenset[str] = field(default=frozenset(), compare=False)
    """The nodes that ended before it: all that are inside of it, or that it owns."""
    is_cancelled: bool = field(default=False, compare=False)
    """Whether what is around it was cancelled by then."""
