"""Bugs that an attack found, each with the program that showed it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import time
import weakref
from unittest import mock

import pytest
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio

# ---- one call after the other


async def test_entering_again_and_again_can_be_cancelled():
    @trio2aio
    async def guest():
        while True:
            async with aio2trio(trio.CancelScope()):
                await asyncio.sleep(0)

    with trio.move_on_after(0.05) as scope:
        await guest()
    assert scope.cancelled_caught


async def test_calls_without_a_checkpoint_can_be_cancelled():
    @aio2trio
    async def at_once():
        pass

    @trio2aio
    async def guest():
        while True:
            await at_once()
            await asyncio.sleep(0)

    with trio.move_on_after(0.05) as scope:
        await guest()
    assert scope.cancelled_caught


async def test_a_generator_without_a_checkpoint_lets_other_tasks_run():
    @aio2trio
    async def numbers():
        while True:
            yield 1

    ticks = 0

    async def tick():
        nonlocal ticks
        while ticks < 10:
            ticks += 1
            await trio.lowlevel.checkpoint()
        scope.cancel()

    @trio2aio
    async def guest():
        async with contextlib.aclosing(numbers()) as items:
            async for _ in items:
                await asyncio.sleep(0)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            with trio.CancelScope() as scope:
                await guest()
    assert scope.cancelled_caught
    assert ticks == 10


def test_ctrl_c_in_a_step_of_a_trio_generator(run_script):
    result = run_script(
        """
import signal, trio_bridge
from trio_bridge import aio2trio, trio2aio

@aio2trio
async def numbers():
    yield 0
    signal.raise_signal(signal.SIGINT)
    yield 1

@trio2aio
async def main():
    async for _ in numbers():
        pass

try:
    trio_bridge.run(main)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
"""
    )
    assert result.stdout == "KeyboardInterrupt\n", result


def test_ctrl_c_between_two_calls_stops_the_next_one(run_script):
    """It is pending when the host comes to the guest's next call: that must not be run."""
    result = run_script(
        """
import asyncio, signal, trio, trio_bridge
from trio_bridge import aio2trio, trio2aio

@trio2aio
async def main():
    await aio2trio(trio.lowlevel.checkpoint)()
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    try:
        await aio2trio(trio.sleep)(60)
    except asyncio.CancelledError:
        print("CancelledError")
        raise

try:
    trio_bridge.run(main)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
"""
    )
    assert result.stdout == "CancelledError\nKeyboardInterrupt\n", result


# ---- iterators


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines"
    path.write_text("a\nb\n")
    return path


async def test_an_iterator_that_goes_on_after_its_end(lines):
    @trio2aio
    async def guest():
        async with await aio2trio(trio).open_file(lines) as file:
            first = [line async for line in file]
            await file.seek(0)
            return first, [line async for line in file]

    assert await guest() == (["a\n", "b\n"],) * 2


async def test_closing_an_exhausted_iterator_closes_it(lines):
    @trio2aio
    async def guest():
        file = await aio2trio(trio).open_file(lines)
        async for _ in file:
            pass
        await file.aclose()
        assert file.closed

    await guest()


async def test_aclose_takes_arguments():
    class Connection:
        async def __anext__(self):
            return 1

        def __aiter__(self):
            return self

        async def aclose(self, *, force=False):
            self.forced = force

    for steps in (0, 1):
        original = Connection()
        view = trio2aio(original)
        for _ in range(steps):
            await anext(view)
        await view.aclose(force=True)
        assert original.forced


async def test_asyncio_cancels_an_iterator_between_two_steps(autojump_clock):
    """It holds a timeout open over its steps, as a class around a generator may."""

    class Timed:
        def __aiter__(self):
            return self

        async def __anext__(self):
            if not hasattr(self, "timeout"):
                self.timeout = asyncio.timeout(1)
                await self.timeout.__aenter__()
                return 1
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError as exc:
                await self.timeout.__aexit__(type(exc), exc, exc.__traceback__)
                raise

    view = trio2aio(Timed())
    assert await anext(view) == 1
    await trio.sleep(2)
    with pytest.raises(TimeoutError):
        await anext(view)
    assert trio.current_time() == pytest.approx(2)


async def test_an_iterator_that_is_dropped_lets_go_of_its_task():
    """In debug mode its task starts in a turn of the loop."""

    class Numbers:
        def __aiter__(self):
            return self

        async def __anext__(self):
            return 1

    loop = trio_bridge.current_loop()
    loop.set_debug(True)
    view = trio2aio(Numbers())
    await anext(view)
    assert len(asyncio.all_tasks(loop)) == 1
    del view
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()
    assert asyncio.all_tasks(loop) == set()


# ---- managers


def test_a_forgotten_manager_with_a_scope_inside():
    class Manager:
        async def __aenter__(self):
            pass

        async def __aexit__(self, *details):
            pass

        def __repr__(self):
            return "<forgotten>"

    async def main():
        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(trio2aio(Manager()))
        stack.enter_context(trio.move_on_after(5))

    with pytest.raises(BaseException) as caught:  # Trio has its own word to say about the scope
        trio_bridge.run(main)
    assert not isinstance(caught.value, trio.TrioInternalError)


# ---- memory


class Connection:
    def __init__(self):
        self.listeners = []

    def add_listener(self, listener):
        self.listeners.append(listener)


async def test_a_callback_of_an_object_that_holds_the_view_is_no_leak():
    class User:
        def __init__(self):
            self.connection = trio2aio(Connection())
            self.connection.add_listener(self.on_event)

        def on_event(self):
            pass

    gone = weakref.ref(User())
    gc.collect()
    assert gone() is None


async def test_a_decorated_function_that_calls_itself_is_no_leak():
    class Marker:
        pass

    def make():
        marker = Marker()

        @trio2aio
        async def recursive():
            await recursive()
            return marker

        return weakref.ref(marker)

    gone = make()
    gc.collect()
    assert gone() is None


# ---- odd arguments


class Keeper:
    def keep(self, value):
        self.value = value
        return value


async def test_containers_that_are_held_many_times():
    keeper, it = Keeper(), object.__new__(Keeper)
    nested = [trio2aio(it)]
    for _ in range(40):
        nested = [nested, nested]
    start = time.process_time()
    trio2aio(keeper).keep(nested)
    assert time.process_time() - start < 5
    inner = keeper.value
    while inner[0] is not it:
        assert inner[0] is inner[1]
        inner = inner[0]


async def test_a_very_deep_container():
    nested = ["data"]
    for _ in range(5000):
        nested = [nested]
    assert trio2aio(Keeper()).keep(nested) is nested


async def test_containers_keep_what_they_are():
    class Pair(collections.namedtuple("Pair", "a b")):
        def __new__(cls, both):
            return super().__new__(cls, both, both)

    keeper, it = Keeper(), Keeper()
    view = trio2aio(it)
    result = trio2aio(keeper).keep(Pair(view))
    assert type(keeper.value) is Pair
    assert keeper.value == (it, it)
    assert type(result) is Pair
    assert result == (view, view)
    trio2aio(keeper).keep(collections.deque([1, view], maxlen=3))
    assert keeper.value == collections.deque([1, it], maxlen=3)
    assert keeper.value.maxlen == 3
    default = collections.defaultdict(list, {1: view})
    trio2aio(keeper).keep(default)
    assert keeper.value[1] is it
    assert keeper.value[2] == []


async def test_magic_mocks():
    view = trio2aio(mock.MagicMock(spec=["__len__"], **{"__len__.return_value": 3}))
    assert [len(view), len(view)] == [3, 3]
