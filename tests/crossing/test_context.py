"""Context variables across a crossing: what is carried, and when two contexts hold the same."""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import Context, ContextVar

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import (
    aio2trio,
    current_loop,
    open_asyncio_nursery,
    open_loop,
    trio2aio,
)
from trio_bridge._crossing.context import carry_back, carry_over, holds_the_same

ONE: ContextVar[object] = ContextVar("one")
OTHER: ContextVar[object] = ContextVar("other")


def context(values):
    made = Context()
    for var, value in values.items():
        made.run(var.set, value)
    return made


class EqualToAll:
    """Whoever asks it whether it is equal runs code of the user's."""

    def __eq__(self, other):
        raise AssertionError("asked")

    __hash__ = None


def test_what_was_set_there_is_set_here():
    kept, changed = EqualToAll(), EqualToAll()
    here = context({ONE: kept})
    there = context({ONE: changed, OTHER: 2})
    here.run(carry_back, there)
    assert here[ONE] is changed
    assert here[OTHER] == 2


A, B = EqualToAll(), EqualToAll()


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({}, {}, True),
        ({ONE: A}, {ONE: A}, True),
        ({ONE: A, OTHER: B}, {ONE: A, OTHER: B}, True),
        ({ONE: A}, {ONE: B}, False),
        ({ONE: A}, {OTHER: A}, False),
        ({ONE: A}, {}, False),
        ({}, {ONE: A}, False),
        ({ONE: A, OTHER: B}, {ONE: A, OTHER: A}, False),
        ({ONE: A}, {ONE: A, OTHER: B}, False),
        ({ONE: A, OTHER: B}, {ONE: A}, False),
    ],
)
def test_whether_two_contexts_hold_the_same(one, other, is_same):
    assert holds_the_same(context(one), context(other)) is is_same


def test_a_context_holds_the_same_as_itself():
    one = context({ONE: A})
    assert holds_the_same(one, one)


# ---- the least that there is to carry: one variable beside the bridge's own


async def call(set_it):
    await trio2aio(set_it)()
    return ONE.get()


async def suspended_call(set_it):
    async def later():
        await asyncio.sleep(0)
        await set_it()

    await trio2aio(later)()
    return ONE.get()


async def step(set_it):
    async def steps():
        yield await set_it()

    async with contextlib.aclosing(trio2aio(steps)()) as generator:
        await anext(generator)
        return ONE.get()


async def second_step(set_it):
    async def steps():
        yield
        yield await set_it()

    async with contextlib.aclosing(trio2aio(steps)()) as generator:
        await anext(generator)
        await anext(generator)
        return ONE.get()


WAYS = pytest.mark.parametrize("way", [call, suspended_call, step, second_step])


@WAYS
def test_one_variable_is_carried_back(way):
    async def set_it():
        ONE.set("over there")

    assert Context().run(trio_bridge.run, way, set_it) == "over there"


def test_one_variable_is_carried_to_a_step():
    async def steps():
        yield
        yield ONE.get(None)

    async def main():
        async with contextlib.aclosing(trio2aio(steps)()) as generator:
            await anext(generator)
            ONE.set("here")
            return await anext(generator)

    assert Context().run(trio_bridge.run, main) == "here"


# ---- what lives through several calls


class Numbers:
    """An iterator of the other side, whose steps set a variable."""

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint
        self.steps = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.checkpoint()
        self.steps += 1
        OTHER.set(self.steps)
        return self.steps


async def take_one(iterator, value):
    """As a task of its own: what it has set, and what the step has."""
    if value is not None:
        ONE.set(value)
    await anext(iterator)
    return ONE.get(None), OTHER.get(None)


async def test_a_caller_does_not_get_what_another_caller_has_set():
    """From Trio, of an asyncio iterator; then the reverse."""
    seen = []

    async def take(iterator, value):
        seen.append(await take_one(iterator, value))

    iterator = trio2aio(Numbers(lambda: asyncio.sleep(0)))
    for value in ("first", None):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, iterator, value)
    assert seen == [("first", 1), (None, 2)]

    @trio2aio
    async def from_asyncio():
        iterator = aio2trio(Numbers(trio.lowlevel.checkpoint))
        return [await asyncio.create_task(take_one(iterator, value)) for value in ("first", None)]

    assert await from_asyncio() == [("first", 1), (None, 2)]


async def test_a_step_of_another_loops_generator_does_not_take_the_caller_to_that_loop():
    async def numbers():
        while True:
            await aio2trio(trio.lowlevel.checkpoint)()
            yield 1

    @trio2aio
    async def running():
        return asyncio.get_running_loop()

    ONE.set("the bridge's own variables are not the only ones")
    generator = trio2aio(numbers)()
    await anext(generator)
    async with open_loop() as inner:
        await anext(generator)
        assert current_loop() is inner
        assert await running() is inner
    await generator.aclose()


async def test_a_step_of_a_nurserys_generator_does_not_take_the_caller_into_that_nursery(
    autojump_clock,
):
    async def numbers():
        while True:
            await asyncio.sleep(0)
            yield 1

    @trio2aio
    async def start():
        return asyncio.create_task(asyncio.sleep(100))

    begun, stepped = trio.Event(), trio.Event()
    generators = []

    async def begin():
        async with open_asyncio_nursery() as nursery:
            generators.append(trio2aio(numbers)())
            await anext(generators[0])
            begun.set()
            await stepped.wait()
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin)
        await begun.wait()
        await anext(generators[0])
        task = await start()
        stepped.set()
    await generators.pop().aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_value_that_a_step_sets_back_is_its_callers(is_first):
    """A Trio call in between has run in the caller's own context, and left its value there."""

    async def sets(value):
        number.set(value)

    async def steps():
        if not is_first:
            yield
        await aio2trio(sets)("other")
        assert number.get() == "other"
        number.set("first")
        yield

    number = ContextVar("number")
    number.set("first")
    async with contextlib.aclosing(trio2aio(steps)()) as iterator:
        async for _ in iterator:
            assert number.get() == "first"


def test_each_variable_is_carried_over_for_itself():
    """One that is as it was, or older than the other, keeps none of the others back."""
    variables = [ContextVar(str(number)) for number in range(30)]

    def carry():
        for var in variables:
            var.set("the caller's")
        carry_over(after, since=before)
        return [var.get() for var in variables]

    before = context(dict.fromkeys(variables, "old"))
    after = before.copy()
    news = dict.fromkeys(variables[::3], "new") | dict.fromkeys(variables[1::3], "the caller's")
    for var, value in news.items():
        after.run(var.set, value)
    expected = [news.get(var, "the caller's") for var in variables]
    assert Context().run(carry) == expected
