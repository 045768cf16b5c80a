"""What ``open_asyncio_nursery`` and its nursery are given."""

from __future__ import annotations

import trio

from trio_bridge import open_asyncio_nursery

from .hostile import RaisesOnRepr
from .kinds import asyncio_side, bad, outside
from .sides import in_thread


async def child(*args, task_status=None):
    pass


def plain(*args):
    pass


@outside(RuntimeError, "no asyncio loop is open here", "async with trio_bridge.open_loop():")
def a_nursery_without_a_loop():
    """`open_asyncio_nursery()`, no loop open"""

    async def main():
        async with open_asyncio_nursery():
            pass

    trio.run(main)


@asyncio_side(RuntimeError, "async with aio2trio(open_asyncio_nursery()) as nursery:")
async def an_asyncio_nursery_in_asyncio_code():
    """`async with open_asyncio_nursery()` in asyncio code"""
    async with open_asyncio_nursery():
        pass


@bad(TypeError, "    async with trio_bridge.open_asyncio_nursery() as nursery:")
async def a_nursery_by_a_plain_with():
    """`with open_asyncio_nursery():`"""
    with open_asyncio_nursery():
        pass


@bad(RuntimeError, "for one block", "    async with trio_bridge.open_asyncio_nursery() as nursery:")
async def a_nursery_that_is_entered_twice():
    """The object that `open_asyncio_nursery()` returned is entered twice"""
    nursery = open_asyncio_nursery()
    async with nursery:
        pass
    async with nursery:
        pass


@bad(
    RuntimeError, "was not entered", "    async with trio_bridge.open_asyncio_nursery() as nursery:"
)
async def a_nursery_that_is_left_only():
    """The object that `open_asyncio_nursery()` returned is left, and was not entered"""
    await open_asyncio_nursery().__aexit__(None, None, None)


async def start_soon(*args):
    """In a nursery; what leaves it is its error alone."""
    error = None
    async with open_asyncio_nursery() as nursery:
        try:
            nursery.start_soon(*args)
        except BaseException as exc:
            error = exc
    if error is not None:
        raise error


@bad(
    TypeError,
    "takes the asyncio function, not a coroutine object",
    "nursery.start_soon(child, ...)",
)
async def starting_a_coroutine_object():
    """`nursery.start_soon(child())`"""
    await start_soon(child())


@bad(TypeError, "takes an asyncio function, not 42", "nursery.start_soon(wait)")
async def starting_a_number():
    """`nursery.start_soon(42)`"""
    await start_soon(42)


@bad(TypeError, "takes an asyncio function, not <RaisesOnRepr object>", "nursery.start_soon(wait)")
async def starting_what_cannot_be_printed():
    """`nursery.start_soon(object)`, where its `__repr__` raises"""
    await start_soon(RaisesOnRepr())


@bad(ExceptionGroup, "is no asyncio function", "it returned None, which can't be awaited")
async def starting_a_plain_function():
    """`nursery.start_soon(plain_function)`"""
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(plain)


@bad(ExceptionGroup, "is no asyncio function", "it returned <RaisesOnRepr object>")
async def starting_a_function_that_returns_what_cannot_be_printed():
    """`nursery.start_soon(plain_function)`, whose result's `__repr__` raises"""
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(RaisesOnRepr)


@bad(RuntimeError, "ended", "open_asyncio_nursery")
async def starting_too_late():
    """`nursery.start_soon(child)` after the nursery's end"""
    async with open_asyncio_nursery() as nursery:
        pass
    nursery.start_soon(child)


@bad(RuntimeError, "another thread", "loop.call_soon_threadsafe(nursery.start_soon, ...)")
async def starting_in_another_thread():
    """`nursery.start_soon(child)` in another thread"""
    error = None
    async with open_asyncio_nursery() as nursery:
        try:
            in_thread(nursery.start_soon, child)
        except BaseException as exc:
            error = exc
    raise error


@bad(RuntimeError, "started()")
async def never_saying_started():
    """`await nursery.start(child)`, which ends without `started()`"""
    error = None
    async with open_asyncio_nursery() as nursery:
        try:
            await nursery.start(child)
        except BaseException as exc:
            error = exc
    raise error


@bad(TypeError, "takes the asyncio function, not a coroutine object", "nursery.start(child, ...)")
async def starting_a_coroutine_object_and_waiting():
    """`await nursery.start(child())`"""
    error = None
    async with open_asyncio_nursery() as nursery:
        try:
            await nursery.start(child())
        except BaseException as exc:
            error = exc
    raise error


@bad(ExceptionGroup, "called 'started' twice on the same task status")
async def saying_started_twice():
    """`task_status.started()` twice"""

    async def says_it_twice(*, task_status):
        task_status.started()
        task_status.started()

    async with open_asyncio_nursery() as nursery:
        await nursery.start(says_it_twice)
