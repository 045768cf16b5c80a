"""How far a campaign is: shown on a terminal, or not at all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


def no_progress(done: int, total: int) -> None:
    """For the short form under pytest."""


@contextlib.contextmanager
def shown(label: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """A line with a bar while the block runs, which goes when it ends; in a log, that it begins."""
    from rich import progress  # pytest needs none of it

    if not console.is_terminal:
        console.print(f"{label}: begun", markup=False, highlight=False, soft_wrap=True)
        yield no_progress
        return

    columns = [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    ]
    with progress.Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(line, completed=done, total=total)
