"""Which nursery owns what asyncio code starts: the one place where the tree asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from .._bridge import Bridge
    from .._nursery import CallNursery


def nurseries_of(bridge: Bridge) -> Iterator[CallNursery]:
    """All nurseries for what asyncio starts on one loop, the loop's own first."""
    yield bridge.nursery


def owner_of(bridge: Bridge, task: asyncio.Task[Any]) -> CallNursery:
    """The nursery under which an asyncio task hangs that no Trio task hosts."""
    return bridge.nursery
