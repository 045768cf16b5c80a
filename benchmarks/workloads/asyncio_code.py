"""Asyncio code that touches nothing but the scheduler."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def at_once() -> int:
    return 1


async def after_a_turn() -> int:
    await asyncio.sleep(0)
    return 1


class Service:
    async def at_once(self) -> int:
        return 1


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def call_soon(scale: int) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = 200 * scale

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            done.set_result(None)

    step()
    await done


async def sleep_0(scale: int) -> None:
    for _ in range(200 * scale):
        await asyncio.sleep(0)


async def spawn(scale: int) -> None:
    for _ in range(scale):
        await asyncio.gather(*(at_once() for _ in range(100)))


async def timers(scale: int) -> None:
    """A hundred timers at a time, all of which fire, within a millisecond."""
    loop = asyncio.get_running_loop()
    for _ in range(scale):
        fired = loop.create_future()
        for number in range(99):
            loop.call_later(number * 1e-5, int)
        loop.call_later(1e-3, fired.set_result, None)
        await fired


async def cancelled_timers(scale: int) -> None:
    """Timers that never fire, as most don't."""
    loop = asyncio.get_running_loop()
    for _ in range(scale):
        for _ in range(100):
            loop.call_later(60, int).cancel()
        await asyncio.sleep(0)


async def timeouts(scale: int) -> None:
    for _ in range(50 * scale):
        async with asyncio.timeout(60):
            await asyncio.sleep(0)


# ---- the yardsticks of crossings


async def tasks_at_once(scale: int) -> None:
    for _ in range(50 * scale):
        await asyncio.create_task(at_once())


async def tasks_after_a_turn(scale: int) -> None:
    for _ in range(50 * scale):
        await asyncio.create_task(after_a_turn())
