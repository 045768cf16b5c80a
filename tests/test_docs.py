"""The programs in the docs run, and print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from conftest import PYTHONPATH, ROOT

# A page, and how many of its first code blocks are whole programs.
PAGES = {"nurseries.md": 2, "asyncio_first.md": 1, "debugging.md": 1}

PROGRAM = re.compile(
    r"```python\n(?P<code>.*?)```\n+(?P<text>.*?\n(?=\n)(?:\n```\n.*?```)?)", re.DOTALL
)


def programs():
    for page, count in PAGES.items():
        found = list(PROGRAM.finditer((ROOT / "docs" / page).read_text()))
        assert len(found) >= count
        for number, match in enumerate(found[:count], 1):
            yield pytest.param(match["code"], match["text"], id=f"{page}-{number}")


@pytest.mark.parametrize(("code", "text"), list(programs()))
def test_the_program_prints_what_the_page_says(code, text, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(code)
    result = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        timeout=50,
    )
    assert (result.returncode, result.stderr) == (0, "")
    if "prints" in text:
        printed = re.search(r"```\n(.*?)```", text, re.DOTALL) or re.search(r"`(.*?)`", text)
        assert result.stdout.strip() == printed[1].strip()
