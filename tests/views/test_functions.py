"""What ``trio2aio`` and ``aio2trio`` make of functions, methods and awaitables."""

from __future__ import annotations

import asyncio
import functools
import inspect
import types

import pytest
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio, unview


class Asyncio:
    """Code that belongs to asyncio."""

    def __init__(self, value=0):
        self.value = value

    async def method(self, add):
        await asyncio.sleep(0)
        return self.value + add

    def proxied(self, add):
        """No async function to ``inspect``, yet to be awaited."""
        asyncio.get_running_loop()
        return self.method(add)

    def plain(self, add):
        asyncio.get_running_loop()
        return self.value + add

    async def __call__(self, add):
        return await self.method(add)

    @trio2aio
    async def decorated(self, add):
        return await self.method(add)

    @staticmethod
    @trio2aio
    async def static(add):
        await asyncio.sleep(0)
        return add

    @trio2aio
    @staticmethod
    async def static_below(add):
        await asyncio.sleep(0)
        return add

    @classmethod
    @trio2aio
    async def of_class(cls, add):
        return await cls(10).method(add)

    @trio2aio
    @classmethod
    async def of_class_below(cls, add):
        return await cls(10).method(add)


async def test_trio2aio_of_functions_and_methods():
    it = Asyncio(5)
    assert await trio2aio(it.method)(1) == 6
    assert await trio2aio(Asyncio.method)(it, 1) == 6
    assert await trio2aio(functools.partial(it.method, 1))() == 6
    assert await trio2aio(it)(1) == 6
    assert await it.decorated(1) == 6
    assert await Asyncio.static(1) == it_static(it) == 1
    assert await it.static_below(1) == await Asyncio.static_below(1) == 1
    assert await Asyncio.of_class(1) == await it.of_class_below(1) == 11


def it_static(it):
    assert inspect.iscoroutinefunction(it.static)
    return 1


class Proxy:
    """Of a library's kind that fails, or makes something up, for whatever it hasn't got."""

    def __getattr__(self, name):
        if self.makes_up:
            return name
        raise RuntimeError("not connected")

    async def method(self):
        await asyncio.sleep(0)
        return "method"

    @trio2aio
    async def decorated(self):
        await asyncio.sleep(0)
        return "decorated"


@pytest.mark.parametrize("makes_up", [False, True])
async def test_the_methods_of_an_object_that_fails_for_other_attributes(makes_up):
    """Found by ``tests/torture/fuzz.py``: the object was asked whether it is a view."""
    proxy = Proxy()
    proxy.makes_up = makes_up
    assert await trio2aio(proxy.method)() == "method"
    assert unview(proxy.method) == proxy.method
    assert await proxy.decorated() == "decorated"
    original = unview(proxy.decorated)
    assert (original.__self__, original.__func__) == (proxy, unview(Proxy.decorated))


async def test_trio2aio_of_plain_functions():
    it = Asyncio(5)
    assert trio2aio(it.plain)(1) == 6
    assert await trio2aio(it.proxied)(1) == 6
    assert trio2aio(it.proxied).__doc__ == it.proxied.__doc__
    with pytest.raises(RuntimeError, match="no running event loop"):
        it.plain(1)


async def test_an_error_of_a_plain_function_leaves_us_trio_side():
    with pytest.raises(ZeroDivisionError):
        trio2aio(lambda: 1 / 0)()
    await trio.lowlevel.checkpoint()


async def test_trio2aio_of_awaitables():
    loop = trio_bridge.current_loop()
    it = Asyncio(5)

    class Awaitable:
        def __await__(self):
            return it.method(1).__await__()

    future = loop.create_future()
    loop.call_soon(future.set_result, 6)
    task = loop.create_task(it.method(1))
    for awaitable in (it.method(1), Awaitable(), future, task):
        assert await trio2aio(awaitable) == 6
    assert await trio2aio(task) == 6  # again
    assert repr(trio2aio(task)) == f"trio2aio({task!r})"


class SaysThatItIsACoroutine:
    """As a proxy of one does."""

    __class__ = types.CoroutineType

    def __init__(self, iterator):
        self.iterator = iterator

    def __await__(self):
        return self.iterator


async def test_what_says_that_it_is_a_coroutine_object_is_awaited_as_what_it_is():
    """Found by ``tests/torture/fuzz.py``: its ``send()`` was called, and its ``cr_running``."""
    assert await trio2aio(SaysThatItIsACoroutine(asyncio.sleep(0, 7).__await__())) == 7
    with pytest.raises(TypeError, match="iterator"):
        await trio2aio(SaysThatItIsACoroutine(8))


async def test_several_trio_tasks_may_await_one_future():
    future = trio_bridge.current_loop().create_future()
    results = []

    async def wait():
        results.append(await trio2aio(future))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        future.set_result("value")
    assert results == ["value"] * 3


async def test_a_cancelled_scope_around_a_task_cancels_the_task(autojump_clock):
    task = trio_bridge.current_loop().create_task(asyncio.sleep(1000))
    with trio.move_on_after(0.01) as scope:
        await trio2aio(task)
    assert scope.cancelled_caught
    assert task.cancelled()


async def test_a_coroutine_object_that_is_cancelled_before_it_begins_is_closed():
    with trio.CancelScope() as scope:
        scope.cancel()
        await trio2aio(Asyncio().method(1))  # and no warning that it was never awaited
    assert scope.cancelled_caught


class Trio:
    """Code that belongs to Trio."""

    async def method(self, value):
        await trio.lowlevel.checkpoint()
        return value

    @aio2trio
    async def decorated(self, value):
        return await self.method(value)

    @staticmethod
    @aio2trio
    async def static(value):
        await trio.lowlevel.checkpoint()
        return value

    @aio2trio
    @classmethod
    async def of_class(cls, value):
        return await cls().method(value)


async def test_aio2trio_of_functions_methods_and_awaitables():
    it = Trio()

    class Awaitable:
        def __await__(self):
            return it.method(4).__await__()

    @trio2aio
    async def guest():
        return [
            await aio2trio(it.method)(1),
            await it.decorated(2),
            await Trio.static(3),
            await aio2trio(Awaitable()),
            await Trio.of_class(5),
            await aio2trio(functools.partial(it.method, 6))(),
        ]

    assert await guest() == [1, 2, 3, 4, 5, 6]
    assert repr(aio2trio(Awaitable())).startswith("aio2trio(")
