"""Clients by TLS, in each way that asyncio, Trio and both together have."""

from __future__ import annotations

import asyncio
import random
import time

import trio

from trio_bridge import aio2trio, streams, trio2aio

from .secure_servers import AT, close, limits, secure

PATIENT = 200.0
"""Seconds; far longer than any of these takes."""
WRONG = (OSError, EOFError, trio.BrokenResourceError, trio.TooSlowError)
"""What a connection that is cut fails with; ``ssl.SSLError`` and ``TimeoutError`` are of these."""


class Clients:
    """They visit a good server and a rude one, and are cancelled at times.

    Args:
      ledger: gets how each visit ended, and by how many seconds too late.
      ports: of the good server and of the rude one.
      timeout: the limit of a handshake, and of a good-bye, with the rude one.
    """

    def __init__(self, world, ledger, context, *, ports, timeout, seed):
        self._world = world
        self._ledger = ledger
        self._context = context
        self._ports = ports
        self._timeout = timeout
        self._seed = seed
        self._ways = [(way, world.call(way)) for way in (by_streams, by_start_tls)]
        if not world.is_stock:
            self._ways += [(by_tls_on_trio, trio2aio(by_tls_on_trio)), (by_trio_tls, by_trio_tls)]

    async def visit(self, number):
        chance = random.Random(f"{self._seed}-{number}")
        what, way = chance.choice(self._ways)
        is_rude = chance.random() < 0.6
        is_cancelled = chance.random() < 0.2
        limit = chance.uniform(0, 0.03) if is_cancelled else PATIENT
        timeout = self._timeout if is_rude else PATIENT
        messages = list(make_messages(chance))
        began = time.monotonic()
        with self._ledger:
            try:
                async with self._world.within(limit):
                    await way(messages, self._ports[is_rude], self._context, timeout)
            except WRONG as exc:
                if not is_rude and not is_cancelled:
                    exc.add_note(f"client {number} ({what.__name__})")
                    raise
                end = f"{'cancelled, or ' if is_cancelled else ''}cut"
            else:
                end = "rude, but all came back" if is_rude else "good"
                self._ledger.echoed += sum(map(len, messages))
        late = time.monotonic() - began - 2 * self._timeout
        self._ledger.note(end, late if is_rude else 0.0)


def make_messages(chance):
    for _ in range(chance.randrange(1, 5)):
        yield chance.randbytes(chance.choice([2, 100, 5000, 40_000]))


async def ask(messages, reader, writer):
    """Send, and get the same back, each time."""
    try:
        for message in messages:
            writer.write(message)
            await writer.drain()
            if await reader.readexactly(len(message)) != message:
                raise AssertionError("other bytes came back")
    finally:
        await close(writer)


def options(timeout):
    return {"server_hostname": "localhost", **limits(timeout)}


async def by_streams(messages, port, context, timeout):
    reader, writer = await asyncio.open_connection(AT, port, ssl=context, **options(timeout))
    await ask(messages, reader, writer)


async def by_start_tls(messages, port, context, timeout):
    reader = asyncio.StreamReader()
    # No StreamWriter: it would complain of a transport that closes later than it goes.
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: asyncio.StreamReaderProtocol(reader), AT, port
    )
    try:
        transport.write(b"STARTTLS\n")
        await reader.readline()
        secured = await secure(transport, context, **options(timeout))
    except BaseException:
        transport.abort()
        raise
    await ask(messages, *secured)


async def by_tls_on_trio(messages, port, context, timeout):
    """asyncio's over a Trio stream."""
    stream = await aio2trio(trio.open_tcp_stream)(AT, port)
    transport, _ = streams.to_transport(stream, asyncio.Protocol)
    try:
        secured = await secure(transport, context, **options(timeout))
    except BaseException:
        transport.abort()
        raise
    await ask(messages, *secured)


async def by_trio_tls(messages, port, context, timeout):
    """Trio's over an asyncio stream; Trio code."""
    below = streams.to_trio(*await trio2aio(asyncio.open_connection)(AT, port))
    stream = trio.SSLStream(below, context, server_hostname="localhost")
    async with stream:
        with trio.fail_after(timeout):
            await stream.do_handshake()
        for message in messages:
            await stream.send_all(message)
            got = b""
            while len(got) < len(message):
                more = await stream.receive_some()
                if not more:
                    raise EOFError
                got += more
            if got != message:
                raise AssertionError("other bytes came back")
