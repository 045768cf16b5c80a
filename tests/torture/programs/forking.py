"""The program of ``forks``: it forks in each place that code can be in, and goes on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import random
import warnings
from collections import Counter

import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio

from ..load import crossings
from . import forked
from .forked import fork
from .signalled import busily
from .worlds import descriptors, open_things, program, say

JOBS = crossings.calls, crossings.errors, crossings.cancelled_by_asyncio, crossings.managers
CONTEXT = multiprocessing.get_context("fork")


# ---- places: each gives the child's exit status


async def in_trio(work, *args):
    return await waited_for_by_trio(fork(work, *args))


async def in_a_trio_thread(work, *args):
    return await waited_for_by_trio(await trio.to_thread.run_sync(fork, work, *args))


async def in_a_callback_of_trios(work, *args):
    """What the entry queue calls."""
    forked = trio.Event()
    pids = []

    def call():
        pids.append(fork(work, *args))
        forked.set()

    trio.lowlevel.current_trio_token().run_sync_soon(call)
    await forked.wait()
    return await waited_for_by_trio(*pids)


@trio2aio
async def in_asyncio(work, *args):
    return await waited_for_by_asyncio(fork(work, *args))


@trio2aio
async def in_a_callback(work, *args):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(lambda: future.set_result(fork(work, *args)))
    return await waited_for_by_asyncio(await future)


@trio2aio
async def in_an_asyncio_thread(work, *args):
    return await waited_for_by_asyncio(await asyncio.to_thread(fork, work, *args))


@trio2aio
async def by_multiprocessing(work, *args):
    process = CONTEXT.Process(target=forked.end, args=(work, *args))
    process.start()
    try:
        await asyncio.to_thread(process.join)
        return process.exitcode
    finally:
        process.close()


@trio2aio
async def in_a_pool(work, *args):
    loop = asyncio.get_running_loop()
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=CONTEXT) as pool:
        return await loop.run_in_executor(pool, forked.work_in_child, work, *args)


async def waited_for_by_trio(pid):
    return status_of(await trio.to_thread.run_sync(os.waitpid, pid, 0))


async def waited_for_by_asyncio(pid):
    return status_of(await asyncio.to_thread(os.waitpid, pid, 0))


def status_of(waited):
    return os.waitstatus_to_exitcode(waited[1])


PLACES = in_trio, in_a_callback_of_trios, in_asyncio, in_a_callback
THREADS = in_a_trio_thread, in_an_asyncio_thread
OTHERS = by_multiprocessing, in_a_pool


def plans():
    """What is done in which place."""
    for place in (*PLACES, *THREADS, *OTHERS):
        yield place, forked.exit_with
    for place in THREADS:
        yield place, forked.run_its_own
    for place in (*PLACES, *OTHERS):
        yield place, forked.run_its_own
        yield place, forked.run_in_a_thread
        yield place, forked.run_each_kind


# ---- the parent


@trio2aio
@contextlib.asynccontextmanager
async def standing_connection():
    """A connection that lives through all forks: what sends on it and gets it back."""

    async def serve(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:

        async def exchange(data):
            writer.write(data)
            assert await reader.readexactly(len(data)) == data

        yield exchange
    finally:
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()


async def tick(ticks, side, sleep):
    while True:
        await sleep(0.001)
        ticks[side] += 1


async def fork_on(world, starter, *, seed, count, offset, total):
    """All the forks, with both sides at work; what is open before and after."""
    chance = random.Random(f"{seed}-{starter}")
    possible = list(plans())
    todo = [*possible, *chance.choices(possible, k=max(0, count - len(possible)))]
    chance.shuffle(todo)
    ticks, done = Counter(), Counter()
    async with trio.open_nursery() as nursery, standing_connection() as exchange:
        for job in JOBS:
            nursery.start_soon(busily(job))
        nursery.start_soon(tick, ticks, "Trio", trio.sleep)
        nursery.start_soon(tick, ticks, "asyncio", trio2aio(asyncio.sleep))
        for place, _ in possible[:8]:  # threads and semaphores of the first time
            await place(forked.exit_with, 0)
        before = open_things(world)
        for number, (place, work) in enumerate(todo):
            status = chance.randrange(256) if work is forked.exit_with else 0
            args = [status] if work is forked.exit_with else [world.engine]
            ended = await place(work, *args)
            what = f"{place.__name__}, {work.__name__}"
            assert ended == status, f"{what}: the child ended with {ended}, not {status}"
            seen = dict(ticks)
            await exchange(what.encode())
            with trio.fail_after(30):
                while any(ticks[side] == seen.get(side) for side in ("Trio", "asyncio")):
                    await trio.sleep(0.001)
            done[work.__name__] += 1
            say(done=offset + number + 1, total=total)
        after = await world.settled(before)
        nursery.cancel_scope.cancel()
    return {"before": before, "after": after, "forks": done}


def main(world, *, seed, count, starters):
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    before = descriptors()
    figures = {}
    for place, starter in enumerate(starters):
        work = functools.partial(
            fork_on,
            *(world, starter),
            seed=seed,
            count=count,
            offset=place * count,
            total=count * len(starters),
        )
        if starter == "run":
            figures[starter] = world.run(work)
        else:
            with asyncio.Runner(
                loop_factory=lambda: trio_bridge.new_event_loop(engine=world.engine)
            ) as runner:
                figures[starter] = runner.run(aio2trio(work)())
    return {**figures, "descriptors_left": descriptors() - before}


if __name__ == "__main__":
    program(main)
