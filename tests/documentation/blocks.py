"""The blocks of code in the Markdown pages, and what becomes of each.

A page may have code around a block that its reader needn't see::

    <!-- before
    import asyncio
    -->
    ```python
    async def main(): ...
    ```
    <!-- after
    asyncio.run(main())
    -->

What a program prints is in a ``text`` block that follows, after a line that says so ("prints"), or
in backquotes in that line.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT

DOCS = ROOT / "docs"
NOT_RUN = tomllib.loads((Path(__file__).parent / "not_run.toml").read_text())

_BLOCK = re.compile(
    r"(?:^<!-- before\n(?P<before>.*?)\n-->\n+)?"
    r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)\n"
    r"(?:\n*^<!-- after\n(?P<after>.*?)\n-->$)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One block of code, with what stands between it and the one before."""

    page: str
    number: int
    language: str
    text: str
    lead: str
    """The text between the last block and this one."""
    before: str
    after: str

    @property
    def name(self) -> str:
        return f"{self.page}-{self.number}"

    @property
    def program(self) -> str:
        """All of it, seen or not."""
        return f"{self.before}\n{self.text}\n{self.after}\n"

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]


def pages() -> list[Path]:
    """All pages, the README's too. The changes are no page of ours: they have no blocks."""
    built = DOCS / "_build"
    return [
        ROOT / "README.md",
        *(page for page in sorted(DOCS.rglob("*.md")) if built not in page.parents),
    ]


def blocks(page: Path) -> list[Block]:
    """The page's blocks, but for Sphinx's directives."""
    text = page.read_text()
    found, end = [], 0
    for match in _BLOCK.finditer(text):
        if not match["language"].startswith("{"):
            parts = {name: match[name] or "" for name in ("language", "text", "before", "after")}
            lead = text[end : match.start()]
            name = page.relative_to(ROOT).as_posix()
            found.append(Block(page=name, number=len(found) + 1, lead=lead, **parts))
        end = match.end()
    return found


def is_output(block: Block) -> bool:
    """Whether it is what the program before it prints."""
    return block.language == "text" and "prints" in block.lead.strip().rpartition("\n\n")[2]


def fate(block: Block) -> str:
    """``run`` here, ``output`` of what is run here, or why not."""
    if elsewhere := next(
        (test for page, test in NOT_RUN["elsewhere"].items() if block.page.startswith(page)), None
    ):
        return elsewhere
    for listed in NOT_RUN["block"]:
        if listed["page"] == block.page and block.text.startswith(listed["begins"]):
            return listed["reason"]
    if block.language == "console":
        return _why_not(block)
    if block.language == "python":
        return "run"
    return "output" if is_output(block) else ""


def _why_not(block: Block) -> str:
    """The reasons for the block's commands; nothing if one of them has none."""
    reasons = {""} if "$ " not in block.text else set()
    for line in block.text.splitlines():
        if line.startswith("$ "):
            command = line.removeprefix("$ ").partition("  #")[0]
            reasons.add(
                next(
                    (
                        reason
                        for known, reason in NOT_RUN["commands"].items()
                        if command.startswith(known)
                    ),
                    "",
                )
            )
    return "" if "" in reasons else "; ".join(sorted(reasons))
