"""What happens in one run of a program: each node that begins, and how it ends."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .program import Node, Side


class Failure(Exception):
    """What a program raises. Each has a number of its own."""


class Catastrophe(BaseException):
    """The same, of those that ``except Exception`` lets pass."""


class Broken(AssertionError):
    """A law does not hold."""


@dataclass(frozen=True)
class Outcome:
    """How a node ended: by a value, or else by errors, a cancellation, or both in one group."""

    has_value: bool = False
    errors: tuple[int, ...] = ()
    bases: frozenset[int] = frozenset()
    """Those of the errors that are no Exceptions."""
    is_cancelled: bool = False
    strays: int = 0
    """Cancellations of the other side's kind."""

    @property
    def is_only_cancelled(self) -> bool:
        return self.is_cancelled and not self.errors


VALUE = Outcome(has_value=True)
CANCELLED_ERRORS: dict[Side, type[BaseException]] = {
    "trio": trio.Cancelled,
    "asyncio": asyncio.CancelledError,
}


@dataclass(eq=False)
class Instance:
    """One run of a node."""

    ledger: Ledger
    node: Node
    up: Instance | None
    number: int
    began: float
    is_task: bool = False
    """Whether it is all that an asyncio task does, which its owner may cancel."""
    is_child: bool = False
    """Whether it is a nursery's or a task group's, whose values nobody asks for."""
    parts: list[Instance] = field(default_factory=list)
    got: list[int] = field(default_factory=list)
    """The values that it received from its parts."""
    raised: list[int] = field(default_factory=list)
    """Errors of its own making."""
    must: Counter[int] = field(default_factory=Counter)
    """As an owner: the errors that nobody awaits."""
    may: Counter[int] = field(default_factory=Counter)
    """Errors of which asyncio may or may not speak."""
    scope: trio.CancelScope | None = None
    cut: float = inf
    """When its inside was cancelled."""
    was_struck: bool = False
    """Whether its task was cancelled by ``Task.cancel()`` of the program's."""
    body_ended: bool = False
    outcome: Outcome | None = None
    ended: float = inf

    def __repr__(self) -> str:
        return f"{self.node.kind}#{self.number} ({self.node.side} side)"

    # ---- what its node does

    def failure(self, kind: type[BaseException] = Failure) -> BaseException:
        number = self.ledger.number()
        self.raised.append(number)
        return kind(number)

    def receives(self, value: int) -> int:
        self.got.append(value)
        return value

    def cut_now(self) -> None:
        self.cut = min(self.cut, self.ledger.time())

    # ---- its surroundings

    def upward(self) -> Iterator[Instance]:
        here: Instance | None = self
        while here is not None:
            yield here
            here = here.up

    @property
    def owner(self) -> Instance:
        """Whose the asyncio tasks are that it starts and nobody awaits."""
        assert self.up is not None
        for around in self.up.upward():
            if around.node.kind in ("asyncio_nursery", "block", "loop") or around.is_shield:
                return around
        raise AssertionError("a program's root owns all")

    def cancels_inside(self) -> bool:
        """Whether it has given what is inside of it a reason to end."""
        if self.node.kind in ("deadline", "get", "wait", "put"):
            return self.cut < inf or self.ledger.time() >= self.began + self.node.n
        if self.node.kind == "group":
            return any(part.outcome and not part.outcome.has_value for part in self.parts)
        if self.node.kind == "loop":
            return self.body_ended or bool(self.must or self.may)
        if self.is_shield and (
            self.must or any(p.outcome and p.outcome.errors for p in self.parts)
        ):
            return True  # its nursery
        if self.scope is not None and self.scope.cancel_called:
            return True
        return self.cut < inf

    def is_cancelled(self) -> bool:
        """Whether something around it, or its task's own, asks it to end."""
        if self.was_struck:
            return True
        up = self.up
        if up is None:
            return False
        if up.cancels_inside():
            return True
        if up.is_shield:
            return False
        if self.is_task:
            owner = self.owner
            if owner.cancels_inside() or (not owner.is_shield and owner.is_cancelled()):
                return True
        return up.is_cancelled()

    @property
    def is_shield(self) -> bool:
        """Whether nothing from around it cancels what is inside."""
        return (self.node.kind, self.node.how, self.node.side) == ("scope", "shield", "trio")


class Ledger:
    """All instances of one run, and counts of what happened."""

    def __init__(self) -> None:
        self.instances: list[Instance] = []
        self.happened: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.cleanups: Counter[str] = Counter()
        """By name: one up when it is due, one down when it has run."""
        self.put: Counter[int] = Counter()
        self.taken: Counter[int] = Counter()
        self.time = trio.current_time
        self._numbers = 0

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def begin(
        self, node: Node, up: Instance | None, *, is_task: bool = False, is_child: bool = False
    ) -> Instance:
        me = Instance(self, node, up, self.number(), self.time(), is_task, is_child)
        self.instances.append(me)
        if up is not None:
            up.parts.append(me)
            if up.outcome is not None and up.node.kind not in MAY_BE_OUTLIVED:
                self.complain(f"{me} began after {up} had ended")
        return me

    def complain(self, what: str) -> None:
        self.complaints.append(what)

    def outcome_of(self, exc: BaseException, side: Side) -> Outcome:
        errors: list[int] = []
        bases: set[int] = set()
        is_cancelled = False
        strays = 0
        for leaf in leaves_of(exc):
            if isinstance(leaf, Failure | Catastrophe):
                errors.append(leaf.args[0])
                if isinstance(leaf, Catastrophe):
                    bases.add(leaf.args[0])
            elif isinstance(leaf, CANCELLED_ERRORS[side]):
                is_cancelled = True
            elif isinstance(leaf, trio.Cancelled | asyncio.CancelledError):
                strays += 1
            else:
                shown = "".join(traceback.format_exception(leaf))
                self.complain(f"no program raises this:\n{shown}")
        return Outcome(False, tuple(sorted(errors)), frozenset(bases), is_cancelled, strays)


MAY_BE_OUTLIVED = ("spawn", "gather", "cross")
"""Kinds whose parts may end later. (A crossing only if it awaits a task, see :mod:`.laws`.)"""


def leaves_of(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from leaves_of(inner)
    else:
        yield exc
