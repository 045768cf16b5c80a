"""Runs one module of ``test.test_asyncio`` in a process of its own, and gathers what it reports.

1. A test that hangs takes nothing along: the process ends with the stacks in its log (the time
   limit is a test's, see ``reporter.py``), and the rest of the module runs in a new one. The same
   for a test that crashes the process.
2. What is left of a process, its children too, is killed when it has ended.
3. The process gets the environment that its tests expect: an empty working directory, no
   ``PYTHON...`` variables, no standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SUITE = "test.test_asyncio"
LIMIT = 90.0
"""Seconds for one test. The slowest on stock asyncio takes five, on a machine of its own."""
_MOST_RESTARTS = 5
_LONGEST_RUN = 600.0


@dataclass
class Result:
    """What became of one test."""

    id: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0
    altered: bool = False
    """Threads, processes or unraisable errors were left behind (CPython's "env changed")."""
    loops: list[str] = field(default_factory=list)
    trio_starts: int = 0
    failed_starts: list[str] = field(default_factory=list)
    doubt: str = ""
    """Why its failure says nothing about our loop (see ``recheck.py``)."""

    @property
    def is_bad(self) -> bool:
        return self.outcome not in ("passed", "skipped", "expected failure")


@dataclass
class Report:
    """What became of the tests of one module."""

    module: str
    mode: str
    collected: list[str] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    seconds: float = 0.0

    def count(self, outcome: str) -> int:
        return sum(test.outcome == outcome for test in self.results.values())

    def add(self, test: Result) -> None:
        known = self.results.get(test.id)
        if known is None or not known.is_bad:
            self.results[test.id] = test


class Supervisor:
    """Starts the processes of the modules. :meth:`stop` ends those that still run."""

    def __init__(self, package_path: str, *, python: str = sys.executable, limit: float = LIMIT):
        self._package_path = package_path
        self._python = python
        self._limit = limit
        self._processes: set[subprocess.Popen] = set()
        self._is_stopped = False

    def stop(self) -> None:
        self._is_stopped = True
        for process in list(self._processes):
            _kill(process)

    def run(self, module: str, mode: str) -> Report:
        """The report on a module (its full name)."""
        report = Report(module, mode)
        started_at = time.monotonic()
        for _ in range(_MOST_RESTARTS + 1):
            if self._is_stopped or self._run_once(report):
                break
        else:
            report.add(Result(f"{module} (the rest)", "hung", "too many tests ended the process"))
        report.seconds = time.monotonic() - started_at
        return report

    def _run_once(self, report: Report) -> bool:
        """Run what has not run yet. Whether no more is to do."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            files = Path(directory)
            known = len(report.results)
            (files / "known").write_text(json.dumps([*report.results]))
            (files / "events").touch()
            (files / "work").mkdir()
            status = self._wait(report, files)
            log = (files / "log").read_text(errors="replace")
            running, is_done = _read_events(report, files / "events")
        if status == 0 and is_done:
            return True
        hung = status is None or (status == 1 and "Timeout (" in log)
        outcome = "hung" if hung else "crashed"
        where = running or f"{report.module} ({'its exit' if is_done else 'outside of a test'})"
        is_stuck = len(report.results) == known  # it would end there again
        report.add(Result(where, outcome, f"exit status {status}; the log ends:\n{log[-6000:]}"))
        return is_done or (running is None and is_stuck)

    def _wait(self, report: Report, files: Path) -> int | None:
        """Run the process. Its exit status, or ``None`` if it had to be killed."""
        with open(files / "log", "wb") as log:
            process = subprocess.Popen(
                [
                    *(self._python, "-W", "default", "-bb", str(HERE / "child.py")),
                    *(report.module, str(files / "events"), str(files / "known")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=files / "work",
                env=self._environment(report.mode, files / "work"),
                start_new_session=True,
            )
        self._processes.add(process)
        try:
            return process.wait(timeout=_LONGEST_RUN)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _kill(process)
            process.wait()
            self._processes.discard(process)

    def _environment(self, mode: str, work: Path) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return inherited | {
            "TMPDIR": str(work),
            "TRIO_BRIDGE_STDLIB_LIMIT": str(self._limit),
            "TRIO_BRIDGE_STDLIB_MODE": mode,
            "TRIO_BRIDGE_STDLIB_PATH": self._package_path,
        }


def _kill(process: subprocess.Popen) -> None:
    """Kill what is left of the process's session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _read_events(report: Report, path: Path) -> tuple[str | None, bool]:
    """Add to the report. Which test was running at the end, and whether all have run."""
    running, is_done = None, False
    for line in path.read_text().splitlines():
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "collected":
            report.collected = event["ids"]
        elif kind == "start":
            running = event["id"]
        elif kind == "end":
            running = None
            report.add(Result(**event))
        elif kind == "done":
            is_done = True
    return running, is_done
