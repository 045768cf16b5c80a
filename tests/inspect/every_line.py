"""A program that has its tree made at each line of Trio, of asyncio and of the bridge.

That is where a signal may come. Run as ``python every_line.py ENGINE`` or, to start from stock
asyncio, ``python every_line.py asyncio``. It prints how many lines there were, and then those at
which the tree could not be made.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import time
from pathlib import Path

import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge.inspect import tree

TIMES = 3
"""How often the tree is made at the same line: more finds no more, and takes its time."""
WATCHED = tuple(str(Path(module.__file__).parent) for module in (asyncio, trio, trio_bridge))


class Looks:
    def __init__(self):
        self.at = collections.Counter()
        self.failed = {}

    def on_event(self, frame, event, arg):
        """What ``sys.settrace`` is given."""
        code = frame.f_code
        if not code.co_filename.startswith(WATCHED):
            return None
        place = code, frame.f_lineno
        self.at[place] += 1
        if self.at[place] <= TIMES:
            try:
                str(tree())
            except Exception as exc:
                self.failed[place] = exc
        return self.on_event


async def leaf(number):
    await trio.sleep(0)
    return number


async def crossing(number):
    async with (
        asyncio.timeout(1000),
        aio2trio(trio.open_nursery()) as nursery,
        asyncio.TaskGroup() as group,
    ):
        nursery.start_soon(trio.sleep, 0)
        group.create_task(asyncio.sleep(0.001))
        return await aio2trio(leaf)(number)


@aio2trio
async def trio_numbers():
    for number in range(2):
        await trio.sleep(0)
        yield number


async def numbers():
    async for number in trio_numbers():
        await asyncio.sleep(0)
        yield number


async def fail():
    await asyncio.sleep(0)
    raise KeyError("no")


async def echo(reader, writer):
    writer.write(await reader.read(10))
    writer.close()
    await writer.wait_closed()


async def use_the_loop():
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        assert await reader.read() == b"x"
        writer.close()
        await writer.wait_closed()
    await asyncio.to_thread(time.sleep, 0.001)
    await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0.001))
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0


async def cross(number):
    assert await trio2aio(crossing)(number) == number
    assert [n async for n in trio2aio(numbers)()] == [0, 1]
    with trio.move_on_after(0.0001):
        await trio2aio(asyncio.sleep)(1000)
    async with trio_bridge.open_asyncio_nursery() as nursery:
        nursery.start_soon(crossing, number)
    with contextlib.suppress(KeyError):
        await trio2aio(fail)()
    await trio.to_thread.run_sync(time.sleep, 0.001)


async def work():
    for number in range(TIMES):
        await cross(number)
    await trio2aio(use_the_loop)()
    async with trio_bridge.open_loop():
        await cross(TIMES)
        await trio2aio(use_the_loop)()


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        nursery.start_soon(work)


async def asyncio_main():
    await aio2trio(main)()


def run(start):
    looks = Looks()
    sys.settrace(looks.on_event)
    try:
        if start == "asyncio":
            asyncio.run(asyncio_main())
        else:
            trio_bridge.run(main, engine=start)
    finally:
        sys.settrace(None)
    print(len(looks.at))
    for (code, line), exc in looks.failed.items():
        print(f"{code.co_qualname}, line {line}: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    run(sys.argv[1])
