"""The ways in which the busy program ends itself. (Signals come from outside.)

Each is a function of one side, which runs in the midst of the program's other parts and is given
what cancels the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

import trio
from ledger import trigger

from trio_bridge import aio2trio, trio2aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Cancel = Callable[[], object]

EXIT: Final = 7
"""The status of ``sys.exit``."""


class Boom(Exception):
    """The error that ends the program."""


def exit_now(*_: object) -> None:
    """As any code may."""
    trigger()
    sys.exit(EXIT)


def spin_until_a_handler_exits() -> None:
    """A handler of Python's own, which raises wherever the code is."""
    signal.signal(signal.SIGALRM, exit_now)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    while True:
        sum(range(100))


# ---- Trio code


async def cancel(cancel_all: Cancel) -> None:
    trigger()
    cancel_all()


async def trio_error(cancel_all: Cancel) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_raise_boom)


async def _raise_boom() -> None:
    trigger()
    raise Boom


async def trio_exit(cancel_all: Cancel) -> None:
    exit_now()


async def trio_exit_deep_down(cancel_all: Cancel) -> None:
    """Below both sides' nurseries, and a crossing each way."""

    @aio2trio
    async def in_trio() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.lowlevel.checkpoint)
            exit_now()

    @trio2aio
    async def in_asyncio() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(in_trio())
            group.create_task(asyncio.sleep(60))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio)
        nursery.start_soon(trio.sleep_forever)


async def trio_exit_in_finally(cancel_all: Cancel) -> None:
    with trio.move_on_after(0.001):
        try:
            await trio.sleep_forever()
        finally:
            exit_now()


async def trio_exit_in_generators_finally(cancel_all: Cancel) -> None:
    async def generator() -> AsyncIterator[None]:
        try:
            yield
        finally:
            exit_now()

    async with contextlib.aclosing(generator()) as running:
        await anext(running)


async def trio_exit_in_thread(cancel_all: Cancel) -> None:
    await trio.to_thread.run_sync(exit_now)


async def trio_exit_on_signal(cancel_all: Cancel) -> None:
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        async for _ in signals:
            exit_now()


async def trio_exit_in_handler(cancel_all: Cancel) -> None:
    spin_until_a_handler_exits()


# ---- asyncio code


async def asyncio_error(cancel_all: Cancel) -> None:
    trigger()
    raise Boom


async def asyncio_exit(cancel_all: Cancel) -> None:
    exit_now()


async def asyncio_exit_in_task(cancel_all: Cancel) -> None:
    task = asyncio.create_task(asyncio_exit(cancel_all))
    await asyncio.sleep(60)
    del task


async def asyncio_exit_in_callback(cancel_all: Cancel) -> None:
    asyncio.get_running_loop().call_soon(exit_now)
    await asyncio.sleep(60)


async def asyncio_exit_in_timer(cancel_all: Cancel) -> None:
    asyncio.get_running_loop().call_later(0.003, exit_now)
    await asyncio.sleep(60)


async def asyncio_exit_in_done_callback(cancel_all: Cancel) -> None:
    task = asyncio.create_task(asyncio.sleep(0.001))
    task.add_done_callback(exit_now)
    await asyncio.sleep(60)


async def asyncio_exit_in_finally(cancel_all: Cancel) -> None:
    try:
        async with asyncio.timeout(0.001):
            try:
                await asyncio.sleep(60)
            finally:
                exit_now()
    except TimeoutError:
        pass


async def asyncio_exit_in_generators_finally(cancel_all: Cancel) -> None:
    async def generator() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)
            exit_now()

    async for _ in generator():
        break  # the loop closes it
    await asyncio.sleep(60)


async def asyncio_exit_in_thread(cancel_all: Cancel) -> None:
    await asyncio.get_running_loop().run_in_executor(None, exit_now)


async def asyncio_exit_on_signal(cancel_all: Cancel) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, exit_now)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(60)


async def asyncio_exit_in_handler(cancel_all: Cancel) -> None:
    spin_until_a_handler_exits()


async def asyncio_exit_in_handler_in_callback(cancel_all: Cancel) -> None:
    asyncio.get_running_loop().call_soon(spin_until_a_handler_exits)
    await asyncio.sleep(60)


async def asyncio_exit_from_another_thread(cancel_all: Cancel) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(loop.call_soon_threadsafe, exit_now)
    await asyncio.sleep(60)


async def asyncio_exit_in_connection(cancel_all: Cancel) -> None:
    class Exits(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            exit_now()

    server = await asyncio.get_running_loop().create_server(Exits, "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            writer.write(b"Fifi")
            await asyncio.sleep(60)
        finally:
            writer.close()


async def exit_in_del(cancel_all: Cancel) -> None:
    """Python ignores that, with a message; so the end is another."""

    class Exits:
        def __del__(self) -> None:
            sys.exit(EXIT)

    Exits()
    trigger()
    await aio2trio(_call)(cancel_all)


async def _call(fn: Cancel) -> None:
    fn()


async def handled_sigterm(cancel_all: Cancel) -> None:
    """asyncio's way to take it."""

    def handle() -> None:
        trigger()
        aio2trio(cancel_all)()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, handle)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)


async def trio_handled_sigterm(cancel_all: Cancel) -> None:
    """Trio's."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        async for _ in signals:
            trigger()
            cancel_all()


async def stop(cancel_all: Cancel) -> None:
    """For ``run_forever`` only."""
    trigger()
    asyncio.get_running_loop().stop()
    await asyncio.sleep(60)


async def nothing(cancel_all: Cancel) -> None:
    """The end comes from outside."""


TRIO: Final[dict[str, Any]] = {
    fn.__name__: fn
    for fn in (
        *(cancel, trio_error, trio_exit, trio_exit_deep_down, trio_exit_in_finally, nothing),
        *(trio_exit_in_generators_finally, trio_exit_in_thread, trio_exit_on_signal),
        *(trio_exit_in_handler, trio_handled_sigterm),
    )
}
ASYNCIO: Final[dict[str, Any]] = {
    fn.__name__: fn
    for fn in (
        *(asyncio_error, asyncio_exit, asyncio_exit_in_task, asyncio_exit_in_callback),
        *(asyncio_exit_in_timer, asyncio_exit_in_done_callback, asyncio_exit_in_finally),
        *(asyncio_exit_in_generators_finally, asyncio_exit_in_thread, asyncio_exit_on_signal),
        *(asyncio_exit_from_another_thread, asyncio_exit_in_connection, exit_in_del),
        *(asyncio_exit_in_handler, asyncio_exit_in_handler_in_callback),
        *(handled_sigterm, stop),
    )
}
