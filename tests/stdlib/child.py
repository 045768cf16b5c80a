"""The process of one test module: ``python child.py MODULE EVENTS KNOWN``.

EVENTS is the file that gets the events (see ``reporter.py``), KNOWN one with the ids of the tests
that have run in an earlier process, as JSON. The environment has the rest, for the processes that
the tests spawn too: those import this file as their main module, and get the same loops.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import unittest
from pathlib import Path

# First, and it stays: a process that a test spawns finds the harness by it.
_HERE = str(Path(__file__).parent)
if _HERE not in sys.path:
    sys.path.append(_HERE)

import loops  # noqa: E402


def install_loops():
    """The loops of the mode that the environment names, from the package that it names."""
    sys.path.insert(0, os.environ["TRIO_BRIDGE_STDLIB_PATH"])
    try:
        loops.install(os.environ["TRIO_BRIDGE_STDLIB_MODE"])
    finally:
        # It may be a site-packages, which must not stand before the standard library.
        del sys.path[0]


def behave_as_regrtest():
    """What CPython's own runner sets up around its tests."""
    from test import support

    faulthandler.enable()
    # A shell's background job ignores SIGINT; the runners' tests need it.
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    support.use_resources = ("cpu", "network", "subprocess", "walltime")
    support.record_original_stdout(sys.stdout)
    show_unraisable = sys.unraisablehook

    def note_unraisable(unraisable):
        support.environment_altered = True
        show_unraisable(unraisable)

    sys.unraisablehook = note_unraisable


def tests_of(suite):
    """All tests, in the order in which they run."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def main():
    from reporter import Reporter

    module, events_path, known_path = sys.argv[1:]
    known = set(json.loads(Path(known_path).read_text()))
    limit = float(os.environ["TRIO_BRIDGE_STDLIB_LIMIT"])
    behave_as_regrtest()
    with open(events_path, "a") as events:
        reporter = Reporter(events, limit)
        suite = unittest.TestSuite()
        try:
            tests = list(tests_of(unittest.defaultTestLoader.loadTestsFromName(module)))
        except unittest.SkipTest as exc:  # by the whole module, when it was imported
            reporter.addSkip(unittest.suite._ErrorHolder(module), str(exc))
        else:
            reporter.write("collected", ids=[test.id() for test in tests])
            suite.addTests(test for test in tests if test.id() not in known)
            del tests  # the suite lets go of each test that has run
        suite.run(reporter)
        reporter.write("done")


if __name__ == "__main__":
    install_loops()
    main()
elif __name__ == "__mp_main__":
    install_loops()
