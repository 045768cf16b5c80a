"""Count the instructions of the hot paths, and compare with the recorded counts.

``python benchmarks/instructions.py`` fails if a ratio to stock asyncio has grown by more than 3 %
since ``instructions.json`` was recorded (``--record``). Counts can be repeated, where times
on a shared machine can't: see docs/benchmarks.md. Needs valgrind, on x86-64.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import command_line
from callgrind import COMMAND
from processes import HERE, Worker
from rich.table import Table
from workloads import CROSSING, STEP, SUSPENDING, TO_TRIO, VIEW_CALL

RECORD: Final = HERE / "instructions.json"
TOLERANCE: Final = 1.03
CONTENDERS: Final = ("stock", "bridge-selector", "bridge-uvloop", "asyncio-first")
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
# How much work: after as much to warm up, a count is steady to half a per cent.
SCALES: Final = {
    "call_soon chain": 8,
    "sleep(0)": 16,
    "task spawning": 10,
    "timeouts": 10,
    "echo, streams, 1": 15,
    "echo, protocols, 1": 10,
    "echo, protocols, 100": 5,
    CROSSING: 10,
    SUSPENDING: 10,
    TO_TRIO: 10,
    STEP: 10,
    VIEW_CALL: 10,
}

SLOW: Final = 400.0
"""Seconds after which a count has hung."""

Ratios = dict[str, dict[str, float]]
"""By contender and workload: instructions, of stock asyncio's."""


def count(contender: str, only: str) -> dict[str, int] | str:
    """The instructions of each workload; or why the contender can't run here."""
    with tempfile.TemporaryDirectory() as directory:
        out = str(Path(directory) / "callgrind.out")
        valgrind = [*COMMAND, f"--callgrind-out-file={out}"]
        env = {"PYTHONHASHSEED": "0"}
        with Worker(contender, out, under=valgrind, env=env, hang=SLOW) as worker:
            if worker.unavailable is not None:
                return worker.unavailable
            counts = {}
            for name in worker.workloads:
                if name in SCALES and only in name and is_steady(contender, name):
                    worker.ask(name, SCALES[name])
                    counts[name] = int(worker.ask(name, SCALES[name])["instructions"])
            return counts


def is_steady(contender: str, workload: str) -> bool:
    """Whether its count can be repeated: not that of libuv's polls, which come one more or less."""
    return not (contender == "bridge-uvloop" and workload.startswith("echo"))


def measure(only: str, skipped: dict[str, str]) -> Ratios:
    """Run all contenders, two at a time: that changes no count. Says who can't run, and why."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        counts = dict(zip(CONTENDERS, pool.map(lambda c: count(c, only), CONTENDERS), strict=True))
    stock = counts.pop("stock")
    assert isinstance(stock, dict)
    ratios: Ratios = {}
    for contender, numbers in counts.items():
        if isinstance(numbers, str):
            skipped[contender] = numbers
        else:
            ratios[contender] = {name: n / stock[name] for name, n in numbers.items()}
    return ratios


def regressions(ratios: Ratios, recorded: Ratios) -> list[str]:
    """What has grown by more than the tolerance."""
    return [
        f"{name}, {contender}: {ratio:.3f} of stock asyncio's instructions, recorded: {old:.3f}"
        for contender, row in ratios.items()
        for name, ratio in row.items()
        if (old := recorded.get(contender, {}).get(name)) is not None and ratio > old * TOLERANCE
    ]


def table(runs: list[Ratios], recorded: Ratios) -> Table:
    """The ratios, beside the recorded ones."""
    title = f"Instructions, ratio to stock asyncio, Python {PYTHON}"
    result = Table(title=title)
    for header in ("workload", "contender"):
        result.add_column(header, no_wrap=True)
    for header in ("ratio", "recorded", "change", *(["spread"] if len(runs) > 1 else [])):
        result.add_column(header, justify="right", no_wrap=True)
    for contender, row in runs[0].items():
        for name in row:
            values = [run[contender][name] for run in runs]
            ratio = statistics.median(values)
            old = recorded.get(contender, {}).get(name)
            cells = ["", ""] if old is None else [f"{old:.3f}", f"{ratio / old - 1:+.1%}"]
            if len(runs) > 1:
                cells.append(f"{(max(values) - min(values)) / ratio:.2%}")
            result.add_row(name, contender, f"{ratio:.3f}", *cells)
    return result


def record(ratios: Ratios) -> None:
    """Write them down, for this Python."""
    kept: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    rounded = {c: {name: round(n, 4) for name, n in row.items()} for c, row in ratios.items()}
    old = kept.get(PYTHON, {}).get("ratios", {})
    merged = {c: {**old.get(c, {}), **rounded.get(c, {})} for c in {**old, **rounded}}
    kept[PYTHON] = {"trio": version("trio"), "ratios": merged}
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Instructions of the hot paths, as ratios.")
    parser.add_argument("--record", action="store_true", help=f"rewrite {RECORD.name}")
    parser.add_argument("--only", default="", help="only the workloads whose name holds this")
    parser.add_argument("--runs", type=int, default=1, help="show the spread of so many runs")
    options = parser.parse_args()
    console = command_line.console()
    if shutil.which("valgrind") is None:
        console.print("There is no valgrind: install it (Debian: apt-get install valgrind).")
        return 2
    skipped: dict[str, str] = {}
    with console.status("counting, a minute or so"):
        runs = [measure(options.only, skipped) for _ in range(options.runs)]
    for contender, reason in skipped.items():
        console.print(f"Left out: {contender}. {reason}", markup=False)
    recorded = json.loads(RECORD.read_text()).get(PYTHON, {}) if RECORD.exists() else {}
    console.print(table(runs, recorded.get("ratios", {})))
    if options.record:
        record(runs[0])
        return 0
    if not recorded:
        console.print(f"Nothing is recorded for Python {PYTHON}: run this with --record.")
    elif recorded["trio"] != version("trio"):
        console.print(f"Recorded with trio {recorded['trio']}, this is {version('trio')}.")
    failed = regressions(runs[0], recorded.get("ratios", {}))
    return command_line.finish(console, failed, check=True)


if __name__ == "__main__":
    sys.exit(main())
