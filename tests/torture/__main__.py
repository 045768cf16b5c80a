"""Run the campaigns: ``python -m tests.torture --long``, in the root of the checkout.

Without names all of them, each on each engine, one after the other. The long form's results are
kept in ``tests/torture/results/``; ``--docs`` writes ``docs/guarantees.md`` from them (alone:
without a run).
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from . import campaigns, kept, page
from .progress import shown
from .worker import in_its_own_process

if TYPE_CHECKING:
    from collections.abc import Iterator

CONSOLE = Console()


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    result.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(campaigns.names())}")
    result.add_argument("--long", action="store_true", help="the long form, whose results are kept")
    result.add_argument(
        "--engine", choices=campaigns.ENGINES, action="append", help="only this one"
    )
    result.add_argument("--seed", type=int, help="repeat a run; else one by chance")
    result.add_argument(
        "--set",
        metavar="SIZE=VALUE",
        type=_size,
        action="append",
        default=[],
        help="another size than the form's: seconds=300",
    )
    result.add_argument("--docs", action="store_true", help="write docs/guarantees.md's figures")
    return result


def _size(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def runs(options: argparse.Namespace) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is to be run: campaign, engine and sizes."""
    for name in options.names or campaigns.names():
        module = campaigns.campaign(name)
        sizes = {**(module.LONG if options.long else module.SHORT), **dict(options.set)}
        for engine in campaigns.engines(module):
            if not options.engine or engine in options.engine:
                yield name, engine, sizes


def attack(name: str, engine: str, seed: int, sizes: dict[str, Any]) -> kept.Result:
    """One campaign on one engine, with a progress line."""
    began = time.monotonic()
    with shown(f"{name} ({engine})", CONSOLE) as progress:
        figures = in_its_own_process(name, engine, seed, sizes, progress)
    seconds = round(time.monotonic() - began, 1)
    return kept.Result(name, engine, seed, sizes, figures, seconds, kept.today(), kept.machine())


def report(results: list[kept.Result]) -> Table:
    """Of all that held."""
    table = Table("campaign", "engine", "seconds", "seed", "figures")
    for result in results:
        figures = "\n".join(f"{name}: {figure}" for name, figure in result.figures.items())
        table.add_row(
            result.campaign, result.engine, str(result.seconds), str(result.seed), figures
        )
    return table


def main() -> int:
    """The exit status: 1 when a promise is broken."""
    options = parser().parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    held, broken = [], 0
    if not options.docs or options.long or options.names:
        for name, engine, sizes in runs(options):
            if not CONSOLE.is_terminal:  # there is no line that shows how far it is
                CONSOLE.print(f"{name} ({engine}), seed {seed}: begun", markup=False)
            try:
                result = attack(name, engine, seed, sizes)
            except AssertionError as exc:
                broken += 1
                CONSOLE.print(f"{name} ({engine}), seed {seed}: broken\n{exc}", markup=False)
                continue
            CONSOLE.print(f"{name} ({engine}): held, {result.seconds} s", markup=False)
            held.append(result)
            if options.long:
                kept.keep(result)
        CONSOLE.print(report(held))
    if options.docs:
        page.write(kept.load())
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
