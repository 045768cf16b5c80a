"""A program whose layers alternate between the sides ends as it would in one library alone.

*Promised:* to nest functions, managers, generators, scopes and nurseries of the two sides in each
other is as to nest those of one.

*Attacked:* by random programs of such layers, in which things fail, time out, are cancelled from
outside and from inside, swallow and replace errors, clean up for a while, and set a context
variable.

*Judged:* by two runs in one library each, Trio's and asyncio's. Where the two agree (what happened
when, with which value of the variable, and how it ended; in any order within one moment) the bridge
agrees with both, begun on either side. Where they don't there is nothing to be asked for; nor where
an error of Trio code ends a cancellation of asyncio's, as the contract says.

A program that ends otherwise is made small, and shown with its seed::

    python -m tests.torture one_library --engine uvloop --seed 1 --set first=4711 --set programs=1
"""

from __future__ import annotations

import difflib
import random
from typing import TYPE_CHECKING, Final

from .layers.making import make_program
from .layers.shrinking import smaller
from .layers.worlds import in_asyncio, in_trio, on_the_bridge
from .shrinking import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

    from .layers.program import Node
    from .layers.running import Side
    from .layers.worlds import Log

ENGINES = ("selector", "uvloop", "portable")
SHORT = {"programs": 300}
LONG = {"programs": 20_000}
SIDES: Final[tuple[Side, ...]] = ("trio", "asyncio")

Figures = dict[str, int | float | str]


def run(
    engine: str, progress: Callable[[int, int], None], *, seed: int, programs: int, first: int = 0
) -> Figures:
    """Run programs number ``first`` and the following of a seed."""
    judged = 0
    for done in range(programs):
        progress(done, programs)
        program = make_program(random.Random(f"{seed} {first + done}"))
        if (expected := what_both_say(program)) is None:
            continue
        judged += 1
        for side in SIDES:
            if on_the_bridge(program, side, engine) not in (expected, None):
                raise AssertionError(report(program, side, engine, seed, first + done))
    progress(programs, programs)
    return {
        "program": programs,
        "Trio and asyncio agree": judged,
    }


def what_both_say(program: Node) -> Log | None:
    """What happens in one library, if that is the same in both."""
    log = in_trio(program)
    return log if log == in_asyncio(program) else None


def differs(program: Node, side: Side, engine: str) -> bool:
    expected = what_both_say(program)
    return expected is not None and on_the_bridge(program, side, engine) not in (expected, None)


def report(program: Node, side: Side, engine: str, seed: int, number: int) -> str:
    """What a person needs to find the fault."""
    small = shrink(program, smaller, lambda candidate: differs(candidate, side, engine))
    expected = what_both_say(small)
    assert expected is not None
    found = on_the_bridge(small, side, engine) or []
    lines = difflib.unified_diff(
        *([" ".join(map(str, entry)) for entry in log] for log in (expected, found)),
        *("in one library", "on the bridge"),
        lineterm="",
    )
    again = f"python -m tests.torture one_library --engine {engine} --seed {seed}"
    return (
        f"program {number} of seed {seed}, begun in {side}, ends otherwise on the {engine} engine. "
        f"The smallest such program:\n{small!r}\n\n" + "\n".join(lines) + "\n\n"
        f"again: {again} --set first={number} --set programs=1"
    )
