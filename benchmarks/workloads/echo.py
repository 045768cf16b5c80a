"""Both ends of TCP connections on loopback: a kilobyte there and back, and again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from timing import Body, Workload

MESSAGE: Final = b"x" * 1024
# As many connections may wait to be accepted: the default, 100, would make a thousand of them that
# come at once wait for the kernel's second try, a second later.
BACKLOG: Final = 8192


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


# ---- the server has a protocol and the client streams; connecting is timed too


async def _mixed(connections: int, messages: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        Echo, "127.0.0.1", 0, backlog=100 if connections <= 100 else BACKLOG
    )
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


async def mixed_1(scale: int) -> None:
    await _mixed(1, 40 * scale)


async def mixed_100(scale: int) -> None:
    await _mixed(100, scale)


async def mixed_1000(scale: int) -> None:
    await _mixed(1000, max(scale // 4, 1))


# ---- streams at both ends; connected before the time runs


async def _echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def streams(connections: int, messages: float) -> Workload:
    """So many connections, each with so many messages times the scale."""

    @asynccontextmanager
    async def prepared(scale: int) -> AsyncIterator[Body]:
        server = await asyncio.start_server(_echo_stream, "127.0.0.1", 0, backlog=BACKLOG)
        port = server.sockets[0].getsockname()[1]
        count = max(int(messages * scale), 1)
        ends = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port) for _ in range(connections))
        )

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(count):
                writer.write(MESSAGE)
                await reader.readexactly(len(MESSAGE))

        async def body() -> None:
            await asyncio.gather(*(client(*end) for end in ends))

        yield body
        for _, writer in ends:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in ends))
        server.close()
        await server.wait_closed()

    return prepared


# ---- protocols at both ends; connected before the time runs


class Pinger(asyncio.Protocol):
    """Sends the message each time that it has come back, so many times."""

    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def ping(self, count: int) -> Awaitable[None]:
        self._left = count
        self._missing = len(MESSAGE)
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport.write(MESSAGE)
        return self._done

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing:
            return
        self._left -= 1
        if self._left:
            self._missing = len(MESSAGE)
            self.transport.write(MESSAGE)
        else:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


def protocols(connections: int, messages: float) -> Workload:
    """So many connections, each with so many messages times the scale."""

    @asynccontextmanager
    async def prepared(scale: int) -> AsyncIterator[Body]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=BACKLOG)
        port = server.sockets[0].getsockname()[1]
        count = max(int(messages * scale), 1)
        made = await asyncio.gather(
            *(loop.create_connection(Pinger, "127.0.0.1", port) for _ in range(connections))
        )
        clients = [pinger for _, pinger in made]

        async def body() -> None:
            await asyncio.gather(*(client.ping(count) for client in clients))

        yield body
        for client in clients:
            client.transport.close()
        await asyncio.gather(*(client.lost for client in clients))
        server.close()
        await server.wait_closed()

    return prepared
