"""What the bridge knows that Trio and asyncio don't: who hosts whom, and which scopes are its own.

Trio tasks are recognized by the cancel scopes that they are in: each Trio call of asyncio code has
one, and so has each manager that it has open, and each loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .. import _private
from .._crossing.to_trio import TrioCall
from .._task_nursery import LoopNursery
from ._owners import nurseries_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterable

    import trio

    from .._bridge import Bridge
    from .._crossing import AsyncioManager, TrioManager, TrioOwner
    from .._crossing.host import Host

Guest = tuple["asyncio.Task[Any]", TrioCall | None]


class Knowledge:
    """Of some loops, at one moment."""

    def __init__(self, bridges: Iterable[Bridge], tasks: Collection[asyncio.Task[Any]]) -> None:
        self.guests: Final[dict[trio.lowlevel.Task, list[Guest]]] = {}
        """Of each host, its guests from the first crossing to the last, and what they call."""
        self.adopted: Final[dict[trio.lowlevel.Task, asyncio.Task[Any]]] = {}
        """The asyncio task that a Trio task has adopted."""
        # By the id of a scope, as scopes compare by it anyway:
        self.calls: Final[dict[int, TrioCall]] = {}
        self.managers: Final[dict[int, TrioManager]] = {}
        self.bodies: Final[dict[int, AsyncioManager]] = {}
        self.iterators: Final[dict[int, TrioOwner]] = {}
        self.loops: Final[dict[int, Bridge]] = {}
        """The loop that was opened in the task, by the scope of its nursery."""
        self.block_scopes: Final[dict[int, Bridge]] = {}
        """The same, by the scope of its block."""
        self.own: Final[set[int]] = set()
        """The scopes that are nobody's business."""
        self.owners: Final[dict[asyncio.Task[Any], str]] = {}
        """The tasks that live in steps, and what for."""
        for task in tasks:
            for waited_for in _private.waited_for_by(task):
                if isinstance(waited_for, TrioCall) and not waited_for.done():
                    self._add_call(waited_for)
        for bridge in bridges:
            self._add(bridge, tasks)
            self._add_starting(bridge, tasks)
            self._add_loop(bridge)

    def _add(self, bridge: Bridge, tasks: Collection[asyncio.Task[Any]]) -> None:
        for hosts in (bridge.hosts, bridge.adopters):
            for guest, host in list(hosts.items()):
                self._add_host(bridge, guest, host)
        for nursery in nurseries_of(bridge, tasks):
            for work in nursery.calls:
                if isinstance(work, TrioCall):
                    self._add_call(work)
                else:  # an adoption
                    self.own.add(id(work.cancel_scope))
        self._add_managers(bridge)
        self.iterators.update((id(owner.scope), owner) for owner in list(bridge.trio_owners))
        for task in list(bridge.in_iterations):
            self.owners[task] = "steps of an iterator"

    def _add_managers(self, bridge: Bridge) -> None:
        for opened in list(bridge.open_managers.values()):
            self.managers.update((id(manager.scope), manager) for manager in list(opened))
        for entered in list(bridge.entered.values()):
            for manager in list(entered):
                self.bodies[id(manager.body_scope)] = manager
                if manager.asyncio_task is not None:
                    self.owners[manager.asyncio_task] = (
                        f"async with {type(manager.manager).__name__}"
                    )

    def _add_host(self, bridge: Bridge, guest: asyncio.Task[Any], host: Host) -> None:
        if bridge.adopters.get(guest) is host:
            self.adopted[host.task] = guest
        else:
            self.guests.setdefault(host.task, []).append((guest, host.call))
        if host.call is not None:
            self._add_call(host.call)
        self.own.update(id(scope) for scope in (host.shield, host.call_scope) if scope is not None)

    def _add_starting(self, bridge: Bridge, tasks: Collection[asyncio.Task[Any]]) -> None:
        """A guest in its first step, which has no host yet."""
        coro, host_task = bridge.starting, bridge.side.hidden_task
        if coro is None or host_task is None:
            return
        for task in tasks:
            if task.get_coro() is coro and task not in bridge.hosts:
                self.guests.setdefault(host_task, []).append((task, bridge.first_call))

    def _add_loop(self, bridge: Bridge) -> None:
        nursery = bridge.nursery
        if nursery.trio_nursery is not None:
            self.loops[id(nursery.trio_nursery.cancel_scope)] = bridge
        if isinstance(nursery, LoopNursery):
            self.block_scopes[id(nursery.body_scope)] = bridge

    def _add_call(self, call: TrioCall) -> None:
        if call.cancel_scope is not None:  # else it isn't run yet
            self.calls[id(call.cancel_scope)] = call
