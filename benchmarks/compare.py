"""The bridge beside stock asyncio and others: ``python benchmarks/compare.py``.

How to read it: docs/benchmarks.md. Each contender runs in a process of its own, and the rounds of
all alternate. What counts is the *ratio* of their times in the same round.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import command_line
import database
import machine
import workloads
from bars import BARS
from contenders import CONTENDERS
from processes import workers
from report import print_report
from results import Results
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rounds import alternate

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from processes import Worker
    from rich.console import Console

POSTGRES = "asyncpg"


def options() -> argparse.Namespace:
    """The command line's."""
    parser = command_line.parser("The bridge beside others, as ratios.", on=[*CONTENDERS], rounds=9)
    parser.add_argument("--scale", type=int, default=40, help="work per round; default: 40")
    parser.add_argument(
        "--processes",
        type=int,
        default=3,
        help="of each contender, one after the other, which share the rounds; default: 3",
    )
    parser.add_argument("--report", type=Path, help="don't measure: print what this file holds")
    return parser.parse_args()


def measure(chosen: argparse.Namespace, console: Console) -> Results:
    """Run what is asked for."""
    results = Results(machine.describe(), chosen.rounds, chosen.scale)
    names = [name for name in workloads.NAMES if chosen.only in name]
    with ExitStack() as stack:
        if POSTGRES in names and (missing := stack.enter_context(database.server())):
            results.skipped[POSTGRES] = missing
            names.remove(POSTGRES)
        shares = _shares(chosen.rounds, chosen.processes)
        for number, rounds in enumerate(shares, 1):
            with workers(chosen.on) as (live, skipped):
                results.skipped.update(skipped)
                _run(results, names, live, rounds, f"{number} of {len(shares)}", console)
    return results


def _shares(rounds: int, processes: int) -> list[int]:
    """The rounds of each process."""
    each, more = divmod(rounds, processes)
    return [each + (number < more) for number in range(min(processes, rounds))]


def _run(
    results: Results,
    names: Sequence[str],
    live: Sequence[Worker],
    rounds: int,
    part: str,
    console: Console,
) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        cells = sum(name in worker.workloads for name in names for worker in live)
        bar = progress.add_task("", total=cells * (rounds + 1))

        def show(workload: str, contender: str) -> None:
            progress.update(bar, description=f"{part}, {workload}: {contender}", advance=1)

        for name in names:
            results.add(
                name,
                *alternate(name, live, rounds=rounds, scale=results.scale, on_round=show),
            )


def main() -> int:
    chosen = options()
    console = command_line.console()
    results = Results.load(chosen.report) if chosen.report else measure(chosen, console)
    if chosen.json:
        results.save(chosen.json)
    print_report(console, results, BARS)
    return command_line.finish(console, results.failed(BARS), check=chosen.check)


if __name__ == "__main__":
    sys.exit(main())
