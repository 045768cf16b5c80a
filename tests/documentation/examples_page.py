"""The outputs of ``docs/examples/index.md``: ``python examples_page.py [NAME.py ...]`` writes them.

``<!-- run: safe_gather.py -->`` stands before the block that has what the example prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import trio_bridge

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "examples" / "index.md"
PACKAGES = str(Path(trio_bridge.__file__).parent.parent)
BLOCK = re.compile(r"<!-- run: (?P<command>.*?) -->\n```text\n(?P<output>.*?)```\n", re.DOTALL)
MOST = 84
"""The longest line; what is longer is wrapped."""


def shown() -> dict[str, str]:
    """What the page shows, by command."""
    return {match["command"]: match["output"] for match in BLOCK.finditer(PAGE.read_text())}


def output(command: str) -> str:
    """What the example prints; of an error that ends it, the group that left the program."""
    name, *args = command.split()
    result = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGES, "DATABASE_URL": "", "PYTHON_COLORS": "0"},
        timeout=100,
    )
    errors = re.sub(r'"[^"\n]*/([^"/\n]+\.py)"', r'"\1"', result.stderr)
    lines = [line for line in errors.splitlines() if not re.fullmatch(r"[\s|]*[~^]+", line)]
    begins = [n for n, line in enumerate(lines) if line.startswith("  | ExceptionGroup")]
    if result.returncode:
        lines = lines[begins[0] :]
    elif name == "godwin_crawler.py":
        lines = []  # its progress: as many lines as seconds
    return "\n".join([*map(_wrapped, result.stdout.splitlines()), *lines]) + "\n"


def _wrapped(line: str) -> str:
    head, tail = line, ""
    while len(head) > MOST:
        cut = head.rindex(" ", 0, MOST)
        head, tail = head[:cut], f"\n    {head[cut + 1 :]}{tail}"
    return head + tail


def comparable(text: str) -> list[str]:
    """What is the same each time: not numbers, nor in what order tasks print."""
    return sorted(re.sub(r"\d+(\.\d+)*", "0", text).split())


if __name__ == "__main__":
    names = sys.argv[1:]

    def written(match: re.Match[str]) -> str:
        command = match["command"]
        if names and command.split()[0] not in names:
            return match[0]
        return f"<!-- run: {command} -->\n```text\n{output(command)}```\n"

    PAGE.write_text(BLOCK.sub(written, PAGE.read_text()))
