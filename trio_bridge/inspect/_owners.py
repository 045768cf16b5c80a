"""Which nursery owns what asyncio code starts: the one place where the tree asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._bridge import nearest
from .._task_creation import started_in

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from .._bridge import Bridge
    from .._call_nursery import CallNursery


def nurseries_of(bridge: Bridge, tasks: Iterable[asyncio.Task[Any]]) -> set[CallNursery]:
    """All nurseries of one loop that own one of the tasks, and the loop's own."""
    mine = [task for task in (*tasks, *list(bridge.adopters)) if task.get_loop() is bridge.loop]
    return {bridge.nursery, *(owner_of(bridge, task) for task in mine)}


def owner_of(bridge: Bridge, task: asyncio.Task[Any]) -> CallNursery:
    """The nursery under which an asyncio task hangs that no Trio task hosts."""
    return nearest(started_in(task), bridge.loop) or bridge.nursery
