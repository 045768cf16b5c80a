"""The tables that a run prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machine import headline
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bars import Bar
    from results import Results, Spread
    from rich.console import Console


def print_report(console: Console, results: Results, bars: Iterable[Bar]) -> None:
    """All of it: what was measured, on what, the ratios, and the bars."""
    console.print(headline(results.machine))
    console.print(
        f"Ratio to stock asyncio of the same round, median of {results.rounds} rounds "
        f"(scale {results.scale}) with the least and the most; 1.00 is as fast, less is faster. "
        "CPU: processor time of the process; wall: time on the clock."
    )
    for contender, reason in results.skipped.items():
        console.print(f"Left out: {contender}. {reason}", markup=False)
    console.print(ratios(results))
    table = verdicts(results, list(bars))
    if table.row_count:
        console.print(table)
    for errors in results.errors.values():
        for error in errors.values():
            console.print(error, markup=False, style="red")


def ratios(results: Results) -> Table:
    """Each contender's ratio to stock asyncio."""
    table = Table(title="Ratio to stock asyncio")
    table.add_column("workload", no_wrap=True)
    table.add_column("contender", no_wrap=True)
    for header in ("CPU", "min-max", "wall", "min-max"):
        table.add_column(header, justify="right", no_wrap=True)
    for workload, contenders in results.seconds.items():
        title = workload
        for contender in contenders:
            if contender != "stock":
                row = _row(results, workload, contender)
                table.add_row(title, contender, *row, end_section=contender == [*contenders][-1])
                title = ""
    return table


def _row(results: Results, workload: str, contender: str) -> Iterator[str]:
    for what in ("cpu", "wall"):
        yield from _figures(results.ratio((workload, contender), (workload, "stock"), what))


def _figures(ratio: Spread | None) -> tuple[str, str]:
    if ratio is None:
        return "", ""
    return f"{ratio.median:.2f}", f"{ratio.least:.2f}-{ratio.most:.2f}"


def verdicts(results: Results, bars: list[Bar]) -> Table:
    """The bars of what was measured, and whether they hold; a factor is how often faster."""
    table = Table(title="Bars (CPU time)")
    table.add_column("workload", no_wrap=True)
    table.add_column("contender", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for header in ("ratio", "min-max", "bar", "", "factor"):
        table.add_column(header, justify="right", no_wrap=True)
    for bar in bars:
        ratio = results.ratio((bar.workload, bar.contender), bar.yardstick)
        if ratio is None:
            continue
        table.add_row(
            *(bar.workload, bar.contender),
            "its own crossing" if bar.against_workload else bar.against,
            f"{ratio.median:.3f}",  # so that what is just over its bar doesn't look like it
            _figures(ratio)[1],
            f"{bar.limit:.2f}",
            "[green]ok[/]" if ratio.median <= bar.limit else "[red]over[/]",
            f"{1 / ratio.median:.1f}" if bar.against == "trio-asyncio" else "",
        )
    return table
