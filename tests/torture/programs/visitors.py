"""The clients of ``connections``: many visits at once, and many that are held open meanwhile."""

from __future__ import annotations

import asyncio
import random
import resource
from contextlib import suppress
from functools import partial

from . import visits
from .ledger import Ledger
from .visits import Protocol, Streams, visit
from .worlds import descriptors, open_things, program, say

BATCH = 100
"""So many of the held ones connect at once."""
WEIGHTS = 30, 20, 20, 2, 10, 9, 9
"""Of the kinds of visits."""


class Gate:
    """Holds visits back, and counts them."""

    def __init__(self, count):
        self.missing = count
        self._all_there = asyncio.Event()
        self._open = asyncio.Event()

    def arrived(self):
        self.missing -= 1
        if not self.missing:
            self._all_there.set()

    async def all_there(self):
        await self._all_there.wait()

    async def wait(self):
        await self._open.wait()

    async def open(self):
        self._open.set()


def main(world, *, ports, files, path, seed, count, held, at_once):
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    ledger = Ledger()
    without_loop = descriptors()
    counts = {}
    crossing_visit = world.call(visit)
    numbers = iter(range(held, held + count))

    def plan(number, kinds, weights):
        """The same for a number each time."""
        chance = random.Random(f"{seed}-{number}")
        (kind,) = chance.choices(kinds, weights)
        size = chance.choice([300_000, 900_000] if kind == visits.STALL else [1, 100, 5000, 20_000])
        where = ports[chance.randrange(2)]  # the server's way
        way = chance.choice([Streams, Protocol])
        return chance, (ledger, number, kind, way, where[number % len(where)], size)

    async def hold(number, gate):
        kinds = visits.POLITE, visits.HALF_CLOSE, visits.RESET
        await crossing_visit(*plan(number, kinds, None)[1], gate)

    async def visit_on():
        for number in numbers:
            chance, args = plan(number, range(7), WEIGHTS)
            if args[2] == visits.CANCELLED:
                with suppress(TimeoutError):
                    async with world.within(chance.choice([0, 0.0005, 0.002, 0.01])):
                        await crossing_visit(*args)
            else:
                await crossing_visit(*args)
            if (done := number - held + 1) % 500 == 0:
                say(done=done, total=count)

    async def everything():
        await crossing_visit(*plan(held + count, [visits.POLITE], None)[1])
        counts["before"] = open_things(world)
        gate = Gate(held)
        async with world.background() as start:
            for number in range(held):
                start(partial(hold, number, gate))
                if number % BATCH == 0:
                    most = held - number + BATCH
                    await world.until(lambda most=most: gate.missing <= most, 60, "connections")
            await world.call(gate.all_there)()
            await world.together([visit_on] * at_once)
            counts["held"] = ledger.open
            await world.call(gate.open)()
        counts["after"] = await world.settled(counts["before"])

    world.run(everything)
    ledger.write(path)
    return {
        **counts,
        "opened": ledger.opened,
        "peak": ledger.peak,
        "descriptors_left": descriptors() - without_loop,
        "never_lost": Protocol.made - Protocol.lost,
    }


if __name__ == "__main__":
    program(main)
