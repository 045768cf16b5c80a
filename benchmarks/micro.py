"""One workload with pyperf, which calibrates, warms up and runs many processes.

``python benchmarks/micro.py --only "crossing that suspends" -o crossing.json``; its other options
are pyperf's. It gives a contender's own time with its deviation, on a quiet machine: not ratios,
as pyperf runs one contender after the other (see docs/benchmarks.md).
"""

from __future__ import annotations

import functools

import pyperf
import workloads
from contenders import CONTENDERS, Unavailable


def wall_seconds(contender: str, workload: str, scale: int) -> float:
    """Of one run."""
    return float(CONTENDERS[contender]().cells()[workload](scale).wall)


def _pass_on(command: list[str], options: object) -> None:
    command.extend(("--only", getattr(options, "only", ""), "--on", getattr(options, "on", "")))


def main() -> None:
    runner = pyperf.Runner(add_cmdline_args=_pass_on)
    runner.argparser.add_argument("--only", default=workloads.SUSPENDING, help="the workload")
    runner.argparser.add_argument("--on", default="stock,bridge-selector", help="contenders")
    options = runner.parse_args()
    for contender in options.on.split(","):
        try:
            CONTENDERS[contender]()
        except Unavailable as exc:
            print(f"Left out: {contender}. {exc}")
            continue
        measure = functools.partial(wall_seconds, contender, options.only)
        runner.bench_time_func(f"{options.only}, {contender}, scale 1", measure)


if __name__ == "__main__":
    main()
