"""Calls over the bridge in both directions: that end, fail, are cancelled; generators, managers."""

from __future__ import annotations

import asyncio
import contextlib

import trio

from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio


class LoadError(Exception):
    """One that was meant."""


@contextlib.contextmanager
def failing_group():
    """A block that must end by a group of the error that was meant."""
    try:
        yield
    except* LoadError:
        pass
    else:
        raise AssertionError("the error was lost")


@trio2aio
async def at_once(value):
    return value


@trio2aio
async def in_a_while(value):
    await asyncio.sleep(0)
    return value


@aio2trio
async def on_trio(value):
    await trio.sleep(0)
    return value


@trio2aio
async def there_and_back(value, depth):
    if depth:
        return await aio2trio(there_and_back)(value, depth - 1)
    return await on_trio(value)


@trio2aio
async def failing():
    await asyncio.sleep(0)
    raise LoadError


@trio2aio
async def forever():
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0)


@trio2aio
async def numbers(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@trio2aio
@contextlib.asynccontextmanager
async def a_manager(value):
    await asyncio.sleep(0)
    try:
        yield value
    finally:
        await asyncio.sleep(0)


async def calls():
    for value in range(100):
        assert await at_once(value) == value
    for value in range(50):
        assert await in_a_while(value) == value
        assert await there_and_back(value, value % 3) == value


async def errors():
    for _ in range(20):
        try:
            await failing()
        except LoadError:
            continue
        raise AssertionError("the error was lost")


async def cancelled_by_trio():
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(forever)
        await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    for _ in range(10):
        with trio.move_on_after(0.001) as scope:
            await forever()
        assert scope.cancelled_caught


@trio2aio
async def cancelled_by_asyncio():
    for _ in range(10):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await aio2trio(trio.sleep_forever)()
                raise AssertionError("nobody woke it")
    tasks = [asyncio.create_task(aio2trio(trio.sleep_forever)()) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)


async def generators():
    assert [number async for number in numbers(20)] == list(range(20))
    for _ in range(5):
        async with contextlib.aclosing(numbers(20)) as some:
            async for number in some:
                if number == 3:
                    break


@trio2aio
async def abandoned_generators():
    async def twice():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)

    for _ in range(5):
        async for _ in twice():
            break  # its end is the loop's, which finalizes it


async def managers():
    for value in range(10):
        async with a_manager(value) as given:
            assert given == value
    with contextlib.suppress(TimeoutError):
        async with trio2aio(asyncio.timeout)(0.001):
            await trio.sleep_forever()


@trio2aio
async def trio_nursery_in_asyncio():
    for _ in range(5):
        async with aio2trio(trio.open_nursery)() as nursery:
            nursery.start_soon(trio.sleep, 0.001)
    with failing_group():
        async with aio2trio(trio.open_nursery)() as nursery:
            nursery.start_soon(_fail_on_trio)
            await asyncio.sleep(3600)


async def _fail_on_trio():
    await trio.sleep(0)
    raise LoadError


async def _fail_on_asyncio():
    await asyncio.sleep(0)
    raise LoadError


async def nurseries():
    async with open_asyncio_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(asyncio.sleep, 0.001)
        nursery.start_soon(_gathers)
    with failing_group():
        async with open_asyncio_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(asyncio.sleep, 3600)
            nursery.start_soon(_fail_on_asyncio)


async def _gathers():
    with contextlib.suppress(LoadError):
        await asyncio.gather(asyncio.sleep(0.002), _fail_on_asyncio(), asyncio.sleep(0))


async def failing_tasks():
    """A loop of its own, of the same engine, that the error of a task nobody awaits ends."""
    with failing_group():
        async with open_loop() as loop:
            await trio2aio(_fail_in_the_background)()
            await trio.sleep_forever()
    assert loop.is_closed()
    assert current_loop() is not loop


async def _fail_in_the_background():
    asyncio.get_running_loop().create_task(_fail_on_asyncio())


JOBS = (
    calls,
    errors,
    cancelled_by_trio,
    cancelled_by_asyncio,
    generators,
    abandoned_generators,
    managers,
    trio_nursery_in_asyncio,
    nurseries,
    failing_tasks,
)
