"""The table of library, version, engine and result, made by the test run.

A file of tests names the distributions that it proves: ``LIBRARIES = ("asyncpg",)``. A whole run
with ``--record`` keeps what came out on this Python in ``results/``, and writes
``docs/ecosystem.md`` from what is kept there of all Pythons.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent.parent / "docs" / "ecosystem.md"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ENGINES = ("selector", "uvloop")

HEAD = """\
# Libraries that run on it

Each line is a file of `tests/ecosystem/`: a typical use, a long-lived object shared by several Trio
tasks, a Trio deadline in the middle of an operation, an error, a clean end without a warning; with
the real server. *passed* is the number of its tests that passed on that engine. Made by
`pytest tests/ecosystem --record`, run on each Python (`tox run -m ecosystem -- --record`).
"""


class Recorder:
    """Counts how the tests of each file ended, by engine."""

    def __init__(self, config: pytest.Config) -> None:
        """``config`` has the option ``--record``."""
        self._config = config
        self._outcomes: dict[str, dict[str, Counter[str]]] = defaultdict(
            lambda: {engine: Counter() for engine in ENGINES}
        )
        self._libraries: dict[str, tuple[str, ...]] = {}

    def pytest_collection_modifyitems(self, items):
        """Which distributions the files prove."""
        for item in items:
            if libraries := getattr(item.module, "LIBRARIES", ()):
                self._libraries[item.path.name] = libraries

    def pytest_runtest_logreport(self, report):
        """One phase of one test; what isn't its call counts only if it went wrong."""
        file = Path(report.location[0]).name
        engine = next((name for name in ENGINES if f"[{name}" in report.nodeid), None)
        if engine and (report.when == "call" or not report.passed):
            self._outcomes[file][engine][report.outcome] += 1

    def pytest_sessionfinish(self):
        """Keep the results, and write the page."""
        if not self._config.getoption("--record", default=False):
            return
        kept = {}
        for file, libraries in sorted(self._libraries.items()):
            versions = {name: metadata.version(name) for name in libraries if _is_installed(name)}
            kept[file] = {"versions": versions, "outcomes": self._outcomes[file]}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{PYTHON}.json").write_text(json.dumps(kept, indent=1) + "\n")
        PAGE.write_text(page())


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def page() -> str:
    """``docs/ecosystem.md``, from the results that are kept."""
    results = {
        path.stem: json.loads(path.read_text())
        for path in sorted(RESULTS.glob("*.json"), key=lambda path: int(path.stem[2:]))
    }
    pythons = list(results)
    lines = [
        f"| libraries | engine | {' | '.join(pythons)} |",
        f"| --- | --- |{' --- |' * len(pythons)}",
    ]
    for file in sorted({file for kept in results.values() for file in kept}):
        versions = [_versions(results[python].get(file)) for python in pythons]
        newest = versions[-1]
        name = _linked(file, newest)
        for engine in ENGINES:
            cells = [
                _cell(results[python].get(file), engine, "" if own == newest else own)
                for python, own in zip(pythons, versions, strict=True)
            ]
            lines.append(f"| {name} | {engine} | {' | '.join(cells)} |")
    return f"{HEAD}\n{_recipes()}\n\n" + "\n".join(lines) + "\n"


def _recipes() -> str:
    """A link to each recipe, whether or not its tests were recorded."""
    pages = sorted((PAGE.parent / "recipes").glob("*.md"))
    titles = [page.read_text().partition("\n")[0].removeprefix("# ") for page in pages]
    links = [f"- [{title}](recipes/{page.name})" for title, page in zip(titles, pages, strict=True)]
    return "Recipes, programs to copy and run:\n\n" + "\n".join(links)


def _linked(file: str, versions: str) -> str:
    """The libraries, with a link to their recipe if there is one."""
    recipe = f"recipes/{file.removeprefix('test_').removesuffix('.py')}.md"
    return f"[{versions}]({recipe})" if (PAGE.parent / recipe).exists() else versions


def _versions(kept: dict | None) -> str:
    versions = kept["versions"] if kept else {}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _cell(kept: dict | None, engine: str, versions: str) -> str:
    if not kept or not kept["versions"]:
        return "doesn't install"
    outcomes = sorted(kept["outcomes"][engine].items())
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes)
    return f"{counts} ({versions})" if versions else counts
