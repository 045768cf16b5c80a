"""Context variables across a crossing: what is carried, and when two contexts hold the same."""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import Context, ContextVar

import pytest

import trio_bridge
from trio_bridge import trio2aio
from trio_bridge._crossing.context import carry_back, holds_the_same

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
