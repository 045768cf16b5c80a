"""What a program should do, without asyncio or Trio.

How a node goes is a function of when it starts and when it is cancelled from around it. A nursery
whose child fails at a time f is one whose other children are cancelled at f: run it once to find f,
and once more to see what comes of it. What happens before f is the same both times.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from programs import (
    ABSORBED,
    CAUGHT,
    TIMED_OUT,
    AsyncioNursery,
    Await,
    Cancel,
    Cancelled,
    Catch,
    Ended,
    Failed,
    Gather,
    Leaf,
    MoveOn,
    Node,
    Outcome,
    Raise,
    Spawn,
    Steps,
    TaskGroup,
    ToAsyncio,
    ToTrio,
    TrioNursery,
    Value,
)


@dataclass(frozen=True)
class Around:
    """When a node is cancelled."""

    cancel: float
    owner_cancel: float
    """When the asyncio nursery is that owns the tasks which are started here."""
    scope_cancel: float
    """When a Trio scope is in which it runs. In Trio code that is all there is. A ``Task.cancel()``
    is less: what asyncio code has around its body learns of it when the body is left."""

    def until(self, time: float) -> Around:
        """Inside a Trio scope that is cancelled then."""
        owner_cancel = self.owner_cancel
        return Around(min(self.cancel, time), owner_cancel, min(self.scope_cancel, time))


@dataclass(frozen=True)
class Task:
    """An asyncio task that outlives the node which started it."""

    node: Node
    start: float
    cancel: float = inf
    is_awaited: bool = False
    """Whether somebody takes its error, and drops it: gather does, of those that come later."""


@dataclass(frozen=True)
class End:
    """Of a node, with all that came of it."""

    time: float
    outcome: Outcome
    parts: tuple[End, ...] = ()
    tasks: tuple[Task, ...] = ()
    """What it leaves behind, for the asyncio nursery around it."""
    cancels: tuple[tuple[float, str], ...] = ()
    """Its own calls of ``cancel()``: when, and of which scope."""
    log: tuple[Ended, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        return self.outcome.errors if isinstance(self.outcome, Failed) else ()


def predict(program: Node) -> End:
    """How the program goes, and everything in it."""
    cancels: list[tuple[float, str]] = []
    while True:
        end = Model(cancels).program(program)
        if new := set(end.cancels).difference(cancels):
            cancels.append(min(new))  # what it changes comes later
        else:
            return end


class Model:
    """See above.

    Args:
      cancels: the calls of ``cancel()`` that are known so far.
    """

    def __init__(self, cancels: list[tuple[float, str]]) -> None:
        self.cancels = cancels

    def program(self, body: Node) -> End:
        """In the loop's own nursery: tasks are cancelled when the body has ended."""
        cancel = inf
        while True:
            main = self.run(body, 0, Around(cancel, inf, cancel))
            tasks, failed = self.run_tasks((main,), main.time)
            if failed >= min(cancel, main.time):
                break
            cancel = failed
        parts = (main, *(end for end, _ in tasks))
        errors = _errors(main, *(end for end, task in tasks if not task.is_awaited))
        outcome = Failed(errors) if errors else main.outcome
        if isinstance(outcome, Cancelled):
            outcome = Value(ABSORBED)
        return _with_log(End(max(part.time for part in parts), outcome, parts), None)

    def run(self, node: Node, start: float, around: Around) -> End:
        end: End = getattr(self, type(node).__name__)(node, start, around)
        is_cancelled = around.cancel <= end.time
        return _with_log(end, Ended(end.time, node.name, end.outcome, is_cancelled=is_cancelled))

    def run_tasks(
        self, parts: tuple[End, ...], cancel: float
    ) -> tuple[list[tuple[End, Task]], float]:
        """The tasks that an asyncio nursery owns, and when the first of them fails."""
        waiting = [task for part in parts for task in part.tasks]
        ended = []
        while waiting:
            task = waiting.pop()
            assert task.start < cancel
            end = self.run(task.node, task.start, _of_task(min(cancel, task.cancel), cancel))
            ended.append((end, task))
            waiting += end.tasks
        failed = (end.time for end, task in ended if end.errors and not task.is_awaited)
        return ended, min(failed, default=inf)

    def cancelled_at(self, name: str, start: float) -> float:
        return min((t for t, target in self.cancels if target == name and t >= start), default=inf)

    # ---- leaves

    def Leaf(self, leaf: Leaf, start: float, around: Around) -> End:
        time = start + leaf.wait.seconds
        if around.cancel < time:
            return self.clean_up(leaf, around.cancel)
        if isinstance(leaf.then, Raise):
            return End(time, Failed((leaf.name,)))
        if not isinstance(leaf.then, Cancel):
            return End(time, Value(leaf.name))
        cancels = ((time, leaf.then.target),)
        time += leaf.then.then.seconds
        if around.cancel < time:
            end = self.clean_up(leaf, around.cancel)
            return End(end.time, end.outcome, cancels=cancels)
        return End(time, Value(leaf.name), cancels=cancels)

    def clean_up(self, leaf: Leaf, time: float) -> End:
        if leaf.cleanup is None:
            return End(time, Cancelled())
        time += leaf.cleanup.wait.seconds
        if leaf.cleanup.ends == "raises":
            return End(time, Failed((f"{leaf.name} cleanup",)))
        if leaf.cleanup.ends == "returns":
            return End(time, Value(f"{leaf.name} cleanup"))
        return End(time, Cancelled())

    # ---- one after the other, one in the other

    def Steps(self, node: Steps, start: float, around: Around) -> End:
        ends: list[End] = []
        for step in node.steps:
            end = self.run(step, ends[-1].time if ends else start, around)
            ends.append(end)
            if not isinstance(end.outcome, Value):
                return _as(end, end.outcome, ends)
            if around.cancel <= end.time and step is not node.steps[-1]:
                return _as(end, Cancelled(), ends)
        return _as(end, Value(tuple(end.outcome.value for end in ends)), ends)

    def ToAsyncio(self, node: ToAsyncio | ToTrio, start: float, around: Around) -> End:
        inner = Around(around.cancel, around.owner_cancel, around.cancel)
        end = self.run(node.body, start, inner)
        return _as(end, end.outcome, [end])

    ToTrio = ToAsyncio

    def Await(self, node: Await, start: float, around: Around) -> End:
        end = self.run(node.body, start, _of_task(around.cancel, around.owner_cancel))
        return _as(end, end.outcome, [end])

    def Catch(self, node: Catch, start: float, around: Around) -> End:
        end = self.run(node.body, start, around)
        outcome = Value(CAUGHT) if end.errors else end.outcome
        return _as(end, _at_checkpoint(outcome, end.time, around), [end])

    def MoveOn(self, node: MoveOn, start: float, around: Around) -> End:
        deadline = min(start + node.wait.seconds, self.cancelled_at(node.name, start))
        inner = around.until(deadline)
        if (node.of, node.side) == ("asyncio", "asyncio"):
            inner = Around(inner.cancel, inner.owner_cancel, around.scope_cancel)
        end = self.run(node.body, start, inner)
        outcome = Value(TIMED_OUT) if isinstance(end.outcome, Cancelled) else end.outcome
        return _as(end, _at_checkpoint(outcome, end.time, around), [end])

    # ---- nurseries

    def TrioNursery(self, node: TrioNursery | AsyncioNursery, start: float, around: Around) -> End:
        is_owner = isinstance(node, AsyncioNursery)
        inner = around.until(self.cancelled_at(node.name, start))
        while True:
            if is_owner:
                inner = Around(inner.cancel, inner.scope_cancel, inner.scope_cancel)
            body = self.run(node.body, start, inner)
            cancel = _cancels_children(body, inner)
            tasks = Around(cancel, cancel if is_owner else inner.owner_cancel, cancel)
            parts = (body, *(self.run(child, start, tasks) for child in node.children))
            owned, failed = self.run_tasks(parts, cancel) if is_owner else ([], inf)
            failed = min([failed, *(part.time for part in parts if part.errors)])
            if failed >= cancel:
                break
            inner = inner.until(failed)
        errors = _errors(*parts, *(end for end, task in owned if not task.is_awaited))
        parts = (*parts, *(end for end, _ in owned))
        time = max(part.time for part in parts)
        if errors:
            outcome: Outcome = Failed(errors)
        else:
            outcome = body.outcome if isinstance(body.outcome, Value) else Value(ABSORBED)
            outcome = _at_checkpoint(outcome, time, around)
        left = () if is_owner else _left(parts)
        return End(time, outcome, parts, left)

    AsyncioNursery = TrioNursery

    # ---- asyncio's own

    def Spawn(self, node: Spawn, start: float, around: Around) -> End:
        time = start + node.wait.seconds
        left = (Task(node.child, start),)
        if around.cancel < time:
            return End(around.cancel, Cancelled(), tasks=left)
        return End(time, Value(node.name), tasks=left)

    def Gather(self, node: Gather, start: float, around: Around) -> End:
        """The first that does not end by a value ends it; the others go on by themselves."""
        tasks = _of_task(around.cancel, around.owner_cancel)
        ends = [self.run(child, start, tasks) for child in node.children]
        not_values = [end for end in ends if not isinstance(end.outcome, Value)]
        if not not_values:
            time = max(end.time for end in ends)
            values = Value(tuple(end.outcome.value for end in ends))
            outcome = Cancelled() if around.cancel < time else values
            return End(time, outcome, tuple(ends), _left(ends))
        # An error, and a cancellation at the same time: it is the error that cancels.
        first = min(not_values, key=lambda end: (end.time, not end.errors))
        has_cancelled = around.cancel < first.time or not first.errors
        cancel = around.cancel if has_cancelled else inf
        # Of several that are cancelled at once the first is unknown: none then must come before.
        ended = [end for end in ends if end.time < first.time or (end is first and first.errors)]
        go_on = (
            Task(child, start, cancel, is_awaited=True)
            for child, end in zip(node.children, ends, strict=True)
            if not any(end is other for other in ended)
        )
        return End(first.time, first.outcome, tuple(ended), (*_left(ended), *go_on))

    def TaskGroup(self, node: TaskGroup, start: float, around: Around) -> End:
        failed = inf
        while True:
            cancel = min(around.cancel, failed)
            inner = Around(cancel, around.owner_cancel, around.scope_cancel)
            body = self.run(node.body, start, inner)
            waits = Around(cancel, around.owner_cancel, min(failed, around.owner_cancel))
            cancel = _cancels_children(body, waits)
            tasks = _of_task(cancel, around.owner_cancel)
            children = [self.run(child, start, tasks) for child in node.children]
            first = min((child.time for child in children if child.errors), default=inf)
            if first >= cancel:
                break
            failed = first
        parts = (body, *children)
        time = max(part.time for part in parts)
        errors = _errors(*parts)
        outcome = Failed(errors) if errors else _at_checkpoint(body.outcome, time, around)
        return End(time, outcome, parts, _left(parts))


def _of_task(cancel: float, owner_cancel: float) -> Around:
    """What is around an asyncio task of asyncio's own: no scopes but those of its owner."""
    return Around(cancel, owner_cancel, owner_cancel)


def _cancels_children(body: End, inner: Around) -> float:
    """When a block cancels its children, whose body may be asyncio code."""
    at_checkpoint = _at_checkpoint(body.outcome, body.time, inner)
    left = inner.cancel if isinstance(at_checkpoint, Value) else body.time
    return min(left, inner.scope_cancel)


def _at_checkpoint(outcome: Outcome, time: float, around: Around) -> Outcome:
    return Cancelled() if isinstance(outcome, Value) and around.cancel <= time else outcome


def _as(end: End, outcome: Outcome, parts: list[End]) -> End:
    return End(end.time, outcome, tuple(parts), _left(parts))


def _left(parts: list[End] | tuple[End, ...]) -> tuple[Task, ...]:
    return tuple(task for part in parts for task in part.tasks)


def _errors(*ends: End) -> tuple[str, ...]:
    return tuple(sorted(error for end in ends for error in end.errors))


def _with_log(end: End, own: Ended | None) -> End:
    log = [ended for part in end.parts for ended in part.log]
    if own is not None:
        after = frozenset(ended.name for ended in log)
        log.append(Ended(own.time, own.name, own.outcome, after, own.is_cancelled))
    cancels = [*end.cancels, *(cancel for part in end.parts for cancel in part.cancels)]
    return End(end.time, end.outcome, (), end.tasks, tuple(cancels), tuple(log))
