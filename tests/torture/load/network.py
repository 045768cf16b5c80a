"""Connections on loopback: streams, protocols, TLS, datagrams; asyncio's, Trio's and both."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl

import trio
import trustme

from trio_bridge import current_loop, streams, trio2aio

MESSAGE = b"x" * 1024
CONNECTIONS = 4
MESSAGES = 20


class Echo(asyncio.Protocol, asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._transport.write(data)

    def datagram_received(self, data, address):
        self._transport.sendto(data, address)


async def _echo(reader, writer):
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@functools.cache
def contexts():
    """Of a server and of a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Servers:
    """They stand while the load runs, and so do one connection to each."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls):
        self = cls()
        async with contextlib.AsyncExitStack() as stack, trio.open_nursery() as nursery:
            await self._start(stack)
            (listener,) = await nursery.start(
                functools.partial(trio.serve_tcp, _trio_echo, 0, host="127.0.0.1")
            )
            self.trio = listener.socket.getsockname()
            await self._connect(stack)
            yield self
            nursery.cancel_scope.cancel()

    async def _start(self, stack):
        loop = current_loop()
        at = ("127.0.0.1", 0)
        servers = [
            await trio2aio(asyncio.start_server)(_echo, *at),
            await trio2aio(loop.create_server)(Echo, *at),
            await trio2aio(asyncio.start_server)(_echo, *at, ssl=contexts()[0]),
        ]
        for server in servers:
            stack.push_async_callback(_end, server)
        self.streams, self.protocols, self.tls = (s.sockets[0].getsockname() for s in servers)
        datagrams, _ = await trio2aio(loop.create_datagram_endpoint)(Echo, local_addr=at)
        stack.callback(datagrams.close)
        self.datagrams = datagrams.get_extra_info("sockname")

    async def _connect(self, stack):
        tls = {"ssl": contexts()[1], "server_hostname": "localhost"}
        self.standing = [
            await trio2aio(asyncio.open_connection)(*self.streams),
            await trio2aio(asyncio.open_connection)(*self.protocols),
            await trio2aio(asyncio.open_connection)(*self.tls, **tls),
        ]
        for _, writer in self.standing:
            stack.push_async_callback(_end, writer)
        self.standing_datagrams = await trio2aio(_open_datagrams)(self.datagrams)
        stack.callback(self.standing_datagrams[0].close)

    def jobs(self):
        """One round's."""
        return (
            self.with_streams,
            self.with_protocols,
            self.with_tls,
            self.with_datagrams,
            self.with_trio_streams,
            self.with_both,
            self.over_what_stands,
            self.that_are_cut,
        )

    async def with_streams(self):
        await _clients(self.streams)

    async def with_protocols(self):
        await _clients(self.protocols)

    async def with_tls(self):
        await _clients(
            self.tls, ssl=contexts()[1], server_hostname="localhost", ssl_shutdown_timeout=5
        )

    async def with_datagrams(self):
        await trio2aio(_ask_by_datagrams)(*self.standing_datagrams)
        # uvloop remembers the last 2,048 addresses that it has sent datagrams to. To fill that with
        # the servers' answers to clients that are new each time would take most of an hour.
        if "uvloop" not in type(current_loop()).__module__:
            transport, protocol = await trio2aio(_open_datagrams)(self.datagrams)
            await trio2aio(_ask_by_datagrams)(transport, protocol)
            transport.close()

    async def with_trio_streams(self):
        for _ in range(CONNECTIONS):
            async with await trio.open_tcp_stream(*self.trio) as stream:
                await _ask_stream(stream)

    async def with_both(self):
        """A Trio stream that asyncio code uses, an asyncio stream that Trio code uses."""
        reader, writer = await trio2aio(asyncio.open_connection)(*self.streams)
        async with streams.to_trio(reader, writer) as stream:
            await _ask_stream(stream)
        reader, writer = streams.to_asyncio(await trio.open_tcp_stream(*self.trio))
        await trio2aio(_ask)(reader, writer)

    async def over_what_stands(self):
        for reader, writer in self.standing:
            await trio2aio(_ask)(reader, writer, close=False)

    async def that_are_cut(self):
        """While they wait for an answer that doesn't come."""
        for _ in range(CONNECTIONS):
            with trio.move_on_after(0.01) as scope:
                await trio2aio(_wait_for_nothing)(self.streams)
            assert scope.cancelled_caught


async def _end(closable):
    closable.close()
    await trio2aio(closable.wait_closed)()


async def _trio_echo(stream):
    async for data in stream:
        await stream.send_all(data)


@trio2aio
async def _clients(address, **options):
    async def client():
        await _ask(*await asyncio.open_connection(*address, **options))

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


async def _ask(reader, writer, *, close=True):
    for _ in range(MESSAGES):
        writer.write(MESSAGE)
        await writer.drain()
        assert await reader.readexactly(len(MESSAGE)) == MESSAGE
    if close:
        writer.close()
        await writer.wait_closed()


async def _wait_for_nothing(address):
    reader, writer = await asyncio.open_connection(*address)
    try:
        await reader.read(1)
    finally:
        writer.close()
        await writer.wait_closed()


async def _ask_stream(stream):
    for _ in range(MESSAGES):
        await stream.send_all(MESSAGE)
        got = b""
        while len(got) < len(MESSAGE):
            got += await stream.receive_some(65536)
        assert got == MESSAGE


class _Answers(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.queue = asyncio.Queue()

    def datagram_received(self, data, address):
        self.queue.put_nowait(data)


async def _open_datagrams(address):
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(_Answers, remote_addr=address)


async def _ask_by_datagrams(transport, protocol):
    for _ in range(MESSAGES):
        transport.sendto(MESSAGE)
        assert await protocol.queue.get() == MESSAGE


async def beside(task_status):
    """A Trio task that sends to another one, and never crosses, for as long as the load lasts."""
    send, receive = trio.open_memory_channel(0)
    async with send, receive, trio.open_nursery() as nursery:
        nursery.start_soon(_count, send)
        task_status.started()
        expected = 0
        async for number in receive:
            assert number == expected
            expected += 1


async def _count(send):
    number = 0
    while True:
        await send.send(number)
        number += 1
        await trio.sleep(0.01)
