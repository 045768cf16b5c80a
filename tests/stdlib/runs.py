"""The runs of many modules, three at a time.

They sleep more than they compute: three are no load for two cores, and take a third of the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from expected import Expected
from recheck import settle
from supervisor import SUITE, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from supervisor import Report

_LONGEST = (
    *("test_tasks", "test_subprocess", "test_taskgroups", "test_events", "test_ssl"),
    *("test_eager_task_factory", "test_sslproto", "test_sock_lowlevel", "test_sendfile"),
)

_SURVEY = f"""
import json, pkgutil, sys
try:
    import {SUITE} as suite
except ImportError:
    names = []
else:
    names = [module.name for module in pkgutil.iter_modules(suite.__path__)]
version = ".".join(map(str, sys.version_info[:3]))
print(json.dumps([version, sorted(name for name in names if name.startswith("test_"))]))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter, and the modules of the suite that is installed with it."""

    path: str
    version: str
    modules: tuple[str, ...]

    @property
    def series(self) -> str:
        return ".".join(self.version.split(".")[:2])


def survey(path: str = sys.executable) -> Python:
    """Ask an interpreter. It has no modules where the package ``test`` is not installed."""
    process = subprocess.run([path, "-c", _SURVEY], capture_output=True, text=True, check=True)
    version, modules = json.loads(process.stdout)
    return Python(path, version, tuple(modules))


def longest_first(modules: Iterable[str]) -> list[str]:
    """The order that leaves the shortest end in which one run has no other beside it."""
    rank = {name: i for i, name in enumerate(_LONGEST)}
    return sorted(modules, key=lambda name: rank.get(name, len(rank)))


class Runs:
    """Runs modules in the background."""

    def __init__(self, python: Python, *, package_path: str):
        self.expected = Expected(python.series)
        self._supervisor = Supervisor(package_path, python=python.path)
        self._pool = ThreadPoolExecutor(max_workers=3)
        self._second_pool = ThreadPoolExecutor(max_workers=2)  # both at one moment, and at once
        self._reports: dict[tuple[str, str], Future[Report]] = {}

    def start(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Start these, pairs of mode and module, in this order."""
        for mode, name in wanted:
            run = self._pool.submit(self._supervisor.run, f"{SUITE}.{name}", mode)
            self._reports[mode, name] = run

    def report(self, mode: str, name: str) -> Report:
        """Wait for the report on a module, and for a second run if the first has problems."""
        first = self._reports[mode, name].result()
        if mode == "stock" or not self.expected.problems(first):
            return first
        again, stock = (
            self._second_pool.submit(self._supervisor.run, f"{SUITE}.{name}", each)
            for each in (mode, "stock")
        )
        return settle(first, again.result(), stock.result())

    def close(self) -> None:
        """End those that still run."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._supervisor.stop()
        self._pool.shutdown()
        self._second_pool.shutdown()
