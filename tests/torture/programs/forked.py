"""What a forked child of the program ``forking`` does, and how it ends: always by ``os._exit``."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import traceback
import warnings

import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio

HANG = 60  # seconds


def fork(work, *args):
    """The child's number; it does the work and ends: 0, or what went wrong is on stderr."""
    pid = os.fork()
    if pid == 0:
        end(work, *args)
    return pid


def work_in_child(work, *args):
    """The status."""
    signal.alarm(HANG)
    warnings.filterwarnings("ignore", "Async generator", ResourceWarning)  # they are meant
    if sys.version_info < (3, 12):
        signal.set_wakeup_fd(-1)  # as later Pythons do: else Trio warns of what it has inherited
    return work(*args) or 0


def end(work, *args):
    """In the child: do it."""
    status = 1
    try:
        status = work_in_child(work, *args)
    except BaseException:
        os.write(2, f"in a child:\n{traceback.format_exc()}".encode())
    finally:
        os._exit(status)


def exit_with(status):
    return status


async def use_asyncio():
    """A thread, a timer, a socket, a crossing."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.to_thread(socket.socketpair)
    with reader, writer:
        reader.setblocking(False)
        loop.call_later(0.001, writer.send, b"Riri")
        assert await loop.sock_recv(reader, 10) == b"Riri"
    await aio2trio(trio.sleep)(0.001)


async def generator(sleep, ends):
    """It is dropped in the middle."""
    try:
        yield
    finally:
        ends.append(sleep)


async def drop(sleep, ends):
    async for _ in generator(sleep, ends):
        break


async def use_both():
    """From Trio's side."""
    assert await trio.to_thread.run_sync(int) == 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio2aio(use_asyncio))
        nursery.start_soon(trio.sleep, 0.001)
    ends = []
    await drop(trio.sleep, ends)
    await trio2aio(drop)(asyncio.sleep, ends)
    gc.collect()
    with trio.fail_after(HANG):
        while len(ends) < 2:
            await trio.sleep(0.001)


def run_its_own(engine):
    """A whole program, as if there were no parent."""
    trio_bridge.run(use_both, engine=engine)


def run_each_kind(engine):
    """Of those that start from asyncio too."""
    run_its_own(engine)
    asyncio.run(use_asyncio())
    with asyncio.Runner(loop_factory=lambda: trio_bridge.new_event_loop(engine=engine)) as runner:
        runner.run(use_asyncio())


def run_in_a_thread(engine):
    """In one that has nothing of the parent's."""
    errors = []

    def work():
        try:
            run_its_own(engine)
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for error in errors:
        raise error
