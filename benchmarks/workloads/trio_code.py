"""The least that Trio itself does for one crossing, as a program that has nothing of asyncio."""

from __future__ import annotations

import trio


async def checkpoints(scale: int) -> None:
    """A call that doesn't suspend: it is a checkpoint."""
    for _ in range(50 * scale):
        await trio.lowlevel.checkpoint()


async def waits(scale: int) -> None:
    """A host waits, and somebody wakes it: two tasks that wake each other, half of it each."""
    waiting: trio.lowlevel.Task | None = None

    async def partner() -> None:
        nonlocal waiting
        for _ in range(25 * scale):
            other, waiting = waiting, trio.lowlevel.current_task()
            if other is not None:
                trio.lowlevel.reschedule(other)
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)
        if waiting is not None:
            trio.lowlevel.reschedule(waiting)
            waiting = None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partner)
        nursery.start_soon(partner)


async def waits_and_checkpoints(scale: int) -> None:
    """A host is woken for a call of its guest's, and makes it: which is a checkpoint."""
    await waits(scale)
    await checkpoints(scale)
