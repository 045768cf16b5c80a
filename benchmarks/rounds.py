"""Rounds of live workers, in alternation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processes import WorkerError
from workloads import round_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processes import Worker
    from timing import Times

    Rounds = dict[str, list[Times]]
    """Of each contender, a round each; the nth of all were run one after the other."""


def alternate(
    workload: str,
    workers: Sequence[Worker],
    *,
    rounds: int,
    scale: int,
    on_round: Callable[[str, str], None] = lambda workload, contender: None,
) -> tuple[Rounds, dict[str, str]]:
    """Run a workload on each worker that has it; the rounds, and the errors, by contender.

    What else the machine does changes slowly, so that the rounds of one number can be compared
    with each other. Each round starts with another contender, so that nobody always comes after
    the same one. The first round warms the interpreter up, and isn't counted.
    """
    taking_part = [worker for worker in workers if workload in worker.workloads]
    results: Rounds = {worker.contender: [] for worker in taking_part}
    errors: dict[str, str] = {}
    for number in range(rounds + 1):
        first = number % max(len(taking_part), 1)
        for worker in taking_part[first:] + taking_part[:first]:
            on_round(workload, worker.contender)
            if worker.contender in errors:
                continue
            try:
                times = worker.run(workload, round_scale(workload, scale))
            except WorkerError as exc:
                errors[worker.contender] = str(exc)
                del results[worker.contender]
            else:
                if number:
                    results[worker.contender].append(times)
    return results, errors
