"""A program as data: a tree of statements, and of the managers around them.

A statement runs on the side of the one around it. A manager and an iterator are ``foreign`` if they
are the other side's. Moments are never the same by chance: who comes first then is the scheduler's
choice, and the libraries choose differently.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A statement or a manager. What ``seconds``, ``name`` and ``how`` mean depends on its kind."""

    kind: str
    parts: tuple[Node, ...] = ()
    managers: tuple[Node, ...] = ()
    foreign: bool = False
    seconds: float = 0.0
    name: str = ""
    how: str = ""

    def __repr__(self) -> str:
        """As Python code, without what is not said."""
        names = ("parts", "managers", "foreign", "seconds", "name", "how")
        said = (f"{name}={value!r}" for name in names if (value := getattr(self, name)))
        words = [repr(self.kind), *said]
        return f"Node({', '.join(words)})"


LEAVES = ("log", "sleep", "fail", "set", "cancel")
# The least number of parts.
STATEMENTS = {
    **dict.fromkeys(LEAVES, 0),
    **dict.fromkeys(("seq", "cross", "catch", "finally", "clean up", "with", "child"), 1),
    "for": 2,
}
MANAGERS = {
    **dict.fromkeys(("fail after", "move on after", "scope", "sync"), 0),
    "nursery": 1,
    "manager": 2,
}
