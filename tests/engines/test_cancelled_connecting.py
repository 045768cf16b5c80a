"""Rule 4.6, loop services: connecting that is cancelled, in whatever turn of the loop."""

import asyncio
import contextlib
import os

import pytest

from trio_bridge import trio2aio

LOCALHOST = "127.0.0.1"
MANY = 40
"""In so many turns all of these have connected, but for TLS."""


class Counted(asyncio.Protocol, asyncio.DatagramProtocol):
    """How many were told that they are connected, and not that it has ended."""

    open = made = 0

    def connection_made(self, transport):
        Counted.open += 1
        Counted.made += 1

    def connection_lost(self, exc):
        Counted.open -= 1


@contextlib.asynccontextmanager
async def listening(start, *args, **options):
    async def serve(reader, writer):
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await start(serve, *args, **options)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await asyncio.sleep(0.01)  # a connection that is accepted just now is lost, noisily


@contextlib.asynccontextmanager
async def by_tcp(loop, certificates, tmp_path):
    async with listening(asyncio.start_server, LOCALHOST, 0) as address:
        yield lambda: loop.create_connection(Counted, *address)


@contextlib.asynccontextmanager
async def by_tls(loop, certificates, tmp_path):
    server, client = certificates
    async with listening(asyncio.start_server, LOCALHOST, 0, ssl=server) as address:
        options = {"ssl": client, "server_hostname": "localhost"}
        yield lambda: loop.create_connection(Counted, *address, **options)


@contextlib.asynccontextmanager
async def by_unix(loop, certificates, tmp_path):
    path = tmp_path / "socket"
    async with listening(asyncio.start_unix_server, path):
        yield lambda: loop.create_unix_connection(Counted, path)


@contextlib.asynccontextmanager
async def by_datagram(loop, certificates, tmp_path):
    yield lambda: loop.create_datagram_endpoint(Counted, local_addr=(LOCALHOST, 0))


WAYS = by_tcp, by_tls, by_unix, by_datagram


def turns():
    """Each, then ever fewer."""
    turn = 0
    while True:
        yield turn
        turn = max(turn + 1, turn * 9 // 8 if turn > MANY else 0)


async def cancelled_in_turn(connect, turn):
    """Whether it was."""
    task = asyncio.ensure_future(connect())
    for _ in range(turn):
        await asyncio.sleep(0)
    task.cancel()
    try:
        transport, _ = await task
    except asyncio.CancelledError:
        return True
    transport.close()
    return False


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors")
@pytest.mark.parametrize("way", WAYS)
async def test_4_6_connecting_cancelled_in_any_turn_leaves_nothing(way, certificates, tmp_path):
    @trio2aio
    async def test():
        Counted.open = Counted.made = 0
        async with way(asyncio.get_running_loop(), certificates, tmp_path) as connect:
            await cancelled_in_turn(connect, 10_000)
            await settled(lambda: not Counted.open)
            before, ends = descriptors(), []
            for turn in turns():
                ends.append(await cancelled_in_turn(connect, turn))
                if turn >= MANY and not ends[-1]:
                    break
            await settled(lambda: not Counted.open and descriptors() <= before)
            assert ends[0]
            assert Counted.made

    async def settled(condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    await test()
