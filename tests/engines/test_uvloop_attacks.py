"""The uvloop engine where uvloop's loop, run by itself, would just end: errors in a row."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import socket
import sys
import weakref

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import current_loop, trio2aio
from trio_bridge._engines import NOW, make_engine
from trio_bridge._private import UvloopDoor

pytest.importorskip("uvloop")


class NoException(BaseException):
    pass


class Leave(SystemExit):
    """Can be referred to weakly."""


class Exploding(asyncio.DatagramProtocol):
    """What it raises comes to uvloop in no callback of the loop's: nothing is in between."""

    def __init__(self, error):
        self.error = error

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.close()
        raise self.error


async def send_to_exploding(error):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Exploding(error), local_addr=("127.0.0.1", 0)
    )
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", transport.get_extra_info("sockname"))


@pytest.mark.parametrize("error_type", [NoException, asyncio.CancelledError, GeneratorExit])
def test_an_error_that_is_no_exception_ends_the_block_and_not_the_turns(error_type):
    error = error_type()
    received = []

    async def receive():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            loop.call_later(0.01, theirs.send, b"x")
            received.append(await loop.sock_recv(ours, 1))

    async def main():
        try:
            await trio2aio(send_to_exploding)(error)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True), trio.fail_after(10):
                await trio2aio(receive)()  # descriptors are watched still

    with pytest.raises(BaseExceptionGroup) as info:
        trio_bridge.run(main, engine="uvloop")
    assert info.value.exceptions == (error,)
    assert received == [b"x"]


def test_the_same_exit_twice():
    error = SystemExit(3)

    async def leave():
        await asyncio.sleep(0)  # into a turn
        raise error

    async def main():
        with pytest.raises(SystemExit):
            await trio2aio(leave)()  # a guest's goes to its host
        await trio2aio(send_to_exploding)(error)
        with trio.fail_after(10):
            await trio.sleep_forever()

    with pytest.raises(SystemExit) as info:
        trio_bridge.run(main, engine="uvloop")
    assert info.value is error


def test_the_loop_keeps_no_error():
    async def leave():
        await asyncio.sleep(0)
        error = Leave(3)
        errors.append(weakref.ref(error))
        raise error

    errors = []

    async def main():
        for _ in range(3):
            with contextlib.suppress(SystemExit):
                await trio2aio(leave)()
        gc.collect()
        return sum(reference() is not None for reference in errors)

    assert trio_bridge.run(main, engine="uvloop") == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal")
def test_the_loops_references_are_counted():
    import uvloop

    def leave():
        raise Leave

    loop = uvloop.Loop()
    door = UvloopDoor(loop)
    gc.collect()
    nones = sys.getrefcount(None)
    for _ in range(1000):
        loop.call_soon(leave)
        with pytest.raises(Leave):
            door.run_once()
    gc.collect()
    assert abs(sys.getrefcount(None) - nones) < 500
    loop.close()


def test_errors_leave_no_stoppers_behind():
    """A turn that an error ends leaves no callback of the engine's in the queue."""
    longest = 0

    async def fail_often(ready):
        nonlocal longest
        loop = asyncio.get_running_loop()
        for _ in range(100):
            loop.call_soon(fail)
            await asyncio.sleep(0)
            longest = max(longest, len(ready))

    def fail():
        raise ValueError

    async def main():
        async with trio_bridge.open_loop(engine="uvloop", on_error=lambda loop, context: None):
            (ready,) = (x for x in gc.get_referents(current_loop()) if type(x).__name__ == "deque")
            await trio2aio(fail_often)(ready)

    trio.run(main)
    assert longest < 10


def test_the_loop_is_idle_after_an_exit():
    """uvloop lets each iteration be the last then: the engine's own callback looked like work."""
    engine = make_engine("uvloop")
    engine.start()
    engine.loop.call_soon(sys.exit)
    with pytest.raises(SystemExit):
        engine.turn()
    for _ in range(3):
        engine.loop.call_soon(int)
        assert NOW not in [engine.turn() for _ in range(5)][-2:]
    engine.end()
    engine.loop.close()


def test_sigchld_is_libuvs():
    async def main():
        with pytest.raises(RuntimeError, match="SIGCHLD: it is used by the event loop"):
            current_loop().add_signal_handler(signal.SIGCHLD, print)

    trio_bridge.run(main, engine="uvloop")


@pytest.mark.parametrize("engine", ["selector", "portable", "uvloop"])
def test_timers_of_long_ago(engine):
    async def main():
        called = trio.Event()
        await trio.testing.wait_all_tasks_blocked()
        current_loop().call_at(-math.inf if engine != "uvloop" else -1e9, called.set)
        with trio.fail_after(10):
            await called.wait()

    trio_bridge.run(main, engine=engine)
