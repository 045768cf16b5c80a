"""Options and output that the benchmarks have in common."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contenders import CONTENDERS
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 120
"""Of the tables: a narrower terminal wraps their lines, which loses less than to cut the cells."""


def console() -> Console:
    """Where the tables go."""
    return Console(width=max(WIDTH, Console().width))


def parser(description: str, *, on: Sequence[str], rounds: int) -> argparse.ArgumentParser:
    """With ``--on``, ``--rounds``, ``--check`` and ``--json``, and these defaults."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--rounds", type=int, default=rounds, help=f"default: {rounds}")
    result.add_argument("--only", default="", help="only the workloads whose name holds this")
    result.add_argument(
        "--on",
        default=",".join(on),
        type=_contenders,
        help=f"only these contenders, and stock; of {','.join(CONTENDERS)}",
    )
    result.add_argument("--check", action="store_true", help="exit 1 when a bar doesn't hold")
    result.add_argument("--json", type=Path, help="keep the figures in this file")
    return result


def _contenders(text: str) -> list[str]:
    names = [name for name in text.split(",") if name != "stock"]
    if unknown := [name for name in names if name not in CONTENDERS]:
        raise argparse.ArgumentTypeError(
            f"no such contender: {', '.join(unknown)}. There are {', '.join(CONTENDERS)}"
        )
    return ["stock", *names]


def save(path: Path, figures: dict[str, Any]) -> None:
    """Keep figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")


def finish(out: Console, failed: Sequence[str], *, check: bool) -> int:
    """Say which bars don't hold; the exit status."""
    for sentence in failed:
        out.print(sentence, markup=False, style="red")
    return 1 if failed and check else 0
