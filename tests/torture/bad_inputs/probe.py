"""Whether a loop goes on after a mistake: values and errors cross, timers come, nothing is left."""

from __future__ import annotations

import asyncio
import gc

import trio

from trio_bridge import aio2trio, current_loop, trio2aio

HANG = 50
"""Seconds after which what is waited for has hung."""


class Expected(Exception):
    """An error of the probe's own."""


async def fails():
    raise Expected


async def value_and_error(sleep, adapt):
    """A value, after a while, and an error."""
    await adapt(sleep)(0)
    try:
        await adapt(fails)()
    except Expected:
        return "a value"
    raise AssertionError("an error got lost")


@trio2aio
async def there_and_back():
    """Asyncio code that calls Trio code."""
    await asyncio.sleep(0.0001)
    return await value_and_error(trio.sleep, aio2trio)


async def check_goes_on() -> None:
    """Raise what is wrong, or return. Trio side."""
    with trio.fail_after(HANG):
        assert await there_and_back() == "a value"
        assert await value_and_error(asyncio.sleep, trio2aio) == "a value"
        fired = trio.Event()
        current_loop().call_later(0.0001, fired.set)
        await fired.wait()


async def check_nothing_is_left(tasks: set[asyncio.Task[object]]) -> None:
    """No asyncio task but those that there were; what is cancelled already may take its turns."""
    for _ in range(100):
        left = asyncio.all_tasks(current_loop()) - tasks
        if not left:
            break
        gc.collect()
        await trio2aio(asyncio.sleep)(0)
    assert not left, f"tasks are left: {left}"
