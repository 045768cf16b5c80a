"""A pytest plugin that writes down which tests ran which lines of the mutated modules.

``python -m pytest -p tests_of_lines ...`` with this folder on the path. A line is noticed at its
first run in each test, in any thread or greenlet (``sys.monitoring``, Python 3.12 and later).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

MAP = Path(os.environ.get("MUTATION_MAP", "mutation-map"))
MUTATED = ("_crossing", "_nursery.py", "_task_nursery.py", "_call_nursery.py", "_guest_nursery.py")
PACKAGE = Path(__file__).parents[2] / "trio_bridge"

monitoring = sys.monitoring
TOOL = 4
seconds: dict[str, float] = {}
tests: defaultdict[str, defaultdict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
running: list[str] = []


def _module(filename):
    """Its path below the package, if it is one of the mutated."""
    path = Path(filename)
    if not path.is_relative_to(PACKAGE):
        return None
    below = path.relative_to(PACKAGE)
    return below.as_posix() if below.parts[0] in MUTATED else None


modules: dict[str, str | None] = {}


def _line(code, number):
    filename = code.co_filename
    if filename not in modules:
        modules[filename] = _module(filename)
    module = modules[filename]
    if module is not None and running:
        tests[module][number].append(running[0])
    return monitoring.DISABLE


def pytest_configure():
    monitoring.use_tool_id(TOOL, "tests_of_lines")
    monitoring.register_callback(TOOL, monitoring.events.LINE, _line)
    monitoring.set_events(TOOL, monitoring.events.LINE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    running[:] = [item.nodeid]
    monitoring.restart_events()
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        seconds[item.nodeid] = time.perf_counter() - began
        running.clear()


def pytest_runtest_logreport(report):
    if not report.passed:  # it can't tell a mutant from the original
        seconds.pop(report.nodeid, None)
        failed.add(report.nodeid)


failed: set[str] = set()


def pytest_unconfigure():
    monitoring.set_events(TOOL, monitoring.events.NO_EVENTS)
    monitoring.free_tool_id(TOOL)
    good = {test: s for test, s in seconds.items() if test not in failed}
    MAP.mkdir(parents=True, exist_ok=True)
    for module, of in tests.items():
        lines = {str(line): sorted(good.keys() & set(names)) for line, names in of.items()}
        ran = {test for names in lines.values() for test in names}
        names = {test: number for number, test in enumerate(sorted(ran))}
        numbered = {line: [names[test] for test in of_line] for line, of_line in lines.items()}
        data = {"tests": [(test, good[test]) for test in names], "lines": numbered}
        (MAP / f"{module.replace('/', '.')}.json").write_text(json.dumps(data))
