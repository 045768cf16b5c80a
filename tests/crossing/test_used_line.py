"""What a line uses, by its text, and the line to write instead."""

from __future__ import annotations

import pytest

from trio_bridge._crossing.used_line import Use, use_at, use_in


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("await asyncio.sleep(1)", "await trio2aio(asyncio.sleep)(...)"),
        ("print(await pool.fetchval('SELECT 1'))", "await trio2aio(pool.fetchval)(...)"),
        ("with trio.fail_after(1):", "async with trio2aio(trio.fail_after)(...)"),
        ("async with pool.acquire() as c:", "async with trio2aio(pool.acquire)(...)"),
        ("async for x in numbers(3):", "async for x in trio2aio(numbers)(...)"),
        ("async with trio2aio(make(url)) as pool:", "async with trio2aio(make)(...)"),
        ("loop = asyncio.get_running_loop()", "trio2aio(asyncio.get_running_loop)(...)"),
        ("await future", "await trio2aio(future)"),
        ("return [await self.future, 1]", "await trio2aio(self.future)"),
        ("async with lock:", "async with trio2aio(lock)"),
        ("with scope as entered:", "async with trio2aio(scope)"),
        ("async for x in queue:  # all", "async for x in trio2aio(queue)"),
    ],
)
def test_a_line_and_what_to_write(line, written):
    assert use_in(line).written_with("trio2aio") == written


@pytest.mark.parametrize(
    "line", ["", "x = make(url)", "await make(url).fetch()", "await tasks[0]", "await (yield)"]
)
def test_a_line_that_says_nothing(line):
    assert use_in(line) == Use()


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("with trio.CancelScope() as scope:", Use("async with", "trio.CancelScope")),
        ("async for x in pool.cursor():", Use("async for x in", "pool.cursor")),
        ("await trio2aio(trio.sleep)(1)", Use("await", "trio.sleep", True, "trio2aio")),
        ("await trio2aio(trio.sleep(1))", Use("await", "trio.sleep")),
        ("await aio2trio(self.pool.get)()", Use("await", "self.pool.get", True, "aio2trio")),
        ("await unview(x)", Use()),
        ("await trio2aio(a + b)", Use()),
    ],
)
def test_adapters_and_what_is_in_them(line, use):
    assert use_in(f"    {line}\n") == use


def refuse(*args):
    raise RuntimeError(args)


class Refuses:
    refuse = staticmethod(refuse)


def traceback_of(function):
    try:
        function()
    except RuntimeError as exc:
        return exc.__traceback__.tb_next


@pytest.mark.parametrize(
    ("function", "used"),
    [
        (lambda: [len("é"), refuse(1)], "refuse"),
        (lambda: Refuses.refuse(len("é"), 2), "Refuses.refuse"),
        (lambda: Refuses().refuse(), None),  # no name to write
        (eval("lambda: refuse()"), None),  # no line to read
    ],
)
def test_a_call_in_the_middle_of_a_line(function, used):
    assert use_at(traceback_of(function)) == Use("", used)


def test_code_that_has_no_lines():
    def made():
        return [refuse()]

    made.__code__ = made.__code__.replace(co_linetable=b"")
    assert use_at(traceback_of(made)) == Use()
