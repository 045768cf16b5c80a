"""Runs libraries' own test suites on asyncio's loop, on ours, and on ours with Trio as its guest.

    python tests/suites/run.py tornado anyio asyncpg aiohttp uvloop

For each library (``libraries.py``): a virtual environment of its own, the library from PyPI, its
tests from its sdist, and one run of them for each mode:

stock
    The loops are asyncio's.
bridge
    Wherever asyncio has its loop's class, ours stands (``tests/stdlib/loops.py``).
guest
    The same, and Trio starts in each loop, in the first callback of its first run.

Then the tests whose outcomes differ run again, alone, a few times in each mode: what then fails at
times in the stock mode too is not ours. Printed are Markdown tables of the totals and of the tests
that differ; the tracebacks are in the directory that ``--work`` names. The package is copied there
first, so it may be edited during a run.

This is no part of the test command: it needs PyPI, and takes minutes.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from installed import Library, Options
from libraries import SUITES
from reports import Report, differing, head

MODES = ("stock", "bridge", "guest")
PACKAGE = Path(__file__).resolve().parent.parent.parent / "trio_bridge"
MOST_AGAIN = 20


def main() -> None:
    names, options = parse()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # with what it runs
    print("\n".join(head()))
    below = []
    for name in names:
        library = Library(name, SUITES[name], options)
        library.prepare()
        found = library.run_all()
        for mode, report in found.items():
            print(f"| {name} {library.version} | {mode} | {report.row()} |", flush=True)
            if mode != "stock" and report.stock:
                below.append(f"\n{name}, {mode}: loops of asyncio's own class in {report.stock}")
            for error, count in report.failed_starts.items():
                below.append(f"\n{name}, {mode}: {count} times Trio did not start: {error}")
        below += describe(library, found)
    print("\n".join(below))


def describe(library: Library, found: dict[str, Report]) -> list[str]:
    """The tests that differ, as a Markdown table. They run again for it."""
    tests = differing(found)
    if not tests:
        return [f"\n{library.name}: no test differs."]
    modes = list(found)
    again = library.run_again(tests[:MOST_AGAIN])
    lines = [f"\n{library.name}: tests that differ; in brackets, each run alone", ""]
    lines += [f"| test | {' | '.join(modes)} | known |", "| --- |" + " --- |" * (len(modes) + 1)]
    for test in tests:
        cells = [found[mode].outcome(test) for mode in modes]
        if test in again:
            counts = [again[test][mode].items() for mode in modes]
            alone = [", ".join(f"{count} {outcome}" for outcome, count in c) for c in counts]
            cells = [f"{cell} ({runs})" for cell, runs in zip(cells, alone, strict=True)]
        lines.append(f"| `{test}` | {' | '.join(cells)} | {library.suite.known.get(test, '')} |")
    return lines


def parse() -> tuple[list[str], Options]:
    """The command line: the libraries' names, and how to run them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="+", choices=SUITES, metavar="|".join(SUITES))
    parser.add_argument("--python", type=Path, default=sys.executable, help="to run them on")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "trio-bridge-suites",
        help="where everything is put, to be used again (default: %(default)s)",
    )
    parser.add_argument("--package", type=Path, default=PACKAGE, help="another trio_bridge")
    parser.add_argument("--again", type=int, default=3, help="times that what differs runs again")
    parser.add_argument("--limit", type=float, default=1200, help="seconds for one run of a suite")
    parser.add_argument("--pytest", action="append", default=[], help="one more argument of pytest")
    options = vars(parser.parse_args())
    # The Python itself, and not a link to it: some can't make an environment by a link.
    options["python"] = options["python"].resolve()
    options["work"] = options["work"].resolve() / options["python"].name
    return options.pop("suites"), Options(**options)


if __name__ == "__main__":
    main()
