"""Generators and iterators that don't keep the rules."""

from __future__ import annotations

import asyncio
import contextlib

import trio
import trio.testing

from trio_bridge import aio2trio, trio2aio

from .hostile import Mischief, fails
from .kinds import asyncio_own, bad, own


async def ignores_its_end():
    with contextlib.suppress(GeneratorExit):
        yield 1
    yield 2


async def two_numbers():
    yield 1
    yield 2


async def fails_in_the_end():
    try:
        yield 1
    finally:
        raise Mischief("of the generator's own")


@own(RuntimeError, "async generator ignored GeneratorExit")
async def yielding_after_close():
    """`aclose()` of an asyncio generator that yields once more"""
    generator = trio2aio(ignores_its_end)()
    await anext(generator)
    await generator.aclose()


@asyncio_own(RuntimeError, "async generator ignored GeneratorExit")
async def yielding_after_close_in_trio():
    """`aclose()` of a Trio generator that yields once more"""
    generator = aio2trio(ignores_its_end)()
    await anext(generator)
    await generator.aclose()


@own(Mischief, "of the generator's own")
async def failing_in_close():
    """`aclose()` of a generator whose clean-up raises"""
    generator = trio2aio(fails_in_the_end)()
    await anext(generator)
    await generator.aclose()


@asyncio_own(Mischief, "of the generator's own")
async def failing_in_close_in_trio():
    """`aclose()` of a Trio generator whose clean-up raises"""
    generator = aio2trio(fails_in_the_end)()
    await anext(generator)
    await generator.aclose()


@own(TypeError, "can't send non-None value to a just-started async generator")
async def sending_to_a_new_generator():
    """`asend(1)` to a generator that has not begun"""
    async with contextlib.aclosing(trio2aio(two_numbers)()) as generator:
        await generator.asend(1)


@own(StopAsyncIteration)
async def beyond_the_end():
    """`anext()` of a generator that has ended"""
    generator = trio2aio(two_numbers)()
    async for _ in generator:
        pass
    await anext(generator)


@own(Mischief, "thrown")
async def throwing_into_an_ended_generator():
    """`athrow()` into a generator that has not begun"""
    async with contextlib.aclosing(trio2aio(two_numbers)()) as generator:
        await generator.athrow(Mischief("thrown"))


@own(RuntimeError, "asynchronous generator is already running")
async def two_tasks_at_one_generator():
    """`anext()` of a generator at which another task waits"""

    async def waits():
        await asyncio.sleep(3600)
        yield

    generator = trio2aio(waits)()
    error = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(generator.__anext__)
        await trio.testing.wait_all_tasks_blocked()
        try:
            await anext(generator)
        except RuntimeError as exc:
            error = exc
        nursery.cancel_scope.cancel()
    raise error


@own(RuntimeError, "StopAsyncIteration")
async def raising_the_end():
    """A generator raises `StopAsyncIteration`"""

    async def raises():
        raise StopAsyncIteration
        yield

    await anext(trio2aio(raises)())


class Iterates:
    """``__anext__`` returns what it is told."""

    def __init__(self, item):
        self.item = item

    def __aiter__(self):
        return self

    def __anext__(self):
        return self.item


@own(TypeError, "await")
async def an_iterator_that_is_not_async():
    """`async for` over an iterator whose `__anext__` returns a number"""
    async for _ in trio2aio(Iterates(42)):
        pass


@own(TypeError, "__anext__")
async def an_iterable_that_gives_no_iterator():
    """`async for` over an object whose `__aiter__` returns a number"""

    class Iterable:
        def __aiter__(self):
            return 42

    async for _ in trio2aio(Iterable()):
        pass


@own(Mischief, "of the object's own")
async def an_iterable_that_raises():
    """`async for` over an object whose `__aiter__` raises"""
    async for _ in trio2aio(type("Raises", (), {"__aiter__": fails})()):
        pass


@own(TypeError, "async for")
async def iterating_what_is_not_iterable():
    """`async for` over a view of what isn't iterable"""
    async for _ in trio2aio(asyncio):
        pass


@bad(RuntimeError, "is closed while another task waits for an item")
async def closing_an_iterator_that_is_used():
    """`aclose()` of an iterator at which another task waits"""

    class Waits:
        def __aiter__(self):
            return self

        async def __anext__(self):
            await asyncio.sleep(3600)

        async def aclose(self):
            pass

    view = trio2aio(Waits())
    errors = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(aiter(view).__anext__)
        await trio.testing.wait_all_tasks_blocked()
        try:
            await view.aclose()
        except RuntimeError as exc:
            errors.append(exc)
        nursery.cancel_scope.cancel()
    await view.aclose()
    raise errors.pop()
