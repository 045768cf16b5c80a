"""A process that runs one contender, round by round, as it is told.

``python worker.py NAME`` measures time. ``python worker.py NAME OUT`` counts instructions: then it
runs under callgrind, whose output file is OUT.

The interpreter adapts code to what runs through it, code object by code object: two kinds of loop
in one process would slow each other down. So each contender has a process of its own, which stays
alive, and rounds of different contenders alternate.

It speaks JSON, a line a message: first ``{"ready": [workloads]}`` or ``{"unavailable": reason}``;
then, for each ``{"workload": name, "scale": n}``, ``{"cpu": s, "wall": s}`` or
``{"instructions": n}``, or ``{"error": text}``. It ends with its input.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import sys
import traceback
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contenders import Contender


def take_stdout() -> Any:
    """The pipe to the parent; what anybody else prints goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return pipe


def raise_limit() -> None:
    """Allow as many descriptors as can be: a thousand connections need two thousand."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_room() -> None:
    """Let reads be as cheap as they can be for all, not by chance: half of the workers had luck.

    See ``trio_bridge/_engines/_read_memory.py``.
    """
    bytes(1 << 20)


def run_round(cells: Any, workload: str, scale: int) -> dict[str, Any]:
    """One round; an error is an answer too."""
    gc.collect()
    try:
        return dict(cells[workload](scale)._asdict())
    except BaseException:
        return {"error": traceback.format_exc()}


def prepare_to_count(contender: Contender, out: str) -> None:
    """Let nothing depend on the time or on chance, and count instructions."""
    from callgrind import Callgrind

    from trio_bridge import _pump

    gc.disable()
    # Callgrind makes a program fifty times slower: a batch of turns must not end by the clock.
    assert _pump.SECONDS_PER_BATCH
    setattr(_pump, "SECONDS_PER_BATCH", math.inf)  # noqa: B010 -- mypy: it is Final
    # Nor are other threads, of which there is none, to have a moment by the clock.
    threads: Any = import_module("trio_bridge._engines._other_threads")
    assert threads.SECONDS_BETWEEN
    threads.SECONDS_BETWEEN = math.inf
    if find_spec("uvloop") is not None:
        uvloop_engine: Any = import_module("trio_bridge._engines.uvloop")
        assert uvloop_engine.SECONDS_PER_TURN
        uvloop_engine.SECONDS_PER_TURN = math.inf
    contender.measure = Callgrind(Path(out)).counted


def main() -> None:
    pipe = take_stdout()
    raise_limit()
    make_room()
    warnings.simplefilter("ignore")  # of other projects, on new Pythons

    def say(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")

    from contenders import CONTENDERS, Unavailable
    from special_cells import special_cells

    name, *out = sys.argv[1:]
    try:
        contender = CONTENDERS[name]()
    except Unavailable as exc:
        say({"unavailable": str(exc)})
        return
    if out:
        prepare_to_count(contender, *out)
    cells = {**contender.cells(), **special_cells(contender)}
    say({"ready": list(cells)})
    for line in sys.stdin:
        say(run_round(cells, **json.loads(line)))


if __name__ == "__main__":
    main()
