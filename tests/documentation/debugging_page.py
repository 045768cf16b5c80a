"""What the programs of ``docs/debugging.md`` print: ``python debugging_page.py`` writes it there.

Paths are shortened to what follows the directory of the package, and the numbers of lines that
aren't the page's own are left out: they are others with each version.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import trio_bridge

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "debugging.md"
PACKAGES = str(Path(trio_bridge.__file__).parent.parent)
COMMANDS = ["where", "up", "p item", "down", "next", "next", "continue"]


def program(name: str) -> str:
    """The page's program of that name."""
    return re.search(rf"```python\n(# {name}\n.*?)```", PAGE.read_text(), re.DOTALL)[1]


def outputs() -> dict[str, str]:
    """By the beginning of the paragraph that they stand after."""
    orders, handlers = program("orders.py"), program("handlers.py")
    debugged = orders.replace("    return stock", "    breakpoint()\n    return stock")
    return {
        "`python orders.py tea` ends with": _traceback(_run("orders.py", orders, "tea").stderr),
        "\nIt ends with": _group(_run("handlers.py", handlers).stderr),
        "functions have been suspended.": _session(debugged),
    }


def _run(name: str, text: str, *args: str, commands: str = "") -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, name).write_text(text)
        return subprocess.run(
            [sys.executable, name, *args],
            cwd=directory,
            input=commands,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHON_COLORS": "0", "PYTHONPATH": PACKAGES},
            timeout=50,
        )


def shortened(text: str) -> str:
    """The same on all machines and versions."""
    text = re.sub(r'"[^"\n]*/(trio_bridge/[^"\n]+\.py)", line \d+', r'"\1", line ...', text)
    text = re.sub(r'"(?!trio_bridge/)[^"\n]*/([^"/\n]+\.py)"', r'"\1"', text)
    lines = [line for line in text.splitlines() if not re.fullmatch(r"[\s|]*[~^]+", line)]
    return "\n".join(lines) + "\n"


def _traceback(stderr: str) -> str:
    text = shortened(stderr)
    return text[text.index('  File "orders.py", line', text.index("in <module>")) :]


def _group(stderr: str) -> str:
    text = shortened(stderr)
    start = re.search(r"^  \| (?:\w+\.)*ExceptionGroup", text, re.MULTILINE).start()
    return text[start:]


def _session(text: str) -> str:
    result = _run("orders.py", text, "coffee", commands="\n".join(COMMANDS) + "\n")
    head, *answers = result.stdout.split("(Pdb) ")
    shown = head
    for command, answer in zip(COMMANDS, answers, strict=False):
        shown += f"(Pdb) {command}\n{answer}"
    shown = re.sub(r"^([> ] *)\S*/(orders\.py)", r"\1\2", shown, flags=re.MULTILINE)
    lines = shown.splitlines()
    below = [n for n, line in enumerate(lines) if re.match(r"[> ] *(?!orders)\S+\.py\(", line)]
    return (
        "\n".join(line for n, line in enumerate(lines) if n not in below and n - 1 not in below)
        + "\n"
    )


def written(page: str) -> str:
    """The page with what the programs print now."""
    for lead, text in outputs().items():
        start = page.index("```text\n", page.index(lead)) + len("```text\n")
        page = page[:start] + text + page[page.index("```\n", start) :]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
