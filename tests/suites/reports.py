"""What became of the tests of one run, and how two runs of the same tests differ."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

OUTCOMES: Final = ("passed", "skipped", "xfailed", "xpassed", "failed", "error", "crashed")
MISSING: Final = "not run"


@dataclass
class Report:
    """One run of one suite."""

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    loops: Counter[str] = field(default_factory=Counter)
    """How many of each kind the tests have made, and the processes that they spawned."""
    trio_starts: int = 0
    failed_starts: Counter[str] = field(default_factory=Counter)
    stock: list[str] = field(default_factory=list)
    """The tests that got a loop of asyncio's own class."""
    seconds: float = 0.0

    def outcome(self, test: str) -> str:
        return self.outcomes.get(test, MISSING)

    def row(self) -> str:
        """A row of the table, under :func:`head`."""
        counts = Counter(self.outcomes.values())
        cells = [*(counts[outcome] for outcome in OUTCOMES), f"{self.seconds:.0f}"]
        made = ", ".join(f"{count} {kind}" for kind, count in self.loops.most_common())
        cells += [made or "none", self.trio_starts]
        return " | ".join(map(str, cells))


def head() -> list[str]:
    """The first lines of a table of reports."""
    names = ["suite", "loop", *OUTCOMES, "seconds", "loops made", "Trio started"]
    return [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]


def read(path: Path, seconds: float) -> Report:
    """The report on the run that wrote this file."""
    report = Report(seconds=seconds)
    running = None
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if entry["kind"] == "start":
            running = entry["id"]
        made = entry.get("loops", {})
        report.loops.update(made)
        report.trio_starts += entry.get("trio_starts", 0)
        report.failed_starts.update(entry.get("failed_starts", ()))
        if entry["kind"] == "end":
            running = None
            report.outcomes[entry["id"]] = entry["outcome"]
            report.details[entry["id"]] = entry["detail"]
        if "stock" in made:
            report.stock.append(entry.get("id", "a process that a test spawned"))
    if running is not None:
        report.outcomes[running] = "crashed"
    return report


def is_done(path: Path) -> bool:
    """Whether the tests have ended, not yet perhaps the process."""
    return '"kind": "done"' in path.read_text()


def differing(reports: dict[str, Report]) -> list[str]:
    """The tests whose outcome is not the same in all runs."""
    tests = dict.fromkeys(test for report in reports.values() for test in report.outcomes)
    return [
        test for test in tests if len({report.outcome(test) for report in reports.values()}) > 1
    ]
