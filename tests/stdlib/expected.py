"""What is expected of each test: the data of ``exceptions.toml``, and what goes against it.

1. A test passes, or is skipped, or is an expected failure of CPython's own; nothing else, but for
   the listed exceptions, and what fails on stock asyncio too (``recheck.py``).
2. A listed test that passes, or that isn't there any more, is *stale*: it has to go from the list.
3. Every real loop is ours, and in the mode ``guest`` Trio was started in those that ran.
4. No test leaves threads, processes or unraisable errors behind (CPython's "env changed").
5. A module in which nothing passes says nothing.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor import SUITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor import Report

_FILE = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True)
class Entry:
    """A listed test."""

    test: str
    reason: str
    pythons: tuple[str, ...]
    modes: tuple[str, ...] = ("bridge", "guest")

    @property
    def id(self) -> str:
        return f"{SUITE}.{self.test}"


class Expected:
    """What is listed for one Python (``"3.13"``)."""

    def __init__(self, python: str, data: dict | None = None):
        data = tomllib.loads(_FILE.read_text()) if data is None else data
        self.left_out: dict[str, str] = data.get("left_out", {})
        self.internals: dict[str, str] = data.get("internals", {})
        self.exceptions = _entries(data.get("exception", ()), python)
        self.stock_loops = _entries(data.get("stock_loop", ()), python)

    def modules(self, names: Iterable[str]) -> list[str]:
        """Those that are to run."""
        return [name for name in names if name not in self.left_out]

    def are_internals(self, module: str) -> bool:
        """Whether the module's totals are counted apart."""
        return module.removeprefix(f"{SUITE}.") in self.internals

    def outcomes(self, report: Report) -> Counter[str]:
        """How many tests had each outcome. ``failed`` is all that went against it."""
        listed = _listed(self.exceptions, report)
        counts = Counter()
        for test in report.results.values():
            bad = "expected failure" if test.id in listed else "failed"
            counts[bad if test.is_bad else test.outcome] += 1
        return counts

    def problems(self, report: Report) -> list[str]:
        """What went against it, a text for each."""
        return [
            *self._bad_tests(report),
            *self._stale_entries(report),
            *_lost_tests(report),
            *(self._wrong_loops(report) if report.mode != "stock" else ()),
        ]

    def _bad_tests(self, report: Report) -> Iterator[str]:
        listed = _listed(self.exceptions, report)
        for test in report.results.values():
            if test.is_bad and test.id not in listed and not test.doubt:
                yield f"{test.id}: {test.outcome}\n{test.detail}"
            if test.altered and not test.doubt:
                yield f"{test.id} left something behind"
        if report.collected and not report.count("passed"):
            yield f"{report.module}: no test passed"

    def _stale_entries(self, report: Report) -> Iterator[str]:
        for entry in _about(self.exceptions, report):
            test = report.results.get(entry.id)
            if test is None or not test.is_bad:
                yield f"stale: {entry.test} {'does not fail' if test else 'is not there'}"
        for entry in _about(self.stock_loops, report):
            if entry.id not in report.results or "stock" not in report.results[entry.id].loops:
                yield f"stale: {entry.test} makes no stock loop"

    def _wrong_loops(self, report: Report) -> Iterator[str]:
        listed = _listed(self.stock_loops, report)
        tests = report.results.values()
        for test in tests:
            if "stock" in test.loops and test.id not in listed:
                yield f"{test.id} made a loop of the stock class"
            yield from (f"{test.id}: Trio did not start: {error}" for error in test.failed_starts)
        made_ours = any("ours" in test.loops for test in tests)
        if report.mode == "guest" and made_ours and not any(test.trio_starts for test in tests):
            yield f"{report.module}: no loop had Trio in it"


def all_entries() -> list[Entry]:
    """Those of every Python."""
    data = tomllib.loads(_FILE.read_text())
    return _entries([*data.get("exception", ()), *data.get("stock_loop", ())], None)


def _entries(tables: Iterable[dict], python: str | None) -> list[Entry]:
    entries = (
        Entry(**{key: tuple(v) if isinstance(v, list) else v for key, v in table.items()})
        for table in tables
    )
    return [entry for entry in entries if python is None or python in entry.pythons]


def _about(entries: list[Entry], report: Report) -> list[Entry]:
    here = f"{report.module}."
    return [e for e in entries if e.id.startswith(here) and report.mode in e.modes]


def _listed(entries: list[Entry], report: Report) -> set[str]:
    return {entry.id for entry in _about(entries, report)}


def _lost_tests(report: Report) -> Iterator[str]:
    lost = (test_id for test_id in report.collected if test_id not in report.results)
    yield from (f"{test_id} did not run" for test_id in lost)
