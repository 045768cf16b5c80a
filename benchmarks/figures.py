"""Write the tables of ``docs/benchmarks.md``: ``python benchmarks/figures.py FILE.json ...``.

Takes what ``compare.py --json`` has kept, a file for each Python, and replaces what is between the
page's two marks. What is over its bar is bold.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bars import BARS, Bar
from processes import HERE
from results import Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE: Final = HERE.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- figures.py writes from here -->\n"
END: Final = "<!-- to here -->\n"
# By who is compared with whom. A view's call is measured against the same contender's crossing.
TITLES: Final = {
    ("bridge-selector", "stock"): "selector engine, of stock asyncio",
    ("bridge-uvloop", "uvloop"): "uvloop engine, of plain uvloop",
    (
        "bridge-selector",
        "stock-cramped",
    ): "selector engine, of stock asyncio that maps memory for reads",
    (
        "bridge-uvloop",
        "stock-cramped",
    ): "uvloop engine, of stock asyncio that maps memory for reads",
    ("bridge-uvloop", "stock"): "uvloop engine, of stock asyncio",
    ("bridge-selector", "trio-asyncio"): "selector engine, of trio-asyncio",
    ("asyncio-first", "stock"): "asyncio first, of stock asyncio",
}


def tables(measured: Sequence[Results]) -> Iterator[str]:
    """The lines of all tables, a column for each Python."""
    pythons = [_version(results).rpartition(".")[0] for results in measured]
    for pair, title in TITLES.items():
        rows = [bar for bar in BARS if _pair(bar) == pair]
        yield f"| {title} | bar | {' | '.join(pythons)} |"
        yield f"| --- | --- |{' --- |' * len(pythons)}"
        for bar in rows:
            cells = [_cell(results, bar) for results in measured]
            yield f"| {bar.workload} | {bar.limit:.2f} | {' | '.join(cells)} |"
        yield ""


def _version(results: Results) -> str:
    return str(results.machine["python"]).split()[1]


def _pair(bar: Bar) -> tuple[str, str]:
    return bar.contender, "stock" if bar.against == bar.contender else bar.against


def _cell(results: Results, bar: Bar) -> str:
    ratio = results.ratio((bar.workload, bar.contender), bar.yardstick)
    if ratio is None:
        return ""
    text = f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"
    return f"**{text}**" if ratio.median > bar.limit else text


def headline(measured: Sequence[Results]) -> str:
    """What was measured, and on what."""
    rounds = " and ".join(f"{results.rounds} (scale {results.scale})" for results in measured)
    first = measured[0]
    return (
        f"CPython {', '.join(map(_version, measured))}; {first.machine['date']}, "
        f"{first.machine['cores']} shared cores. CPU time, the median ratio of {rounds} rounds, "
        "and the least and the most. What is over its bar is bold."
    )


def main() -> None:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/benchmarks.md.")
    parser.add_argument("files", nargs="+", type=Path, help="what compare.py --json has kept")
    measured = [Results.load(path) for path in parser.parse_args().files]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join([headline(measured), "", *tables(measured)])
    PAGE.write_text(f"{before}{BEGIN}{text}\n{END}{after}")


if __name__ == "__main__":
    main()
