"""Timers, threads, processes, queues, and a real database."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import shutil
import threading

import asyncpg
import trio

from trio_bridge import aio2trio, channels, trio2aio

THREADS = 2
CONNECTIONS = 2
TIMERS = 200
pg = trio2aio(asyncpg)
CAT = shutil.which("cat")


@trio2aio
async def timers():
    """Half of them are cancelled."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    rung = 0

    def ring():
        nonlocal rung
        rung += 1
        if rung == TIMERS / 2:
            done.set()

    handles = [loop.call_later(0.001 * (number % 40), ring) for number in range(TIMERS)]
    far = [loop.call_later(3600, ring) for _ in range(TIMERS)]
    for handle in [*handles[::2], *far]:
        handle.cancel()
    await done.wait()


async def sleepers():
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(trio.sleep, 0.001 * number)
            nursery.start_soon(trio2aio(asyncio.sleep), 0.001 * number)


async def trio_threads():
    for _ in range(3):
        assert await trio.to_thread.run_sync(threading.get_ident) != threading.get_ident()


@trio2aio
async def asyncio_threads():
    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(abs, -1) == 1
    assert await loop.run_in_executor(None, abs, -2) == 2
    future = await asyncio.to_thread(asyncio.run_coroutine_threadsafe, aio2trio(_double)(3), loop)
    assert await asyncio.wrap_future(future) == 6


async def _double(x):
    await trio.sleep(0)
    return 2 * x


@trio2aio
async def asyncio_processes():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(CAT, stdin=pipe, stdout=pipe)
    assert await process.communicate(b"Riri") == (b"Riri", None)
    process = await asyncio.create_subprocess_exec(CAT, stdin=pipe, stdout=pipe)
    process.kill()
    assert await process.communicate() == (b"", None)


async def trio_processes():
    ended = await trio.run_process([CAT], stdin=b"Fifi", capture_stdout=True)
    assert ended.stdout == b"Fifi"


async def queues():
    queue = await trio2aio(_new_queue)()
    send, receive = channels.to_trio(queue)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_send_numbers, send)
        for number in range(20):
            assert await receive.receive() == number


async def _new_queue():
    return asyncio.Queue(3)


async def _send_numbers(send):
    for number in range(20):
        await send.send(number)


class Database:
    """A pool that stands while the load runs."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url):
        self = cls()
        async with pg.create_pool(
            url, min_size=CONNECTIONS, max_size=CONNECTIONS, max_inactive_connection_lifetime=0
        ) as self._pool:
            await self._pool.execute("CREATE TABLE ducks (number int)")
            yield self

    def jobs(self):
        """One round's, which are one, as the connections are few."""
        return (self.all_of_it,)

    async def all_of_it(self):
        await self._transactions()
        with trio.move_on_after(0.05) as scope:
            await self._pool.execute("SELECT pg_sleep(60)")
        assert scope.cancelled_caught
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            await self._pool.execute("SELECT 1/0")
        # A connection that was cut is opened again when it is wanted: at each round's end all are.
        async with self._pool.acquire() as one, self._pool.acquire() as other:
            assert await one.fetchval("SELECT 6 * 7") == await other.fetchval("SELECT 42")

    async def _transactions(self):
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute("DELETE FROM ducks")
                await connection.executemany(
                    "INSERT INTO ducks VALUES ($1)", [(number,) for number in range(10)]
                )
            async with connection.transaction():
                found = [row["number"] async for row in connection.cursor("SELECT * FROM ducks")]
        assert found == list(range(10))


@trio2aio
async def open_threads():
    """All threads that the default executor will ever have, so that their number stays."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(THREADS))
    all_there = threading.Barrier(THREADS)
    await asyncio.gather(*(loop.run_in_executor(None, all_there.wait) for _ in range(THREADS)))


JOBS = (
    timers,
    sleepers,
    trio_threads,
    asyncio_threads,
    asyncio_processes,
    trio_processes,
    queues,
)
