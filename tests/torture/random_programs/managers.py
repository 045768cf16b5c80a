"""Context managers and generators of either side, which write down their clean-up.

Each belongs to the side that its user does not belong to.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import trio

from trio_bridge import aio2trio

from .program import other

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .ledger import Instance, Ledger

SLEEP: dict[str, Any] = {"trio": trio.sleep, "asyncio": asyncio.sleep}
ITEMS = 3


def make_manager(ledger: Ledger, me: Instance) -> Any:
    """The manager that a node uses. Called on the manager's side."""
    side = other(me.node.side)
    if me.node.how == "class":
        return Manager(ledger, me, side)
    if me.node.how == "sync":
        return SyncManager(ledger, me)
    return manager_function(ledger, me, side)


class Manager:
    def __init__(self, ledger: Ledger, me: Instance, side: str) -> None:
        self.ledger = ledger
        self.me = me
        self.side = side

    async def __aenter__(self) -> None:
        await SLEEP[self.side](0)
        _is_due(self.ledger, self.me)

    async def __aexit__(self, *details: object) -> None:
        _has_run(self.ledger, self.me)
        await clean_up(self.side, self.me.node.also)


class SyncManager:
    def __init__(self, ledger: Ledger, me: Instance) -> None:
        self.ledger = ledger
        self.me = me

    def __enter__(self) -> None:
        _is_due(self.ledger, self.me)

    def __exit__(self, *details: object) -> None:
        _has_run(self.ledger, self.me)


@contextlib.asynccontextmanager
async def manager_function(ledger: Ledger, me: Instance, side: str) -> AsyncIterator[None]:
    await SLEEP[side](0)
    _is_due(ledger, me)
    try:
        yield
    finally:
        _has_run(ledger, me)
        await clean_up(side, me.node.also)


async def trio_items(ledger: Ledger, me: Instance) -> AsyncIterator[int]:
    _is_due(ledger, me)
    try:
        with trio.move_on_after(3) if me.node.also == "deadline" else contextlib.nullcontext():
            for item in range(ITEMS):
                await trio.sleep(0)
                yield item
    finally:
        _has_run(ledger, me)
        await clean_up("trio", me.node.also)


async def asyncio_items(ledger: Ledger, me: Instance) -> AsyncIterator[int]:
    _is_due(ledger, me)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3 if me.node.also == "deadline" else None):
                for item in range(ITEMS):
                    await asyncio.sleep(0)
                    yield item
    finally:
        _has_run(ledger, me)
        await clean_up("asyncio", me.node.also)


async def clean_up(side: str, also: str) -> None:
    """Takes a second, if it is to, and is not to be interrupted."""
    if also == "wait":
        await (trio_clean_up() if side == "trio" else asyncio_clean_up())


async def trio_clean_up() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(1)


async def asyncio_clean_up() -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + 1
    while (left := end - loop.time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):  # a second one
            await asyncio.sleep(left)


async def crossing_clean_up() -> None:
    """On the other side. A second cancellation, of another origin, may come before it begins."""
    is_done = False

    async def clean_up() -> None:
        nonlocal is_done
        await trio_clean_up()
        is_done = True

    while not is_done:
        with contextlib.suppress(asyncio.CancelledError):
            await aio2trio(clean_up)()


@contextlib.contextmanager
def cleaning(ledger: Ledger, me: Instance) -> Iterator[None]:
    """Around clean-up that has to come to its end."""
    _is_due(ledger, me)
    yield
    _has_run(ledger, me)


def _is_due(ledger: Ledger, me: Instance) -> None:
    ledger.cleanups[repr(me)] += 1
    ledger.happened["clean-up"] += 1
    if me.is_cancelled():
        ledger.happened["clean-up in what is cancelled"] += 1


def _has_run(ledger: Ledger, me: Instance) -> None:
    ledger.cleanups[repr(me)] -= 1
