"""Run the campaigns: ``python -m tests.torture --long``, in the root of the checkout.

Without names all of them, each on each engine, one after the other. The long form's results are
kept in ``tests/torture/results/``; ``--docs`` writes ``docs/guarantees.md`` from them (alone:
without a run). Ctrl-C and SIGTERM end the campaign that runs, and show what has come out.
"""

from __future__ import annotations

import signal
import sys
import time

from rich.console import Console
from rich.table import Table

from . import kept, page
from .command_line import Options, Run
from .progress import shown
from .worker import in_its_own_process

CONSOLE = Console()


def attack(run: Run) -> kept.Result | None:
    """One campaign on one engine, with a progress line. None: it has broken something."""
    label = f"{run.name} ({run.engine}), seed {run.seed}"
    began = time.monotonic()
    try:
        with shown(label, CONSOLE) as progress:
            figures = in_its_own_process(run.name, run.engine, run.seed, run.sizes, progress)
    except AssertionError as exc:
        say(f"{label}: broken\n{exc}\nagain: {run.command}")
        return None
    except BaseException:
        say(f"{label}: not ended. Again: {run.command}")
        raise
    seconds = round(time.monotonic() - began, 1)
    say(f"{run.name} ({run.engine}): held, {seconds} s")
    return kept.Result(
        run.name,
        run.engine,
        run.seed,
        run.sizes,
        figures,
        seconds,
        kept.today(),
        kept.machine(),
    )


def say(text: str) -> None:
    """Print it as it is: a command can be copied out of a log."""
    CONSOLE.print(text, markup=False, highlight=False, soft_wrap=True)


def report(results: list[kept.Result]) -> Table:
    """Of all that held."""
    table = Table("campaign", "engine", "seconds", "seed", "figures")
    for result in results:
        figures = "\n".join(f"{name}: {figure}" for name, figure in result.figures.items())
        table.add_row(
            result.campaign, result.engine, str(result.seconds), str(result.seed), figures
        )
    return table


def attack_all(runs: list[Run]) -> int:
    """The exit status: 1 when a promise is broken."""
    held, broken = [], 0
    try:
        for run in runs:
            result = attack(run)
            if result is None:
                broken += 1
                continue
            held.append(result)
            if run.is_long and not run.own_sizes:
                kept.keep(result)
    finally:
        if held:
            CONSOLE.print(report(held))
    return 1 if broken else 0


def main() -> int:
    """The exit status."""
    options = Options(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        status = attack_all(options.runs)
    except KeyboardInterrupt:
        return 130
    if options.writes_docs:
        page.write(kept.load())
    return status


if __name__ == "__main__":
    sys.exit(main())
