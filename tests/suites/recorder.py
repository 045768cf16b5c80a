"""A pytest plugin: writes down each test's outcome and the loops that it made, as it ends.

A line of JSON each, and one before each test, so that a run that ends early says where.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import replaced_loops

if TYPE_CHECKING:
    import pytest

# Of the phases of one test, the worst counts.
_BY_WEIGHT = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")


class Recorder:
    def __init__(self, path: str) -> None:
        self._path = path
        self._pid = os.getpid()
        self._outcome = "passed"
        self._detail = ""

    def _write(self, **entry: object) -> None:
        if os.getpid() == self._pid:  # and not a fork that a test made
            replaced_loops.write(self._path, entry)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._outcome, self._detail = "passed", ""
        self._write(kind="start", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = _outcome_of(report)
        if _BY_WEIGHT.index(outcome) > _BY_WEIGHT.index(self._outcome):
            self._outcome = outcome
        if report.failed:
            self._detail += f"[{report.when}]\n{report.longreprtext}\n"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        record = replaced_loops.take_record()
        self._write(
            kind="end", id=nodeid, outcome=self._outcome, detail=self._detail[-6000:], **record
        )

    def pytest_sessionfinish(self) -> None:
        self._write(kind="done")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(
                kind="end", id=f"{report.nodeid} (import)", outcome="error", detail=str(report)
            )


def _outcome_of(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("TRIO_BRIDGE_SUITES_RECORD")
    # Tests of pytest plugins run pytest themselves: those outcomes are their own business.
    if path and os.environ.pop("TRIO_BRIDGE_SUITES_OUTER", None):
        config.pluginmanager.register(Recorder(path), "trio-bridge-recorder")
