"""Draws ``crawler.png``: the crawler in the middle of a run on its own wiki, and at its end.

    python docs/crawler_picture.py

It needs what the crawler needs, and Chromium, which draws Rich's HTML.
"""

from __future__ import annotations

import functools
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import trio
from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples"))

import wiki  # noqa: E402
from godwin_clients import aiohttp_client  # noqa: E402
from godwin_crawler import Crawl  # noqa: E402
from godwin_progress import panel, result  # noqa: E402

import trio_bridge  # noqa: E402

PROMPT = Text.assemble(("$ ", "green"), "python examples/godwin_crawler.py")
SIZE = "920,884"
PAGE = """\
<style>
body {{ margin: 24px; background: #fff }}
pre {{ font: 14px/1.165 "DejaVu Sans Mono"; color: #d9d9d9; background: #14161a; width: max-content;
  margin: 0 0 20px; padding: 34px 14px 14px; border-radius: 8px; position: relative }}
pre::before {{ content: "● ● ●"; color: #555; position: absolute; left: 14px; top: 9px }}
</style>
{}
"""


def window(*contents: RenderableType) -> str:
    """A terminal's window, in HTML."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    for content in contents:
        console.print(content)
    return console.export_html(theme=MONOKAI, inline_styles=True, code_format="<pre>{code}</pre>")


async def half_way(crawl: Crawl, windows: list[str]) -> None:
    """Take a picture when half of the work is done."""
    while crawl.fetched < 330:
        await trio.sleep(0.01)
    windows.append(window(PROMPT, panel(crawl, 10)))


async def main() -> list[str]:
    """Crawl as the program does; the two windows."""
    windows: list[str] = []
    async with wiki.served() as url, aiohttp_client() as fetch:
        crawl = Crawl(url, re.compile(r"\bGodwin\b"))
        await crawl.run(fetch, functools.partial(half_way, crawl, windows))
        windows.append(window(PROMPT, panel(crawl, 10), result(crawl)))
    return windows


def draw(windows: list[str], picture: Path) -> None:
    """Have Chromium draw the windows, one above the other."""
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory, "page.html")
        page.write_text("<!DOCTYPE html><meta charset=utf-8>" + PAGE.format("".join(windows)))
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
        options += ["--force-device-scale-factor=1.5", f"--screenshot={picture}"]
        subprocess.run(["chromium", *options, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    draw(trio_bridge.run(main), HERE / "crawler.png")
