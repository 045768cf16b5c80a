"""What must hold for every program, whatever the schedule.

The laws are about one node and its parts, so no run has to be predicted: how a node may end follows
from how its parts did.

1. *Values.* What a part returned arrives where the program awaits it, once, and unchanged.
2. *Errors.* A node ends by the errors of its parts, each once; what it catches is gone. The error
   of an asyncio task that nobody awaits ends the nursery or the loop that owns the task.
3. *Cancellation.* Who ends by a cancellation, of its own side's kind, has a reason: something
   around it was cancelled. A crossing that began ends as its other end did. When nothing around a
   task is cancelled its count of cancellations is 0.
4. *Structure.* Nothing outlives what holds it, nothing ends twice, all that began has ended.
5. *Promptness.* What is inside of a scope that was cancelled has no more time than its clean-up and
   its shields take.
6. *Clean-up* runs exactly once, whatever happens.
7. *Items* that were put are taken once, or are still there.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ledger import Instance, Ledger
    from .program import Node

# A cancelled scope absorbs, so that its part's cancellation may become a value.
ABSORB = ("deadline", "scope", "nursery", "asyncio_nursery", "block", "group", "await", "loop")
DROP_VALUES = ("spawn", "gather")
"""Kinds that don't wait for all parts. Of nurseries all but the first part give none."""
MANY = ("nursery", "asyncio_nursery", "block", "loop", "group")


def judge(me: Instance) -> None:
    """See that a node that has just ended did so lawfully."""
    _structure(me)
    _values(me)
    _errors(me)
    _cancellation(me)
    _promptness(me)


def judge_all(ledger: Ledger) -> None:
    """At the end of the program."""
    for me in ledger.instances:
        if me.outcome is None:
            ledger.complain(f"{me} began and has not ended")
    for name, count in ledger.cleanups.items():
        if count:
            ledger.complain(f"clean-up {name} was due {count} times more than it ran")
    if lost := ledger.put - ledger.taken:
        ledger.complain(f"items {sorted(lost)} were put and are lost")
    if twice := ledger.taken - ledger.put:
        ledger.complain(f"items {sorted(twice)} were taken and not put, or twice")


def is_loose(me: Instance) -> bool:
    """Whether it may be awaited by nobody, or no longer."""
    up = me.up
    return up is not None and (
        up.node.kind in ("spawn", "gather", "await")
        or (up.node.kind == "cross" and up.node.how == "task")
    )


def owns(me: Instance) -> bool:
    """Whether it owns the asyncio tasks that are started inside of it."""
    return me.node.kind in ("asyncio_nursery", "block", "loop") or me.is_shield


def loses_cancellations(me: Instance) -> bool:
    """Whether asyncio code in the program goes on after its one ``Task.cancel()``.

    What it awaits then is still cancelled by who owns it: a ``CancelledError`` that Trio didn't ask
    for (4.2, row 4).
    """
    *_, root = me.upward()
    return seconds_to_end(root.node) is None


def _structure(me: Instance) -> None:
    if me.node.kind in ("spawn", "gather"):
        return
    for part in me.parts:
        if part.outcome is None and not (me.node.kind == "cross" and me.node.how == "task"):
            me.ledger.complain(f"{part} outlives {me}")
    if owns(me):
        for inner in me.ledger.instances:
            if inner.outcome is None and inner is not me and me in inner.upward():
                me.ledger.complain(f"{inner} outlives {me}, which owns it")


def _values(me: Instance) -> None:
    assert me.outcome is not None
    given = {part.number: part for part in me.parts if part.outcome and part.outcome.has_value}
    for value, times in Counter(me.got).items():
        if value not in given:
            me.ledger.complain(f"{me} received {value}, which none of its parts returned")
        elif times > 1:
            me.ledger.complain(f"{me} received the value of {given[value]} {times} times")
    for number, part in given.items():
        if number in me.got or me.node.kind in DROP_VALUES:
            continue
        if part.is_child:
            continue
        if is_loose(part) and (me.outcome.is_cancelled or me.was_struck):
            me.ledger.happened[
                "value of a task dropped by a cancelled awaiter (asyncio's own)"
            ] += 1
            continue
        if me.outcome.is_cancelled and any(inner.kind == "group" for inner in part.node.walk()):
            me.ledger.happened["value of a task that a TaskGroup cancelled in its last step"] += 1
            continue  # from Python 3.13 on it does so if it has errors: asyncio drops the value
        is_cancelled = me.outcome.is_cancelled or me.node.how == "guarded"
        if is_cancelled and part.was_struck and catches_what_a_manager_let_out(part.node):
            me.ledger.happened["value of a task that a manager cancelled in its last step"] += 1
            continue  # as a TaskGroup does: docs/limits.md
        me.ledger.complain(f"the value of {part} never came to {me}, which ended by {me.outcome}")


def _errors(me: Instance) -> None:
    assert me.outcome is not None
    kind, outcome = me.node.kind, me.outcome
    actual = Counter(outcome.errors)
    if kind == "gather":
        _errors_of_gather(me, actual)
        return
    must: Counter[int] = Counter(me.raised)
    for part in me.parts:
        if part.outcome is None or kind == "spawn":
            continue
        errors = Counter(part.outcome.errors)
        if kind == "catch":
            errors = Counter({e: n for e, n in errors.items() if e in part.outcome.bases})
        if is_loose(part) and errors and not errors <= actual:
            # asyncio drops it if its awaiter is cancelled at the same time, and says so if before.
            part.owner.may.update(errors)
            me.ledger.happened["error of a task that its awaiter didn't live to see"] += 1
            continue
        must += errors
    may = must
    if owns(me):
        must = must + me.must
        may = must + me.may
    if lost := must - actual:
        me.ledger.complain(f"{me} ended by {outcome} and lost the errors {sorted(lost)}")
    if more := actual - may:
        me.ledger.complain(f"{me} ended by {outcome}: the errors {sorted(more)} are not its parts'")
    if outcome.strays and not (me.is_cancelled() and loses_cancellations(me)):
        me.ledger.complain(f"{me} ended by {outcome}: a cancellation of the other side's kind")


def _errors_of_gather(me: Instance, actual: Counter[int]) -> None:
    ended = [Counter(part.outcome.errors) for part in me.parts if part.outcome]
    if actual and actual not in ended:
        me.ledger.complain(f"{me} ended by {me.outcome}, by which no part did")
    if not actual:
        for errors in ended:
            me.owner.may.update(errors)  # of the future that gather gave, which nobody asked
    assert me.outcome is not None
    if me.outcome.has_value and len(me.got) != len(me.node.parts):
        me.ledger.complain(f"{me} ended by a value without one of its parts")


def ends_loose(me: Instance) -> None:
    """A part has ended; if nobody will await it, its errors are its owner's."""
    assert me.outcome is not None
    assert me.up is not None
    if not me.outcome.errors or not is_loose(me):
        return
    if me.up.node.kind == "gather":
        return  # which retrieves them all
    if me.up.node.kind == "spawn" or me.up.outcome is not None:
        me.owner.must.update(me.outcome.errors)
        me.ledger.happened["error that nobody awaits"] += 1


def _cancellation(me: Instance) -> None:
    assert me.outcome is not None
    if me.outcome.is_cancelled and not me.is_cancelled():
        me.ledger.complain(f"{me} ended by {me.outcome}, and nothing around it is cancelled")
    if me.node.kind in ABSORB or me.node.kind in ("spawn", "gather") or me.node.how == "task":
        return
    for part in me.parts:
        ends = me.outcome.is_cancelled or me.outcome.strays
        if part.outcome and part.outcome.is_only_cancelled and not ends:
            me.ledger.complain(f"{part} was cancelled, but {me} ended by {me.outcome}")


def _promptness(me: Instance) -> None:
    cut = me.cut
    if me.node.kind == "deadline":
        cut = min(cut, me.began + me.node.n)
    if me.node.kind in MANY:  # whose parts end all others by an error
        cut = min([cut, *(part.ended for part in me.parts if part.outcome and part.outcome.errors)])
    if me.ended <= cut or me.node.kind == "loop":
        return
    if (me.node.kind, me.node.side, me.node.how) == ("deadline", "asyncio", "own"):
        return  # over, if Trio code that it cancels ends by a value: docs/limits.md
    if me.is_cancelled() and loses_cancellations(me):
        return  # a guest that swallowed one is not told of a second
    patience = seconds_to_end(me.node)
    if patience is not None and me.ended > cut + patience:
        me.ledger.complain(f"{me} was to end at {cut} + {patience}, and ended at {me.ended}")
    me.ledger.happened["inside of a cancelled scope for a while, to clean up"] += 1


def calls_trio(node: Node) -> bool:
    """Whether it is asyncio code that waits for Trio code."""
    return node.side == "asyncio" and (
        node.kind in ("cross", "manager", "generator", "nursery", "asyncio_nursery", "scope")
        or "other" in (node.how, node.also)
        or node.how in ("channel", "callback")
        or node.also == "cross"
    )


@lru_cache(maxsize=4096)
def catches_what_a_manager_let_out(node: Node) -> bool:
    """Whether it is a task that may end by a value after an error left a Trio manager of its own.

    If asyncio had cancelled it in there, that comes where it waits next; it may wait nowhere.
    """
    within = list(node.walk())
    return any(inner.kind == "catch" for inner in within) and any(
        inner.side == "asyncio" and inner.kind in ("nursery", "manager", "scope", "deadline")
        for inner in within
    )


@lru_cache(maxsize=4096)
def seconds_to_end(node: Node) -> int | None:
    """How long it may take after a cancellation; None: it need not end by it at all."""
    if (node.kind, node.also) in (("leaf", "swallow"), ("leaf", "fail")):
        return None  # asyncio's cancellation is an edge
    if node.kind in ("catch", "gather") or node.how == "guarded":
        return None  # as they may end by an error of a part's instead
    if node.kind == "scope" and node.how == "shield":
        return None
    if (node.kind in ("await", "group") or node.how == "task") and any(
        map(calls_trio, node.walk())
    ):
        return None  # an awaited task goes on if Trio code that it is cancelled in ends by a value
    seconds = 1 if node.also in ("wait", "cross", "deadline") else 0
    for part in node.parts:
        more = seconds_to_end(part)
        if more is None:
            return None
        seconds += more
    return seconds
