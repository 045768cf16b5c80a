"""How long the import takes, on top of Trio's; measured on the package as it is installed."""

from __future__ import annotations

import importlib.metadata
import os
import re
import statistics
import subprocess
import sys

import pytest

RUNS = 21
SHARE_OF_TRIO = 0.60
TOP_LEVEL = re.compile(r"import time:\s+\d+ \|\s+(\d+) \| (\w+)$", re.MULTILINE)


def microseconds(folder):
    """Of `import trio`, and of `import trio_bridge` after it, each with all that it imports."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # as installed: with bytecode
    }
    command = [sys.executable, "-X", "importtime", "-c", "import trio\nimport trio_bridge"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, cwd=folder
    )
    taken = {name: int(time) for time, name in TOP_LEVEL.findall(result.stderr)}
    return taken["trio"], taken["trio_bridge"]


@pytest.mark.speed
@pytest.mark.skipif(
    not any(importlib.metadata.packages_distributions().get("trio_bridge", ())),
    reason="trio_bridge is not installed: what is imported is a checkout",
)
def test_the_import_takes_less_than_three_fifths_of_trios(tmp_path, record_property):
    microseconds(tmp_path)  # writes the bytecode
    trio, bridge = zip(*[microseconds(tmp_path) for _ in range(RUNS)], strict=True)
    share = statistics.median(bridge) / statistics.median(trio)
    record_property("share of Trio's import", round(share, 3))
    assert share < SHARE_OF_TRIO
