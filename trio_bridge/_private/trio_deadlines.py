"""Trio's deadlines: a time of its clock at which its scheduler calls a function of ours."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Final

from .trio_scheduler import trio_run_vars

if TYPE_CHECKING:
    from collections.abc import Callable


class TrioDeadline:
    """One time, which may be set again and again. Made by :func:`make_trio_deadline`.

    Trio takes it for a cancel scope that has a deadline: it looks at ``_registered_deadline``, and
    cancels what is due. A scope is cancelled once in its life; this needs no other.
    """

    def __init__(self, deadlines: Any, call: Callable[[], object]) -> None:
        self._deadlines: Final = deadlines
        self._call: Final = call
        self._registered_deadline = math.inf

    def set(self, when: float) -> None:
        """Call at that time of Trio's clock, and at no other; infinity: not at all."""
        before, self._registered_deadline = self._registered_deadline, when
        if before != math.inf:
            self._deadlines.remove(before, self)
        if when != math.inf:
            self._deadlines.add(when, self)

    def _cancel(self, reason: object = None) -> None:
        self.set(math.inf)
        self._call()

    cancel = _cancel
    """Its name before Trio 0.31."""


def make_trio_deadline(call: Callable[[], object]) -> TrioDeadline | None:
    """One in the Trio run of this thread, or none, if this Trio has no place for it.

    Args:
      call: is called in the scheduler, between tasks; must not fail.
    """
    runner: Any = trio_run_vars().get("runner")
    # A host loop would have to be told that Trio wakes up earlier.
    if runner is None or getattr(runner, "is_guest", True):
        return None
    deadlines = getattr(runner, "deadlines", None)
    kind: Any = type(deadlines)
    return TrioDeadline(deadlines, call) if _has_a_place(kind) else None


@functools.cache
def _has_a_place(kind: Callable[[], Any]) -> bool:
    # By trial, once: what a future Trio asks of its scopes has no name to look for, and what isn't
    # there would break its scheduler.
    called: list[None] = []
    try:
        deadlines = kind()
        trial = TrioDeadline(deadlines, lambda: called.append(None))
        for when in (2.0, 1.0, 3.0, 1.0):
            trial.set(when)
        due = deadlines.next_deadline()
        for now in (0.5, 1.5, 3.5):
            deadlines.expire(now)
        deadlines._prune()
        return due == 1.0 and called == [None] and deadlines.next_deadline() == math.inf
    except Exception:
        return False
