"""Tracebacks of exceptions that crossed: at most one bridge frame between two of the user's."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import traceback

import pytest
import trio
from counted_items import Items

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._crossing.to_asyncio import Host


def owners(exc):
    """(owner, function) of each frame: "user" for this file, "bridge", or None for plumbing."""
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        name = frame.f_globals["__name__"]
        owner = None
        if name == __name__:
            owner = "user"
        elif name.startswith("trio_bridge."):
            owner = "bridge"
        yield owner, frame.f_code.co_name


def check_frames(exc, *functions):
    """The user's frames are ``functions``, with one bridge frame between two at most."""
    frames = [(owner, name) for owner, name in owners(exc) if owner]
    assert [name for owner, name in frames if owner == "user"] == list(functions)
    for (owner, _), (next_owner, _) in itertools.pairwise(frames):
        assert "user" in (owner, next_owner), frames


async def fails_at_once():
    raise ValueError("mine")


async def fails_later():
    await asyncio.sleep(0)
    raise ValueError("mine")


async def fails_in_trio():
    await trio.lowlevel.checkpoint()
    raise ValueError("mine")


async def calls_trio():
    await aio2trio(fails_in_trio)()


async def in_own_task():
    await asyncio.create_task(calls_trio())


async def nested():
    await trio2aio(calls_trio)()


async def deeper():
    await aio2trio(nested)()


@pytest.mark.parametrize(
    ("fn", "functions"),
    [
        (fails_at_once, ["fails_at_once"]),
        (fails_later, ["fails_later"]),
        (calls_trio, ["calls_trio", "fails_in_trio"]),
        (in_own_task, ["in_own_task", "calls_trio", "fails_in_trio"]),
        (deeper, ["deeper", "nested", "calls_trio", "fails_in_trio"]),
    ],
)
def test_a_bare_error_out_of_run_with_the_frames_of_both_worlds(fn, functions):
    async def main():
        await trio2aio(asyncio.sleep)(0)
        await trio2aio(fn)()

    with pytest.raises(ValueError, match="mine") as caught:
        trio_bridge.run(main)
    here = "test_a_bare_error_out_of_run_with_the_frames_of_both_worlds"
    check_frames(caught.value, here, "main", *functions)


async def test_an_awaitable_adds_one_frame_too():
    with pytest.raises(ValueError) as caught:
        await trio2aio(fails_later())
    check_frames(caught.value, "test_an_awaitable_adds_one_frame_too", "fails_later")


def test_an_error_of_main_itself():
    async def main():
        await trio2aio(asyncio.sleep)(0)
        raise ValueError("mine")

    with pytest.raises(ValueError) as caught:
        trio_bridge.run(main)
    check_frames(caught.value, "test_an_error_of_main_itself", "main")


@trio2aio
async def cancelled_in_trio():
    await aio2trio(trio.sleep_forever)()


async def times_out():
    with trio.move_on_after(0):
        await trio2aio(asyncio.sleep)(1000)
    with trio.move_on_after(0.001):
        await cancelled_in_trio()


@contextlib.asynccontextmanager
async def manager(checkpoint):
    await checkpoint()
    try:
        yield
    finally:
        await checkpoint()


async def steps(checkpoint):
    await checkpoint()
    yield 1
    raise ValueError("in a step")


asyncio_manager = trio2aio(functools.partial(manager, lambda: asyncio.sleep(0)))
trio_manager = aio2trio(functools.partial(manager, trio.lowlevel.checkpoint))


async def body_fails():
    async with asyncio_manager():
        raise ValueError("in the body")


async def body_times_out():
    with trio.move_on_after(0.001):
        async with asyncio_manager():
            await trio.sleep_forever()


async def asyncio_body_fails():
    async with trio_manager():
        raise ValueError("in the body")


async def child_fails():
    try:
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio_fails)
            await asyncio.sleep(1000)
    except* ValueError:
        pass


async def trio_fails():
    raise ValueError("in a child")


async def generator_fails():
    async for _ in trio2aio(steps(lambda: asyncio.sleep(0))):
        pass


async def trio_generator_fails():
    async for _ in aio2trio(steps(trio.lowlevel.checkpoint)):
        pass


async def trio_generator_ends():
    async for _ in aio2trio(two)():
        pass


async def two():
    for number in range(2):
        await trio.lowlevel.checkpoint()
        yield number


async def trio_iterator_ends():
    async for _ in aio2trio(Items(trio.lowlevel.checkpoint)):
        pass


async def iterator_ends():
    async for _ in trio2aio(Items(lambda: asyncio.sleep(0))):
        pass


async def method_of_a_view_fails():
    await trio2aio(Failing()).fail()


class Failing:
    async def fail(self):
        await asyncio.sleep(0)
        raise ValueError("in a method")


@pytest.mark.parametrize(
    "fn",
    [
        *map(trio2aio, (fails_at_once, fails_later, calls_trio, in_own_task, deeper)),
        *map(trio2aio, (asyncio_body_fails, child_fails, trio_generator_fails)),
        *map(trio2aio, (trio_generator_ends, trio_iterator_ends)),
        iterator_ends,
        *(times_out, body_fails, body_times_out, generator_fails, method_of_a_view_fails),
    ],
)
async def test_an_error_that_crossed_makes_no_cycle(fn):
    """Tasks and errors go when they are done with, not at the garbage collector's next run."""

    async def call():
        with contextlib.suppress(ValueError):
            await fn()

    def count():
        kinds = (asyncio.Future, ValueError, StopAsyncIteration, Host)
        return sum(isinstance(obj, kinds) for obj in gc.get_objects())

    await call()  # what is made once
    gc.collect()
    gc.disable()
    try:
        before = count()
        for _ in range(5):
            await call()
        assert count() <= before
    finally:
        gc.enable()
