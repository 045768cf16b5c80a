"""The totals for the docs: ``python tests/stdlib/totals.py [--modes ...] [PYTHON ...]``.

Runs the suite of each interpreter (this one, if none is given) on stock asyncio's loop and on ours,
in this checkout, and prints a Markdown table. What goes against ``exceptions.toml``, and each test
that is there or runs only on one of them, is printed to stderr, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from loops import MODES
from runs import Python, Runs, longest_first, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor import Report

_ROOT = Path(__file__).parents[2]
_LOOPS = {"stock": "stock asyncio", "bridge": "ours", "guest": "ours, with Trio in it"}
_COLUMNS = {
    "passed": "passed",
    "skipped": "skipped",
    "expected failures": "expected failure",  # CPython's own, and those of `exceptions.toml`
    "failed": "failed",
}


def main() -> int:
    options = _options()
    problems = []
    print("| Python | loop |", " | ".join(_COLUMNS), "| internals: passed | seconds |")
    print("| --- | --- |", " | ".join(["--:"] * (len(_COLUMNS) + 2)), "|")
    for python in [survey(path) for path in options.pythons or [sys.executable]]:
        on_stock = None
        for mode in options.modes:
            runs, reports = _run(python, mode, options.modules)
            print(_row(python, mode, runs, reports), flush=True)
            on_stock = on_stock or reports if mode == "stock" else on_stock
            found = [text for report in reports for text in runs.expected.problems(report)]
            found += _differences(on_stock or reports, reports)
            problems += [f"Python {python.version}, {mode}: {text}" for text in found]
            if options.times:
                _print_times(python, reports)
    print(*problems, sep="\n\n", file=sys.stderr)
    return bool(problems)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="interpreters")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--modules", nargs="+", help="only these, as test_streams")
    parser.add_argument("--times", action="store_true", help="each module's seconds, to stderr")
    return parser.parse_args()


def _run(python: Python, mode: str, modules: Iterable[str] | None) -> tuple[Runs, list[Report]]:
    runs = Runs(python, package_path=str(_ROOT))
    try:
        names = longest_first(runs.expected.modules(modules or python.modules))
        runs.start((mode, name) for name in names)
        return runs, [runs.report(mode, name) for name in names]
    finally:
        runs.close()


def _row(python: Python, mode: str, runs: Runs, reports: list[Report]) -> str:
    behaviour, internals = Counter(), Counter()
    for report in reports:
        is_apart = runs.expected.are_internals(report.module)
        (internals if is_apart else behaviour).update(runs.expected.outcomes(report))
    cells = [python.version, _LOOPS[mode], *(behaviour[key] for key in _COLUMNS.values())]
    cells += [internals["passed"], round(sum(report.seconds for report in reports))]
    return f"| {' | '.join(map(str, cells))} |"


def _differences(on_stock: list[Report], reports: list[Report]) -> Iterator[str]:
    """What hides a failure: a test that runs on stock asyncio, and not on ours."""
    stock, ours = (
        {test_id: test for report in reports for test_id, test in report.results.items()}
        for reports in (on_stock, reports)
    )
    for test_id, test in ours.items():
        outcome = stock[test_id].outcome if test_id in stock else "not there"
        if not test.is_bad and test.outcome != outcome:
            yield f"{test_id}: {test.outcome}, on stock asyncio {outcome}"
    yield from (f"{test_id}: only on stock asyncio" for test_id in stock.keys() - ours.keys())


def _print_times(python: Python, reports: list[Report]) -> None:
    for report in sorted(reports, key=lambda report: -report.seconds):
        name = report.module.rpartition(".")[2]
        print(python.version, report.mode, name, f"{report.seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
