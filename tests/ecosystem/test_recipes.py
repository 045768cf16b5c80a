"""The programs of ``docs/recipes/`` run as they stand, and print what the page says.

A page has programs, each followed by what it prints, and names the servers that they need:
``<!-- needs: postgres -->``. Their addresses come as environment variables.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from conftest import PYTHONPATH, ROOT

# What a page may need: the fixture, and the variable that has the server's address.
NEEDS = {
    "postgres": ("postgres", "DATABASE_URL"),
    "redis": ("redis_url", "REDIS_URL"),
    "nats": ("nats_url", "NATS_URL"),
    "dask": ("dask_address", "DASK_ADDRESS"),
}
PAGES = sorted(set((ROOT / "docs" / "recipes").glob("*.md")) - {ROOT / "docs/recipes/index.md"})
PROGRAM = re.compile(
    r"```python\n(?P<code>.*?)```\n+It prints:\n\n```text\n(?P<printed>.*?)```", re.DOTALL
)


def programs():
    for page in PAGES:
        text = page.read_text()
        needs = re.findall(r"<!-- needs: (\w+) -->", text)
        for number, found in enumerate(PROGRAM.finditer(text), 1):
            name = f"{page.stem}-{number}"
            yield pytest.param(found["code"], found["printed"], needs, id=name)


@pytest.mark.parametrize(("code", "printed", "needs"), list(programs()))
def test_a_recipe_prints_what_its_page_says(code, printed, needs, request, tmp_path):
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    for need in needs:
        fixture, variable = NEEDS[need]
        environment[variable] = request.getfixturevalue(fixture)
    script = tmp_path / "recipe.py"
    script.write_text(code)
    result = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,  # some make a file
        timeout=50,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == printed


def test_every_python_block_of_a_recipe_is_a_program_that_runs():
    for page in PAGES:
        text = page.read_text()
        assert text.count("```python\n") == len(PROGRAM.findall(text)) > 0, page.name
