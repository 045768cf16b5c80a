"""The programs in the pages run as they stand, and print what the page says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest
from conftest import PYTHONPATH
from ecosystem import servers

from documentation.blocks import blocks, fate, is_output, pages

POSTGRES = "postgresql://localhost/postgres"
"""In a program this is the address of the test's server."""


def programs():
    for page in pages():
        found = blocks(page)
        for number, block in enumerate(found, 1):
            if fate(block) == "run":
                following = next((b for b in found[number:] if b.language != "console"), None)
                yield pytest.param(block, _printed(block, following), id=block.name)


def _printed(block, following):
    """What the page says that the program prints; ``None`` if it doesn't say."""
    if following is not None and is_output(following):
        return following.text
    rest = following.lead if following is not None else _rest_of_the_page(block)
    inline = re.match(r"\s*(?:(?!\n\n).)*?prints `([^`\n]+)`", rest, re.DOTALL)
    return f"{inline[1]}\n" if inline else None


def _rest_of_the_page(block):
    text = next(page for page in pages() if page.as_posix().endswith(block.page)).read_text()
    return text.partition(block.text + "```\n")[2]


@pytest.fixture(scope="session")
def postgres():
    with servers.postgres() as url:
        yield url


@pytest.mark.parametrize(("block", "printed"), list(programs()))
def test_a_program_prints_what_the_page_says(block, printed, request, tmp_path):
    program = block.program
    for library in _imports(program):
        pytest.importorskip(library)
    if POSTGRES in program or "DATABASE_URL" in program:
        url = request.getfixturevalue("postgres")
        program = program.replace(POSTGRES, url)
    (tmp_path / "program.py").write_text(program)
    result = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, "XDG_RUNTIME_DIR": str(tmp_path)},
        timeout=50,
    )
    assert (result.returncode, result.stderr) == (0, "")
    if printed is not None:
        assert result.stdout == printed


def _imports(program):
    """The libraries that are imported on the first level."""
    for node in ast.parse(program).body:
        names = node.names if isinstance(node, ast.Import | ast.ImportFrom) else ()
        module = getattr(node, "module", None)
        for name in names:
            yield (module or name.name).partition(".")[0]


def test_there_are_programs():
    assert len(list(programs())) >= 22
