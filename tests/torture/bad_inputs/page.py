"""``docs/errors.md``: which error a mistake gets."""

from __future__ import annotations

from pathlib import Path

from . import COMMAND_LINES, MODULES
from .kinds import BadInput

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"

HEAD = """\
# Which error a mistake gets

Made from the catalogue `tests/torture/bad_inputs/` (`python -m tests.torture.bad_inputs`), whose
inputs the tests give to every engine; after each the loops that are open go on. An error of use
names the mistake, and shows the line to write where one line is the answer. What an object of yours
raises, and what Python or asyncio say themselves, comes through as it is: *as it is* below.

Of code on the wrong side it is a note that says so, made where the error crosses or leaves `run`
([debugging](debugging.md#errors-of-use)): code that catches the error before has it without.

A mistake that only shows where nobody awaits it (a callback, `start_soon`) ends the block that owns
it, with an `ExceptionGroup`, as [any such error](contract.md#errors-and-structure-45) does.
"""


def text() -> str:
    """The whole page."""
    parts = [HEAD]
    for module in MODULES:
        inputs = [value for value in vars(module).values() if isinstance(value, BadInput)]
        parts += [
            f"\n## {_title(module)}\n",
            "| mistake | error | says |",
            "| --- | --- | --- |",
            *(_row(bad_input) for bad_input in inputs),
        ]
    parts += [
        "\n## What follows `python -m trio_bridge`\n",
        "| mistake | exit status | says |",
        "| --- | --- | --- |",
    ]
    for line in COMMAND_LINES:
        mistake = f"{line.mistake}: `{' '.join(line.args)}`" if line.args else line.mistake
        parts.append(f"| {mistake} | {line.status} | {_said(line.words)} |")
    return "\n".join(parts) + "\n"


def _title(module: object) -> str:
    doc = module.__doc__ or ""
    return " ".join(doc.split()).rstrip(".").replace("``", "`")


def _row(bad_input: BadInput) -> str:
    said = "as it is" if bad_input.is_own else _said(bad_input.words)
    return f"| {bad_input.mistake} | `{bad_input.error.__name__}` | {said} |"


def _said(words: tuple[str, ...]) -> str:
    parts = (part.strip() for word in words for part in word.split("\n"))
    return ", ".join(_code(part) for part in parts if part).replace("|", "\\|")


def _code(text: str) -> str:
    """As code, with backquotes around those that are in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"
