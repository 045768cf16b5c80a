"""Draw what was measured, as PNG and SVG: ``python benchmarks/plot.py FILE.json ...``.

Takes the JSON of ``compare.py`` (bars: ratios by workload and contender) and of ``growth.py``
(curves). The pictures go to ``docs/``, named after the files.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from bars import BARS
from growth import key, microseconds
from machine import headline
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from processes import HERE
from results import Results
from workloads.growing import SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

mpl.rcParams["svg.fonttype"] = "none"  # letters, not outlines: a tenth of the size

DOCS: Final = HERE.parent / "docs"
# Of one kind in one hue: ours blue, loops grey, other ways to bridge orange, anyio green.
COLOURS: Final = {
    "stock": "#777777",
    "uvloop": "#bbbbbb",
    "bridge-selector": "#1f5fa8",
    "bridge-uvloop": "#5b9bd5",
    "bridge-portable": "#9cc4ea",
    "asyncio-first": "#0b2f5b",
    "trio-asyncio": "#d9772b",
    "thread": "#f0b27a",
    "anyio-asyncio": "#4f9d69",
    "anyio-trio": "#9bd0ab",
}


def ratio_bars(results: Results) -> Figure:
    """A bar for each workload and contender: CPU time, of stock asyncio's."""
    names = [name for name, row in results.seconds.items() if len(row) > 1]
    half = (len(names) + 1) // 2
    columns = [names[:half], names[half:]] if len(names) > 4 else [names]
    heights = [sum(len(results.seconds[name]) for name in column) for column in columns]
    size = (7 * len(columns), 1.5 + 0.11 * max(heights))
    figure = Figure(figsize=size)
    row = figure.subplots(1, len(columns), squeeze=False)
    for axes, column in zip(row[0], columns, strict=True):
        _column_of_bars(axes, results, column, max(heights))
    shown = [c for c in COLOURS if c != "stock" and any(c in results.seconds[n] for n in names)]
    handles = [Patch(color=COLOURS[contender], label=contender) for contender in shown]
    row[0][-1].legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    _finish(figure, row[0][0], results)
    return figure


def _column_of_bars(axes: Axes, results: Results, names: Sequence[str], height: int) -> None:
    limits = {
        bar.workload: bar.limit
        for bar in BARS
        if (bar.contender, bar.against) == ("bridge-selector", "stock")
    }
    top = 0
    middles = []
    for name in names:
        contenders = [c for c in COLOURS if c in results.seconds[name] and c != "stock"]
        for place, contender in enumerate(contenders):
            _bar(axes, results, name, contender, top + place)
        bottom = top + len(contenders)
        if name in limits:
            axes.plot([limits[name]] * 2, [top - 0.5, bottom - 0.5], color="crimson", linewidth=1.5)
        middles.append((top + bottom - 1) / 2)
        top = bottom + 1  # stock asyncio's, which is the line at 1, keeps them apart
    axes.axvline(1, color=COLOURS["stock"], linewidth=1)
    axes.set_xscale("log", base=2)
    ticks = [0.25, 0.5, 1, 2, 4, 8, 16]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(middles, names, fontsize=8)
    axes.set_ylim(height, -1)
    axes.set_xlabel("CPU time, of stock asyncio's; red: the selector engine's bar", fontsize=8)


def _bar(axes: Axes, results: Results, name: str, contender: str, place: float) -> None:
    ratio = results.ratio((name, contender), (name, "stock"))
    if ratio is not None:
        quarters = [[ratio.median - ratio.quarter], [ratio.three_quarters - ratio.median]]
        errors: dict[str, Any] = {"ecolor": "black", "elinewidth": 0.6}
        axes.barh(place, ratio.median, 1, xerr=quarters, error_kw=errors, color=COLOURS[contender])


def growth_curves(results: Results) -> Figure:
    """Time per operation by size, a picture for each series."""
    measured = [s for s, sizes in SIZES.items() if key(s, sizes[0]) in results.seconds]
    figure = Figure(figsize=(5 * len(measured), 4))
    row = figure.subplots(1, len(measured), squeeze=False)
    for axes, series in zip(row[0], measured, strict=True):
        for contender, colour in COLOURS.items():
            points = [
                (size, each)
                for size in SIZES[series]
                if (each := microseconds(results, series, size, contender)) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=contender)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(series.partition(": ")[2] + ", so many at a time")
    row[0][0].set_ylabel("CPU µs per operation")
    row[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    _finish(figure, row[0][0], results)
    return figure


def _finish(figure: Figure, axes: Axes, results: Results) -> None:
    title = headline(results.machine)
    axes.set_title(title.replace("; ", "\n"), fontsize=7, loc="left")
    figure.tight_layout()


def draw(path: Path, directory: Path) -> list[Path]:
    """Draw one file; the pictures."""
    results = Results.load(path)
    is_growth = any(name.startswith("growth") for name in results.seconds)
    figure = growth_curves(results) if is_growth else ratio_bars(results)
    pictures = [directory / f"{path.stem}.{kind}" for kind in ("png", "svg")]
    for picture in pictures:
        figure.savefig(picture, dpi=120, bbox_inches="tight")
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of compare.py's and growth.py's JSON.")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, default=DOCS, help="the directory; default: docs")
    options = parser.parse_args()
    for file in options.files:
        for picture in draw(file, options.to):
            print(picture)


if __name__ == "__main__":
    main()
