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
        live, skipped = stack.enter_context(workers(chosen.on))
        results.skipped.update(skipped)
        _run(results, names, live, console)
    return results


def _run(results: Results, names: Sequence[str], live: Sequence[Worker], console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        each = results.rounds + 1
        count = sum(name in worker.workloads for name in names for worker in live) * each
        bar = progress.add_task("", total=count)

        def show(workload: str, contender: str) -> None:
            progress.update(bar, description=f"{workload}: {contender}", advance=1)

        for name in names:
            rounds, errors = alternate(
                name, live, rounds=results.rounds, scale=results.scale, on_round=show
            )
            results.add(name, rounds, errors)


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
