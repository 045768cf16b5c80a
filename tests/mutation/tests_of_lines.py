"""A pytest plugin that writes down which tests ran which lines of the mutated modules.

``python -m pytest -p tests_of_lines ...`` with this folder on the path. What a test runs in a
process of its own counts as well (:mod:`lines_of_a_child`).
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path

import mutated_lines
import pytest

MAP = Path(os.environ.get("MUTATION_MAP", "mutation-map"))
CHILDREN = MAP / "children"

seconds: dict[str, float] = {}
tests: defaultdict[str, defaultdict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
running: list[str] = []


def _came_to(module, number):
    if running:
        tests[module][number].add(running[0])


def pytest_configure():
    MAP.mkdir(parents=True, exist_ok=True)
    os.environ["MUTATION_CHILDREN"] = str(CHILDREN.resolve())
    mutated_lines.watch(_came_to)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    running[:] = [item.nodeid]
    os.environ["MUTATION_TEST"] = item.nodeid
    mutated_lines.restart()
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        seconds[item.nodeid] = time.perf_counter() - began
        running.clear()
        os.environ["MUTATION_TEST"] = ""


def pytest_runtest_logreport(report):
    if not report.passed:  # it can't tell a mutant from the original
        failed.add(report.nodeid)


failed: set[str] = set()


def pytest_unconfigure():
    mutated_lines.stop()
    if CHILDREN.exists():
        for line in CHILDREN.read_text().splitlines():
            module, number, test = line.split("\t")
            tests[module][int(number)].add(test)
    good = {test: s for test, s in seconds.items() if test not in failed}
    for module, of in tests.items():
        ran = {test for of_line in of.values() for test in of_line if test in good}
        names = {test: number for number, test in enumerate(sorted(ran))}
        numbered = {
            line: [names[test] for test in sorted(of_line & ran)] for line, of_line in of.items()
        }
        data = {"tests": [(test, good[test]) for test in names], "lines": numbered}
        (MAP / f"{module.replace('/', '.')}.json").write_text(json.dumps(data))
