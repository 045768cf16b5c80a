"""Writes what has come out of a run into ``docs/mutants.md``, between its two marks.

What is kept of a run is ``results.json``; why each survivor is let live is in ``readings.toml``, by
the line that is changed.
"""

from __future__ import annotations

import itertools
import json
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
READINGS = HERE / "readings.toml"
PAGE = HERE.parent.parent / "docs" / "mutants.md"
BEGIN = "<!-- python tests/mutation/run.py --docs writes from here -->\n"
END = "<!-- to here -->\n"

Results = dict[str, Any]
Survivor = dict[str, str]
"""``module``, ``function``, ``before`` and ``after``: the line as it was and as it is changed."""


def load() -> Results:
    """What is kept of the last run."""
    results: Results = json.loads(RESULTS.read_text())
    return results


def keep(results: Results) -> None:
    """Keep what has come out."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def reading_of(survivor: Survivor) -> str | None:
    """Why it is let live: of this change, or of all changes of the line."""
    found = None
    for reading in tomllib.loads(READINGS.read_text())["reading"]:
        if (reading["module"], reading["line"]) == (survivor["module"], survivor["before"]):
            if "becomes" not in reading:
                found = found or reading["why"]
            elif survivor["after"] in reading["becomes"]:
                found = reading["why"]
    return found


def write(results: Results) -> None:
    """Replace what is between the marks."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has lost its marks: {BEGIN.strip()} and {END.strip()}")
    PAGE.write_text(f"{before}{BEGIN}\n{text(results)}\n{END}{after}")


def text(results: Results) -> str:
    """The figures, and a table of survivors for each module."""
    tried, killed = results["tried"], results["killed"]
    lines = [
        f"{results['date']}, Python {results['python']}: of {results['mutants']:,} mutants "
        f"{tried:,} were tried, taken by chance, and **{killed:,} were killed "
        f"({killed / tried:.1%})**. {results.get('note', '')}The {tried - killed} others:",
    ]
    in_order = sorted(results["survivors"], key=lambda one: one["module"])
    for module, survivors in itertools.groupby(in_order, key=lambda one: one["module"]):
        lines += ["", f"## `{module}`", "", "| in | the line | became | it lives, as |"]
        lines.append("| --- | --- | --- | --- |")
        lines += map(_row, survivors)
    return "\n".join(lines) + "\n"


def _row(one: Survivor) -> str:
    cells = (_code(one["function"]), _code(one["before"]), _code(one["after"]))
    return f"| {' | '.join(cells)} | {reading_of(one) or '?'} |"


def _code(line: str) -> str:
    return f"`{line.replace('|', chr(92) + '|')}`" if line else ""
