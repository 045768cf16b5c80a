"""The program of ``threads``: threads call a loop that is busy, and that closes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import threading

import trio

from trio_bridge import aio2trio, trio2aio

from .worlds import descriptors, program, rounds

WORKERS = 2
"""Of the executor: far fewer than there is work for."""


class Counts:
    """Of all rounds."""

    def __init__(self):
        self.run = self.refused = self.cancelled = self.lost = self.never_ended = 0


class Caller(threading.Thread):
    """Calls the loop in one way until it is refused, and keeps what was promised."""

    def __init__(self, way, loop, token):
        super().__init__()
        self.way, self.loop, self.token = way, loop, token
        self.accepted = 0
        self.called = 0
        self.futures = []
        self.error = None
        self._up_to_date = threading.Event()

    def run(self):
        call = getattr(self, self.way)
        try:
            while True:
                call()
                self.accepted += 1
        except (RuntimeError, trio.Cancelled) as exc:  # Trio says both when its run ends
            self.error = exc
        except BaseException as exc:
            self.error = AssertionError(f"{self.way}: {exc!r}")

    def plain(self):
        self.loop.call_soon_threadsafe(self._called)
        if self.accepted % 100 == 99:  # else threads may outrun the loop, whose queue has no bound
            self._up_to_date.wait(10)
        self._up_to_date.clear()

    def _called(self):
        self.called += 1
        self._up_to_date.set()

    def coroutine(self):
        coro = self._coroutine()
        try:
            future = asyncio.run_coroutine_threadsafe(coro, self.loop)
        except RuntimeError:
            coro.close()
            raise
        self.futures.append(future)
        if len(self.futures) % 3 == 0:
            # For longer than this nothing takes, unless it was lost.
            concurrent.futures.wait([future], 10)

    async def _coroutine(self):
        await asyncio.sleep(0)
        await asyncio.to_thread(int)

    def from_trio(self):
        trio.from_thread.run(self._trio_code, trio_token=self.token)

    async def _trio_code(self):
        await trio.lowlevel.checkpoint()

    def through_both(self):
        coro = self._through_both()
        try:
            self.futures.append(asyncio.run_coroutine_threadsafe(coro, self.loop))
        except RuntimeError:
            coro.close()
            raise
        concurrent.futures.wait(self.futures[-1:], 10)

    async def _through_both(self):
        await aio2trio(self._trio_code)()


async def keep_executor_full():
    """More jobs than workers, always."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.gather(*(loop.run_in_executor(None, int) for _ in range(5 * WORKERS)))


def main(world, *, seed, count, callers):
    chance = random.Random(seed)
    counts = Counts()
    ways = ["plain", "coroutine"]
    if not world.is_stock:
        ways += ["from_trio", "through_both"]
    before = descriptors(), threading.active_count()

    for number in rounds(count, every=10):
        chosen = [*ways, *chance.choices(ways, k=callers - len(ways))]
        length = chance.choice([0, 0, 0.001, 0.005, 0.02])
        threads = []

        async def trio_side(threads=threads, chosen=chosen, length=length):
            loop = world.loop()
            loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(WORKERS))
            token = None if world.is_stock else trio.lowlevel.current_trio_token()
            threads += [Caller(way, loop, token) for way in chosen]
            for thread in threads:
                thread.start()
            if world.is_stock:
                busy = asyncio.create_task(keep_executor_full())
                await asyncio.sleep(length)
                busy.cancel()
            else:
                with trio.move_on_after(length):
                    await trio2aio(keep_executor_full)()

        world.run(trio_side)
        for thread in threads:
            thread.join(60)
            what = f"round {number}, {thread.way}: {thread.error!r}"
            assert not thread.is_alive(), what
            assert isinstance(thread.error, RuntimeError | trio.Cancelled), what
            counts.refused += 1
            judge(thread, counts)
    return {
        **vars(counts),
        "left": [descriptors() - before[0], threading.active_count() - before[1]],
    }


def judge(thread, counts):
    """Was each accepted call run, or did its future end?"""
    if thread.way == "plain":
        counts.run += thread.called
        counts.lost += thread.accepted - thread.called
    elif thread.way == "from_trio":
        counts.run += thread.accepted
    for future in thread.futures:
        if not future.done():
            counts.never_ended += 1
        elif future.cancelled():
            counts.cancelled += 1
        elif (error := future.exception()) is not None:
            assert isinstance(error, RuntimeError), error
            counts.refused += 1
        else:
            counts.run += 1


if __name__ == "__main__":
    program(main)
