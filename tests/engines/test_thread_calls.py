"""Rule 4.6, loop services: what threads ask of a loop that closes is done or refused."""

import asyncio
import concurrent.futures
import os
import signal
import sys
import threading

import pytest
import trio

import trio_bridge
from trio_bridge import current_loop, trio2aio


class Caller(threading.Thread):
    """Calls until it is refused."""

    def __init__(self, call):
        super().__init__()
        self.call = call
        self.accepted = []
        self.has_called = threading.Event()

    def run(self):
        try:
            while True:
                self.accepted.append(self.call())
                self.has_called.set()
        except RuntimeError as exc:
            self.error = exc


def close_while_called(make_call):
    async def main():
        caller = Caller(make_call(current_loop()))
        caller.start()
        await trio.to_thread.run_sync(caller.has_called.wait)
        return caller

    caller = trio_bridge.run(main)
    caller.join()
    assert str(caller.error) == "Event loop is closed"
    return caller


@pytest.mark.parametrize("_", range(5))
def test_4_6_a_call_from_a_thread_is_run_or_refused_while_the_loop_closes(_):
    called = []
    caller = close_while_called(lambda loop: lambda: loop.call_soon_threadsafe(called.append, 1))
    assert len(called) == len(caller.accepted)


@pytest.mark.parametrize("_", range(5))
def test_4_6_a_threads_coroutine_has_an_end_while_the_loop_closes(_):
    def make_call(loop):
        def call():
            coro = asyncio.sleep(0, "Riri")
            try:
                future = asyncio.run_coroutine_threadsafe(coro, loop)
            except RuntimeError:
                coro.close()
                raise
            concurrent.futures.wait([future], 30)  # at once, unless it was lost
            return future

        return call

    caller = close_while_called(make_call)
    done, _not_done = concurrent.futures.wait(caller.accepted, 0)
    assert len(done) == len(caller.accepted)
    assert all(future.cancelled() or future.result() == "Riri" for future in done)


async def test_4_6_the_loops_own_callbacks_are_not_refused_what_threads_are():
    loop = current_loop()
    called = []

    @trio2aio
    async def call_while_it_is_shut():
        loop.thread_calls.shut()
        try:
            loop.call_soon_threadsafe(called.append, "its own")
            caller = Caller(lambda: loop.call_soon_threadsafe(called.append, "a thread's"))
            caller.start()
            caller.join()
        finally:
            loop.thread_calls.open()
        await asyncio.sleep(0)
        return caller.error

    assert str(await call_while_it_is_shut()) == "Event loop is closed"
    assert called == ["its own"]


def test_4_6_a_threads_failing_coroutine_fails_its_future_only():
    async def fail():
        raise ZeroDivisionError

    async def main():
        loop = current_loop()
        return await trio2aio(asyncio.to_thread)(
            lambda: asyncio.run_coroutine_threadsafe(fail(), loop)
        )

    future = trio_bridge.run(main)
    assert isinstance(future.exception(), ZeroDivisionError)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_4_6_a_signal_while_the_loop_closes_raises_nowhere():
    loop, called = current_loop(), []
    loop.add_signal_handler(signal.SIGUSR1, called.append, 1)
    loop.thread_calls.shut()
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        loop.thread_calls.open()
    await trio2aio(asyncio.sleep)(0)
    assert called == []
