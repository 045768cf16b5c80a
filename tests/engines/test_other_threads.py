"""Threads beside a loop, or a row of crossings, that never waits."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import trio
from conftest import HANG

from trio_bridge import aio2trio, trio2aio
from trio_bridge._engines import OtherThreads


def sleeps_often(ended):
    """In a thread: done in half a second, if it gets its turn each time."""
    for _ in range(400):
        time.sleep(0.001)
    ended.set()


async def cross_in_trio(ended, async_fn):
    crossing = trio2aio(async_fn)
    while not ended.is_set():
        await crossing()


async def at_once():
    pass


async def after_a_turn():
    await asyncio.sleep(0)


async def trio_at_once():
    pass


async def call_trio_in_asyncio(ended):
    call = aio2trio(trio_at_once)
    while not ended.is_set():
        await call()


async def turn_in_asyncio(ended):
    while not ended.is_set():
        await asyncio.sleep(0)


async def set_timers_in_asyncio(ended):
    while not ended.is_set():
        await asyncio.sleep(1e-5)


@pytest.mark.parametrize(
    ("busy", "args"),
    [
        (cross_in_trio, (at_once,)),
        (cross_in_trio, (after_a_turn,)),
        (trio2aio(call_trio_in_asyncio), ()),
        (trio2aio(turn_in_asyncio), ()),
        (trio2aio(set_timers_in_asyncio), ()),
    ],
    ids=["crossings at once", "crossings", "Trio calls", "turns", "timers"],
)
async def test_threads_run_beside_code_that_never_waits(busy, args):
    """They waited for seconds: see _engines/_other_threads.py."""
    ended = threading.Event()
    thread = threading.Thread(target=sleeps_often, args=(ended,))
    thread.start()
    with trio.fail_after(HANG):
        await busy(ended, *args)
    thread.join()


def test_the_next_moment_is_due_fifty_microseconds_later():
    threads = OtherThreads()
    assert threads.due_at <= 0  # at once
    threads.let_run(1.0)
    assert threads.due_at == 1.0 + 5e-5


def test_a_moment_without_poll(monkeypatch):
    """As on Windows."""
    moments = []
    monkeypatch.delattr("select.poll")
    monkeypatch.setattr(time, "sleep", moments.append)
    OtherThreads().let_run(1.0)
    assert moments == [0]
