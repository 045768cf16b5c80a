"""The program of ``descriptors``: with so many descriptors free, something that needs more."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import resource
import socket
import warnings
from collections import Counter
from contextlib import suppress

import trio

import trio_bridge

from .worlds import descriptors, open_things, program, rounds

LIMIT = 100
OUT = (errno.EMFILE, errno.ENFILE)


class Few:
    """All descriptors but so many are used in the block."""

    def __init__(self, free):
        self._free = free

    def __enter__(self):
        self._used = []
        with suppress(OSError):
            while True:
                self._used.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(self._free):
            os.close(self._used.pop())

    def __exit__(self, *error):
        for descriptor in self._used:
            os.close(descriptor)


async def connect(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"Riri\n")
        if await reader.readline() != b"Riri\n":
            raise ConnectionError
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def serve(port):
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()


async def run_process(port):
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(b"Fifi")
    assert out == b"Fifi"


async def run_shell(port):
    process = await asyncio.create_subprocess_shell("exit 7")
    assert await process.wait() == 7


async def pipe(port):
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    transports = []
    with open(read_end, "rb", 0) as source, open(write_end, "wb", 0) as sink:
        try:
            reader = asyncio.StreamReader()
            transports += await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), source
            )
            transports += await loop.connect_write_pipe(asyncio.BaseProtocol, sink)
            transports[2].write(b"Loulou\n")
            assert await reader.readline() == b"Loulou\n"
        finally:
            for transport in transports[::2]:
                transport.close()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


async def datagram(port):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    transport.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def thread(port):
    assert await asyncio.to_thread(int) == 0


async def echo(reader, writer):
    with suppress(OSError):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def trio_connects(port):
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"Riri\n")
        if await stream.receive_some() != b"Riri\n":
            raise ConnectionError


async def trio_runs_process(port):
    process = await trio.run_process(["cat"], stdin=b"Fifi", capture_stdout=True)
    assert process.stdout == b"Fifi"


async def a_loop_more(port):
    async with trio_bridge.open_loop():
        await trio_bridge.trio2aio(asyncio.sleep)(0)


ASYNCIO_WAYS = connect, serve, run_process, run_shell, pipe, datagram, thread
CONNECTING = connect, trio_connects
TRIO_WAYS = trio_connects, trio_runs_process, a_loop_more


def is_out_of_descriptors(error, connects):
    """Whether that is what the error says, or one that it is from."""
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return all(is_out_of_descriptors(one, connects) for one in error.exceptions)
        if isinstance(error, OSError) and error.errno in OUT:
            return True
        if connects and isinstance(
            error, ConnectionError | TimeoutError | trio.BrokenResourceError
        ):
            return True  # the server had none: it closes at once (uvloop), or accepts later
        error = error.__cause__ or error.__context__
    return False


def main(world, *, count, most_free, without):  # noqa: C901, PLR0915 -- the cases, in a row
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    # Of processes that have started when asyncio finds no descriptor to watch them.
    warnings.filterwarnings("ignore", "unclosed transport|subprocess .* is still running")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what a server can't accept
    result = {"worked": 0, "refused": 0, "accepted_later": 0}
    without_loop = descriptors()
    wrong, leaks = [], Counter()

    async def attack():  # noqa: C901
        server = await world.call(asyncio.start_server)(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ways = [(way, world.call(way)) for way in ASYNCIO_WAYS if way.__name__ not in without]
        if not world.is_stock:
            ways += [(way, way) for way in TRIO_WAYS]
        for _, way in ways:
            await way(port)
        await world.call(asyncio.to_thread)(int)
        before = open_things(world)
        at_most = [before["descriptors"]]
        for _ in rounds(count, every=1):
            for what, way in ways:
                for free in range(most_free + 1):
                    error = None
                    try:
                        with Few(free):
                            async with world.within(0.3 if what in CONNECTING else 20):
                                await way(port)
                    except Exception as exc:
                        error = exc
                    result["worked" if error is None else "refused"] += 1
                    if what is serve and type(error) is OSError and error.errno is None:
                        error = None  # from Python 3.12 on: "could not bind on any address"
                    if error is not None and not is_out_of_descriptors(error, what in CONNECTING):
                        wrong.append(f"{what.__name__} with {free} free: {error!r}")
                    error = None
                    for _ in range(50):
                        gc.collect()
                        if descriptors() <= at_most[0]:
                            break
                        await world.sleep(0.02)
                    else:
                        leaks[what.__name__] += descriptors() - at_most[0]
                        at_most[0] = descriptors()
                    await way(port)  # all works again
            await accept(port)
        result["more"] = {
            name: number - before[name]
            for name, number in open_things(world).items()
            if number > before[name] and name == "asyncio_tasks"
        }
        # asyncio accepts again in a second, and fails if the server was closed meanwhile.
        await world.call(asyncio.sleep)(1.1)
        server.close()
        await world.call(server.wait_closed)()

    async def accept(port):
        """Clients that have connected are served when there are descriptors again, or closed."""
        clients = [socket.socket() for _ in range(5)]
        for client in clients:
            client.setblocking(False)
        with Few(0):
            for client in clients:
                with suppress(BlockingIOError):
                    client.connect(("127.0.0.1", port))
                client.send(b"Riri\n")
            await world.sleep(0.05)
        for client in clients:
            client.setblocking(True)
            client.settimeout(20)
            with suppress(ConnectionError):
                result["accepted_later"] += await world.in_thread(client.recv, 100) == b"Riri\n"
            client.close()

    world.run(attack)
    return {
        **result,
        "wrong": sorted(set(wrong)),
        "leaks": leaks,
        "left": descriptors() - without_loop,
    }


if __name__ == "__main__":
    program(main)
