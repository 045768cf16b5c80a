"""What one Trio task has around its innermost line, from the outermost scope in.

The chain of scopes is Trio's. Where it crosses, one of the bridge's own scopes stands in it
(:mod:`._knowledge`): the asyncio task is put in its place, and what comes after hangs under that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from .. import _private
from ._data import Draft

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    import trio

    from .._bridge import Bridge
    from .._crossing.to_trio import TrioCall
    from ._knowledge import Knowledge
    from ._stacks import Segment, Stacks


class Drafts:
    """What has been made of the tree so far."""

    def __init__(self) -> None:
        self.loops: Final[dict[asyncio.AbstractEventLoop, Draft]] = {}
        self.asyncio_tasks: Final[dict[asyncio.Task[Any], Draft]] = {}
        self.nurseries: Final[dict[int, Draft]] = {}
        """Where the tasks of a Trio nursery hang, by the id of its scope."""
        self.shown_calls: Final[set[int]] = set()


class Chain:
    """Fills in the draft of a Trio task, and what hangs under it but for its children."""

    def __init__(
        self,
        task: trio.lowlevel.Task,
        draft: Draft,
        drafts: Drafts,
        know: Knowledge,
        stacks: Stacks,
    ) -> None:
        self._task: Final = task
        self._draft: Final = draft
        self._drafts: Final = drafts
        self._know: Final = know
        own, *of_calls = stacks.of_task(task.coro)
        self._of_calls: Final[Iterator[Segment]] = iter(of_calls)
        self._nurseries: Final = {
            id(nursery.cancel_scope) for nursery in _private.nurseries_of(task)
        }
        self._guests: Final = know.guests.get(task, [])
        self._around: Final[set[asyncio.Task[Any]]] = set()
        """The asyncio tasks that the chain has come by."""
        self._inside = draft
        """What the next scope hangs under."""
        # A task of the bridge's own, but for what it runs for others, is hidden with its scopes.
        self._is_ours = not own and stacks.is_ours(task.coro)
        draft.is_hidden = self._is_ours
        draft.attributes.update(stack=own, is_running=getattr(task.coro, "cr_running", False))
        if own and stacks.is_ours(task.coro):
            draft.attributes["name"] = stacks.name_of(task.coro)

    def follow(self, now: float | None) -> None:
        """From the outermost scope in."""
        adopted = self._know.adopted.get(self._task)
        if adopted is not None:
            self._enter(adopted)
        for scope, is_cancelled in _private.scopes_of(self._task):
            key = id(scope)
            self._step(key, scope, is_cancelled, now)
            if key in self._nurseries:
                self._drafts.nurseries[key] = self._inside
        for guest, _ in self._guests:
            self._enter(guest)

    def _step(
        self, key: int, scope: trio.CancelScope, is_cancelled: bool, now: float | None
    ) -> None:
        know = self._know
        if key in know.calls:
            self._add_call(know.calls[key], is_cancelled)
        elif key in know.managers:
            self._enter(know.managers[key].task)
        elif key in know.bodies:
            self._add_manager(know.bodies[key].asyncio_task)
        elif key in know.iterators:
            self._add_iterator()
        elif (bridge := know.loops.get(key) or know.block_scopes.get(key)) is not None:
            self._add_loop(bridge, is_cancelled)
        elif not self._is_ours and key not in know.own:
            self._add_scope(key, scope, is_cancelled, now)

    def _enter(self, task: asyncio.Task[Any]) -> None:
        """What comes now is inside of an asyncio task."""
        draft = self._drafts.asyncio_tasks.get(task)
        self._is_ours = False
        if draft is None or task in self._around:
            return
        self._around.add(task)
        if any(guest is task for guest, _ in self._guests):
            self._inside.attach(draft)
        # else asyncio code has started it, and it hangs under what owns it
        self._inside = draft

    def _add_call(self, call: TrioCall, is_cancelled: bool) -> None:
        if (task := getattr(call, "task", None)) is not None:
            self._enter(task)
        stack = next(self._of_calls, ())
        draft = Draft("Trio call", name_of(call, stack), stack=stack, is_cancelled=is_cancelled)
        self._drafts.shown_calls.add(id(call))
        self._inside.attach(draft)
        self._inside = draft

    def _add_manager(self, task: asyncio.Task[Any] | None) -> None:
        if task in self._drafts.asyncio_tasks:
            self._inside.attach(self._drafts.asyncio_tasks[task])

    def _add_iterator(self) -> None:
        """A Trio task that takes steps of an iterator, and waits for the next one."""
        self._draft.is_hidden = self._is_ours = False
        self._draft.attributes["name"] = "steps of an iterator"

    def _add_loop(self, bridge: Bridge, is_cancelled: bool) -> None:
        draft = self._drafts.loops[bridge.loop]
        if is_cancelled:
            draft.attributes["is_cancelled"] = True
        self._inside.attach(draft)
        self._inside = draft
        self._is_ours = False

    def _add_scope(
        self, key: int, scope: trio.CancelScope, is_cancelled: bool, now: float | None
    ) -> None:
        deadline = scope.deadline
        draft = Draft(
            "nursery" if key in self._nurseries else "cancel scope",
            deadline=deadline - now if now is not None and math.isfinite(deadline) else None,
            is_shielded=scope.shield,
            is_cancelled=is_cancelled,
        )
        self._inside.attach(draft)
        self._inside = draft


def name_of(call: TrioCall, stack: Segment = ()) -> str:
    """What a Trio call runs: the user's function."""
    fn = call.function
    if getattr(fn, "__module__", "").startswith(f"{_PACKAGE}."):
        return stack[0].function if stack else "a step of an iterator"
    # Not its repr, which may be code of the user's.
    return str(getattr(fn, "__qualname__", type(fn).__qualname__))


_PACKAGE: Final = __name__.partition(".")[0]
