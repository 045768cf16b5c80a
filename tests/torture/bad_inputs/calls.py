"""What the loop's methods are given: asyncio's own errors, and where they come out."""

from __future__ import annotations

import asyncio

import trio
import trio.testing

from trio_bridge import current_loop, open_loop, trio2aio

from .hostile import Mischief, RaisesOnRepr, fails
from .kinds import bad, own
from .sides import in_thread


async def in_a_loop_that_ends(fn):
    """Call ``fn(loop)`` in a loop of its own: what leaves that is the group of its errors."""
    with trio.fail_after(30):
        async with open_loop() as loop:
            fn(loop)
            await trio.sleep(3600)


@own(ExceptionGroup, "object is not callable")
async def a_callback_that_is_none():
    """`loop.call_soon(42)`"""
    await in_a_loop_that_ends(lambda loop: loop.call_soon(42))


@own(ExceptionGroup, "object is not callable")
async def a_late_callback_that_is_none():
    """`loop.call_later(0.001, 42)`"""
    await in_a_loop_that_ends(lambda loop: loop.call_later(0.001, 42))


@own(ExceptionGroup, "of the object's own")
async def a_callback_that_raises():
    """A callback raises"""
    await in_a_loop_that_ends(lambda loop: loop.call_soon(fails))


@own(ExceptionGroup, "of the object's own")
async def a_callback_whose_argument_cannot_be_printed():
    """A callback raises, and its argument's `__repr__` raises"""
    await in_a_loop_that_ends(lambda loop: loop.call_soon(fails, RaisesOnRepr()))


@own(TypeError, "str")
async def a_delay_that_is_none():
    """`loop.call_later("soon", f)`"""
    current_loop().call_later("soon", print)


@own(TypeError)
async def a_time_that_is_none():
    """`loop.call_at("soon", f)`"""
    await trio.testing.wait_all_tasks_blocked()
    current_loop().call_at("soon", print)


@own(ExceptionGroup, "str", "a timer was set to no time")
async def a_time_that_is_none_in_a_turn():
    """`loop.call_at("soon", f)` in asyncio code, where Python doesn't look at it"""
    with trio.fail_after(30):
        async with open_loop(engine="selector") as loop:
            loop.call_soon(loop.call_soon, loop.call_at, "soon", print)
            await trio.sleep(3600)


@own(TypeError)
async def a_delay_of_nothing():
    """`loop.call_later(None, f)`"""
    current_loop().call_later(None, print)


@own(TypeError, "task factory must be a callable or None")
async def a_task_factory_that_is_none():
    """`loop.set_task_factory(42)`"""
    current_loop().set_task_factory(42)


@own(TypeError, "callable object or None is expected")
async def an_exception_handler_that_is_none():
    """`loop.set_exception_handler(42)`"""
    current_loop().set_exception_handler(42)


@own(TypeError, "executor must be ThreadPoolExecutor instance")
async def an_executor_that_is_none():
    """`loop.set_default_executor(42)`"""
    async with open_loop(engine="selector") as loop:  # uvloop takes it, and fails at its end
        loop.set_default_executor(42)


@own(ValueError)
async def a_descriptor_that_is_none():
    """`loop.add_reader(-1, f)`"""
    current_loop().add_reader(-1, print)


@own(TypeError, "A coroutine object is required")
async def a_coroutine_that_is_none():
    """`asyncio.run_coroutine_threadsafe(42, loop)` in a thread"""
    in_thread(asyncio.run_coroutine_threadsafe, 42, current_loop())


@own(TypeError)
async def an_executor_for_what_is_not_callable():
    """`loop.run_in_executor(None, 42)`"""
    await trio2aio(current_loop()).run_in_executor(None, 42)


@own(RuntimeError, "Event loop is closed")
async def a_callback_for_a_closed_loop():
    """`loop.call_soon(f)` of a loop whose block has ended"""
    async with open_loop() as loop:
        pass
    loop.call_soon(print)


@own(RuntimeError, "Event loop is closed")
async def a_threads_callback_for_a_closed_loop():
    """`loop.call_soon_threadsafe(f)` of a loop whose block has ended"""
    async with open_loop() as loop:
        pass
    in_thread(loop.call_soon_threadsafe, print)


@own(Mischief, "of the object's own")
async def a_task_factory_that_raises():
    """A task factory raises"""
    loop = current_loop()
    loop.set_task_factory(fails)
    try:
        await trio2aio(asyncio.sleep)(0)
    finally:
        loop.set_task_factory(None)


@bad(TypeError, "task factory", "returned 42")
async def a_task_factory_that_makes_nothing():
    """A task factory returns no task"""
    loop = current_loop()

    def factory(loop, coro, **options):
        coro.close()
        return 42

    loop.set_task_factory(factory)
    try:
        await trio2aio(asyncio.sleep)(0)
    finally:
        loop.set_task_factory(None)
