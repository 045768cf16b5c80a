"""Measurements that each need a process that has done nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import command_line
import machine
from processes import Worker, WorkerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    Figures = dict[str, dict[str, list[dict[str, Any]]]]
    """By workload and contender: what each round has measured."""


def measure(sizes: dict[str, int], on: Sequence[str], rounds: int, out: Console) -> dict[str, Any]:
    """Each workload, with its size, on each contender; each round in a fresh process."""
    figures: Figures = {}
    skipped: dict[str, str] = {}
    errors: list[str] = []
    with out.status("") as status:
        for name, size in sizes.items():
            figures[name] = {}
            for contender in on:
                if contender not in skipped:
                    status.update(f"{name}: {contender}")
                    try:
                        figures[name][contender] = list(
                            _rounds(name, size, contender, rounds, skipped)
                        )
                    except WorkerError as exc:
                        errors.append(str(exc))
    return {
        "machine": machine.describe(),
        "sizes": sizes,
        "figures": {name: {c: r for c, r in row.items() if r} for name, row in figures.items()},
        "skipped": skipped,
        "errors": errors,
    }


def _rounds(
    name: str, size: int, contender: str, rounds: int, skipped: dict[str, str]
) -> Iterable[dict[str, Any]]:
    for _ in range(rounds):
        with Worker(contender) as worker:
            if worker.unavailable is not None:
                skipped[contender] = worker.unavailable
            if name not in worker.workloads:
                return
            yield worker.ask(name, size)


def report(
    measured: dict[str, Any],
    table: Table,
    failed: Sequence[str],
    chosen: argparse.Namespace,
    out: Console,
) -> int:
    """Print and keep what was measured, and on what; the exit status."""
    if chosen.json:
        command_line.save(chosen.json, measured)
    out.print(machine.headline(measured["machine"]))
    for contender, reason in measured["skipped"].items():
        out.print(f"Left out: {contender}. {reason}", markup=False)
    out.print(table)
    return command_line.finish(out, failed, check=chosen.check)
