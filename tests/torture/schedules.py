"""Random programs on random schedules: no value, error, task or scope is lost, and all end.

*Promised:* what the contract says of crossings, cancellation, nurseries and loops holds whatever
happens at the same moment, in whichever order.

*Attacked:* by programs that are trees of crossings (both ways, in each other), nurseries of both
kinds, deadlines and scopes of either side, shields, managers and generators that cross, gather and
task groups, tasks that nobody awaits, channels, queues, callbacks and futures, views, errors of all
kinds, and loops that are opened and shut down in between; struck by cancellations of scopes and
tasks before the n-th step of Trio's scheduler. Time is virtual and most things happen at the same
moment; who comes first is said by the seed of Trio's scheduler.

*Judged:* by the laws in ``random_programs/laws.py``, which hold for every program; and by what is
left when it has ended. A program that breaks one is made small, and shown with its seed::

    python -m tests.torture schedules --engine uvloop --seed 1 --set first=4711 --set programs=1
"""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import TYPE_CHECKING

from .random_programs.making import make_program
from .random_programs.shrinking import smaller
from .random_programs.stage import BrokenProgram, play
from .shrinking import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

    from .random_programs.program import Program

ENGINES = ("selector", "uvloop", "portable")
SHORT = {"programs": 700}
LONG = {"programs": 66_667}
PROGRAMS_PER_RUN = 25
"""Of Trio. A quarter of the programs, and parts of others, open a loop of their own in it."""

Figures = dict[str, int | float | str]


def run(
    engine: str, progress: Callable[[int, int], None], *, seed: int, programs: int, first: int = 0
) -> Figures:
    """Run programs number ``first`` and the following of a seed, and count what happened."""
    happened: Counter[str] = Counter()
    started = time.perf_counter()
    for done in range(0, programs, PROGRAMS_PER_RUN):
        progress(done, programs)
        numbers = range(first + done, first + min(done + PROGRAMS_PER_RUN, programs))
        chosen = [program_of(seed, engine, number) for number in numbers]
        try:
            happened += play(chosen, engine)
        except BrokenProgram as broken:
            number = numbers[chosen.index(broken.program)]
            raise AssertionError(report(broken, engine, seed, number, numbers.start)) from None
    progress(programs, programs)
    seconds = time.perf_counter() - started
    return {"seed": seed, "seconds": round(seconds, 1), **dict(sorted(happened.items()))}


def program_of(seed: int, engine: str, number: int) -> Program:
    return make_program(random.Random(f"{seed} {engine} {number}"))


def report(broken: BrokenProgram, engine: str, seed: int, number: int, start: int) -> str:
    """What a person needs to find the fault."""
    again = f"python -m tests.torture schedules --engine {engine} --seed {seed}"
    program, complaints = broken.program, str(broken)
    if (alone := complaints_of(program, engine)) is None:
        again += f" --set first={start} --set programs={number - start + 1}"
        note = "it does so only after the programs before it"
    else:
        again += f" --set first={number} --set programs=1"
        program = shrink(
            program, smaller, lambda candidate: complaints_of(candidate, engine) is not None
        )
        complaints = complaints_of(program, engine) or alone
        note = "the smallest program that breaks one"
    return (
        f"program {number} of seed {seed} breaks a law on the {engine} engine:\n{broken}\n\n"
        f"{note}:\n{program!r}\n{complaints}\n\nagain: {again}"
    )


def complaints_of(program: Program, engine: str) -> str | None:
    try:
        play([program], engine)
    except BrokenProgram as broken:
        return str(broken)
    return None
