"""Writes the figures of the long form into ``docs/guarantees.md``, between its two marks."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, Final

from .campaigns import ENGINES, HERE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .kept import Result

PAGE: Final = HERE.parent.parent / "docs" / "guarantees.md"
BEGIN: Final = "<!-- python -m tests.torture --docs writes from here -->\n"
END: Final = "<!-- to here -->\n"


def write(results: Sequence[Result]) -> None:
    """Replace what is between the marks."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has lost its marks: {BEGIN.strip()} and {END.strip()}")
    PAGE.write_text(f"{before}{BEGIN}\n{text(results)}\n{END}{after}")


def text(results: Sequence[Result]) -> str:
    """A table for each campaign, with a column for each engine."""
    by_campaign = itertools.groupby(results, key=lambda result: result.campaign)
    return "\n".join(
        itertools.chain.from_iterable(_table(name, list(of)) for name, of in by_campaign)
    )


def _table(name: str, results: list[Result]) -> Iterator[str]:
    results.sort(key=lambda result: ENGINES.index(result.engine))
    source = ast.parse((HERE / f"{name}.py").read_text())
    promise = (ast.get_docstring(source) or "").partition("\n")[0]
    yield f"### `{name}`\n"
    yield f"{promise}\n"
    yield f"| | {' | '.join(result.engine for result in results)} |"
    yield f"| --- |{' --- |' * len(results)}"
    rows = {row: None for result in results for row in result.figures}
    for row in rows:
        yield f"| {row} | {' | '.join(_cell(result.figures.get(row, '')) for result in results)} |"
    yield f"| took | {' | '.join(_time(result.seconds) for result in results)} |"
    yield f"| seed | {' | '.join(str(result.seed) for result in results)} |"
    yield f"| when, Python | {' | '.join(f'{r.date}, {r.python}' for r in results)} |"
    yield ""


def _cell(figure: float | str) -> str:
    return figure if isinstance(figure, str) else f"{figure:,}"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 600 else f"{seconds:.0f} s"
