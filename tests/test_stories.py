"""The stories of the project's brief that are a test and no example."""

from __future__ import annotations

import asyncio
import time
import traceback

import pytest
import trio

import trio_bridge
from trio_bridge import open_asyncio_nursery, open_loop, trio2aio


class CrashError(Exception):
    pass


# ---- story 2: a crash in a server's handler ends the tree, with a traceback that names it


async def a_server_whose_handler_crashes():
    """How long after the crash the block was left, and with what."""
    crashed = None

    async def crashing_handler(reader, writer):
        nonlocal crashed
        try:
            await reader.readline()
            crashed = time.perf_counter()
            raise CrashError("bang")
        finally:
            writer.close()

    async def serve():
        server = await asyncio.start_server(crashing_handler, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                writer.write(b"\n")
                await server.serve_forever()
            finally:
                writer.close()

    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop():
            await trio2aio(serve)()
    return time.perf_counter() - crashed, caught.value


async def test_story_2_a_crash_in_a_servers_handler_ends_the_tree_at_once():
    # The best of several, as a busy machine makes it only longer.
    outcomes = [await a_server_whose_handler_crashes() for _ in range(5)]
    assert min(seconds for seconds, _ in outcomes) < 0.1
    for _, group in outcomes:
        (error,) = group.exceptions
        assert isinstance(error, CrashError)
        frames = traceback.extract_tb(error.__traceback__)
        assert [frame.name for frame in frames] == ["crashing_handler"]


def test_story_2_or_it_goes_to_a_handler_of_your_choice():
    crashes = []

    async def serve():
        async def crashing_handler(reader, writer):
            writer.close()
            raise CrashError("bang")

        async with await asyncio.start_server(crashing_handler, "127.0.0.1", 0) as server:
            for _ in range(3):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                assert await reader.read() == b""
                writer.close()
        return "served"

    def on_error(loop, context):
        crashes.append(context["exception"])

    assert trio_bridge.run(trio2aio(serve), on_error=on_error) == "served"
    assert [type(crash) for crash in crashes] == [CrashError] * 3


# ---- story 4: gather in library code


async def test_story_4_after_a_gather_that_failed_no_task_of_it_is_alive(autojump_clock):
    log = []

    async def fetch(name):
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            log.append(f"{name} cleaned up")

    async def library_code():
        await asyncio.gather(
            asyncio.wait_for(asyncio.sleep(1000), timeout=1), fetch("first"), fetch("second")
        )

    before = trio2aio(asyncio.all_tasks)()
    try:
        async with open_asyncio_nursery():
            await trio2aio(library_code)()
    except* TimeoutError:
        alive = trio2aio(asyncio.all_tasks)() - before
        assert alive == set()
        log.append("the next line")
    assert sorted(log[:2]) == ["first cleaned up", "second cleaned up"]
    assert log[2:] == ["the next line"]


# ---- story 5: a timeout that restarts at each packet


async def test_story_5_a_scope_ends_what_a_timeout_per_packet_does_not(autojump_clock):
    packets = []

    async def read_with_a_timeout_per_packet(queue):
        while True:
            packets.append(await asyncio.wait_for(queue.get(), timeout=5))

    async def trickle(queue):
        while True:
            await asyncio.sleep(4)
            queue.put_nowait("a packet")

    async def library_code():
        queue = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(trickle(queue))
            await read_with_a_timeout_per_packet(queue)

    with trio.move_on_after(60) as scope:
        await trio2aio(library_code)()
    assert scope.cancelled_caught
    assert trio.current_time() == 60
    assert len(packets) == 14
    assert len(trio2aio(asyncio.all_tasks)()) == 0
