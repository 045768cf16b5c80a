"""Programs of cancel scopes, shields, deadlines and clean-ups: as data, and at random.

Each wait and each deadline has a time of its own, which no other has, nor any sum of others: so two
things that happen at one time have one cause, and no scheduler decides which comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

MOST_TIMES = 36  # asyncio takes a timer for due that is due in 1e-9 s: 256 * 2**-36 is more


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Fail:
    name: str


@dataclass(frozen=True)
class Cancel:
    """A scope that is around it, in this task or in one that waits for it."""

    scope: str


@dataclass(frozen=True)
class LiftShield:
    """Of such a scope; it may have none."""

    scope: str


@dataclass(frozen=True)
class Scope:
    name: str
    seconds: float | None
    """Until its deadline."""
    shield: bool
    fails: bool
    """Whether it is ``trio.fail_after``."""
    body: Steps


@dataclass(frozen=True)
class CleanUp:
    name: str
    body: Steps
    then: Steps
    """``finally``."""


@dataclass(frozen=True)
class Catch:
    """Errors, and no cancellations."""

    name: str
    body: Steps


@dataclass(frozen=True)
class Nursery:
    """Its child is Trio code, on either side."""

    child: Steps
    body: Steps


@dataclass(frozen=True)
class Cross:
    """To the other side, and back."""

    body: Steps


Block = Scope | CleanUp | Catch | Nursery | Cross
Step = Sleep | Fail | Cancel | LiftShield | Block
Steps = tuple[Step, ...]
ROOT = "root"
"""The scope that is around each program; it has a deadline."""


@st.composite
def programs(draw: Any) -> Scope:
    """A program: its root scope, and what is in it."""
    return Maker(draw).root()


@dataclass
class Maker:
    """Draws one program, and gives out its names and its times."""

    draw: Any
    names: int = 0
    times: int = 0
    scopes: list[str] = field(default_factory=list)
    """Those around what is being made."""

    def root(self) -> Scope:
        return self._scope(ROOT, self._time(), depth=5, shield=False, fails=False)

    def _steps(self, depth: int) -> Steps:
        return tuple(self._step(depth) for _ in range(self.draw(st.integers(1, 3))))

    def _step(self, depth: int) -> Step:
        kinds = ["fail", "cancel", "lift"]
        if self.times < MOST_TIMES:
            kinds += ["sleep", "sleep"]
        if depth > 0 and self.times < MOST_TIMES - 8:
            kinds += ["scope", "scope", "clean_up", "clean_up", "catch", "nursery", "cross"]
        kind = self.draw(st.sampled_from(kinds))
        if kind == "sleep":
            return Sleep(self._time())
        if kind == "fail":
            return Fail(self._name())
        if kind == "cancel":
            return Cancel(self.draw(st.sampled_from(self.scopes)))
        if kind == "lift":
            return LiftShield(self.draw(st.sampled_from(self.scopes)))
        return self._block(kind, depth - 1)

    def _block(self, kind: str, depth: int) -> Block:
        if kind == "scope":
            fails = self.draw(st.booleans())
            seconds = self._time() if fails or self.draw(st.booleans()) else None
            return self._scope(self._name(), seconds, depth, self.draw(st.booleans()), fails)
        if kind == "clean_up":
            return CleanUp(self._name(), self._steps(depth), self._steps(depth))
        if kind == "catch":
            return Catch(self._name(), self._steps(depth))
        if kind == "nursery":
            return Nursery((Sleep(self._time()), *self._steps(depth - 1)), self._steps(depth))
        return Cross(self._steps(depth))

    def _scope(
        self, name: str, seconds: float | None, depth: int, shield: bool, fails: bool
    ) -> Scope:
        self.scopes.append(name)
        body = self._steps(depth)
        self.scopes.pop()
        return Scope(name, seconds, shield, fails, body)

    def _time(self) -> float:
        self.times += 1
        assert self.times <= MOST_TIMES
        return 256 * (self.draw(st.integers(1, 6)) + 2.0**-self.times)

    def _name(self) -> str:
        self.names += 1
        return f"n{self.names}"
