"""Compare the bridge with stock asyncio: ``python benchmarks/compare.py [--rounds N] [--scale N]``.

How to read it: each round runs every workload on stock asyncio and on the bridge, one after the
other in one process. What counts is the *ratio* of their CPU times in the same round (1.0: as fast
as stock asyncio; smaller is faster); absolute times on a shared machine mean nothing. The table
gives the median ratio, and the smallest and largest of the rounds. A round is long enough for the
interpreter to adapt its code to a loop's class, which it does anew when another kind of loop has
run: with a fourth of the work some rows read a tenth higher. ``bar`` is what the project promises:
with ``--check`` a median over its bar is exit status 1.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from importlib.metadata import version

from workloads import PAIRS


def main() -> int:
    parser = argparse.ArgumentParser(description="The bridge beside stock asyncio, as ratios.")
    parser.add_argument("--rounds", type=int, default=25, help="default: 25")
    parser.add_argument("--scale", type=int, default=40, help="work per round; default: 40")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bar doesn't hold")
    parser.add_argument("--only", default="", help="only the workloads whose name holds this")
    options = parser.parse_args()

    pairs = {name: pair for name, pair in PAIRS.items() if options.only in name}
    ratios: dict[str, list[float]] = {name: [] for name in pairs}
    for name, (run_yardstick, yardstick, run_ours, ours, _) in pairs.items():
        for round_ in range(options.rounds + 1):
            ratio = run_ours(ours, options.scale) / run_yardstick(yardstick, options.scale)
            if round_:  # the first round warms up
                ratios[name].append(ratio)

    print(
        f"{platform.python_implementation()} {platform.python_version()}, trio {version('trio')}, "
        f"{platform.system()} {platform.machine()}; CPU time, ratio to stock asyncio"
    )
    print(f"{'workload':32}{'median':>8}{'min':>8}{'max':>8}{'bar':>8}")
    failed = False
    for name, values in ratios.items():
        bar = pairs[name][4]
        median = statistics.median(values)
        over = bar is not None and median > bar
        failed = failed or over
        print(
            f"{name:32}{median:8.2f}{min(values):8.2f}{max(values):8.2f}"
            f"{bar if bar is not None else '':>8}{'  over' if over else ''}"
        )
    return 1 if failed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
