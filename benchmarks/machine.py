"""What the figures are of: the machine, the Python, the versions."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("trio", "uvloop", "trio-asyncio", "anyio", "aiohttp", "asyncpg")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "")


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, object]:
    """For the head of a table, and for the JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "build": sysconfig.get_config_var("CONFIG_ARGS") or "",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": _cores(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "versions": _versions(),
    }


def headline(machine: dict[str, object]) -> str:
    """One paragraph."""
    versions = machine["versions"]
    assert isinstance(versions, dict)
    return (
        f"{machine['date']}, {machine['python']}, {machine['system']}, {machine['processor']}, "
        f"{machine['cores']} cores, load {machine['load']}; "
        + ", ".join(f"{package} {number}" for package, number in versions.items())
    )
