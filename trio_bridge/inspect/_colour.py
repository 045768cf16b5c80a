"""The text in colour, through ``rich``: this module is imported only where it may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style as RichStyle

from ._text import lines

if TYPE_CHECKING:
    from typing import TextIO

    from ._data import Tree
    from ._parts import Style
    from ._text import Guides

# The terminal's own colours, which its user has chosen to be readable on its background.
_STYLES: Final[dict[Style, RichStyle]] = {
    "trio": RichStyle(color="green", bold=True),
    "asyncio": RichStyle(color="blue", bold=True),
    "scope": RichStyle(color="yellow"),
    "name": RichStyle(bold=True),
    "detail": RichStyle(),
    "alarm": RichStyle(color="red", bold=True),
    "function": RichStyle(color="cyan"),
    "place": RichStyle(dim=True),
    "code": RichStyle(),
    "guide": RichStyle(dim=True),
}


def in_colour(tree: Tree, terminal: TextIO, guides: Guides) -> str:
    """The text with the codes for a terminal."""
    # Not rich's own Tree and Text: ten thousand tasks would take ten seconds. So rich is asked for
    # the codes only: it knows what the terminal can do, and what the user wants (NO_COLOR).
    console = Console(file=terminal)
    codes = {style: _codes(console, rich_style) for style, rich_style in _STYLES.items()}
    text: list[str] = []
    for line in lines(tree, guides):
        for part, style in line:
            before, after = codes[style]
            text += (before, part, after)
        text.append("\n")
    return "".join(text)


def _codes(console: Console, style: RichStyle) -> tuple[str, str]:
    """What stands before and after a text in this style."""
    with console.capture() as capture:
        console.print(Segments([Segment("x", style)]), end="", soft_wrap=True)
    before, _, after = capture.get().partition("x")
    return before, after
