"""Who owns the Trio calls that asyncio's own tasks make."""

from __future__ import annotations

import asyncio

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, trio2aio
from trio_bridge._bridge import by_loop, owning


def test_ctrl_c_in_a_call_cancels_the_task_that_made_it_once():
    counts = []

    async def child():
        async def raises():
            raise KeyboardInterrupt

        try:
            await aio2trio(raises)()
        finally:
            counts.append(asyncio.current_task().cancelling())

    async def main():
        current_loop().create_task(child())
        await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert counts == [1]


async def test_a_call_that_is_cancelled_with_the_block_is_counted_once():
    counts, ended = [], []

    async def child():
        try:
            await aio2trio(trio.sleep_forever)()
        finally:
            counts.append(asyncio.current_task().cancelling())
            await aio2trio(trio.lowlevel.checkpoint)()  # to clean up
            await asyncio.sleep(0)
            ended.append(1)

    with trio.CancelScope() as scope:
        async with open_asyncio_nursery():
            trio2aio(asyncio.create_task)(child())
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert (counts, ended) == ([1], [1])


async def test_what_a_nursery_knows_of_its_calls():
    async def child():
        await aio2trio(waits)()

    async def waits():
        is_waiting.set()
        with trio.CancelScope(shield=True):
            await may_end.wait()

    is_waiting, may_end = trio.Event(), trio.Event()
    task = trio_bridge.unview(trio2aio(asyncio.create_task)(child()))
    nursery = by_loop[current_loop()].nursery
    assert nursery.callers == set()
    await is_waiting.wait()
    assert nursery.callers == {task} == nursery.to_cancel()
    assert [call.task for call in nursery.calls] == [task]
    nursery.calls.clear()  # a copy
    assert len(nursery.calls) == 1
    trio2aio(task.cancel)()
    assert nursery.callers == {task}
    assert nursery.to_cancel() == set()  # it knows
    may_end.set()
    await trio2aio(asyncio.wait)([task])
    await trio.testing.wait_all_tasks_blocked()
    assert nursery.calls == set()
    assert nursery.is_open
    assert not nursery.is_closing


async def test_a_nursery_that_has_ended():
    async with open_asyncio_nursery():
        nursery = owning.get()
        assert nursery.is_open
        assert not nursery.is_closing
        assert nursery.opener is trio.lowlevel.current_task()
        assert nursery.trio_nursery in nursery.opener.child_nurseries
    assert nursery.is_closing
    assert not nursery.is_open
    assert nursery.opener is None
    assert nursery.trio_nursery is None
