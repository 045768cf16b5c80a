"""What anyio has for some of the workloads: the same, written for anyio."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from .asyncio_code import at_once
from .echo import MESSAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def sleep_0(scale: int) -> None:
    for _ in range(200 * scale):
        await anyio.sleep(0)


async def spawn(scale: int) -> None:
    for _ in range(scale):
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(at_once)


async def timeouts(scale: int) -> None:
    for _ in range(50 * scale):
        with anyio.fail_after(60):
            await anyio.sleep(0)


async def _echo(stream: anyio.abc.SocketStream) -> None:
    async with stream:
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                await stream.send(await stream.receive())


async def _mixed(connections: int, messages: int) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=8192)
    port: int = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def client() -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for _ in range(messages):
                await stream.send(MESSAGE)
                missing = len(MESSAGE)
                while missing:
                    missing -= len(await stream.receive())

    async with listener, anyio.create_task_group() as servers:
        servers.start_soon(listener.serve, _echo)
        async with anyio.create_task_group() as clients:
            for _ in range(connections):
                clients.start_soon(client)
        servers.cancel_scope.cancel()


async def echo_1(scale: int) -> None:
    await _mixed(1, 40 * scale)


async def echo_100(scale: int) -> None:
    await _mixed(100, scale)


async def echo_1000(scale: int) -> None:
    await _mixed(1000, max(scale // 4, 1))


CODE: dict[str, Callable[[int], Awaitable[None]]] = {
    "sleep(0)": sleep_0,
    "task spawning": spawn,
    "timeouts": timeouts,
    "echo, 1 connection": echo_1,
    "echo, 100 connections": echo_100,
    "echo, 1000 connections": echo_1000,
}
