"""Code on the wrong side, in the wrong thread, or where no loop is open."""

from __future__ import annotations

import asyncio
import threading

import trio
import trio.testing

from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio

from .kinds import asyncio_side, bad, in_a_run, outside


@trio2aio
async def crossing():
    pass


@outside(RuntimeError, "no asyncio loop is open here", "async with trio_bridge.open_loop():")
def a_crossing_without_a_loop():
    """A crossing in Trio code, no loop open"""
    trio.run(crossing)


@bad(RuntimeError, "closed already", "Start it in a nursery inside the block")
async def a_crossing_after_the_loop():
    """A crossing of a Trio task that outlived its loop's block"""
    may_call = trio.Event()
    errors = []

    async def outlives():
        await may_call.wait()
        try:
            await crossing()
        except BaseException as exc:
            errors.append(exc)

    async with trio.open_nursery() as nursery:
        async with open_loop():
            nursery.start_soon(outlives)
        may_call.set()
    raise errors.pop()


@bad(RuntimeError, "another thread", "trio.from_thread.run(async_fn, *args)")
async def a_crossing_in_another_thread():
    """A crossing in a Trio run of another thread"""
    await trio.to_thread.run_sync(trio.run, crossing)


@in_a_run(RuntimeError, "await trio2aio(asyncio.sleep)(...)")
async def asyncio_code_in_trio_code():
    """`await asyncio.sleep(1)` in Trio code"""
    await asyncio.sleep(1)


@in_a_run(TypeError, "await trio2aio(")
async def a_future_in_trio_code():
    """`await future` of asyncio's in Trio code"""
    await current_loop().create_future()


@in_a_run(RuntimeError, "async with trio2aio(asyncio.timeout)(...)")
async def an_asyncio_manager_in_trio_code():
    """`async with asyncio.timeout(1)` in Trio code"""
    async with asyncio.timeout(1):
        pass


@in_a_run(RuntimeError, "    trio2aio(asyncio.get_running_loop)(...)")
async def asking_asyncio_in_trio_code():
    """`asyncio.get_running_loop()` in Trio code"""
    asyncio.get_running_loop()


@asyncio_side(RuntimeError, "await aio2trio(trio.sleep)(...)")
async def trio_code_in_asyncio_code():
    """`await trio.sleep(1)` in asyncio code"""
    await trio.sleep(1)


@asyncio_side(RuntimeError, "async with aio2trio(trio.move_on_after)(...)")
async def a_scope_in_asyncio_code():
    """`with trio.move_on_after(1)` in asyncio code"""
    with trio.move_on_after(1):
        pass


@asyncio_side(RuntimeError, "async with aio2trio(trio.open_nursery)(...)")
async def a_nursery_in_asyncio_code():
    """`async with trio.open_nursery()` in asyncio code"""
    async with trio.open_nursery():
        pass


@asyncio_side(RuntimeError, "async with aio2trio(lock)")
async def a_lock_in_asyncio_code():
    """`async with lock` of Trio's in asyncio code"""
    lock = trio.Lock()
    async with lock:
        pass


@asyncio_side(RuntimeError, "Trio runs here already", "await aio2trio(async_fn)(*args)")
async def trios_run_in_asyncio_code():
    """`trio.run(main)` in asyncio code"""
    trio.run(trio.sleep, 0)


@asyncio_side(RuntimeError, "can't be entered by a plain `with`", "    async with aio2trio(scope):")
async def a_scopes_view_by_a_plain_with():
    """`with aio2trio(scope):` in asyncio code"""
    with aio2trio(trio.CancelScope()):
        pass


@bad(RuntimeError, "trio.sleep belongs to Trio", "await aio2trio(trio.sleep)(...)")
async def the_wrong_adapter_in_trio_code():
    """`await trio2aio(trio.sleep)(1)`"""
    await trio2aio(trio.sleep)(1)


@asyncio_side(
    RuntimeError, "asyncio.sleep belongs to asyncio", "await trio2aio(asyncio.sleep)(...)"
)
async def the_wrong_adapter_in_asyncio_code():
    """`await aio2trio(asyncio.sleep)(1)`"""
    await aio2trio(asyncio.sleep)(1)


@bad(TypeError, "not a coroutine object", "await aio2trio(main)(...)")
async def a_coroutine_object_for_trio():
    """`aio2trio(main())`"""

    async def main():
        pass

    aio2trio(main())


@bad(TypeError, "await trio2aio(future)")
async def a_future_for_trio():
    """`aio2trio(future)`"""
    aio2trio(current_loop().create_future())


@bad(RuntimeError, "outside of an asyncio task", "loop.create_task(async_fn())")
async def trio_code_in_a_callback():
    """`await aio2trio(fn)()`, stepped in a callback of the loop's"""
    result = current_loop().create_future()

    def callback():
        try:
            aio2trio(trio.sleep)(0).send(None)
        except BaseException as exc:
            result.set_exception(exc)

    current_loop().call_soon(callback)
    await trio2aio(result)


def in_thread(fn, *args):
    """What it raises in a thread that knows of no loop."""
    errors = []

    def call():
        try:
            fn(*args)
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if errors:
        raise errors.pop()


@bad(RuntimeError, "another thread", "loop.call_soon_threadsafe(callback, *args)")
async def call_soon_in_another_thread():
    """`loop.call_soon(f)` in another thread"""
    await trio.testing.wait_all_tasks_blocked()
    in_thread(current_loop().call_soon, print)


@bad(
    RuntimeError,
    "loop.call_later() was called from another thread",
    "loop.call_soon_threadsafe(loop.call_later, delay, callback, *args)",
)
async def call_later_in_another_thread():
    """`loop.call_later(1, f)` in another thread"""
    await trio.testing.wait_all_tasks_blocked()
    in_thread(current_loop().call_later, 1, print)


@bad(RuntimeError, "trio.from_thread.run_sync(fn)")
async def a_view_called_in_a_thread():
    """`trio2aio(asyncio).timeout(1)` in a thread"""
    in_thread(trio2aio(asyncio).timeout, 1)


@in_a_run(
    ExceptionGroup,
    "asyncio.sleep belongs to asyncio",
    "nursery.start_soon(trio2aio(asyncio.sleep), ...)",
)
async def asyncio_code_started_in_a_trio_nursery():
    """`nursery.start_soon(asyncio.sleep, 1)` of a Trio nursery"""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 1)


@bad(ExceptionGroup, "trio.sleep belongs to Trio", "nursery.start_soon(aio2trio(trio.sleep), ...)")
async def trio_code_started_in_an_asyncio_nursery():
    """`nursery.start_soon(trio.sleep, 1)` of an asyncio nursery"""
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(trio.sleep, 1)


@outside(RuntimeError, "trio_bridge.run(main)")
def a_view_called_nowhere():
    """`trio2aio(asyncio).timeout(1)` where nothing runs"""
    trio2aio(asyncio).timeout(1)


@outside(RuntimeError, "trio_bridge.run(main)")
def opening_a_loop_nowhere():
    """`open_loop()` entered where nothing runs"""
    open_loop().__aenter__().send(None)


@bad(RuntimeError, "leave the `async with")
async def stopping_the_loop():
    """`loop.stop()` of an open loop"""
    current_loop().stop()


@bad(RuntimeError, "already running")
async def running_the_loop():
    """`loop.run_forever()` of an open loop"""
    current_loop().run_forever()


@bad(RuntimeError, "running")
async def closing_the_loop():
    """`loop.close()` of an open loop"""
    current_loop().close()


@bad(RuntimeError, "running")
async def running_until_complete():
    """`loop.run_until_complete(coro)` of an open loop"""
    coro = asyncio.sleep(0)
    try:
        current_loop().run_until_complete(coro)
    finally:
        coro.close()
