"""What a library's plain function returns to be awaited: as a task's body, and as asyncio's own."""

from __future__ import annotations

import asyncio
import warnings

import pytest
import sniffio
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, trio2aio

SLEEP = {"asyncio": asyncio.sleep, "trio": trio.sleep}


class Later:
    """Awaitable, and no coroutine: what grpc's and Twisted's calls return."""

    def __init__(self, library, values):
        self.library, self.values = library, values

    def __await__(self):
        yield from SLEEP[self.library](0).__await__()
        self.values.append(sniffio.current_async_library())
        return 5


class Library:
    def __init__(self, library):
        self.library, self.values = library, []

    async def _run(self):
        return await Later(self.library, self.values)

    def coroutine(self):
        return self._run()

    def later(self):
        return Later(self.library, self.values)

    def sender(self):
        return Sender()


class Sender:
    def __await__(self):
        yield from asyncio.sleep(0).__await__()

    def send(self, value):
        return f"sent {value}"


methods = pytest.mark.parametrize("method", ["coroutine", "later"])


@methods
async def test_a_trio_task_runs_it(method):
    library = Library("asyncio")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(getattr(trio2aio(library), method))
        nursery.start_soon(getattr(trio2aio(library), method))
    assert library.values == ["asyncio", "asyncio"]


@methods
async def test_a_cancelled_trio_task_ends_it(method):
    library = Library("asyncio")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(getattr(trio2aio(library), method))
        nursery.cancel_scope.cancel()
    assert library.values == []


WAYS = {
    "create_task": lambda awaitable: asyncio.create_task(awaitable),
    "ensure_future": asyncio.ensure_future,
    "gather": lambda awaitable: asyncio.gather(awaitable),
    "wait_for": lambda awaitable: asyncio.wait_for(awaitable, 60),
    "await": lambda awaitable: awaitable,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("owner", ["asyncio", "trio"])
@methods
async def test_asyncio_code_awaits_a_view_of_either_side(owner, method, way):
    library = Library(owner)
    view = (trio2aio if owner == "asyncio" else aio2trio)(library)
    made = [getattr(view, method)()] if owner == "asyncio" else []  # by Trio code

    async def asyncio_code():
        value = await WAYS[way](made.pop() if made else getattr(view, method)())
        return value if isinstance(value, int) else value[0]

    assert await trio2aio(asyncio_code)() == 5
    assert library.values == [owner]


@pytest.mark.parametrize("owner", ["asyncio", "trio"])
async def test_an_asyncio_task_that_never_began_leaves_no_warning(owner):
    library = Library(owner)
    view = (trio2aio if owner == "asyncio" else aio2trio)(library)
    made = [view.coroutine()] if owner == "asyncio" else []

    async def asyncio_code():
        task = asyncio.Task(made.pop() if made else view.coroutine())
        repr(task), task.get_stack()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert await trio2aio(asyncio_code)()
    assert library.values == []


async def test_an_asyncio_task_that_is_cancelled_cancels_the_trio_code():
    class Waits:
        def __await__(self):
            waiting.set()
            yield from trio.sleep_forever().__await__()

        def me(self):
            return self

    async def asyncio_code():
        task = asyncio.create_task(aio2trio(Waits()).me())
        await aio2trio(waiting.wait)()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    waiting = trio.Event()
    assert await trio2aio(asyncio_code)()


async def test_asyncios_wait_takes_views_of_futures():
    future = trio_bridge.current_loop().create_future()
    future.set_result(5)
    done, _ = await trio2aio(asyncio.wait)([trio2aio(future)])
    assert [await view for view in done] == [5]


async def test_an_original_keeps_its_own_send():
    assert trio2aio(Library("asyncio")).sender().send(1) == "sent 1"


class Deferred:
    """As Twisted's, which awaits itself in its own coroutines only."""

    def __init__(self):
        self.futures = []

    def __await__(self):
        yield self

    def __repr__(self):
        return f"<Deferred at {id(self):#x}>"

    def asFuture(self, loop):
        self.futures.append(loop.create_future())
        return self.futures[-1]


async def test_what_has_a_future_of_itself_is_awaited_by_it():
    deferred = Deferred()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def fire():
            await trio.testing.wait_all_tasks_blocked()
            trio2aio(deferred.futures[0]).set_result(5)

        assert await trio2aio(deferred) == 5


async def test_a_cancelled_wait_cancels_that_future():
    deferred = Deferred()
    with trio.move_on_after(0.01) as deadline:
        await trio2aio(deferred)
    assert deadline.cancelled_caught
    assert deferred.futures[0].cancelled()


async def test_the_error_of_awaiting_one_in_asyncio_code_says_what_to_write():
    async def asyncio_code():
        await Deferred()

    with pytest.raises(RuntimeError, match="bad yield") as caught:
        await trio2aio(asyncio_code)()
    assert "await deferred.asFuture(asyncio.get_running_loop())" in caught.value.__notes__[0]


async def test_a_second_task_is_told_as_of_any_coroutine():
    view = aio2trio(Library("trio"))

    async def asyncio_code():
        coroutine = view.coroutine()
        assert await asyncio.create_task(coroutine) == 5
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await asyncio.create_task(coroutine)
        later = view.later()
        return [await asyncio.create_task(later), await asyncio.create_task(later)]

    assert await trio2aio(asyncio_code)() == [5, 5]


async def test_it_is_named_as_the_coroutine():
    library = trio2aio(Library("asyncio"))
    with pytest.RaisesGroup(pytest.RaisesExc(TypeError, match="expecting an async function")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(library.coroutine())
    view = aio2trio(Library("trio"))

    async def asyncio_code():
        task = asyncio.create_task(view.coroutine())
        assert "Library._run()" in repr(task)
        assert await task == 5

    await trio2aio(asyncio_code)()


class Closed(Later):
    def close(self):
        self.values.append("closed")


async def test_the_error_of_starting_a_plain_awaitable_says_what_to_write():
    library = trio2aio(Library("asyncio"))
    with pytest.RaisesGroup(
        pytest.RaisesExc(TypeError, match=r"nursery\.start_soon\(function, \.\.\.\)")
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(library.later())
    assert library.values == []


async def test_asyncio_code_may_close_it():
    """As a ``TaskGroup`` that is ending does with what it is to start."""

    async def asyncio_code():
        later = aio2trio(Library("trio")).later()
        later.close()
        return await later

    assert await trio2aio(asyncio_code)() == 5


async def test_an_original_keeps_its_own_close():
    values = []
    trio2aio(Closed("asyncio", values)).close()
    assert values == ["closed"]


class Gate:
    """Trio code that waits until it is let go."""

    def __init__(self):
        self.is_waiting, self.is_open = trio.Event(), trio.Event()

    async def _run(self):
        self.is_waiting.set()
        await self.is_open.wait()
        return 5

    def coroutine(self):
        return self._run()


async def test_it_is_not_closed_while_the_other_side_runs_it():
    gate = aio2trio(Gate())

    async def asyncio_code():
        coroutine = gate.coroutine()
        task = asyncio.create_task(coroutine)
        await gate.is_waiting.wait()
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="coroutine already executing"):
            coroutine.close()
        gate.is_open.set()
        assert await task == 5
        coroutine.close()

    await trio2aio(asyncio_code)()
