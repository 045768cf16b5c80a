"""uvloop's connecting by itself: what is made of a cancellation, in time and too late.

That nothing is left of real connections is in :mod:`test_cancelled_connecting`.
"""

from __future__ import annotations

import asyncio

from trio_bridge import trio2aio
from trio_bridge._engines._connecting import connecting


class Transport:
    is_open = True

    def close(self):
        self.is_open = False


class Making:
    """Waits for one future after another, and gives its transport when it is told to."""

    def __init__(self, *, cleans_up=False):
        self.futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        self.cleans_up = cleans_up
        self.transport = Transport()
        self.log = []

    async def __call__(self):
        for number, future in enumerate(self.futures):
            try:
                await future
            except asyncio.CancelledError:
                self.log.append(f"cancelled in {number}")
                if not self.cleans_up:
                    raise
            else:
                self.log.append(f"got {number}")
        return self.transport, None


async def start(making, **options):
    """A task that waits for the first future."""

    async def connect():
        return await connecting(making(), **options)

    task = asyncio.create_task(connect())
    await asyncio.sleep(0)
    return task


async def wait(task):
    await asyncio.wait([task])
    return "cancelled" if task.cancelled() else task.result()


@trio2aio
async def test_in_time_it_is_delivered_at_once():
    making = Making()
    task = await start(making)
    task.cancel()
    assert await wait(task) == "cancelled"
    assert making.log == ["cancelled in 0"]
    assert making.futures[0].cancelled()


@trio2aio
async def test_in_time_what_is_made_may_clean_up_and_go_on():
    making = Making(cleans_up=True)
    task = await start(making)
    task.cancel("why")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for future in making.futures[1:]:
        future.set_result(None)
    assert await wait(task) == (making.transport, None)
    assert making.log == ["cancelled in 0", "got 1", "got 2"]
    assert making.transport.is_open


@trio2aio
async def test_too_late_it_is_delivered_at_the_next_wait():
    making = Making()
    task = await start(making)
    making.futures[0].set_result(None)
    task.cancel()
    assert await wait(task) == "cancelled"
    assert making.log == ["got 0", "cancelled in 1"]
    assert making.futures[1].cancelled()


@trio2aio
async def test_too_late_what_is_made_may_clean_up_and_go_on():
    making = Making(cleans_up=True)
    task = await start(making)
    making.futures[0].set_result(None)
    task.cancel()
    asyncio.get_running_loop().call_later(0.001, making.futures[2].set_result, None)
    assert await wait(task) == (making.transport, None)
    assert making.log == ["got 0", "cancelled in 1", "got 2"]
    assert making.transport.is_open


@trio2aio
async def test_too_late_for_any_wait_what_has_been_made_is_closed():
    making = Making()
    del making.futures[1:]
    task = await start(making)
    making.futures[0].set_result(None)
    task.cancel()
    assert await wait(task) == "cancelled"
    assert making.log == ["got 0"]
    assert not making.transport.is_open


@trio2aio
async def test_a_short_wait_is_not_cancelled():
    making = Making()
    del making.futures[1:]
    task = await start(making, waits_shortly=lambda: not making.futures[0].done())
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    making.futures[0].set_result(None)
    assert await wait(task) == "cancelled"
    assert making.log == ["got 0"]
    assert not making.transport.is_open
