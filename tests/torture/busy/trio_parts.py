"""The Trio side of the busy program: the same, with what Trio programs are made of."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import trio
from asyncio_parts import job
from ledger import Held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Through = Callable[[str], object]


async def numbers() -> AsyncIterator[int]:
    """A generator with an end that takes its time."""
    with Held("Trio generator"):
        try:
            for number in range(3):
                await trio.sleep(0.001)
                yield number
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.001)


@contextlib.asynccontextmanager
async def manager() -> AsyncIterator[None]:
    """A manager with a nursery in it, and an end that takes its time."""
    with Held("Trio manager"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            yield
            nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(0.001)


async def nurseries(through: Through) -> None:
    """One in the other, with tasks that clean up."""

    async def grow(depth: int) -> None:
        with Held("task"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 0.002)
                if depth:
                    nursery.start_soon(grow, depth - 1)
                    nursery.start_soon(grow, depth - 1)

    while True:
        with trio.move_on_after(0.003):
            await grow(2)
        through("nurseries")


async def channels(through: Through) -> None:
    """A pair at a time."""

    async def send(channel: trio.MemorySendChannel[int]) -> None:
        async with channel:
            with Held("sender"):
                for number in range(10):
                    await channel.send(number)

    while True:
        sender, receiver = trio.open_memory_channel[int](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, sender)
            with Held("receiver"):
                async for _ in receiver:
                    pass
        through("channels")


async def threads(through: Through) -> None:
    """Trio's."""
    while True:
        await trio.to_thread.run_sync(job, "Trio's thread")
        through("Trio's threads")


async def generators(through: Through) -> None:
    """To their end, and closed in the middle."""
    while True:
        async with contextlib.aclosing(numbers()) as whole:
            async for _ in whole:
                pass
        async with contextlib.aclosing(numbers()) as closed:
            await anext(closed)
        through("Trio's generators")


PARTS: tuple[Any, ...] = (nurseries, channels, threads, generators)
