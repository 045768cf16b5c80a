"""Measurements that each need a process that has done nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import machine
from processes import Worker, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

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


def print_head(measured: dict[str, Any], out: Console) -> None:
    """What it was measured on, and what was left out."""
    out.print(machine.headline(measured["machine"]))
    for contender, reason in measured["skipped"].items():
        out.print(f"Left out: {contender}. {reason}", markup=False)
