"""How late timers are beside work that never ends, on the other side."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from .echo import BACKLOG, Echo, Pinger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from timing import AsyncFn

BESIDE_ECHO: Final = "fairness: Trio task beside echo"
BESIDE_TRIO: Final = "fairness: asyncio timer beside a Trio task"
PERIOD: Final = 0.005
_CONNECTIONS: Final = 100
_BUSY_SECONDS: Final = 0.0001


class Lateness(NamedTuple):
    """Milliseconds after the time that was asked for; and how much work was done meanwhile."""

    median: float
    p99: float
    most: float
    work: int


def _lateness(late: list[float], work: int) -> Lateness:
    percentiles = statistics.quantiles(late, n=100, method="inclusive")
    return Lateness(percentiles[49] * 1e3, percentiles[98] * 1e3, max(late) * 1e3, work)


async def _wake_up(
    times: int, now: Callable[[], float], sleep: Callable[[float], Awaitable[object]]
) -> list[float]:
    late = []
    for _ in range(times):
        due = now() + PERIOD
        await sleep(PERIOD)
        late.append(now() - due)
    return late


class _Counting(Echo):
    """An echo that counts what it sends."""

    messages = 0

    def data_received(self, data: bytes) -> None:
        type(self).messages += 1
        super().data_received(data)


async def _echo_for_ever() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Counting, "127.0.0.1", 0, backlog=BACKLOG)
    port = server.sockets[0].getsockname()[1]
    made = await asyncio.gather(
        *(loop.create_connection(Pinger, "127.0.0.1", port) for _ in range(_CONNECTIONS))
    )
    try:
        await asyncio.gather(*(pinger.ping(10**12) for _, pinger in made))
    finally:
        for _, pinger in made:
            pinger.transport.abort()
        server.close()


async def task_beside_echo(times: int) -> Lateness:
    """The yardstick: an asyncio task beside echo."""
    echo = asyncio.create_task(_echo_for_ever())
    late = await _wake_up(times, time.monotonic, asyncio.sleep)
    messages = _Counting.messages
    echo.cancel()
    await asyncio.wait([echo])
    return _lateness(late, messages)


async def trio_beside_echo(to_asyncio: Callable[[AsyncFn], AsyncFn], times: int) -> Lateness:
    """A Trio task, beside echo traffic on asyncio."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(to_asyncio(_echo_for_ever))
        late = await _wake_up(times, time.monotonic, trio.sleep)
        messages = _Counting.messages
        nursery.cancel_scope.cancel()
    return _lateness(late, messages)


class _Busy:
    """Uses the processor, and lets others run every tenth of a millisecond."""

    def __init__(self) -> None:
        self.steps = 0

    async def run(self, checkpoint: Callable[[], Awaitable[object]]) -> None:
        while True:
            end = time.perf_counter() + _BUSY_SECONDS
            while time.perf_counter() < end:
                pass
            self.steps += 1
            await checkpoint()


async def task_beside_task(times: int) -> Lateness:
    """The yardstick: both are asyncio tasks."""
    busy = _Busy()
    task = asyncio.create_task(busy.run(lambda: asyncio.sleep(0)))
    late = await _wake_up(times, time.monotonic, asyncio.sleep)
    steps = busy.steps
    task.cancel()
    await asyncio.wait([task])
    return _lateness(late, steps)


async def asyncio_beside_trio(to_asyncio: Callable[[AsyncFn], AsyncFn], times: int) -> Lateness:
    """An asyncio timer, beside a Trio task."""

    async def wake_up() -> list[float]:
        return await _wake_up(times, time.monotonic, asyncio.sleep)

    busy = _Busy()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(busy.run, trio.lowlevel.checkpoint)
        late = await to_asyncio(wake_up)()
        steps = busy.steps
        nursery.cancel_scope.cancel()
    return _lateness(late, steps)
