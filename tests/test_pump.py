"""The pump: how often it needs Trio's scheduler."""

from __future__ import annotations

import asyncio
import math

import pytest
import trio
import trio.testing
from conftest import HANG

import trio_bridge
from trio_bridge import current_loop, open_loop, trio2aio


class Passes(trio.abc.Instrument):
    """Counts the passes of Trio's scheduler."""

    count = 0

    def before_io_wait(self, timeout):
        self.count += 1


@pytest.fixture(params=["selector", "uvloop"])
def passes_of(request):
    """How many passes an asyncio function takes, on a loop that has run for a while."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")

    def passes_of(async_fn):
        passes = Passes()

        async def main():
            await trio2aio(asyncio.sleep)(0.001)
            before = passes.count
            await trio2aio(async_fn)()
            return passes.count - before

        return trio_bridge.run(main, engine=request.param, instruments=[passes])

    return passes_of


async def serve(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


def test_two_ends_in_one_loop_do_not_wait_for_trio(passes_of):
    """A pass costs as much as a message."""
    messages = 200

    async def talk():
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for _ in range(messages):
                writer.write(b"x")
                await reader.readexactly(1)
            writer.close()
            await writer.wait_closed()

    # A batch of turns ends after a millisecond: on a machine that stands still, with each.
    assert passes_of(talk) < messages


def test_timers_of_one_millisecond_share_an_alarm(passes_of):
    async def timers():
        loop = current_loop()
        fired = loop.create_future()
        for number in range(100):
            loop.call_later(number * 1e-5, int)
        loop.call_later(0.001, fired.set_result, None)
        await fired

    assert passes_of(timers) < 8  # ten, if each had its own


def test_a_timer_due_already_needs_no_alarm(passes_of):
    async def timers():
        for _ in range(50):
            await asyncio.sleep(1e-9)

    assert passes_of(timers) < 25


@pytest.mark.parametrize("is_parked", [True, False])
async def test_a_timer_at_nan_is_due_at_once_as_in_asyncio(is_parked):
    fired = trio.Event()
    async with open_loop(engine="selector") as loop:  # uvloop refuses it
        if is_parked:
            await trio.testing.wait_all_tasks_blocked()
            loop.call_at(math.nan, fired.set)
        else:
            loop.call_soon(lambda: loop.call_at(math.nan, fired.set))
        with trio.fail_after(HANG):
            await fired.wait()


async def test_an_error_that_leaves_asyncios_own_code_ends_the_block_and_turns_go_on():
    ended = []

    async def cleans_up():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with pytest.raises(ExceptionGroup) as caught, trio.fail_after(HANG):
        async with open_loop(engine="selector") as loop:
            loop.create_task(cleans_up())
            loop.call_soon(lambda: loop.call_at("soon", print))
            await trio.sleep_forever()
    assert {type(exc) for exc in caught.value.exceptions} == {TypeError}
    assert ended == [True]
