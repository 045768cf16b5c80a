"""A process that runs one contender, round by round, as it is told: ``python worker.py NAME``.

The interpreter adapts code to what runs through it, code object by code object: two kinds of loop
in one process would slow each other down. So each contender has a process of its own, which stays
alive, and rounds of different contenders alternate.

It speaks JSON, a line a message: first ``{"ready": [workloads]}`` or ``{"unavailable": reason}``;
then, for each ``{"workload": name, "scale": n}``, ``{"cpu": s, "wall": s}`` or ``{"error": text}``.
It ends with its input.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
import warnings
from typing import Any


def take_stdout() -> Any:
    """The pipe to the parent; what anybody else prints goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return pipe


def run_round(cells: Any, workload: str, scale: int) -> dict[str, Any]:
    """One round; an error is an answer too."""
    gc.collect()
    try:
        return dict(cells[workload](scale)._asdict())
    except BaseException:
        return {"error": traceback.format_exc()}


def main() -> None:
    pipe = take_stdout()
    warnings.simplefilter("ignore")  # of other projects, on new Pythons

    def say(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")

    from contenders import CONTENDERS, Unavailable

    try:
        cells = CONTENDERS[sys.argv[1]]().cells()
    except Unavailable as exc:
        say({"unavailable": str(exc)})
        return
    say({"ready": list(cells)})
    for line in sys.stdin:
        say(run_round(cells, **json.loads(line)))


if __name__ == "__main__":
    main()
