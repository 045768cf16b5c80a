"""``Bridge.cancel_owned``: what ends an asyncio task cancels it once, however many things end.

Ctrl-C ends the task in whose Trio code it came, then the nursery around that, and the loop. Had
each of them its own ``Task.cancel()``, the second would cut the clean-up short (contract 4.2).
"""

from __future__ import annotations

import asyncio
import signal

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio


class Task:
    """An asyncio task that waits, and then cleans up for a hundred turns of the loop."""

    def __init__(self, waits):
        self.log = []
        self._waits = waits

    async def __call__(self, trio_code):
        try:
            await self._waits(trio_code)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            await self._clean_up()
            self.log.append(asyncio.current_task().cancelling())
            raise

    async def _clean_up(self):
        async with aio2trio(trio.CancelScope(shield=True)):
            for _ in range(50):
                await asyncio.sleep(0)
            await aio2trio(trio.sleep)(0.001)
            for _ in range(50):
                await asyncio.sleep(0)
        self.log.append("cleaned up")


CANCELLED_ONCE = ["cancelled", "cleaned up", 1]


async def in_a_call(trio_code):
    await aio2trio(trio_code)()


async def below_a_manager(trio_code):
    async with aio2trio(trio.CancelScope()):
        await aio2trio(trio_code)()


async def below_a_nursery(trio_code):
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(trio.sleep_forever)
        await aio2trio(trio_code)()


async def in_a_step(trio_code):
    async for _ in steps(trio_code):
        pass


async def in_a_step_below_a_manager(trio_code):
    async with aio2trio(trio.CancelScope()):
        async for _ in steps(trio_code):
            pass


@aio2trio
async def steps(trio_code):
    yield 1
    await trio_code()


everywhere = pytest.mark.parametrize(
    "waits",
    [
        in_a_call,
        below_a_manager,
        below_a_nursery,
        in_a_step,
        in_a_step_below_a_manager,
    ],
    ids=lambda waits: waits.__name__,
)


async def interrupted():
    signal.raise_signal(signal.SIGINT)
    await trio.sleep_forever()


def start(task, trio_code):
    return current_loop().create_task(task(trio_code))


@everywhere
def test_ctrl_c_and_then_the_loop(waits):
    task = Task(waits)

    async def main():
        running = start(task, interrupted)
        await trio.sleep(5)
        return running

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert task.log == CANCELLED_ONCE


@everywhere
def test_ctrl_c_and_then_the_nursery_and_the_loop(waits):
    task = Task(waits)

    async def main():
        async with open_asyncio_nursery():
            running = start(task, interrupted)
            await trio.sleep(5)
        return running

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert task.log == CANCELLED_ONCE


@everywhere
def test_ctrl_c_in_a_task_that_trio_code_has_called(waits):
    task = Task(waits)

    async def main():
        await trio2aio(task)(interrupted)

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert task.log == CANCELLED_ONCE


@everywhere
async def test_what_is_around_the_loop_and_then_the_loop(waits):
    task = Task(waits)
    with trio.CancelScope() as scope:
        async with open_loop():
            running = start(task, trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked(0.001)
            scope.cancel()
    assert task.log == CANCELLED_ONCE
    assert running.cancelled()


@everywhere
async def test_a_nursery_and_then_the_loop_below_which_it_was_opened(waits):
    task = Task(waits)

    async def outlives_the_loop(task_status):
        async with open_asyncio_nursery() as nursery:
            start(task, trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked(0.001)
            nursery.cancel_scope.cancel()
            task_status.started()

    async with trio.open_nursery() as outer:
        async with open_loop():
            await outer.start(outlives_the_loop)
    assert task.log == CANCELLED_ONCE


async def test_a_task_that_has_taken_its_cancellation_back_is_cancelled_by_what_ends_next():
    log, held = [], []

    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("takes it back")
            asyncio.current_task().uncancel()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            raise

    async def outlives_the_loop(task_status):
        async with open_asyncio_nursery() as nursery:
            held.append(current_loop().create_task(stubborn()))
            await trio.testing.wait_all_tasks_blocked(0.001)
            nursery.cancel_scope.cancel()
            task_status.started()

    async with trio.open_nursery() as outer:
        async with open_loop():
            await outer.start(outlives_the_loop)
    assert log == ["takes it back", 1]
