"""Rule 4.6, loop services: debug mode and its reports of slow callbacks."""

import asyncio
import logging
import sys
import time

import pytest
import trio
import trio.testing

from trio_bridge import current_loop, trio2aio


@pytest.fixture
def origin_tracking_as_before():
    depth = sys.get_coroutine_origin_tracking_depth()
    yield
    assert sys.get_coroutine_origin_tracking_depth() == depth, "debug mode outlived its loop"


async def test_4_6_debug_mode(origin_tracking_as_before):
    async def in_asyncio():
        assert asyncio.get_running_loop().get_debug()
        await asyncio.sleep(0)  # debug mode's tracking starts with the next turn
        coro = asyncio.sleep(0)
        assert coro.cr_origin is not None
        await coro

    def call_from_wrong_thread():
        with pytest.raises(RuntimeError, match="thread"):
            loop.call_soon(print)

    loop = current_loop()
    loop.set_debug(True)
    await trio2aio(in_asyncio)()
    with pytest.raises(TypeError, match="a callable object was expected"):
        loop.call_soon("no function")
    await trio.to_thread.run_sync(call_from_wrong_thread)


def test_4_6_debug_mode_of_the_whole_program(run_script):
    result = run_script(
        """
import asyncio, logging, trio, trio_bridge

# To debug mode a machine that is busy with other things makes callbacks slow.
logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())

async def main():
    async def guest():
        assert asyncio.get_running_loop().get_debug()
        task = asyncio.create_task(asyncio.sleep(0, "asyncio"))
        return await task, await trio_bridge.aio2trio(trio_code)(), await asyncio.to_thread(str, 7)

    async def trio_code():
        await trio.lowlevel.checkpoint()
        return "trio"

    print(*await trio_bridge.trio2aio(guest)())

trio_bridge.run(main)
""",
        args=["-X", "dev", "-W", "error"],
    )
    assert (result.stdout, result.stderr) == ("asyncio trio 7\n", "")


def slow_reports(caplog, of):
    """The reports that name a callback or a coroutine. (A busy machine may make others slow.)"""
    messages = [record.getMessage() for record in caplog.records]
    return [message for message in messages if " took " in message and of in message]


@pytest.fixture
def slow_callbacks(caplog):
    """Turn reports of slow callbacks on; 50 ms is slow, so block for longer."""
    caplog.set_level(logging.WARNING, logger="asyncio")

    def turn_on():
        loop = current_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.05

    return turn_on


def block(then=lambda: None):
    time.sleep(0.06)
    then()


async def test_4_6_slow_callback_report(slow_callbacks, caplog):
    slow_callbacks()
    done = trio.Event()
    current_loop().call_soon(block, done.set)
    await done.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert len(slow_reports(caplog, "<Handle block(")) == 1


async def test_4_6_slow_step_of_a_task_is_reported(slow_callbacks, caplog):
    async def slow_step():
        await asyncio.sleep(0)
        block()
        await asyncio.sleep(0)

    slow_callbacks()
    await trio2aio(slow_step)()
    assert slow_reports(caplog, "slow_step")


async def test_4_6_slow_first_step_of_a_guest_is_reported(slow_callbacks, caplog):
    async def slow_start():
        block()

    slow_callbacks()
    await trio2aio(slow_start)()
    assert slow_reports(caplog, "slow_start")
