"""The server of ``connections``: it sends back what it gets, by streams and by a protocol.

Says its ports, waits for a line on stdin, and then for its connections to end.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress

from .ledger import HEAD, Ledger, check
from .visits import BY_SERVER, reset
from .worlds import descriptors, open_things, program, say


async def serve(ledger, reader, writer):
    """By streams."""
    ledger.begin()
    number, count, ending = None, 0, "eof"
    try:
        kind, number, size = HEAD.unpack(await reader.readexactly(HEAD.size))
        while data := await reader.read(65536):
            check(number, count, data)
            count += len(data)
            if kind == BY_SERVER and count >= size:
                ending = "by server"
                reset(writer.transport)
                break
            writer.write(data)
            await writer.drain()
    except asyncio.IncompleteReadError:
        ending = "silent"
    except OSError:
        ending = "reset"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        ledger.end(number, count, ending)


class Serve(asyncio.Protocol):
    """By a protocol."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.head = b""
        self.number, self.count, self.ending = None, 0, "silent"

    def connection_made(self, transport):
        self.transport = transport
        self.ledger.begin()

    def data_received(self, data):
        if self.number is None:
            self.head += data
            if len(self.head) < HEAD.size:
                return
            self.kind, self.number, self.size = HEAD.unpack(self.head[: HEAD.size])
            self.ending = "eof"
            data = self.head[HEAD.size :]
            if not data:
                return
        check(self.number, self.count, data)
        self.count += len(data)
        if self.kind == BY_SERVER and self.count >= self.size:
            self.ending = "by server"
            reset(self.transport)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc):
        if exc is not None and self.ending != "by server":
            self.ending = "reset"
        self.ledger.end(self.number, self.count, self.ending)


def main(world, *, addresses, files, path):
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    ledger = Ledger()
    without_loop = descriptors()
    counts = {}

    async def serve_until_told():
        loop = world.loop()
        start_server, create_server = map(world.call, (asyncio.start_server, loop.create_server))
        by_streams = [
            await start_server(lambda r, w: serve(ledger, r, w), address, 0, backlog=4096)
            for address in addresses
        ]
        by_protocol = [
            await create_server(lambda: Serve(ledger), address, 0, backlog=4096)
            for address in addresses
        ]
        await world.in_thread(int)  # the thread is one of the open things
        counts["before"] = open_things(world)
        say(
            ports=[
                [server.sockets[0].getsockname()[:2] for server in servers]
                for servers in (by_streams, by_protocol)
            ]
        )
        await world.in_thread(sys.stdin.readline)
        await world.until(lambda: ledger.open == 0, 120, "the last connection's end")
        counts["after"] = await world.settled(counts["before"])
        for server in [*by_streams, *by_protocol]:
            server.close()
            await world.call(server.wait_closed)()

    world.run(serve_until_told)
    ledger.write(path)
    return {
        **counts,
        "opened": ledger.opened,
        "peak": ledger.peak,
        "descriptors_left": descriptors() - without_loop,
    }


if __name__ == "__main__":
    program(main)
