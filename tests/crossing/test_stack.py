"""Where suspended code is, frame by frame, and running code."""

from __future__ import annotations

import inspect
import sys
import types

import pytest

from trio_bridge._crossing.stack import awaits, format_awaits, frames_down_to


@types.coroutine
def suspend():
    yield


async def inner():
    await suspend()  # in inner


async def outer():
    await inner()  # in outer


async def steps():
    await suspend()
    yield


class Awaitable:
    def __await__(self):
        yield


async def of_asend():
    await steps().asend(None)


async def of_athrow():
    generator = steps()
    generator.asend(None).send(None)
    await generator.athrow(ValueError)


async def of_for():
    async for _ in steps():
        pass


async def of_anext():
    await anext(steps(), None)


async def of_wrapper():
    await Wrapped()


class Wrapped:
    def __await__(self):
        return inner().__await__()


async def of_an_object():
    await Awaitable()


class NobodysIterator:
    def __await__(self):
        return self

    def __next__(self):
        return None


class anext_awaitable(NobodysIterator):
    """Has the name of one of Python's own."""


async def of_nobodys():
    await NobodysIterator()


async def of_a_namesake():
    await anext_awaitable()


def names(awaitable):
    return [frame.f_code.co_name for frame, _ in awaits(awaitable)]


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (inner, ["inner", "suspend"]),
        (outer, ["outer", "inner", "suspend"]),
        (of_asend, ["of_asend", "steps", "suspend"]),
        (of_for, ["of_for", "steps", "suspend"]),
        (of_anext, ["of_anext", "steps", "suspend"]),
        (of_wrapper, ["of_wrapper", "inner", "suspend"]),
        (of_an_object, ["of_an_object", "__await__"]),
        (of_nobodys, ["of_nobodys"]),
        (of_a_namesake, ["of_a_namesake"]),
    ],
)
def test_a_suspended_coroutine(fn, expected):
    coro = fn()
    coro.send(None)
    assert names(coro) == expected
    coro.close()


def test_what_is_not_suspended():
    coro = outer()
    assert names(coro) == ["outer"]
    coro.send(None)
    coro.close()
    assert names(coro) == []
    assert names(None) == []
    assert names(object()) == []


def test_the_lines_are_those_where_it_waits():
    coro = outer()
    coro.send(None)
    first, second, third = awaits(coro)
    assert [first[1], second[1]] == [first[0].f_lineno, second[0].f_lineno]
    assert format_awaits(coro).splitlines() == [
        f'  File "{__file__}", line {first[1]}, in outer',
        "    await inner()  # in outer",
        f'  File "{__file__}", line {second[1]}, in inner',
        "    await suspend()  # in inner",
        f'  File "{__file__}", line {third[1]}, in suspend',
        "    yield",
    ]
    coro.close()


def test_a_line_that_is_in_no_file():
    namespace = {"suspend": suspend}
    exec("async def fn():\n    await suspend()", namespace)
    coro = namespace["fn"]()
    coro.send(None)
    assert format_awaits(coro).splitlines()[0] == '  File "<string>", line 2, in fn'
    assert f'  File "{__file__}"' in format_awaits(coro).splitlines()[1]
    coro.close()


def test_running_code():
    def second():
        return frames_down_to(sys._getframe())

    def first():
        return second()

    frames = first()
    assert [frame.f_code.co_name for frame in frames][-3:] == [
        *("test_running_code", "first", "second")
    ]
    assert frames[0].f_back is None
    assert frames_down_to(inspect.currentframe()) == frames[:-2]
