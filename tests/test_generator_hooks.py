"""Async generators of both sides in one thread: each is its own side's."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

import pytest
import sniffio
import trio
import trio.testing

import trio_bridge
from trio_bridge import _generator_hooks, trio2aio


async def numbers(ended=None):
    try:
        for number in range(3):
            yield number
    finally:
        if ended is not None:
            ended.append(sniffio.current_async_library())


async def begin(generator):
    assert await anext(generator) == 0


def hooks():
    return _generator_hooks.hooks_here()


def test_one_pair_stands_for_all_while_a_loop_is_open():
    async def main():
        trios = sys.get_asyncgen_hooks()
        async with trio_bridge.open_loop():
            pair = sys.get_asyncgen_hooks()
            assert pair != trios
            async with trio_bridge.open_loop():
                assert sys.get_asyncgen_hooks() == pair
                assert trio2aio(sys.get_asyncgen_hooks)() == pair
            assert sys.get_asyncgen_hooks() == pair
        assert sys.get_asyncgen_hooks() == trios

    trio.run(main)


@pytest.mark.parametrize("is_collected", [False, True], ids=["dropped", "in a cycle"])
async def test_asyncios_is_finalized_in_its_loop_wherever_it_is_dropped(is_collected):
    ended = []
    generator = numbers(ended)
    await trio2aio(begin)(generator)
    if is_collected:
        cycle = [generator]
        cycle.append(cycle)
        del cycle
    del generator
    gc.collect()  # on Trio's side
    for _ in range(3):
        await trio2aio(asyncio.sleep)(0)
    assert ended == ["asyncio"]


class PressesCtrlC(dict):
    """What the hooks take a generator out of that is dropped."""

    def pop(self, *args):
        signal.raise_signal(signal.SIGINT)
        return super().pop(*args)


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("is_asyncios", [True, False])
def test_ctrl_c_while_one_is_dropped_is_not_lost_and_the_generator_is_closed(is_asyncios):
    """Python drops what a hook raises."""
    ended = []

    async def main():
        generator = numbers(ended)
        await (trio2aio(begin) if is_asyncios else begin)(generator)
        hooks().begun = PressesCtrlC(hooks().begun)
        del generator
        await trio.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert ended == ["asyncio" if is_asyncios else "trio"]


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_trios_is_finalized_by_trio_wherever_it_is_dropped():
    ended = []
    generator = numbers(ended)
    await begin(generator)
    held = [generator]
    del generator
    await trio2aio(drop)(held)
    await trio.testing.wait_all_tasks_blocked()
    assert ended == ["trio"]


async def drop(held):
    held.clear()
    gc.collect()


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_one_that_takes_the_address_of_anothers_is_its_own_sides():
    @trio2aio
    async def exhaust():
        generator = numbers()
        async for _ in generator:
            pass
        return id(generator)

    for _ in range(1000):
        address = await exhaust()
        ended = []
        generator = numbers(ended)
        if id(generator) == address:
            await begin(generator)
            break
    else:
        pytest.skip("this interpreter has never used an address again")
    del generator
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()
    assert ended == ["trio"]


async def test_what_is_kept_of_generators_that_have_ended_does_not_grow():
    """Generators of one size come to the same addresses; these have many sizes."""

    @trio2aio
    async def end_many():
        for size in range(50):
            held = [of_size(size)() for _ in range(50)]
            for generator in held:
                async for _ in generator:
                    pass

    await end_many()
    assert len(hooks().begun) <= 1001


def of_size(size):
    namespace = {}
    variables = "".join(f"    x{number} = 0\n" for number in range(3 * size))
    exec(f"async def numbers():\n{variables}    yield 0", namespace)
    return namespace["numbers"]


async def test_a_loop_that_is_closed_is_kept_by_its_generators_only():
    def kept():
        return [finalizer.__self__ for _, finalizer in hooks().begun.values()]

    async with trio_bridge.open_loop() as first:
        held = numbers()
        await trio2aio(begin)(held)
    async with trio_bridge.open_loop() as second:
        ended = numbers()
        await trio2aio(begin)(ended)
        await ended.aclose()
        del ended
    assert first in kept()
    assert second not in kept()
    await held.aclose()
