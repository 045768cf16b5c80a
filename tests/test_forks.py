"""A child of ``os.fork`` runs programs of its own, wherever its parent was. The parent goes on."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import traceback

import pytest
import sniffio
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

HANG = 30


def fork(work):
    """The child's number. It ends by 0, or says what went wrong."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(HANG)
            if sys.version_info < (3, 12):
                signal.set_wakeup_fd(-1)
            work()
            status = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    return pid


async def ended(pid):
    _, status = await trio.to_thread.run_sync(os.waitpid, pid, 0)
    return os.waitstatus_to_exitcode(status)


def run_a_program():
    """Both sides finalize a generator of their own."""
    ends = []

    async def generator(side):
        try:
            yield
        finally:
            ends.append((side, sniffio.current_async_library()))

    async def drop(side):
        async for _ in generator(side):
            break

    async def main():
        await drop("Trio")
        await trio2aio(drop)("asyncio")
        gc.collect()
        with trio.fail_after(HANG):
            while len(ends) < 2:
                await trio.sleep(0.001)
        return await trio.to_thread.run_sync(int)

    assert trio_bridge.run(main) == 0
    assert sorted(ends) == [("Trio", "trio"), ("asyncio", "asyncio")]


def run_it_twice():
    run_a_program()
    run_a_program()


def run_it_in_a_thread():
    thread = threading.Thread(target=run_a_program)
    thread.start()
    thread.join()


async def in_trio_code(work):
    return fork(work)


async def in_asyncio_code(work):
    async def asyncio_code():
        return fork(work)

    return await trio2aio(asyncio_code)()


async def in_a_callback(work):
    async def asyncio_code():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(lambda: future.set_result(fork(work)))
        return await future

    return await trio2aio(asyncio_code)()


async def in_trio_code_below(work):
    return await trio2aio(aio2trio(in_trio_code))(work)


async def in_a_trio_thread(work):
    return await trio.to_thread.run_sync(fork, work)


async def in_an_asyncio_thread(work):
    return await trio2aio(asyncio.to_thread)(fork, work)


@pytest.mark.parametrize("work", [run_it_twice, run_it_in_a_thread])
@pytest.mark.parametrize(
    "place",
    [
        *(in_trio_code, in_asyncio_code, in_a_callback, in_trio_code_below),
        *(in_a_trio_thread, in_an_asyncio_thread),
    ],
)
async def test_a_child_runs_programs_of_its_own_and_the_parent_goes_on(place, work):
    ticks = []

    async def tick():
        while True:
            await trio2aio(asyncio.sleep)(0.001)
            await trio.sleep(0.001)
            ticks.append(os.getpid())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        assert await ended(await place(work)) == 0
        seen = len(ticks)
        with trio.fail_after(HANG):
            while len(ticks) < seen + 2:
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert set(ticks) == {os.getpid()}
