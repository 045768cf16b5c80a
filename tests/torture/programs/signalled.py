"""The program of ``signals``: handles them in each way, busy or idle, round by round.

In each round it installs its handlers, says that it is ready, waits for a line, and removes them.
At the end it waits for Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
import threading

import trio

import trio_bridge
from trio_bridge import aio2trio, open_loop

from ..load import crossings
from .signal_table import SignalTable
from .worlds import descriptors, program, say

LOOP, INNER_LOOP, RECEIVER, PLAIN = "add_signal_handler", "inner loop", "receiver", "signal.signal"

BUSY = (
    *(crossings.calls, crossings.errors, crossings.cancelled_by_trio),
    *(crossings.cancelled_by_asyncio, crossings.generators, crossings.managers),
)


def busily(job):
    """A Trio function that does it for ever."""

    async def again_and_again():
        while True:
            await job()

    return again_and_again


def wait_for_a_line():
    """Say in which thread."""
    say(ready=threading.get_native_id())
    sys.stdin.readline()


class Program:
    """Of one starter.

    Args:
      ways: for each slot of the table how it is handled, and the signal's number.
    """

    def __init__(self, table, ways):
        self._table = table
        self._ways = ways
        self._before = {number: signal.getsignal(number) for _, number in ways}

    def _slots(self, way):
        return [(slot, number) for slot, (of, number) in enumerate(self._ways) if of == way]

    # ---- handlers

    @contextlib.contextmanager
    def _on_loop(self, loop, way):
        slots = self._slots(way)
        for slot, number in slots:
            loop.add_signal_handler(number, self._table.note, slot)
        yield
        for _, number in slots:
            assert loop.remove_signal_handler(number)

    @contextlib.contextmanager
    def _plain(self):
        slots = self._slots(PLAIN)
        for slot, number in slots:
            signal.signal(number, lambda *_, slot=slot: self._table.note(slot))
        yield
        for _, number in slots:
            signal.signal(number, self._before[number])

    async def _receive(self, task_status):
        slots = {number: slot for slot, number in self._slots(RECEIVER)}
        with trio.open_signal_receiver(*slots) as signals:
            task_status.started()
            async for number in signals:
                self._table.note(slots[number])

    @contextlib.asynccontextmanager
    async def _receiving(self):
        async with trio.open_nursery() as nursery:
            await nursery.start(self._receive)
            yield
            nursery.cancel_scope.cancel()

    def _check(self):
        for number, handler in self._before.items():
            assert signal.getsignal(number) is handler, f"{number}: {signal.getsignal(number)}"

    # ---- the two ways to start

    async def _rounds(self, rounds, a_round):
        for _ in range(rounds):
            async with contextlib.AsyncExitStack() as stack:
                await a_round(stack)
                stack.enter_context(self._plain())
                await trio.to_thread.run_sync(wait_for_a_line)
            self._check()

    async def trio_first(self, rounds):
        """Half of the rounds are idle."""

        async def a_round(stack):
            stack.enter_context(self._on_loop(trio_bridge.current_loop(), LOOP))
            inner = await stack.enter_async_context(open_loop())
            stack.enter_context(self._on_loop(inner, INNER_LOOP))
            await stack.enter_async_context(self._receiving())

        async with trio.open_nursery() as nursery:
            for job in BUSY:
                nursery.start_soon(busily(job))
            await self._rounds(rounds - rounds // 2, a_round)
            nursery.cancel_scope.cancel()
        await self._rounds(rounds // 2, a_round)
        say(waiting=True)
        await trio.sleep_forever()

    async def asyncio_first(self, rounds):
        loop = asyncio.get_running_loop()

        async def a_round(stack):
            stack.enter_context(self._on_loop(loop, LOOP))
            await stack.enter_async_context(self._receiving())

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(aio2trio(busily(job))()) for job in BUSY]
            await aio2trio(self._rounds)(rounds - rounds // 2, a_round)
            for task in tasks:
                task.cancel()
        await aio2trio(self._rounds)(rounds // 2, a_round)
        say(waiting=True)
        await asyncio.sleep(3600)


def main(world, *, path, ways, starter, rounds):
    with SignalTable(path, len(ways)) as table:
        before = descriptors()
        this = Program(table, ways)
        try:
            if starter == "run":
                world.run(functools.partial(this.trio_first, rounds))
            else:
                with asyncio.Runner(
                    loop_factory=functools.partial(trio_bridge.new_event_loop, engine=world.engine)
                ) as runner:
                    runner.run(this.asyncio_first(rounds))
        except KeyboardInterrupt:
            return {"interrupted": True, "descriptors_left": descriptors() - before}
    return {"interrupted": False}


if __name__ == "__main__":
    program(main)
