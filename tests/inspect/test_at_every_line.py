"""A signal comes at any line: the tree is made at each of Trio's, asyncio's and the bridge's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import differences
import pytest
from conftest import HANG, PYTHONPATH


@pytest.mark.parametrize("start", [differences.ENGINE, "asyncio"])
def test_the_tree_is_made_at_every_line(start):
    result = subprocess.run(
        [sys.executable, Path(__file__).parent / "every_line.py", start],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=2 * HANG,
    )
    assert result.returncode == 0, result.stderr
    number, *failed = result.stdout.splitlines()
    assert not failed
    assert int(number) > 3000
