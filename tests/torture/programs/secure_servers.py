"""Echo servers by TLS, in each way that asyncio, Trio and both together have."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import trio

from trio_bridge import aio2trio, streams, trio2aio

AT = "127.0.0.1"
CLOSE_FIRST = b"C"
"""After this message the server closes the connection, when it has sent it back."""


class Servers:
    """One in each way for each limit of the handshake.

    Args:
      ledger: by ``with`` for as long as a connection is served.
    """

    def __init__(self, world, ledger, context):
        self._world = world
        self._ledger = ledger
        self._context = context
        self._servers, self._scopes, self._tasks = [], [], set()

    async def open(self, timeouts, start):
        """The ports of each way, in the order of the timeouts."""
        ways = {
            "streams": self._streams,
            "protocol": self._protocol,
            "start_tls": self._start_tls,
        }
        if not self._world.is_stock:
            ways |= {"Trio's TLS": self._trio_tls, "asyncio's TLS on Trio": self._tls_on_trio}
        return [
            [name, [await open_one(timeout, start) for timeout in timeouts]]
            for name, open_one in ways.items()
        ]

    async def close(self):
        for scope in self._scopes:
            scope.cancel()
        for server in self._servers:
            server.close()
            await self._world.call(server.wait_closed)()

    async def _listen(self, start_server, serve, **options):
        server = await self._world.call(start_server)(serve, AT, 0, backlog=500, **options)
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    # ---- the ways

    async def _streams(self, timeout, start):
        return await self._listen(
            asyncio.start_server, self._serve, ssl=self._context, **limits(timeout)
        )

    async def _protocol(self, timeout, start):
        create_server = self._world.loop().create_server
        return await self._listen(
            create_server, lambda: Echo(self._ledger), ssl=self._context, **limits(timeout)
        )

    async def _start_tls(self, timeout, start):
        async def serve(reader, writer):
            # start_tls() exchanges the protocol, which held the handler's task. asyncio doesn't.
            self._tasks.add(task := asyncio.current_task())
            task.add_done_callback(self._tasks.discard)
            with self._ledger:
                if await reader.readline():
                    writer.write(b"go\n")
                    await self._secure_and_serve(writer.transport, timeout)
            writer.close()

        return await self._listen(asyncio.start_server, serve)

    async def _tls_on_trio(self, timeout, start):
        """asyncio's over a Trio stream."""

        @trio2aio
        async def serve(transport):
            with self._ledger:
                await self._secure_and_serve(transport, timeout)

        async def serve_stream(stream):
            transport, _ = streams.to_transport(stream, asyncio.Protocol)
            await serve(transport)

        (listener,) = await trio.open_tcp_listeners(0, host=AT)
        scope = trio.CancelScope()
        self._scopes.append(scope)

        async def accept():
            with scope:
                await trio.serve_listeners(serve_stream, [listener])

        start(accept)
        return listener.socket.getsockname()[1]

    async def _trio_tls(self, timeout, start):
        """Trio's over an asyncio stream."""

        async def serve(reader, writer):
            stream = streams.to_trio(reader, writer)
            with self._ledger:
                await aio2trio(serve_trio)(
                    trio.SSLStream(stream, self._context, server_side=True), timeout
                )

        return await self._listen(asyncio.start_server, serve)

    # ---- what they do

    async def _secure_and_serve(self, transport, timeout):
        try:
            reader, writer = await secure(
                transport, self._context, server_side=True, **limits(timeout)
            )
        except OSError:
            transport.close()
        else:
            await self._serve(reader, writer)

    async def _serve(self, reader, writer):
        with self._ledger:
            with suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
                    if data == CLOSE_FIRST:
                        break
            await close(writer)


class Echo(asyncio.Protocol):
    """By a protocol."""

    def __init__(self, ledger):
        self._ledger = ledger

    def connection_made(self, transport):
        self._transport = transport
        self._ledger.__enter__()

    def data_received(self, data):
        self._transport.write(data)
        if data == CLOSE_FIRST:
            self._transport.close()

    def connection_lost(self, exc):
        self._ledger.__exit__()


async def serve_trio(stream, timeout):
    """The same for a stream of Trio's TLS."""
    try:
        with trio.fail_after(timeout):
            await stream.do_handshake()
        async for data in stream:
            await stream.send_all(data)
            if data == CLOSE_FIRST:
                break
        await stream.aclose()
    except (trio.BrokenResourceError, trio.TooSlowError):
        await trio.aclose_forcefully(stream)


def limits(timeout):
    return {"ssl_handshake_timeout": timeout, "ssl_shutdown_timeout": timeout}


class StreamsOverTls(asyncio.StreamReaderProtocol):
    """asyncio's asks the transport whether there is TLS: here the end may come before that."""

    def eof_received(self):
        super().eof_received()
        return False


async def secure(transport, context, **options):
    """TLS over a transport that has none: a reader and a writer."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = StreamsOverTls(reader)
    transport = await loop.start_tls(transport, protocol, context, **options)
    protocol.connection_made(transport)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def close(writer):
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
