"""What the project promises: ratios of two cells, and how large each may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import workloads
from workloads import CROSSING, STEP, SUSPENDING, TO_TRIO, VIEW_CALL

if TYPE_CHECKING:
    from collections.abc import Iterator

SELECTOR: Final = "bridge-selector"
UVLOOP: Final = "bridge-uvloop"
CRAMPED: Final = "stock-cramped"
"""Stock asyncio too, where each read maps memory: see ``contenders/cramped_stock.py``."""


@dataclass(frozen=True)
class Bar:
    """``contender``'s CPU time for ``workload`` is at most ``limit`` of ``against``'s."""

    workload: str
    contender: str
    limit: float
    against: str = "stock"
    against_workload: str = ""  # if it isn't the same one

    @property
    def yardstick(self) -> tuple[str, str]:
        """The workload and contender that the ratio is to."""
        return self.against_workload or self.workload, self.against


_SCHEDULER: Final = ("call_soon chain", "sleep(0)", "task spawning", "timers", "timeouts")
_ECHOES: Final = [name for name in workloads.ASYNCIO if name.startswith("echo")]
_MANY: Final = [name for name in _ECHOES if "100" in name]
_ONE: Final = [name for name in _ECHOES if "100" not in name]


def _selector() -> Iterator[Bar]:
    reading = ((_MANY, 1.05), (_ONE, 1.25), (["asyncpg"], 1.10))
    for names, limit in (
        ([*_SCHEDULER, "timers, cancelled"], 1.15),
        *reading,
        (["aiohttp"], 1.10),
        ([CROSSING], 1.0),
        ([SUSPENDING, TO_TRIO], 2.0),
        ([STEP], 2.5),
    ):
        for name in names:
            yield Bar(name, SELECTOR, limit)
    yield Bar(VIEW_CALL, SELECTOR, 1.5, SELECTOR, CROSSING)
    for names, limit in reading:
        for name in names:
            yield Bar(name, SELECTOR, limit, CRAMPED)


def _uvloop() -> Iterator[Bar]:
    for stock in (CRAMPED, "stock"):
        for name in _ECHOES:
            yield Bar(name, UVLOOP, 0.55, stock)
        yield Bar("asyncpg", UVLOOP, 0.75, stock)
    for name in workloads.NAMES:
        # "Every workload" is of those that have a bar on stock.
        if name not in (STEP, VIEW_CALL, *workloads.WITHOUT_BAR):
            yield Bar(name, UVLOOP, 1.25, "uvloop")


def _asyncio_first() -> Iterator[Bar]:
    for name in ("echo, 100 connections", "sleep(0)", "task spawning"):
        yield Bar(name, "asyncio-first", 1.15)


def _trio_asyncio() -> Iterator[Bar]:
    for name in (CROSSING, SUSPENDING, "call_soon chain", "task spawning"):
        yield Bar(name, SELECTOR, 1 / 5, "trio-asyncio")
    for name in ("echo, 100 connections", "echo, streams, 100", "echo, protocols, 100"):
        yield Bar(name, SELECTOR, 1 / 3, "trio-asyncio")
    yield Bar(TO_TRIO, SELECTOR, 1 / 4, "trio-asyncio")


BARS: Final = [*_selector(), *_uvloop(), *_asyncio_first(), *_trio_asyncio()]
