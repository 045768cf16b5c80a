"""Counts words: a server and a queue of asyncio's, clients and a store of Trio's."""

import asyncio
import collections
import contextlib

import trio
import trio_asyncio
from trio_asyncio import aio_as_trio, trio_as_aio

LINES = ["riri fifi loulou", "riri riri", "fifi"]


class Store:
    """Trio code: one lock for all counts."""

    def __init__(self):
        self.lock = trio.Lock()
        self.counts = collections.Counter()

    async def add(self, word):
        async with self.lock:
            await trio.sleep(0.001)  # as a database would take
            self.counts[word] += 1
            return self.counts[word]


class Server:
    """asyncio code: one word a line, answered with its count."""

    def __init__(self, store):
        self.store = store
        self.finished = asyncio.Queue()

    async def handle(self, reader, writer):
        words = 0
        while line := await reader.readline():
            count = await trio_as_aio(self.store.add)(line.decode().strip())
            writer.write(f"{count}\n".encode())
            await writer.drain()
            words += 1
        writer.close()
        self.finished.put_nowait(words)

    @contextlib.asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def reports(self):
        """How many words each client sent, as they finish."""
        for _ in LINES:
            yield await self.finished.get()


async def send(port, line):
    """Trio code: a client."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for word in line.split():
            await stream.send_all(f"{word}\n".encode())
            await stream.receive_some()


async def add_both(store):
    """asyncio code: two Trio calls at once."""
    loop = asyncio.get_running_loop()
    return await asyncio.gather(
        loop.trio_as_future(store.add, "riri"),
        loop.trio_as_future(store.add, "fifi"),
    )


async def slow_call():
    """asyncio code: takes too long."""
    try:
        await asyncio.sleep(3600)
    finally:
        print("the slow call has ended")


async def checkpoint(done):
    """Trio code, started by a callback of asyncio's."""
    await trio.sleep(0.001)
    done.set()


async def main():
    store = Store()
    server = Server(store)
    async with aio_as_trio(server.serving()) as port, trio.open_nursery() as nursery:
        for line in LINES:
            nursery.start_soon(send, port, line)
        words = [count async for count in aio_as_trio(server.reports())]
        print("words by client:", sorted(words))
    print("counts:", sorted(store.counts.items()))

    loop = trio_asyncio.current_loop.get()
    future = loop.create_future()
    loop.call_later(0.01, future.set_result, "later")
    print("the future says", await trio_asyncio.run_aio_future(future))

    async with aio_as_trio(asyncio.timeout(60)):
        print("two at once:", await aio_as_trio(add_both)(store))

    done = trio.Event()
    loop.call_soon(loop.run_trio_task, checkpoint, done)
    await done.wait()
    print("the callback's task has run")

    with trio.move_on_after(0.05):
        await aio_as_trio(slow_call)()
    print("after the deadline")


trio_asyncio.run(main)
