"""The program of ``docs/trio_asyncio.md``, before and after, prints what the page says.

The one before needs trio-asyncio, which a Python before 3.14 may have (the group ``benchmark``).
``python test_trio_asyncio_page.py`` writes the difference, and what the one after prints.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import trio_bridge

PAGE = Path(__file__).parent.parent.parent / "docs" / "trio_asyncio"
PACKAGES = str(Path(trio_bridge.__file__).parent.parent)


def difference() -> str:
    before, after = (
        PAGE.joinpath(name).read_text().splitlines(keepends=True)
        for name in ("before.py", "after.py")
    )
    return "".join(difflib.unified_diff(before, after, "before.py", "after.py", n=1))


def output(name: str, *options: str) -> str:
    result = subprocess.run(
        [sys.executable, *options, str(PAGE / name)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        timeout=50,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_the_difference_is_that_of_the_files():
    assert (PAGE / "changes.diff").read_text() == difference()


def test_the_program_afterwards():
    assert output("after.py", "-W", "error") == (PAGE / "output.txt").read_text()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="trio-asyncio doesn't import there")
def test_the_program_before():
    pytest.importorskip("trio_asyncio", exc_type=ImportError)
    assert output("before.py") == (PAGE / "output.txt").read_text()


if __name__ == "__main__":
    (PAGE / "changes.diff").write_text(difference())
    (PAGE / "output.txt").write_text(output("after.py"))
