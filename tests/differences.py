"""Marks the tests that can't pass on the engine they run on: the data of ``differences.toml``."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENGINE = os.environ.get("TRIO_BRIDGE_ENGINE") or "selector"


def mark(items: list[pytest.Item]) -> None:
    """Mark those of the collected tests that are listed for this engine."""
    data = tomllib.loads((HERE / "differences.toml").read_text())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for entry in data.get(ENGINE, ()):
        if python not in entry.get("pythons", [python]):
            continue
        for item in items:
            if _is_listed(item, entry):
                item.add_marker(_marker(entry))


def _is_listed(item: pytest.Item, entry: dict) -> bool:
    path = item.path.relative_to(HERE).as_posix()
    test = f"{path}::{item.name}"
    name, _, parameters = test.removesuffix("]").partition("[")
    return (test in entry["tests"] or name in entry["tests"]) and parameters not in entry.get(
        "except", ()
    )


def _marker(entry: dict) -> pytest.MarkDecorator:
    reason = f"on {ENGINE}: {entry['reason']}"
    if entry.get("run", True):
        return pytest.mark.xfail(reason=reason, strict=True)
    return pytest.mark.skip(reason=reason)
