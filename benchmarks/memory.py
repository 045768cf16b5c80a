"""What idle connections and waiting tasks weigh: ``python benchmarks/memory.py``.

Bytes for each, and the ratio to stock asyncio; each figure is of a fresh process. The bars: on the
two fast engines a connection and a task weigh at most 1.05 of stock asyncio's, and on none do
timers that were set and cancelled leave a Trio task behind.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import command_line
import fresh
from contenders import OURS
from rich.table import Table
from workloads import weighing

SIZES: Final = {
    weighing.CONNECTION: 10_000,
    weighing.CONNECTION + weighing.RESIDENT: 10_000,
    weighing.TASK: 20_000,
    weighing.TASK + weighing.RESIDENT: 20_000,
    weighing.CROSSING: 5_000,
    weighing.CROSSING + weighing.RESIDENT: 5_000,
    weighing.LEFT: 100_000,
}
BARS: Final = {weighing.CONNECTION: 1.05, weighing.TASK: 1.05}
WITH_BARS: Final = ("bridge-selector", "bridge-uvloop")
"""Not the portable engine: a Trio task for each descriptor has its price."""


def rows(measured: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    """Workload, contender, bytes for each, ratio to stock asyncio."""
    found = []
    for name, row in measured["figures"].items():
        if name != weighing.LEFT and "stock" in row:
            stock = row["stock"][0]["each"]
            for contender, (weight, *_) in row.items():
                found.append((name, contender, weight["each"], weight["each"] / stock))
    return found


def failed(measured: dict[str, Any]) -> list[str]:
    """The bars that don't hold."""
    sentences = list(measured["errors"])
    for name, contender, _, ratio in rows(measured):
        bar = BARS.get(name)
        if contender in WITH_BARS and bar is not None and ratio > bar:
            sentences.append(f"{name}, {contender}: {ratio:.2f} of stock asyncio's, bar: {bar}")
    for contender, (left, *_) in measured["figures"].get(weighing.LEFT, {}).items():
        if contender in OURS and left["tasks"]:
            sentences.append(f"{weighing.LEFT}, {contender}: {left['tasks']} Trio tasks are left")
    return sentences


def table(measured: dict[str, Any]) -> Table:
    """Bytes and ratios."""
    result = Table(title="Bytes for each, by tracemalloc or of the process's resident memory")
    result.add_column("what", no_wrap=True)
    result.add_column("contender", no_wrap=True)
    for header in ("bytes", "ratio to stock", "bar"):
        result.add_column(header, justify="right")
    for name, contender, each, ratio in rows(measured):
        bar = BARS.get(name, "") if contender in WITH_BARS else ""
        result.add_row(name, contender, f"{each:.0f}", f"{ratio:.2f}", f"{bar}")
    for contender, (left, *_) in measured["figures"].get(weighing.LEFT, {}).items():
        result.add_row(weighing.LEFT, contender, f"{left['tasks']} Trio tasks left")
    return result


def main() -> int:
    on = ["stock", "uvloop", *OURS[:3], "trio-asyncio"]
    parser = command_line.parser("Memory of idle things, beside stock asyncio.", on=on, rounds=1)
    parser.add_argument("--divide", type=int, default=1, help="that many times fewer of each")
    chosen = parser.parse_args()
    out = command_line.console()
    sizes = {name: size // chosen.divide for name, size in SIZES.items() if chosen.only in name}
    measured = fresh.measure(sizes, chosen.on, chosen.rounds, out)
    return fresh.report(measured, table(measured), failed(measured), chosen, out)


if __name__ == "__main__":
    sys.exit(main())
