"""A failed task that is held and never awaited is found among any number of others."""

from __future__ import annotations

import asyncio

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import _loop_tasks, current_loop, trio2aio


async def fail(text):
    raise ValueError(text)


async def wait():
    await asyncio.Event().wait()


@pytest.mark.parametrize("others", [0, 3, 20])
@pytest.mark.parametrize("kind", ["plain", "named", "eager"])
def test_a_held_task_is_found(monkeypatch, others, kind):
    monkeypatch.setattr(_loop_tasks, "MOST_KNOWN", 5)
    held = []

    @trio2aio
    async def hold():
        options = {"name": "a name"} if kind == "named" else {}
        held.extend(asyncio.create_task(wait(), **options) for _ in range(others))
        if kind == "eager":
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        held.append(asyncio.create_task(fail("the last"), **options))
        await asyncio.sleep(0.01)

    if kind == "eager" and not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("eager tasks came with 3.12")
    with pytest.raises(ExceptionGroup) as caught:
        trio_bridge.run(hold)
    assert [str(exc) for exc in caught.value.exceptions] == ["the last"]


async def test_the_first_are_known():
    @trio2aio
    async def start(count):
        return [asyncio.create_task(wait()) for _ in range(count)]

    tasks_of_loop = trio_bridge._bridge.by_loop[current_loop()].nursery.tasks
    left = tasks_of_loop.left
    tasks = await start(300)
    assert len(tasks_of_loop.refs) >= 300
    tasks += await start(left)
    assert len(tasks_of_loop.refs) <= _loop_tasks.MOST_KNOWN
    assert tasks_of_loop.left == 0
    assert set(tasks) <= set(tasks_of_loop.known())  # by the garbage collector
    trio2aio(lambda: [task.cancel() for task in tasks])()


def test_errors_of_another_loop_are_that_ones(monkeypatch):
    monkeypatch.setattr(_loop_tasks, "MOST_KNOWN", 0)
    held = []

    @trio2aio
    async def hold(text):
        held.append(asyncio.create_task(fail(text)))
        await asyncio.sleep(0.01)

    async def main():
        async with trio_bridge.open_loop():
            with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="inner")):
                async with trio_bridge.open_loop():
                    await hold("inner")
            await hold("outer")

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="outer")):
        trio.run(main)
