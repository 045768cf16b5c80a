"""Under a load of everything, equal for hours, nothing that the process holds grows.

Rounds that are all alike begin at a fixed rate: echo by streams, protocols, TLS and datagrams,
timers set and cancelled, crossings both ways, cancelled ones too, failing tasks, asyncpg,
processes, executors, generators, managers, nurseries, Trio tasks beside. At the end of each round,
when its load is over and what stands remains (servers, connections, a pool, threads), what the
process holds is counted. Descriptors, tasks and threads must be equal from the first round on, and
the mean of the last rounds' memory about that of the reference.
"""

from __future__ import annotations

import array
import gc
import itertools
import random
import statistics
from typing import TYPE_CHECKING

import trio

import trio_bridge

from . import held, own_postgres
from .load import crossings, network, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Seconds: of it all, between two rounds; the spans whose memory is compared; and what it may grow.
SHORT = {"seconds": 6, "period": 0.5, "reference": (2, 3), "last": (5, 6), "growth": 0.03}
LONG = {
    "seconds": 3600,
    "period": 2.0,
    "reference": (540, 600),
    "last": (3000, 3600),
    "growth": 0.02,
}


def run(engine, progress, *, seed, seconds, period, reference, last, growth):
    """The soak on one engine."""
    gc.collect()  # what was left before is none of ours
    with own_postgres.server() as url:
        soak = Soak(progress, random.Random(seed), round(seconds / period), period)
        trio_bridge.run(soak.main, url, engine=engine)
    spans = [tuple(round(at / period) for at in span) for span in (reference, last)]
    figures = soak.figures(*spans)
    for what in ("memory", "Python's blocks"):
        assert figures[f"{what}, last of reference"] <= 1 + growth, f"seed {seed}: {figures}"
    return figures


class Soak:
    """The rounds, and what was counted after each of them."""

    def __init__(
        self,
        progress: Callable[[int, int], None],
        chance: random.Random,
        rounds: int,
        period: float,
    ) -> None:
        self._progress = progress
        self._chance = chance
        self._rounds = rounds
        self._period = period
        self._late = 0
        self._expected: held.Counts | None = None
        # Arrays, all of them there from the start: the figures must not be what grows.
        self._resident = array.array("d", [0.0]) * rounds
        self._blocks = array.array("d", [0.0]) * rounds

    async def main(self, url: str) -> None:
        """All rounds, at their times."""
        await work.open_threads()
        async with (
            network.Servers.open() as servers,
            work.Database.open(url) as database,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(network.beside)
            jobs = [*crossings.JOBS, *work.JOBS, *servers.jobs(), *database.jobs()]
            await self._one_round(jobs)  # what is made once is made now
            began = trio.current_time()
            for number in range(self._rounds):
                due = began + number * self._period
                self._late += trio.current_time() > due + self._period
                await trio.sleep_until(due)
                await self._one_round(jobs)
                await self._count(number)
                self._progress(number + 1, self._rounds)
            nursery.cancel_scope.cancel()

    async def _one_round(self, jobs: Sequence[Callable]) -> None:
        self._chance.shuffle(jobs)
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)

    async def _count(self, number: int) -> None:
        counts = await held.settled(trio_bridge.current_loop(), self._expected)
        if self._expected is None:
            self._expected = counts
        assert counts == self._expected, f"round {number}: {counts}, at first {self._expected}"
        memory = held.memory()
        self._resident[number] = memory.resident
        self._blocks[number] = memory.blocks

    def figures(self, reference: tuple[int, int], last: tuple[int, int]) -> dict:
        """Of the whole run; the spans are rounds."""
        resident = [statistics.fmean(self._resident[slice(*span)]) for span in (reference, last)]
        blocks = [statistics.fmean(self._blocks[slice(*span)]) for span in (reference, last)]
        return {
            "rounds": self._rounds,
            "rounds that began late": self._late,
            **self._expected._asdict(),
            "memory in each sixth of the time, MB": self._sixths(),
            "memory at the reference, MB": round(resident[0] / 1e6, 2),
            "memory at last, MB": round(resident[1] / 1e6, 2),
            "memory, last of reference": round(resident[1] / resident[0], 4),
            "Python's blocks, last of reference": round(blocks[1] / blocks[0], 4),
        }

    def _sixths(self) -> str:
        edges = [self._rounds * sixth // 6 for sixth in range(7)]
        means = [statistics.fmean(self._resident[a:b]) / 1e6 for a, b in itertools.pairwise(edges)]
        return ", ".join(f"{mean:.2f}" for mean in means)
