"""The workloads: asyncio code, or a way across the bridge beside the same thing in asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import trio_bridge
from trio_bridge import aio2trio, trio2aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MESSAGE: Final = b"x" * 1024


async def at_once() -> int:
    return 1


async def after_a_turn() -> int:
    await asyncio.sleep(0)
    return 1


@aio2trio
async def in_trio() -> int:
    return 1


class Service:
    async def at_once(self) -> int:
        return 1


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


# ---- asyncio code, the same on both loops


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def _echo(connections: int, messages: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(messages):
            writer.write(MESSAGE)
            await reader.readexactly(len(MESSAGE))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(connections)))
    server.close()
    await server.wait_closed()


async def echo_1(scale: int) -> None:
    await _echo(1, 40 * scale)


async def echo_100(scale: int) -> None:
    await _echo(100, scale)


async def sleep_0(scale: int) -> None:
    for _ in range(200 * scale):
        await asyncio.sleep(0)


async def spawn(scale: int) -> None:
    for _ in range(scale):
        await asyncio.gather(*(at_once() for _ in range(100)))


async def call_soon(scale: int) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = 200 * scale

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            done.set_result(None)

    step()
    await done


async def timeouts(scale: int) -> None:
    for _ in range(50 * scale):
        async with asyncio.timeout(60):
            await asyncio.sleep(0)


# ---- crossings, beside ``await asyncio.create_task(...)``


async def tasks_at_once(scale: int) -> None:
    for _ in range(50 * scale):
        await asyncio.create_task(at_once())


async def tasks_after_a_turn(scale: int) -> None:
    for _ in range(50 * scale):
        await asyncio.create_task(after_a_turn())


async def crossings_at_once(scale: int) -> None:
    crossing = trio2aio(at_once)
    for _ in range(50 * scale):
        await crossing()


async def crossings_after_a_turn(scale: int) -> None:
    crossing = trio2aio(after_a_turn)
    for _ in range(50 * scale):
        await crossing()


async def attribute_calls(scale: int) -> None:
    service = trio2aio(Service())
    for _ in range(50 * scale):
        await service.at_once()


async def generator_steps(scale: int) -> None:
    async for _ in trio2aio(numbers)(50 * scale):
        pass


async def crossings_to_trio(scale: int) -> None:
    for _ in range(50 * scale):
        await in_trio()


# ---- who runs them


def on_stock(workload: Callable[[int], Awaitable[None]], scale: int) -> float:
    """CPU seconds of an asyncio workload on the standard library's loop."""

    async def main() -> float:
        start = time.process_time()
        await workload(scale)
        return time.process_time() - start

    return asyncio.run(main())


def on_bridge(workload: Callable[[int], Awaitable[None]], scale: int) -> float:
    """CPU seconds of an asyncio workload on the bridge's loop."""

    async def main() -> float:
        start = time.process_time()
        await trio2aio(workload)(scale)
        return time.process_time() - start

    return trio_bridge.run(main)


def asyncio_first(workload: Callable[[int], Awaitable[None]], scale: int) -> float:
    """CPU seconds of an asyncio workload on ``new_event_loop()``, with Trio as its guest."""

    async def main() -> float:
        await in_trio()
        start = time.process_time()
        await workload(scale)
        return time.process_time() - start

    with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
        return runner.run(main())


def from_trio(workload: Callable[[int], Awaitable[None]], scale: int) -> float:
    """CPU seconds of a Trio workload, with the bridge's loop open around it."""

    async def main() -> float:
        start = time.process_time()
        await workload(scale)
        return time.process_time() - start

    return trio_bridge.run(main)


PAIRS: Final = {
    # name: (who runs the yardstick, the yardstick, who runs ours, ours, bar or None)
    "echo, 100 connections": (on_stock, echo_100, on_bridge, echo_100, 1.15),
    "crossing that doesn't suspend": (on_stock, tasks_at_once, from_trio, crossings_at_once, 1.3),
    "crossing that suspends": (
        *(on_stock, tasks_after_a_turn, from_trio, crossings_after_a_turn, 2.5),
    ),
    "step of a generator": (on_stock, tasks_after_a_turn, from_trio, generator_steps, 2.5),
    "call of a view (to a function's)": (
        *(from_trio, crossings_at_once, from_trio, attribute_calls, 1.5),
    ),
    "crossing to Trio from a guest": (on_stock, tasks_at_once, on_bridge, crossings_to_trio, None),
    "echo, 1 connection": (on_stock, echo_1, on_bridge, echo_1, None),
    "sleep(0)": (on_stock, sleep_0, on_bridge, sleep_0, None),
    "call_soon chain": (on_stock, call_soon, on_bridge, call_soon, None),
    "task spawning": (on_stock, spawn, on_bridge, spawn, 1.15),
    "timeouts": (on_stock, timeouts, on_bridge, timeouts, None),
    "asyncio first: echo, 100": (on_stock, echo_100, asyncio_first, echo_100, 1.15),
    "asyncio first: sleep(0)": (on_stock, sleep_0, asyncio_first, sleep_0, 1.15),
    "asyncio first: task spawning": (on_stock, spawn, asyncio_first, spawn, 1.15),
    "asyncio first: call into Trio": (
        *(on_stock, tasks_at_once, asyncio_first, crossings_to_trio, None),
    ),
}
