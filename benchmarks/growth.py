"""How time per operation grows with how much there is: ``python benchmarks/growth.py``.

Connections, concurrent hosts, pending timers. The bar: it grows no faster than stock asyncio's,
from the size on at which stock asyncio is cheapest. Up to there its time shrinks, as more and more
work shares the cost of a turn (a system call): there ours must not grow.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import command_line
import machine
from contenders import OURS
from processes import workers
from results import Results, Spread
from rich.table import Table
from rounds import alternate
from workloads.growing import OPERATIONS, SIZES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

TOLERANCE: Final = 1.1
"""What they may differ by for no reason: caches, and what else the machine does."""


def key(series: str, size: int) -> str:
    """The name of a size's figures among the results."""
    return f"{series}, {size}"


def measure(on: Sequence[str], only: str, rounds: int, largest: int, out: Console) -> Results:
    """All series, each size on all contenders."""
    results = Results(machine.describe(), rounds, 1)
    with workers(on) as (live, skipped), out.status("") as status:
        results.skipped.update(skipped)
        for series, sizes in SIZES.items():
            for size in sizes:
                if only in series and size <= largest:
                    status.update(key(series, size))
                    results.add(
                        key(series, size), *alternate(series, live, rounds=rounds, scale=size)
                    )
    return results


def times(results: Results, series: str, contender: str) -> dict[int, float]:
    """Microseconds per operation, by size."""
    return {
        size: each
        for size in SIZES[series]
        if (each := microseconds(results, series, size, contender)) is not None
    }


def failed(results: Results) -> list[str]:
    """Where one of ours grows faster than stock asyncio."""
    sentences = [error for errors in results.errors.values() for error in errors.values()]
    for series in SIZES:
        stock = times(results, series, "stock")
        for contender in OURS:
            # By the ratios of rounds side by side: what else the machine does is not in those.
            ours = {
                size: each * ratio[0]
                for size, each in stock.items()
                if (ratio := _ratio(results, series, size, contender)) is not None
            }
            sentences += [
                f"{series}, {contender}: {sizes}, time per operation is {growth:.2f} times as "
                f"long; on stock asyncio {bar:.2f}"
                for sizes, growth, bar in _growths(ours, stock)
                if growth > bar * TOLERANCE
            ]
    return sentences


def _growths(ours: dict[int, float], stock: dict[int, float]) -> Iterator[tuple[str, float, float]]:
    """From and to which size; how ours grows; and stock asyncio, or 1 where that shrinks."""
    if not ours:
        return
    cheapest = min(stock, key=lambda size: stock[size])
    for size in ours:
        small, large = sorted((size, cheapest))
        bar = max(stock[large] / stock[small], 1)
        yield f"from {small} to {large}", ours[large] / ours[small], bar


def table(results: Results) -> Table:
    """Microseconds per operation, and the ratio to stock asyncio."""
    result = Table(title="CPU time per operation (µs), and ratio to stock asyncio")
    result.add_column("series, size", no_wrap=True)
    names = {contender for row in results.seconds.values() for contender in row}
    shown = sorted(names, key=lambda name: (name != "stock", name))
    for name in shown:
        result.add_column(name, justify="right")
    for series, sizes in SIZES.items():
        for size in sizes:
            if (name := key(series, size)) in results.seconds:
                cells = [_cell(results, series, size, contender) for contender in shown]
                result.add_row(name, *cells, end_section=size == sizes[-1])
    return result


def microseconds(results: Results, series: str, size: int, contender: str) -> float | None:
    """Of CPU, for one operation; the median round's."""
    seconds = results.median(key(series, size), contender)
    return None if seconds is None else seconds * 1e6 / OPERATIONS[series](size)


def _ratio(results: Results, series: str, size: int, contender: str) -> Spread | None:
    """To stock asyncio of the same round: the median, the least and the most."""
    name = key(series, size)
    return results.ratio((name, contender), (name, "stock"))


def _cell(results: Results, series: str, size: int, contender: str) -> str:
    each = microseconds(results, series, size, contender)
    if each is None:
        return ""
    ratio = _ratio(results, series, size, contender)
    return f"{each:.1f}" if ratio is None or contender == "stock" else f"{each:.1f}  {ratio[0]:.2f}"


def main() -> int:
    on = ["stock", "uvloop", *OURS[:3], "trio-asyncio"]
    parser = command_line.parser("Growth with size, beside stock asyncio.", on=on, rounds=5)
    parser.add_argument("--largest", type=int, default=10**9, help="only sizes up to this")
    chosen = parser.parse_args()
    out = command_line.console()
    results = measure(chosen.on, chosen.only, chosen.rounds, chosen.largest, out)
    if chosen.json:
        results.save(chosen.json)
    out.print(machine.headline(results.machine))
    for contender, reason in results.skipped.items():
        out.print(f"Left out: {contender}. {reason}", markup=False)
    out.print(table(results))
    return command_line.finish(out, failed(results), check=chosen.check)


if __name__ == "__main__":
    sys.exit(main())
