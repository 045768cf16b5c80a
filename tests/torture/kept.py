"""What came out of a campaign, and the long form's, kept in ``results/NAME-ENGINE.json``."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parent / "results"
PACKAGES: Final = ("trio", "uvloop", "asyncpg")


@dataclasses.dataclass(frozen=True)
class Result:
    """One campaign on one engine."""

    campaign: str
    engine: str
    seed: int
    sizes: dict[str, Any]
    figures: dict[str, int | float | str]
    seconds: float
    date: str
    machine: dict[str, str]

    @property
    def python(self) -> str:
        """The version."""
        return self.machine["python"]


def today() -> str:
    """The date, as a result has it."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def machine() -> dict[str, str]:
    """What the figures are of."""
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def keep(result: Result) -> None:
    """Write one file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result.campaign}-{result.engine}.json"
    path.write_text(json.dumps(dataclasses.asdict(result), indent=1) + "\n")


def load() -> list[Result]:
    """All that is kept, in the order of the names."""
    return [Result(**json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))]
