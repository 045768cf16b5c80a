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
from processes import HERE
from results import Results
from workloads.growing import SIZES

mpl.use("svg")  # no screen

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    """A row for each workload, a bar for each contender: CPU time of stock asyncio's."""
    names = [name for name, row in results.seconds.items() if len(row) > 1]
    shown = [c for c in COLOURS if c != "stock" and any(c in results.seconds[n] for n in names)]
    figure, axes = plt.subplots(figsize=(10, 1.5 + 0.17 * len(names) * (len(shown) + 1)))
    height = 1 / (len(shown) + 1)
    for index, contender in enumerate(shown):
        _bars(axes, results, names, contender, offset=(index + 0.5) * height, height=height)
    for row, name in enumerate(names):
        for bar in BARS:
            if (bar.workload, bar.contender, bar.against) == (name, "bridge-selector", "stock"):
                axes.plot([bar.limit] * 2, [row, row + 1 - height], color="crimson", linewidth=1.5)
    axes.axvline(1, color=COLOURS["stock"], linewidth=1)
    axes.set_xscale("log", base=2)
    ticks = [0.25, 0.5, 1, 2, 4, 8, 16]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([row + 0.5 for row in range(len(names))], names)
    axes.set_ylim(len(names), -height)
    axes.set_xlabel("CPU time, ratio to stock asyncio; red: the selector engine's bar")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    _finish(figure, axes, results)
    return figure


def _bars(
    axes: Axes, results: Results, names: Sequence[str], contender: str, offset: float, height: float
) -> None:
    positions, medians, below, above = [], [], [], []
    for row, name in enumerate(names):
        ratio = results.ratio((name, contender), (name, "stock"))
        if ratio is not None:
            positions.append(row + offset)
            medians.append(ratio.median)
            below.append(ratio.median - ratio.quarter)
            above.append(ratio.three_quarters - ratio.median)
    style: dict[str, Any] = {"color": COLOURS[contender], "label": contender}
    errors = {"ecolor": "black", "elinewidth": 0.6}
    axes.barh(positions, medians, height, xerr=[below, above], error_kw=errors, **style)


def growth_curves(results: Results) -> Figure:
    """Time per operation by size, a picture for each series."""
    measured = [s for s, sizes in SIZES.items() if key(s, sizes[0]) in results.seconds]
    figure, row = plt.subplots(1, len(measured), figsize=(5 * len(measured), 4), squeeze=False)
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
        axes.set_yscale("log")
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
    plt.close(figure)
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
