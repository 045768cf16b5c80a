"""Errors that leave the asyncio loop itself: not a callback's, but of the code that calls them.

They end the block of the loop as any error that nobody awaits, and what is cancelled can clean up.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from importlib.util import find_spec

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import _private, current_loop, trio2aio
from trio_bridge._pump import _MOST_FAILURES

on_stdlib_loops = pytest.mark.parametrize("engine", ["selector", "portable"])


@pytest.fixture
def failing_polls(monkeypatch):
    """Call it asyncio-side: the next ``count`` polls of the loop call ``fail`` first."""

    def start(count, fail):
        selector = asyncio.get_running_loop()._selector
        select, left = selector.select, count

        def failing_select(timeout=None):
            nonlocal left
            if left:
                left -= 1
                fail()
            return select(timeout)

        monkeypatch.setattr(selector, "select", failing_select)

    return start


async def wait_and_clean_up(log):
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.001)
        log.append("cleaned up")


@on_stdlib_loops
@pytest.mark.parametrize("wrong", ["soon", [], 1j])
def test_a_timer_whose_time_is_no_number_ends_the_block(engine, wrong):
    async def main():
        current_loop().call_at(wrong, print, "never")
        await trio.sleep_forever()

    with pytest.RaisesGroup(TypeError):
        trio_bridge.run(main, engine=engine)


@on_stdlib_loops
def test_what_is_cancelled_by_such_a_timer_cleans_up(engine):
    log = []

    async def misuse():
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_at, "soon", print, "never")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(wait_and_clean_up), log)
            await trio.testing.wait_all_tasks_blocked()
            await trio2aio(misuse)()
            await trio.sleep_forever()

    with pytest.RaisesGroup(TypeError):
        trio_bridge.run(main, engine=engine)
    assert log == ["cleaned up"]


async def test_an_idle_loop_refuses_such_a_timer_and_goes_on():
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(TypeError):
        current_loop().call_at("soon", print, "never")
    await trio2aio(asyncio.sleep)(0.001)


@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
@pytest.mark.bridge(engine="uvloop")
async def test_uvloops_virtual_timers_refuse_such_a_timer(autojump_clock):
    @trio2aio
    async def misuse():
        with pytest.raises(TypeError):
            asyncio.get_running_loop().call_at("soon", print, "never")
        await asyncio.sleep(1)

    await misuse()


@on_stdlib_loops
def test_a_signal_handler_that_raises_in_the_loop_ends_the_block(engine, failing_polls):
    class FromSignalError(Exception): ...

    def handler(number, frame):
        raise FromSignalError

    assert threading.current_thread() is threading.main_thread()
    old = signal.signal(signal.SIGUSR1, handler)
    log = []

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(wait_and_clean_up), log)
            await trio.testing.wait_all_tasks_blocked()
            await trio2aio(_fail_in_next_turns)(
                failing_polls, 1, lambda: signal.raise_signal(signal.SIGUSR1)
            )
            await trio.sleep_forever()

    try:
        with pytest.RaisesGroup(FromSignalError):
            trio_bridge.run(main, engine=engine)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert log == ["cleaned up"]


@on_stdlib_loops
def test_a_loop_that_fails_many_times_reports_some_and_ends(engine, failing_polls):
    log = []

    def fail():
        raise OSError("the poll failed")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(wait_and_clean_up), log)
            await trio.testing.wait_all_tasks_blocked()
            await trio2aio(_fail_in_next_turns)(failing_polls, 5 * _MOST_FAILURES, fail)
            await trio.sleep_forever()

    with pytest.RaisesGroup(*[OSError] * _MOST_FAILURES):
        trio_bridge.run(main, engine=engine)
    assert log == ["cleaned up"]


async def _fail_in_next_turns(failing_polls, count, fail):
    failing_polls(count, fail)
    await asyncio.sleep(0)


def test_wrong_timers_are_dropped_and_the_others_kept():
    loop = asyncio.SelectorEventLoop()
    calls = []
    now = loop.time()
    loop.call_at(now - 1, calls.append, "first")
    later = loop.call_at(now + 1000, calls.append, "later")
    for wrong in ("soon", 1j):
        with pytest.raises(TypeError):
            loop.call_at(wrong, calls.append, wrong)
    _private.drop_wrong_timers(loop)
    loop.call_soon(calls.append, "soon")
    _private.run_once(loop)()
    assert calls == ["soon", "first"]
    assert _private.next_timer(loop) == later.when()
    loop.close()
