"""Imported when a process of a suite starts, by a ``.pth`` file in its virtual environment.

So every Python process of a suite gets the loops of the mode that ``TRIO_BRIDGE_SUITES_MODE``
names, those too that its tests spawn, and leaves a line on them in a file when it ends. How the
loops are replaced is what CPython's own tests get too: ``tests/stdlib/loops.py``.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections import Counter
from pathlib import Path

mode = os.environ.get("TRIO_BRIDGE_SUITES_MODE", "")


def _import_loops():
    directory = str(Path(__file__).parent.parent / "stdlib")
    sys.path.insert(0, directory)
    try:
        import loops
    finally:
        sys.path.remove(directory)
    return loops


def take_record() -> dict[str, object]:
    """What was recorded in this process since the last call."""
    record = loops.take_record()
    return {
        "loops": dict(Counter(record.loops)),
        "trio_starts": record.trio_starts,
        "failed_starts": record.failed_starts,
    }


def write(path: str, entry: dict[str, object]) -> None:
    """A line of its own, in whatever process."""
    with open(path, "a") as file:
        file.write(json.dumps(entry) + "\n")


def _write_rest(pid: int) -> None:
    record = take_record()
    if os.getpid() == pid and record["loops"]:
        write(os.environ["TRIO_BRIDGE_SUITES_RECORD"], {"kind": "process", **record})


if mode:
    loops = _import_loops()
    loops.install(mode)
    atexit.register(_write_rest, os.getpid())
