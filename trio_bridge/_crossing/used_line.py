"""What a line of a person's code uses, and the same line as it should be written.

The line is all that is left where an error of use comes out: what it awaits, enters, iterates or
calls is taken from its text, and from the place in it that the interpreter had come to.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType

_ADAPTERS: Final = ("trio2aio", "aio2trio", "aio_as_trio", "trio_as_aio")
_OURS: Final = (*_ADAPTERS, "unview", "current_loop", "trio_bridge.current_loop")
_KEYWORD: Final = r"\b(await|(?:async )?with|async for\b.*?\bin)\s+([\w.]+)"
_USES: Final = re.compile(_KEYWORD + r"\((?!.*\)\.)")
_USES_UNCALLED: Final = re.compile(_KEYWORD + r"(?=\s*(?:[:,)#]|$|as\b))")
_ADAPTED_RESULT: Final = re.compile(rf"\b(?:{'|'.join(_ADAPTERS)})\(([\w.]+)\(")
_ADAPTED: Final = re.compile(rf"\b({'|'.join(_ADAPTERS)})\(([\w.]+)\)")
_CALLS: Final = re.compile(r"\b((?:asyncio|trio)\.\w+)\(")  # in a line that awaits nothing


class Use(NamedTuple):
    """What a line of code awaits, enters, iterates or calls."""

    keyword: str = ""
    what: str | None = None
    is_called: bool = True
    adapted_with: str | None = None

    def written_with(self, adapter: str) -> str:
        """The line to write."""
        arguments = "(...)" if self.is_called else ""
        return f"{self.keyword} {adapter}({self.what}){arguments}".lstrip()


def use_at(tb: TracebackType) -> Use:
    """What the line does that a frame has come to."""
    use = use_in(line_of(tb.tb_frame.f_code.co_filename, tb.tb_lineno))
    called = None if use.what else _called_at(tb)
    return Use("", called) if called and called not in _OURS else use


def use_in(line: str) -> Use:
    """What a line does, by its text alone."""
    match = _USES.search(line)
    if match is None:
        if call := _CALLS.search(line):
            return Use("", call[1])
        match = _USES_UNCALLED.search(line)
        return Use() if match is None else Use(_on_the_other_side(match[1]), match[2], False)
    keyword = _on_the_other_side(match[1])
    if match[2] not in _OURS:
        return Use(keyword, match[2])
    if result := _ADAPTED_RESULT.search(line):  # around what a call has returned, on the wrong side
        return Use(keyword, result[1])
    adapted = _ADAPTED.search(line)
    return Use(keyword, adapted[2], True, adapted[1]) if adapted else Use()


def line_of(filename: str, lineno: int | None) -> str:
    """The line's text; nothing where there is none, as in code that a program has made."""
    return "" if lineno is None else linecache.getline(filename, lineno)


def _on_the_other_side(keyword: str) -> str:
    # A cancel scope takes an await there.
    return "async with" if keyword == "with" else keyword


def _called_at(tb: TracebackType) -> str | None:
    """The function that is being called, if it is named by dots: ``aiohttp.ClientSession``."""
    code = tb.tb_frame.f_code
    position = next(itertools.islice(code.co_positions(), tb.tb_lasti // 2, None), None)
    if position is None or None in position or position[0] != position[1]:
        return None
    line, _, start, end = position
    assert line is not None  # as it was asked above
    text = line_of(code.co_filename, line).encode()[start:end].decode(errors="replace")
    try:
        called = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    name = ast.unparse(called.func) if isinstance(called, ast.Call) else ""
    return name if re.fullmatch(r"[\w.]+", name) else None
