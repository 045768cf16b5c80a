"""The same program on the bridge and on stock loops: what differs is here.

A program's main function is Trio code on the bridge's engines, and asyncio code on ``"asyncio"``
and ``"plain-uvloop"``. ``World`` has what it needs of either side; :meth:`World.call` is the
crossing.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import os
import sys
import threading
import time
from contextlib import asynccontextmanager

import trio

import trio_bridge
from trio_bridge import trio2aio

STOCK = ("asyncio", "plain-uvloop")


class World:
    """Of one engine."""

    def __init__(self, engine):
        self.engine = engine
        self.is_stock = engine in STOCK

    def run(self, main, **options):
        """Run it with a loop. The options are those of the bridge."""
        if self.engine == "asyncio":
            return asyncio.run(main())
        if self.engine == "plain-uvloop":
            import uvloop

            return uvloop.run(main())
        return trio_bridge.run(main, engine=self.engine, **options)

    def call(self, asyncio_fn):
        """The asyncio function, for the main function's side."""
        return asyncio_fn if self.is_stock else trio2aio(asyncio_fn)

    @staticmethod
    def loop():
        """The asyncio loop."""
        return trio_bridge.current_loop()

    async def together(self, functions):
        """Call all of them at the same time, each in a task of the main function's side."""
        async with self.background() as start:
            for function in functions:
                start(function)

    @asynccontextmanager
    async def background(self):
        """What starts functions in the block, which waits for them."""
        if self.is_stock:
            async with asyncio.TaskGroup() as group:
                yield lambda function: group.create_task(function())
        else:
            async with trio.open_nursery() as nursery:
                yield nursery.start_soon

    async def nothing(self):
        """A program."""

    async def in_thread(self, function, *args):
        """One that is left behind if the program fails."""
        if self.is_stock:
            return await asyncio.to_thread(function, *args)
        return await trio.to_thread.run_sync(function, *args, abandon_on_cancel=True)

    async def sleep(self, seconds):
        await (asyncio.sleep if self.is_stock else trio.sleep)(seconds)

    @asynccontextmanager
    async def within(self, seconds):
        """Let what is in the block fail after so long: ``TimeoutError`` on both sides."""
        if self.is_stock:
            async with asyncio.timeout(seconds):
                yield
            return
        try:
            with trio.fail_after(seconds):
                yield
        except trio.TooSlowError:
            raise TimeoutError from None

    async def until(self, condition, seconds=60, what="the condition"):
        """Wait until it holds: for what nobody tells of."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            await self.sleep(0.01)

    async def settled(self, before):
        """What is open (:func:`open_things`) when there are as many descriptors as before."""
        await self.until(lambda: descriptors() <= before["descriptors"], 60, f"again {before}")
        return open_things(self)


def descriptors():
    """How many the process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # but for the directory itself


def open_things(world):
    """What is open in the process and on the loop: numbers."""
    gc.collect()
    things = {
        "descriptors": descriptors(),
        "asyncio_tasks": len(asyncio.all_tasks(world.loop())),
        "threads": threading.active_count(),
        "transports": sum(map(_is_transport, gc.get_objects())),
    }
    if not world.is_stock:
        things["trio_tasks"] = trio.lowlevel.current_statistics().tasks_living
    return things


def _is_transport(thing):
    cls = type(thing)  # not isinstance(): it would ask the objects, and some are gone already
    return issubclass(cls, asyncio.BaseTransport) or (
        cls.__module__ == "uvloop.loop" and cls.__name__.endswith("Transport")
    )


def say(**words):
    """Tell the campaign."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def program(main):
    """Run a program: ``main(world, **sizes)``, a plain function that returns the figures."""
    engine, words = sys.argv[1:]
    sizes = json.loads(words)
    faulthandler.dump_traceback_later(sizes.pop("limit"), exit=True)
    world = World(engine)
    world.run(world.nothing)  # libuv keeps two descriptors of the first loop's
    figures = main(world, **sizes)
    say(figures=figures)


def rounds(count, *, every):
    """Count from 0, and say how far that is."""
    for number in range(count):
        yield number
        if (number + 1) % every == 0 or number + 1 == count:
            say(done=number + 1, total=count)
