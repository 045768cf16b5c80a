"""Workloads whose scale is how much there is at a time; the work stays the same, to a few per cent.

Each gives time per operation: their number is what :data:`OPERATIONS` says for a size.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from .asyncio_code import after_a_turn
from .echo import protocols

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from timing import AsyncFn, Body, Workload

    Prepared = AbstractAsyncContextManager[Body]

ECHO: Final = "growth: echo"
CROSSINGS: Final = "growth: crossings"
TIMERS: Final = "growth: timers"
_TIMERS_FIRED: Final = 1000


def _each(size: int) -> int:
    return max(20_000 // size, 2)


def _crossings_each(size: int) -> int:
    # To start a task is no crossing, and in the time: a tenth of it, if it makes twenty crossings.
    return max(20_000 // size, 20)


OPERATIONS: Final[dict[str, Callable[[int], int]]] = {
    ECHO: lambda size: size * _each(size),
    CROSSINGS: lambda size: size * _crossings_each(size),
    TIMERS: lambda size: _TIMERS_FIRED,
}
SIZES: Final = {
    ECHO: (10, 100, 1000, 5000),
    CROSSINGS: (1, 10, 100, 1000, 10_000),
    TIMERS: (1, 100, 10_000, 100_000),
}


def echo(size: int) -> Prepared:
    """Messages over so many connections at a time."""
    return protocols(size, 1)(_each(size))


@asynccontextmanager
async def timers(size: int) -> AsyncIterator[Body]:
    """Timers that fire one after the other, while so many others are pending."""
    loop = asyncio.get_running_loop()
    pending = [loop.call_later(3600 + number % 1000, int) for number in range(size)]

    async def body() -> None:
        for _ in range(_TIMERS_FIRED):
            await asyncio.sleep(1e-5)
            loop.call_later(1800, int).cancel()

    yield body
    for handle in pending:
        handle.cancel()


@asynccontextmanager
async def tasks(size: int) -> AsyncIterator[Body]:
    """What asyncio has in the place of crossings: so many tasks await others."""

    async def host() -> None:
        for _ in range(_crossings_each(size)):
            await asyncio.create_task(after_a_turn())

    async def body() -> None:
        await asyncio.gather(*(host() for _ in range(size)))

    yield body


def crossings(to_asyncio: Callable[[AsyncFn], AsyncFn]) -> Workload:
    """So many Trio tasks make crossings that suspend."""

    @asynccontextmanager
    async def prepared(size: int) -> AsyncIterator[Body]:
        crossing = to_asyncio(after_a_turn)

        async def host() -> None:
            for _ in range(_crossings_each(size)):
                await crossing()

        async def body() -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(size):
                    nursery.start_soon(host)

        yield body

    return prepared
