"""Who called whom in both worlds, asked from running code: the callers, outermost first."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import pytest
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._crossing import callers
from trio_bridge._crossing.callers import stack_of

SUSPENDS = pytest.mark.parametrize("suspends", [False, True], ids=["at_once", "suspended"])


def stack():
    """The functions of this file that have called the caller, and the caller."""
    frames = stack_of(sys._getframe(1))
    assert not any(frame.f_globals["__name__"].startswith("trio_bridge.") for frame in frames)
    return [frame.f_code.co_name for frame in frames if frame.f_code.co_filename == __file__]


async def here(suspends, side):
    if suspends:
        await side.sleep(0)
    return stack()


async def asyncio_end(suspends):
    return await here(suspends, asyncio)


async def trio_end(suspends):
    return await here(suspends, trio)


@SUSPENDS
async def test_a_guest(suspends):
    me = "test_a_guest"
    assert await trio2aio(asyncio_end)(suspends) == [me, "asyncio_end", "here"]


@SUSPENDS
@pytest.mark.parametrize("end_suspends", [False, True], ids=["at_once", "suspended"])
async def test_a_trio_call_of_a_guest(suspends, end_suspends):
    async def guest():
        if suspends:
            await asyncio.sleep(0)
        first = await aio2trio(trio_end)(end_suspends)
        assert await aio2trio(trio_end)(end_suspends) == first
        return first

    async def caller():
        return await trio2aio(guest)()

    me = "test_a_trio_call_of_a_guest"
    assert await caller() == [me, "caller", "guest", "trio_end", "here"]


@SUSPENDS
async def test_three_crossings(suspends):
    async def second():
        return await trio2aio(asyncio_end)(suspends)

    async def first():
        return await aio2trio(second)()

    expected = ["test_three_crossings", "first", "second", "asyncio_end", "here"]
    assert await trio2aio(first)() == expected


@SUSPENDS
def test_a_task_of_asyncios_own_has_no_caller_but_what_runs_the_program(suspends):
    async def child():
        return await here(suspends, asyncio)

    async def guest():
        return await asyncio.create_task(child())

    async def main():
        return await trio2aio(guest)()

    me = "test_a_task_of_asyncios_own_has_no_caller_but_what_runs_the_program"
    assert trio_bridge.run(main) == [me, "child", "here"]


@SUSPENDS
def test_a_trio_call_of_asyncios_own_task(suspends):
    async def child():
        return await aio2trio(trio_end)(suspends)

    async def guest():
        return await asyncio.create_task(child())

    async def main():
        return await trio2aio(guest)()

    me = "test_a_trio_call_of_asyncios_own_task"
    assert trio_bridge.run(main) == [me, "child", "trio_end", "here"]


@SUSPENDS
async def test_a_step_of_an_asyncio_generator(suspends):
    @trio2aio
    async def generator():
        yield await here(suspends, asyncio)
        yield await here(suspends, asyncio)

    expected = ["test_a_step_of_an_asyncio_generator", "generator", "here"]
    async with contextlib.aclosing(generator()) as steps:
        async for step in steps:
            assert step == expected


@SUSPENDS
async def test_a_trio_call_in_a_step_of_an_asyncio_generator(suspends):
    @trio2aio
    async def generator():
        yield await aio2trio(trio_end)(suspends)
        yield await aio2trio(trio_end)(suspends)

    me = "test_a_trio_call_in_a_step_of_an_asyncio_generator"
    async with contextlib.aclosing(generator()) as steps:
        async for step in steps:
            assert step == [me, "generator", "trio_end", "here"]


async def test_a_task_that_a_guest_starts_at_once_is_not_below_its_caller():
    async def child():
        return stack()

    @trio2aio
    async def guest():
        loop = asyncio.get_running_loop()
        kwargs = {"eager_start": True} if hasattr(asyncio, "eager_task_factory") else {}
        return await asyncio.Task(child(), loop=loop, **kwargs)

    me = "test_a_task_that_a_guest_starts_at_once_is_not_below_its_caller"
    assert me not in await guest()


async def test_a_callback_has_no_caller():
    @trio2aio
    async def guest():
        called = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: called.set_result(stack()))
        return await called

    assert (await guest())[-1] == "<lambda>"


@SUSPENDS
async def test_a_crossing_that_trio_code_makes_before_the_one_it_is_in(suspends):
    async def twice():
        await trio2aio(asyncio_end)(True)
        return await trio2aio(asyncio_end)(suspends)

    me = "test_a_crossing_that_trio_code_makes_before_the_one_it_is_in"
    assert await twice() == [me, "twice", "asyncio_end", "here"]


async def test_of_two_hosts_each_guest_has_its_own():
    found = {}

    @trio2aio
    async def guest(name, other):
        await aio2trio(trio.lowlevel.checkpoint)()
        found[name] = stack()
        other.set()
        await asyncio.sleep(0)
        return stack()

    async def one(event):
        await guest("one", event)

    async def two(event):
        await guest("two", event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, trio.Event())
        nursery.start_soon(two, trio.Event())
    assert found == {"one": ["one", "guest"], "two": ["two", "guest"]}


async def test_the_frame_that_is_asked_for_is_shown_also_if_it_is_the_bridges():
    seen = []

    class Callable:
        async def __call__(self):
            frame = sys._getframe(1)
            while not callers.is_ours(frame):
                frame = frame.f_back
            seen.append((frame, stack_of(frame)))

    await trio2aio(Callable())()
    ((frame, frames),) = seen
    assert frames[-1] is frame
    assert sum(map(callers.is_ours, frames)) == 1


async def test_a_loop_of_another_thread_is_left_alone():
    """Its tasks come and go while they would be looked at."""
    is_open, may_end = threading.Event(), threading.Event()

    async def other():
        is_open.set()
        await trio.to_thread.run_sync(may_end.wait)

    thread = threading.Thread(target=trio_bridge.run, args=(other,))
    thread.start()
    await trio.to_thread.run_sync(is_open.wait)
    try:
        looked_at = [bridge.thread for bridge in callers._Stack([])._bridges]
    finally:
        may_end.set()
        thread.join()
    assert looked_at == [threading.get_ident()]
