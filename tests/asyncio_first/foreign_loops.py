"""Loops that run already when Trio becomes their guest: stock, uvloop's, and our own.

Each test runs with Trio's descriptor in the loop (``door``), and with Trio's thread waiting for it
(``thread``), which is what is done where the descriptor can't be had.
"""

from __future__ import annotations

import asyncio

import pytest
import trio
import trio.testing
from loop_kinds import TIME_LIMIT, leaves_nothing, start_trio

import trio_bridge
from trio_bridge import _private, aio2trio, trio2aio

assert leaves_nothing

LOOPS = ["stock", "uvloop", "bridge"]
WAYS = ["door", "thread"]


def factory(name):
    """What makes such a loop; ``None``: asyncio's default."""
    if name == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        uvloop.new_event_loop().close()  # the first leaves libuv's own descriptors
        return uvloop.new_event_loop
    return trio_bridge.new_event_loop if name == "bridge" else None


class NoDoor:
    def __init__(self, tick):
        raise AttributeError("no such door")


@pytest.fixture(params=[(loop, way) for loop in LOOPS for way in WAYS], ids="-".join)
def variant(request, monkeypatch):
    """Which loop, and how Trio's I/O is waited for."""
    loop, way = request.param
    factory(loop)
    if way == "thread":
        monkeypatch.setattr(_private, "GuestDoor", NoDoor)
    return loop


@pytest.fixture
def make_loop(variant, leaves_nothing):
    """Make a loop of this variant, which is closed after the test at the latest."""
    made = []

    def make_loop():
        made.append((factory(variant) or asyncio.new_event_loop)())
        return made[-1]

    yield make_loop
    for loop in made:
        loop.close()


@pytest.fixture
def run(variant, leaves_nothing):
    """``asyncio.run``, with the loop of this variant. Nothing is left after it."""
    make_loop = factory(variant)

    def run(async_fn, *args, debug=None):
        async def main():
            async with asyncio.timeout(TIME_LIMIT):
                return await async_fn(*args)

        if make_loop is None:
            return asyncio.run(main(), debug=debug)
        with asyncio.Runner(loop_factory=make_loop, debug=debug) as runner:
            return runner.run(main())

    return run


class TrioWaits:
    """Trio code that waits, cleans up and takes notes."""

    def __init__(self):
        self.ends = []
        self.started = asyncio.Event()

    async def __call__(self):
        trio2aio(self.started.set)()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.001)
            self.ends.append("cleaned up")
            raise


async def fails_after(sleep, seconds):
    await sleep(seconds)
    raise ValueError("child")


async def leave_running(child):
    """Run Trio code in a nursery that nobody leaves. Returns when it waits."""
    await start_trio()
    nursery = await aio2trio(trio.open_nursery()).__aenter__()
    aio2trio(nursery.start_soon)(child)
    await aio2trio(trio.testing.wait_all_tasks_blocked)()


async def expire(timeout, waits):
    """Have the timeout expire when the Trio code waits, however long it took until then."""
    await waits.started.wait()
    timeout.reschedule(asyncio.get_running_loop().time() + 0.001)
