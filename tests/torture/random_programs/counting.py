"""What happened in a run, in numbers: so that one sees what the schedules really exercise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from .ledger import Instance, Outcome
    from .running import Run


def count_outcomes(run: Run, happened: Counter[str]) -> None:
    for me in run.ledger.instances:
        if me.outcome is not None:
            happened.update(_of_crossing(me, me.outcome) if me.node.kind == "cross" else ())
            happened.update(_of_any(me, me.outcome))
    happened["item taken"] += run.ledger.taken.total()


def _of_crossing(me: Instance, outcome: Outcome) -> Iterator[str]:
    if outcome.is_cancelled:
        yield "crossing cancelled midway" if me.parts else "crossing cancelled before"
    elif outcome.has_value and me.is_cancelled():
        yield "value in spite of a cancellation"
    if outcome.errors:
        yield "error over a crossing"
    if sum(around.node.kind == "cross" for around in me.upward()) >= 3:
        yield "third crossing in each other, or deeper"


def _of_any(me: Instance, outcome: Outcome) -> Iterator[str]:
    kind = me.node.kind
    if kind == "deadline" and me.ended >= me.began + me.node.n and me.parts:
        yield "deadline passed"
    if len(outcome.errors) > 1:
        yield "group of several errors"
    if outcome.errors and outcome.is_cancelled:
        yield "errors and a cancellation in one group"
    if outcome.bases:
        yield "BaseException"
    if me.was_struck:
        yield "Task.cancel()"
    if kind in ("put", "get", "wait") and outcome.is_cancelled:
        yield f"{kind} cancelled"
    if me.is_shield and me.is_cancelled():
        yield "shield in what is cancelled"
