"""Awaitables that can't be awaited."""

from __future__ import annotations

import asyncio

import trio
import trio.testing

from trio_bridge import aio2trio, current_loop, new_event_loop, trio2aio

from .hostile import Mischief, fails
from .kinds import asyncio_own, bad, own


class Awaits:
    """``__await__`` returns what it is told."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __await__(self):
        return self.iterator


class Yields:
    """``__await__`` yields what it is told."""

    def __init__(self, *values):
        self.values = values

    def __await__(self):
        yield from self.values


@own(TypeError, "__await__()", "iterator", "int")
async def awaiting_a_number():
    """`await trio2aio(x)`, whose `__await__` returns a number"""
    await trio2aio(Awaits(42))


@own(TypeError, "__await__()", "iterator", "list")
async def awaiting_a_list():
    """`await trio2aio(x)`, whose `__await__` returns a list"""
    await trio2aio(Awaits([1, 2]))


@own(TypeError, "__await__()", "iterator", "NoneType")
async def awaiting_nothing():
    """`await trio2aio(x)`, whose `__await__` returns `None`"""
    await trio2aio(Awaits(None))


@own(TypeError, "__await__()", "iterator", "Awaits")
async def awaiting_itself():
    """`await trio2aio(x)`, whose `__await__` returns `x`"""
    awaitable = Awaits(None)
    awaitable.iterator = awaitable
    await trio2aio(awaitable)


@own(TypeError, "__await__()", "coroutine")
async def awaiting_a_coroutine():
    """`await trio2aio(x)`, whose `__await__` is an async function"""

    async def coroutine():
        pass

    coro = coroutine()
    try:
        await trio2aio(Awaits(coro))
    finally:
        coro.close()


@own(Mischief, "of the object's own")
async def awaiting_what_raises():
    """`await trio2aio(x)`, whose `__await__` raises"""
    await trio2aio(type("Raises", (), {"__await__": fails})())


@own(TypeError, "object")
async def awaiting_what_is_marked_as_not_awaitable():
    """`await trio2aio(x)`, where `__await__ = None`"""
    await trio2aio(type("Not", (), {"__await__": None})())


@own(RuntimeError, "Task got bad yield: 42")
async def yielding_a_number():
    """`await trio2aio(x)`, which yields a number to asyncio"""
    await trio2aio(Yields(42))


@own(RuntimeError, "Task got bad yield")
async def yielding_a_number_later():
    """`await trio2aio(x)`, which yields a number after it has waited"""
    await trio2aio(Yields(None, None, "nonsense"))


@own(RuntimeError, "yield was used instead of yield from")
async def yielding_a_future():
    """`await trio2aio(x)`, which yields a future that it doesn't await"""
    await trio2aio(Yields(current_loop().create_future()))


@asyncio_own(TypeError, "trio.run received unrecognized yield message 42")
async def yielding_a_number_to_trio():
    """`await aio2trio(fn)()`, which yields a number to Trio"""

    async def code():
        await Yields(42)

    await aio2trio(code)()


@own(RuntimeError, "cannot reuse already awaited coroutine")
async def awaiting_twice():
    """A coroutine object is awaited for a second time"""
    coro = trio2aio(asyncio.sleep(0))
    await coro
    await coro


@own(RuntimeError, "cannot reuse already awaited coroutine")
async def awaiting_a_closed_coroutine():
    """A coroutine object is awaited that was closed"""
    coro = asyncio.sleep(0)
    coro.close()
    await trio2aio(coro)


@own(RuntimeError, "coroutine is being awaited already")
async def awaiting_a_running_coroutine():
    """A coroutine object is awaited that another task awaits"""
    coro, error = asyncio.sleep(3600), None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio2aio(_await), coro)
        await trio.testing.wait_all_tasks_blocked()
        try:
            await trio2aio(_await)(coro)
        except RuntimeError as exc:
            error = exc
        nursery.cancel_scope.cancel()
    raise error


async def _await(awaitable):
    return await awaitable


@bad(RuntimeError, "attached to a different loop", "trio2aio(make)(...)")
async def a_future_of_another_loop():
    """`await trio2aio(future)` of another loop"""
    loop = new_event_loop()
    try:
        await trio2aio(loop.create_future())
    finally:
        loop.close()


@bad(RuntimeError, "attached to a different loop", "trio2aio(make)(...)")
async def a_future_of_a_closed_loop():
    """`await trio2aio(future)` of a loop that is closed"""
    loop = new_event_loop()
    loop.close()
    await trio2aio(asyncio.Future(loop=loop))


@asyncio_own(RuntimeError, "cannot await on itself")
async def a_task_that_awaits_itself():
    """A task awaits itself"""
    await asyncio.current_task()


@own(TypeError, "a coroutine was expected, got <function")
async def a_task_of_a_function():
    """`create_task(async_fn)`, with no call"""
    trio2aio(asyncio.create_task)(_await)


@own(TypeError, "is required")
async def ensuring_a_number():
    """`asyncio.ensure_future(42)`"""
    trio2aio(asyncio.ensure_future)(42)


@own(TypeError, "int", "await")
async def awaiting_plain_data():
    """`await trio2aio(42)`"""
    await trio2aio(42)


@own(asyncio.InvalidStateError, "Result is not set")
async def the_result_of_a_future_that_has_none():
    """`trio2aio(future).result()` before there is one"""
    trio2aio(current_loop().create_future()).result()


@own(asyncio.CancelledError)
async def a_cancelled_future():
    """`await trio2aio(future)` of a future that asyncio code has cancelled"""
    future = current_loop().create_future()
    future.cancel()
    await trio2aio(future)
