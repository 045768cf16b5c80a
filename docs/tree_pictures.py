"""Draws ``tree_text.svg`` and ``tree_page.png``, the task tree of ``examples/task_tree.py``.

    python docs/tree_pictures.py

The first is what the example prints on a terminal, through Rich; the second is the page that it
writes, as Chromium shows it.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "task_tree.py"
COMMAND = "python examples/task_tree.py"
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
SIZE = "980,850"


def printed(page: Path) -> str:
    """What the example prints on a terminal, in colour; it writes the page as well."""
    terminal, stdout = pty.openpty()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
        "TERM": "xterm-256color",
        "PYTHONPATH": str(HERE.parent),
    }
    command = [sys.executable, str(EXAMPLE), str(page)]
    with open(terminal, "rb", buffering=0) as screen:
        with subprocess.Popen(command, stdout=stdout, env=environment, cwd=HERE.parent) as process:
            os.close(stdout)
            text = b""
            while part := _read(screen):
                text += part
        assert process.returncode == 0
    return text.decode().replace("\r\n", "\n")


def _read(screen: io.FileIO) -> bytes:
    try:
        return screen.read(4096)
    except OSError:  # Linux: nobody writes any more
        return b""


def drawn(text: str) -> str:
    """A terminal's window that shows the text, as SVG that loads nothing."""
    content = Text.from_ansi(text.rstrip("\n"))
    width = max(line.cell_len for line in content.split("\n")) + 1
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(content, end="")
    svg = console.export_svg(title=COMMAND, theme=MONOKAI, unique_id="tree")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code,[^;]*;", f"font-family: {FONT};", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def photograph(page: Path, picture: Path) -> None:
    """Have Chromium draw the page."""
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
    options += [f"--screenshot={picture}"]
    subprocess.run(["chromium", *options, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory, "tree.html")
        (HERE / "tree_text.svg").write_text(drawn(printed(page)))
        photograph(page, HERE / "tree_page.png")
