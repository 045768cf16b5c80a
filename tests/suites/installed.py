"""One library with its tests: installed in a virtual environment, and run as often as asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import reports
from libraries import Suite, environment_of

HERE = Path(__file__).resolve().parent
TEST_LIMIT = 60
EXIT_LIMIT = 30
"""Seconds from the last test's end. A thread that a failed test left may wait for ever."""


@dataclass(frozen=True)
class Options:
    """What is the same for all libraries."""

    python: Path
    package: Path
    """The directory of ``trio_bridge``."""
    work: Path
    """Where all is put."""
    modes: list[str]
    again: int
    """How many times the tests that differ run again."""
    limit: float
    """Seconds for one run."""
    pytest: list[str]
    """More arguments of pytest."""


class Library:
    """One library, installed with its tests."""

    def __init__(self, name: str, suite: Suite, options: Options) -> None:
        self.name = name
        self.suite = suite
        self.options = options
        self._work: Path = options.work / name
        self._venv = self._work / "venv"
        self._python = self._venv / "bin" / "python"
        self._tests = self._work / "tests"
        self.version = ""

    def prepare(self) -> None:
        """Install what the tests need, unless an earlier call has."""
        self._work.mkdir(parents=True, exist_ok=True)
        if not self._python.exists():
            self._make_venv()
            requirements = [self.suite.requirement, *self.suite.test_requirements]
            self._pip("install", "pytest>=8.3", "pytest-timeout", "trio", "sniffio", *requirements)
        library = self.suite.requirement.partition("[")[0]
        self.version = self._output(
            "-c", f"from importlib.metadata import version; print(version({library!r}))"
        )
        if self.suite.sources and not self._tests.exists():
            self._unpack(library)
        shutil.rmtree(self._work / "package", ignore_errors=True)
        shutil.copytree(self.options.package, self._work / "package" / "trio_bridge")
        (self._site / "trio_bridge_suites.pth").write_text(
            f"{self._work / 'package'}\n{HERE}\nimport replaced_loops\n"
        )

    @property
    def _site(self) -> Path:
        return next((self._venv / "lib").glob("python3*")) / "site-packages"

    def _make_venv(self) -> None:
        # Without pip, which some Pythons can't install: that of this process does for both.
        command = [str(self.options.python), "-m", "venv", "--without-pip", str(self._venv)]
        subprocess.run(command, check=True)

    def _pip(self, *arguments: str) -> None:
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(self._python)]
        subprocess.run([*pip, *arguments], check=True)

    def _output(self, *arguments: str) -> str:
        return subprocess.check_output([str(self._python), *arguments], text=True).strip()

    def _unpack(self, library: str) -> None:
        self._tests.mkdir()
        with tempfile.TemporaryDirectory() as directory:
            self._pip(
                *("download", "--no-deps", "--no-binary", library, "--dest", directory),
                f"{library}=={self.version}",
            )
            (archive,) = Path(directory).glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                for member in tar:
                    _, _, member.name = member.name.partition("/")
                    if member.name.split("/")[0] in self.suite.sources:
                        tar.extract(member, self._tests, filter="data")

    def run(self, mode: str, *tests: str, log: Path | None = None) -> reports.Report:
        """Run the tests once, all or the named ones."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            home = Path(directory)
            record = home / "record"
            record.touch()
            user = self._give_away(home, record)
            started_at = time.monotonic()
            with open(log or os.devnull, "wb") as file:
                process = subprocess.Popen(
                    [
                        *(str(self._python), "-m", "pytest", "-p", "recorder"),
                        *("-p", "no:cacheprovider", f"--timeout={TEST_LIMIT}"),
                        *("--rootdir=.", *self.suite.arguments, *self.options.pytest),
                        *(f"--ignore-glob={pattern}" for pattern in self.suite.ignored),
                        *(tests or self.suite.paths),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=self._tests if self.suite.sources else self._site,
                    user=user,
                    start_new_session=True,
                    env=environment_of(self.suite, self._site, home)
                    | {
                        "TRIO_BRIDGE_SUITES_MODE": mode,
                        "TRIO_BRIDGE_SUITES_RECORD": str(record),
                        "TRIO_BRIDGE_SUITES_OUTER": "1",
                    },
                )
                _wait(process, record, self.options.limit)
            return reports.read(record, time.monotonic() - started_at)

    def _give_away(self, *paths: Path) -> str | None:
        """The user to run as, who gets these files. ``None``: the user of this process."""
        private = list(self._tests.glob(self.suite.private)) if self.suite.private else []
        for path in private:
            path.chmod(0o600)
        if not self.suite.refuses_root or os.geteuid() != 0:
            return None
        for path in (*paths, *private):
            shutil.chown(path, "nobody")
        return "nobody"

    def run_all(self) -> dict[str, reports.Report]:
        """Run all tests in all modes."""
        found = {}
        for mode in self.options.modes:
            print(f"{self.name} {self.version}, {mode} ...", file=sys.stderr, flush=True)
            found[mode] = self.run(mode, log=self._work / f"{mode}.log")
            details = self._work / f"{mode}.failures"
            with open(details, "w") as file:
                for test, detail in found[mode].details.items():
                    if detail:
                        file.write(f"==== {test}: {found[mode].outcome(test)}\n{detail}\n")
        return found

    def run_again(self, tests: list[str]) -> dict[str, dict[str, Counter[str]]]:
        """For each of the tests and each mode: how many times it had which outcome, alone."""
        found = {test: {mode: Counter() for mode in self.options.modes} for test in tests}
        for test in tests:
            for mode in self.options.modes * self.options.again:
                again = self.run(mode, test)
                found[test][mode][again.outcome(test)] += 1
        return found


def _wait(process: subprocess.Popen[bytes], record: Path, limit: float) -> None:
    ends_at = time.monotonic() + limit
    is_done = False
    try:
        while process.poll() is None and time.monotonic() < ends_at:
            time.sleep(0.5)
            if not is_done and reports.is_done(record):
                is_done = True
                ends_at = time.monotonic() + EXIT_LIMIT
        if process.returncode is None:
            print("It does not exit." if is_done else "The time is up.", file=sys.stderr)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what tests left behind, too
        process.wait()
