"""Makes the tree: walks Trio's tasks from their roots, and joins asyncio's tasks to them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from .. import _private
from .._bridge import by_loop
from .._guest import guest_of
from ._chain import Chain, Drafts, name_of
from ._data import Draft, Tree, freeze
from ._knowledge import Knowledge
from ._owners import owner_of
from ._stacks import Stacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import trio

    from .._bridge import Bridge


def tree() -> Tree:
    """The tree of all Trio tasks, nurseries, cancel scopes and asyncio tasks, as it is now.

    It has the Trio runs and asyncio loops of this process that the bridge knows of, those of other
    threads too, and what runs in the calling thread. Not a checkpoint; from any thread, and from a
    signal handler. A tree of another thread's tasks shows them as they change.

    Returns:
      The tree, as data that keeps nothing of the program alive.
    """
    return _Collector().collect()


class _Collector:
    def __init__(self) -> None:
        self._bridges: Final[dict[asyncio.AbstractEventLoop, Bridge]] = {
            loop: bridge for loop, bridge in list(by_loop.items()) if not bridge.is_inherited
        }
        self._running_loop: Final = _private.get_running_loop()
        self._names: Final = {thread.ident: thread.name for thread in threading.enumerate()}
        self._stacks: Final = Stacks()
        self._drafts: Final = Drafts()
        self._roots: Final[list[Draft]] = []

    def collect(self) -> Tree:
        loops = list(self._bridges)
        if self._running_loop is not None and self._running_loop not in self._bridges:
            loops.append(self._running_loop)
        tasks = [task for loop in loops for task in sorted(asyncio.all_tasks(loop), key=_in_order)]
        trio_roots = self._trio_roots()
        self._know = Knowledge(self._bridges.values(), tasks)
        try:
            self._stacks.look_at_threads(
                [*(task.get_coro() for task in tasks), *_coroutines(trio_roots)]
            )
            for loop in loops:
                self._drafts.loops[loop] = self._draft_of_loop(loop)
            for task in tasks:
                self._drafts.asyncio_tasks[task] = self._draft_of_task(task)
            for root, thread in trio_roots.items():
                self._add_run(root, thread)
            self._add_what_is_left()
        finally:
            self._stacks.release()
        return Tree(freeze(self._roots))

    def _trio_roots(self) -> dict[trio.lowlevel.Task, int]:
        """The root task of each Trio run, with its thread: the caller's first."""
        roots: dict[trio.lowlevel.Task, int] = {}
        here = _private.trio_root_here()
        if here is not None:
            roots[here] = threading.get_ident()
        for bridge in self._bridges.values():
            nursery = bridge.nursery.trio_nursery
            if nursery is not None:
                roots.setdefault(_root_of(nursery.parent_task), bridge.thread)
        return roots

    # ---- asyncio's side

    def _draft_of_loop(self, loop: asyncio.AbstractEventLoop) -> Draft:
        here = threading.get_ident()
        thread = here if loop is self._running_loop else self._bridges[loop].thread
        if thread == here:
            is_turning = loop is self._running_loop
        else:
            is_turning = [bridge.thread for bridge in self._bridges.values()].count(thread) == 1
        stack = self._stacks.of_callback(thread) if is_turning else ()
        return Draft(
            "asyncio loop",
            type(loop).__name__,
            thread=self._names.get(thread, ""),
            stack=stack,
            is_running=bool(stack),
        )

    def _draft_of_task(self, task: asyncio.Task[Any]) -> Draft:
        coro = task.get_coro()
        stack = tuple(frame for segment in self._stacks.of_task(coro) for frame in segment)
        lives_for = self._know.owners.get(task)
        draft = Draft(
            "asyncio task",
            task.get_name(),
            function=lives_for or getattr(coro, "__qualname__", type(coro).__name__),
            stack=stack,
            waits_for=tuple(
                other.get_name()
                for other in _private.waited_for_by(task)
                if isinstance(other, asyncio.Task) and not other.done()
            ),
            is_cancelled=task.cancelling() > 0,
            is_running=getattr(coro, "cr_running", False),
        )
        draft.is_hidden = not stack and lives_for is None and self._stacks.is_ours(coro)
        return draft

    # ---- Trio's side

    def _add_run(self, root: trio.lowlevel.Task, thread: int) -> None:
        run = Draft("Trio run", thread=self._names.get(thread, ""))
        # Where Trio is the guest of a loop, that is the root.
        run.is_hidden = any(
            guest_of(loop) is not None
            and bridge.nursery.trio_nursery is not None
            and _root_of(bridge.nursery.trio_nursery.parent_task) is root
            for loop, bridge in self._bridges.items()
        )
        self._roots.append(run)
        clock = _private.clock_of(root)
        now = None if clock is None else clock.current_time()
        pending: list[tuple[trio.lowlevel.Task, Draft]] = []
        for nursery in reversed(_private.nurseries_of(root)):  # first that of the main task
            pending += _start(nursery, run)
        for task, draft in pending:  # which grows
            Chain(task, draft, self._drafts, self._know, self._stacks).follow(now)
            is_system_task = draft.parent is run and not draft.children
            if is_system_task and self._is_trios_own(task, root):
                draft.is_hidden = True
            for nursery in _private.nurseries_of(task):
                place = self._drafts.nurseries.get(id(nursery.cancel_scope), draft)
                pending += _start(nursery, place)

    def _is_trios_own(self, task: trio.lowlevel.Task, root: trio.lowlevel.Task) -> bool:
        system_nursery = _private.nurseries_of(root)[:1]
        return task.parent_nursery in system_nursery and self._stacks.is_of("trio", task.coro)

    # ---- what is not in a chain

    def _add_what_is_left(self) -> None:
        """Calls that have not begun, tasks that asyncio code started, loops that are roots."""
        drafts = self._drafts
        for call in self._know.calls.values():
            place = drafts.asyncio_tasks.get(getattr(call, "task", None))  # type: ignore[arg-type]
            if place is not None and id(call) not in drafts.shown_calls and not call.done():
                place.attach(Draft("Trio call", name_of(call)))
        for task, draft in drafts.asyncio_tasks.items():
            self._place_of(task).attach(draft)
        self._roots.extend(draft for draft in drafts.loops.values() if draft.parent is None)

    def _place_of(self, task: asyncio.Task[Any]) -> Draft:
        loop = task.get_loop()
        bridge = self._bridges.get(loop)
        owner = None if bridge is None else owner_of(bridge, task).trio_nursery
        place = None if owner is None else self._drafts.nurseries.get(id(owner.cancel_scope))
        return place or self._drafts.loops[loop]


def _start(nursery: trio.Nursery, place: Draft) -> list[tuple[trio.lowlevel.Task, Draft]]:
    found: list[tuple[trio.lowlevel.Task, Draft]] = []
    for task in sorted(nursery.child_tasks, key=_private.birth_of):
        draft = Draft("Trio task", task.name)
        place.attach(draft)
        found.append((task, draft))
    return found


def _coroutines(roots: Iterable[trio.lowlevel.Task]) -> Iterator[Any]:
    pending = list(roots)
    while pending:
        task = pending.pop()
        yield task.coro
        for nursery in _private.nurseries_of(task):
            pending += nursery.child_tasks


def _root_of(task: trio.lowlevel.Task) -> trio.lowlevel.Task:
    while task.parent_nursery is not None:
        task = task.parent_nursery.parent_task
    return task


def _in_order(task: asyncio.Task[Any]) -> tuple[str, int]:
    """By name, with "Task-2" before "Task-10"."""
    name = task.get_name()
    words = name.rstrip("0123456789")
    digits = name[len(words) :]
    return (words, int(digits)) if 0 < len(digits) < 20 else (name, -1)
