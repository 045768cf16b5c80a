"""The asyncio side of the busy program: what asyncio programs are made of, going on for ever."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from ledger import Held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Through = Callable[[str], object]


async def connections(through: Through) -> None:
    """A server and clients that talk to it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Python 3.11 reports a handler that ended as cancelled.
        with Held("handler"), contextlib.suppress(ConnectionError, asyncio.CancelledError):
            try:
                while data := await reader.read(1000):
                    writer.write(data)
                    await writer.drain()
            finally:
                writer.close()

    async def client(port: int) -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with Held("client"), contextlib.suppress(ConnectionError):
                try:
                    for _ in range(5):
                        writer.write(b"Riri")
                        await reader.readexactly(4)
                finally:
                    writer.close()
            through("connections")

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(client(server.sockets[0].getsockname()[1]))
        finally:
            # A connection that is accepted in the turn before the one in which the server is closed
            # is lost in asyncio, with an error in its __del__.
            await asyncio.sleep(0.01)


async def numbers() -> AsyncIterator[int]:
    """A generator with an end that takes its time."""
    with Held("asyncio generator"):
        try:
            for number in range(3):
                await asyncio.sleep(0.001)
                yield number
        finally:
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def manager() -> AsyncIterator[None]:
    """A manager with an end that takes its time."""
    with Held("asyncio manager"):
        await asyncio.sleep(0)
        try:
            yield
        finally:
            await asyncio.sleep(0.001)


async def generators(through: Through) -> None:
    """To their end, closed in the middle, and forgotten there."""
    while True:
        async for _ in numbers():
            pass
        async with contextlib.aclosing(numbers()) as closed:
            await anext(closed)
        async for _ in numbers():
            break
        async with manager():
            await asyncio.sleep(0.001)
        through("generators")


def job(what: str) -> None:
    """For a thread."""
    with Held(what):
        time.sleep(0.005)


async def threads(through: Through) -> None:
    """Those of the default executor."""
    while True:
        jobs = [asyncio.to_thread(job, "executor's thread") for _ in range(2)]
        await asyncio.gather(*jobs)
        through("threads")


async def queues(through: Through) -> None:
    """A producer and a consumer, with timeouts and shields."""
    queue: asyncio.Queue[int] = asyncio.Queue(2)

    async def produce() -> None:
        with Held("producer"):
            for number in range(10):
                await queue.put(number)
                await asyncio.sleep(0)
            await queue.put(-1)

    async def consume() -> None:
        with Held("consumer"):
            number = 0
            while number >= 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        number = await queue.get()

    while True:
        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
            await asyncio.shield(asyncio.sleep(0))
        through("queues")


PARTS: tuple[Any, ...] = (connections, generators, threads, queues)
