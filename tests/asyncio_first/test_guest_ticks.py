"""How many ticks Trio makes before asyncio has its turn."""

from __future__ import annotations

import asyncio
import time

import pytest
import trio
from loop_kinds import leaves_nothing, start_trio

from trio_bridge import aio2trio

assert leaves_nothing


class Ticks(trio.abc.Instrument):
    def __init__(self):
        self.count = 0

    def after_io_wait(self, timeout):
        self.count += 1


async def most_ticks_in_a_row(spin):
    """How many ticks come between two turns of asyncio, beside a Trio task that always can run."""

    async def start():
        trio.lowlevel.add_instrument(ticks)

    await start_trio()
    ticks, most = Ticks(), 0
    await aio2trio(start)()
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(spin)
        await asyncio.sleep(0)
        for _ in range(20):
            before = ticks.count
            await asyncio.sleep(0)
            most = max(most, ticks.count - before)
        aio2trio(nursery.cancel_scope.cancel)()
    return most


async def spin_slowly():
    while True:
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        await trio.lowlevel.checkpoint()


class OfVirtualTime(asyncio.SelectorEventLoop):
    def time(self):
        return 1.0


@pytest.mark.parametrize(
    ("make_loop", "ticks"),
    [(asyncio.SelectorEventLoop, 1), (OfVirtualTime, 8)],
    ids=["real time", "virtual time"],
)
def test_slow_ticks_are_bounded_by_time_if_that_is_real(leaves_nothing, make_loop, ticks):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(most_ticks_in_a_row(spin_slowly)) == ticks
