"""Mistakes in programs that start from asyncio: loops of ``new_event_loop``."""

from __future__ import annotations

import asyncio

import trio

import trio_bridge
from trio_bridge import aio2trio, new_event_loop

from .kinds import outside


def on_a_loop(async_fn):
    """Run it as a program that starts from asyncio."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(async_fn())


@outside(RuntimeError, "already running")
def running_a_loop_that_runs():
    """`loop.run_forever()` of a loop that runs"""

    async def main():
        asyncio.get_running_loop().run_forever()

    on_a_loop(main)


@outside(RuntimeError, "Event loop is closed")
def running_a_loop_that_is_closed():
    """`loop.run_forever()` of a loop that is closed"""
    loop = new_event_loop()
    loop.close()
    loop.run_forever()


@outside(RuntimeError, "running")
def closing_a_loop_that_runs():
    """`loop.close()` of a loop that runs"""

    async def main():
        asyncio.get_running_loop().close()

    on_a_loop(main)


@outside(RuntimeError, "await aio2trio(async_fn)(*args)")
def run_on_a_loop():
    """`trio_bridge.run(main)` in a program that starts from asyncio"""

    async def main():
        trio_bridge.run(trio.sleep, 0)

    on_a_loop(main)


@outside(TypeError, "not a coroutine object", "await aio2trio(sleep)(...)")
def a_coroutine_object_on_a_loop():
    """`aio2trio(trio.sleep(0))` in a program that starts from asyncio"""

    async def main():
        await aio2trio(trio.sleep(0))

    on_a_loop(main)


@outside(RuntimeError, "asyncio.sleep belongs to asyncio", "await trio2aio(asyncio.sleep)(...)")
def the_wrong_adapter_on_a_loop():
    """`await aio2trio(asyncio.sleep)(1)` in a program that starts from asyncio"""

    async def main():
        await aio2trio(asyncio.sleep)(1)

    on_a_loop(main)
