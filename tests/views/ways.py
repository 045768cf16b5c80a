"""Who uses whose objects: the ways across that one contract is tested on."""

from __future__ import annotations

import asyncio
import functools
import inspect
from types import SimpleNamespace

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, trio2aio

ASYNCIO = SimpleNamespace(
    name="asyncio",
    adapt=trio2aio,
    sleep=asyncio.sleep,
    checkpoint=functools.partial(asyncio.sleep, 0),
    current_task=asyncio.current_task,
    Cancelled=asyncio.CancelledError,
)
TRIO = SimpleNamespace(
    name="trio",
    adapt=aio2trio,
    sleep=trio.sleep,
    checkpoint=trio.lowlevel.checkpoint,
    current_task=trio.lowlevel.current_task,
    Cancelled=trio.Cancelled,
)


class Way:
    """Code of ``user``'s side uses objects of ``own``'s side."""

    def __init__(self, user, own, start):
        self.user = user
        self.own = own
        self.adapt = own.adapt
        self._start = start

    def code(self, fn):
        """The user's code, for the test (which is Trio code) to call."""
        return self._start(fn)


def in_a_task(fn):
    """In a task that asyncio itself started."""

    async def start(*args):
        task = trio_bridge.current_loop().create_task(fn(*args))
        try:
            return await trio2aio(task)
        finally:  # before 3.12 the call may be cancelled before it has begun to wait
            if not task.done():
                task.cancel()
                with trio.CancelScope(shield=True):
                    await trio2aio(asyncio.wait)([task])

    return start


WAYS = {
    "trio uses asyncio": Way(TRIO, ASYNCIO, lambda fn: fn),
    "trio below a guest uses asyncio": Way(TRIO, ASYNCIO, lambda fn: trio2aio(aio2trio(fn))),
    "trio below a task uses asyncio": Way(TRIO, ASYNCIO, lambda fn: in_a_task(aio2trio(fn))),
    "a guest uses trio": Way(ASYNCIO, TRIO, trio2aio),
    "a guest of a guest uses trio": Way(ASYNCIO, TRIO, lambda fn: trio2aio(aio2trio(trio2aio(fn)))),
    "a task uses trio": Way(ASYNCIO, TRIO, in_a_task),
}
TO_ASYNCIO = [name for name in WAYS if name.startswith("trio")]
TO_TRIO = [name for name in WAYS if name not in TO_ASYNCIO]


def living_tasks():
    """How many Trio tasks there are; not counting the portable engine's, which keeps idle ones."""
    count, nurseries = 1, list(trio.lowlevel.current_root_task().child_nurseries)
    while nurseries:
        for task in nurseries.pop().child_tasks:
            nurseries += task.child_nurseries
            count += not task.name.startswith("trio_bridge._engines.portable.")
    return count


async def nothing_is_left(tasks_before):
    bridge = trio_bridge._bridge.current_bridge()
    await trio.testing.wait_all_tasks_blocked()
    assert asyncio.all_tasks(bridge.loop) == set()
    kept = (
        "hosts",
        "adopters",
        "entered",
        "open_managers",
        "asyncio_owners",
        "trio_owners",
        "in_iterations",
    )
    assert {name: getattr(bridge, name) for name in kept if getattr(bridge, name)} == {}
    assert living_tasks() == tasks_before


@pytest.fixture(autouse=True)
def leaves_nothing(request):
    """After each test there are the tasks that were there before."""
    test = request.node.obj
    if not inspect.iscoroutinefunction(test):
        return

    @functools.wraps(test)
    async def checked(**kwargs):
        await trio.testing.wait_all_tasks_blocked()
        tasks = living_tasks()
        await test(**kwargs)
        await nothing_is_left(tasks)

    request.node.obj = checked


async def fails_after(sleep, seconds):
    await sleep(seconds)
    raise ValueError("child")
