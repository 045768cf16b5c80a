"""What the busy program does over the bridge, in both directions, nested, for ever."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncio_parts
import trio
import trio_parts
from ledger import Held

from trio_bridge import aio2trio, channels, open_asyncio_nursery, trio2aio

if TYPE_CHECKING:
    from collections.abc import Callable

    Through = Callable[[str], object]


@trio2aio
async def asyncio_function(depth: int) -> None:
    """Calls Trio, which calls asyncio."""
    with Held("asyncio function"):
        await asyncio.sleep(0)
        if depth:
            async with aio2trio(trio.open_nursery()) as nursery:
                aio2trio(nursery.start_soon)(trio.sleep, 0.001)
                await trio_function(depth - 1)


@aio2trio
async def trio_function(depth: int) -> None:
    """Calls asyncio, which calls Trio."""
    with Held("Trio function"):
        await trio.sleep(0)
        if depth:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asyncio_function, depth - 1)
                await asyncio_function(depth - 1)


# ---- Trio side


async def calls_to_asyncio(through: Through) -> None:
    while True:
        with trio.move_on_after(0.02):
            await asyncio_function(4)
        through("calls to asyncio")


async def managers_of_asyncio(through: Through) -> None:
    while True:
        async with trio2aio(asyncio_parts.manager)():
            await trio.sleep(0.001)
        async with contextlib.aclosing(trio2aio(asyncio_parts.numbers)()) as generator:
            await anext(generator)
        async for _ in trio2aio(asyncio_parts.numbers)():
            pass
        through("asyncio's managers")


async def nurseries_of_asyncio(through: Through) -> None:
    async def task() -> None:
        with Held("asyncio task"):
            await asyncio.sleep(0.002)

    @trio2aio
    async def both() -> None:
        await asyncio.gather(task(), task())

    while True:
        async with open_asyncio_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(task)
        with trio.move_on_after(0.001):
            await both()
        through("asyncio's nurseries")


async def queues_of_asyncio(through: Through) -> None:
    while True:
        sender, receiver = channels.to_trio(trio2aio(asyncio.Queue)(1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send, sender)
            with Held("channel"):
                async for _ in receiver:
                    pass
        through("asyncio's queues")


async def _send(sender: Any) -> None:
    with Held("channel's sender"):
        async with sender:
            for number in range(5):
                await sender.send(number)


TRIO_PARTS: tuple[Any, ...] = (
    *(calls_to_asyncio, managers_of_asyncio, nurseries_of_asyncio, queues_of_asyncio),
)

# ---- asyncio side
#
# asyncio tells of a cancellation once. If it comes while Trio code cleans up, in a shield, or has
# just ended, the call gives its value all the same, and the caller looks itself.


def is_wanted() -> bool:
    """Whether nobody has cancelled the task."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


async def calls_to_trio(through: Through) -> None:
    while is_wanted():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await trio_function(4)
        through("calls to Trio")


async def managers_of_trio(through: Through) -> None:
    while is_wanted():
        async with aio2trio(trio_parts.manager)():
            await asyncio.sleep(0.001)
        async with contextlib.aclosing(aio2trio(trio_parts.numbers)()) as generator:
            await anext(generator)
        async for _ in aio2trio(trio_parts.numbers)():
            pass
        through("Trio's managers")


ASYNCIO_PARTS: tuple[Any, ...] = (calls_to_trio, managers_of_trio)
