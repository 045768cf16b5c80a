"""Where in a crossing, or a nursery, Ctrl-C can land: in what runs code of the user's.

In all others it is held back: what has been begun there is lost if it isn't ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from pathlib import Path

import trio
from counted_items import Items

import trio_bridge
from trio_bridge import _guest_ctrl_c, aio2trio, open_asyncio_nursery, trio2aio
from trio_bridge._crossing import AsyncioManager, AsyncioOwner, call_plain
from trio_bridge._crossing.to_trio import TrioCall, caller, delivered

PACKAGE = Path(trio_bridge.__file__).parent
OURS = (
    f"{PACKAGE / '_crossing'}/",
    f"{PACKAGE / '_frames.py'}",
    *(f"{PACKAGE / f'_{x}nursery.py'}" for x in ("", "task_", "call_", "guest_")),
)


class Looks:
    """Looks at each line of ours whether Ctrl-C is held back there."""

    def __init__(self, is_held_back):
        self.is_held_back = is_held_back
        self.lands = set()
        self.ran = set()

    def __enter__(self):
        gc.collect()  # what earlier tests have left is dropped here, and not in the middle
        self.before = sys.gettrace()  # coverage's, on Python 3.11
        sys.settrace(self.on_call)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self.before)

    def on_call(self, frame, event, arg):
        return self.on_line if frame.f_code.co_filename.startswith(OURS) else None

    def on_line(self, frame, event, arg):
        name = frame.f_code.co_qualname
        self.ran.add(name)
        if not self.is_held_back(frame):
            self.lands.add(name)
        return self.on_line


class Manager:
    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    async def __aenter__(self):
        await self.checkpoint()

    async def __aexit__(self, *details):
        await self.checkpoint()


async def steps(checkpoint):
    for _ in range(2):
        await checkpoint()
        yield


async def use(adapt, checkpoint):
    """All that crosses."""
    await adapt(checkpoint)()
    async with adapt(Manager(checkpoint)):
        await adapt(checkpoint)()
    async for _ in adapt(steps)(checkpoint):
        pass
    async with contextlib.aclosing(adapt(steps)(checkpoint)) as generator:
        async for _ in generator:
            break
    async for _ in adapt(Items(checkpoint)):
        pass


async def asyncio_checkpoint():
    await asyncio.sleep(0)


async def trio_checkpoint():
    await trio.lowlevel.checkpoint()


async def use_trio():
    await use(aio2trio, trio_checkpoint)
    aio2trio(trio.Event)().set()
    bridge, task = caller(asyncio.get_running_loop())
    delivered(TrioCall(bridge, task, trio_checkpoint, (), {}), task)


async def in_asyncio():
    await use_trio()
    await asyncio.create_task(use_trio())


async def says_started(task_status):
    await asyncio.sleep(0)
    task_status.started()


async def by_hand():
    """Without a view around it, which holds Ctrl-C back as well."""
    owner = AsyncioOwner(at_end=asyncio_checkpoint)
    await owner.call(asyncio_checkpoint)
    await owner.advance(asyncio_checkpoint)
    await owner.leave(asyncio_checkpoint, interruption=None, is_thrown=False)
    manager = AsyncioManager(Manager(asyncio_checkpoint))
    await manager.enter()
    await manager.leave(None)


@trio2aio
async def by_the_hand_of_asyncio():
    bridge, task = caller(asyncio.get_running_loop())
    call = TrioCall(bridge, task, trio_checkpoint, (), {}, cancel_scope=trio.CancelScope())
    await aio2trio(call.run)()
    call.settle()
    await call


async def in_trio():
    call_plain(asyncio.get_running_loop)
    await by_hand()
    await by_the_hand_of_asyncio()
    await use(trio2aio, asyncio_checkpoint)
    await trio2aio(in_asyncio)()
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 0)
        await nursery.start(says_started)
        nursery.start_soon(asyncio.sleep, 1000)
        await trio2aio(asyncio.sleep)(0)
        nursery.cancel_scope.cancel()


# ---- what it can land in

IN_TRIO = {
    # before anything has begun
    *("AsyncioNursery.start_soon", "AsyncioNursery.start", "AsyncioNursery.cancel_scope", "_check"),
    *("open_asyncio_nursery", "_OpenNursery.__init__", "place_of_caller"),
    *("package_of", "module_of", "_top_level"),
    *("crossing_to_asyncio", "AsyncioOwner.__init__", "AsyncioManager.__init__"),
    # around code of the user's
    *("CallScope.__enter__", "CallScope.__exit__", "TrioCall.run_in_scope"),
    *("TrioManager._enter", "check_awaitable", "_interruptible", "_Step._call_function"),
}
IN_ASYNCIO = {
    # In asyncio code nothing is held back but what Trio's scheduler is told: see _guest_ctrl_c.
    *("crossing_to_trio", "crossing_to_trio.<locals>.crossing", "caller", "TrioCall.__init__"),
    *("call_trio_plain", "call_trio_plain.<locals>.<lambda>", "trio_task_of", "is_starting"),
    *("TrioManager.__init__", "TrioManager.enter", "_Enter.__init__", "_Adoption.__init__"),
    *("open_manager", "TrioManager.leave", "TrioManager.leave_here", "_Leave.__init__"),
    *("TrioManager._put_off_own_cancellation", "GuestCancellation.cancelled_by"),
    *("TrioOwner.__init__", "TrioOwner.call", "TrioOwner.advance", "TrioOwner.close"),
    *("_Step.__init__", "TrioCall.name", "CallNursery.own"),
    *("GuestNursery.start_trio_task", "CallNursery.start_trio_task"),
}


def test_where_trio_runs_the_loop():
    with Looks(lambda frame: trio.lowlevel.currently_ki_protected()) as looks:
        trio_bridge.run(in_trio)
    assert looks.lands == IN_TRIO
    assert len(looks.ran) > 150


def test_where_asyncio_runs_trio():
    loop = trio_bridge.new_event_loop()
    with Looks(_guest_ctrl_c._innermost_of_ours) as looks:
        loop.run_until_complete(in_asyncio())
        loop.close()
    assert looks.lands == IN_ASYNCIO
    assert len(looks.ran) > 80
