"""Random command lines, and a model of what they mean."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import trio_bridge

from ..bad_inputs.probe import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

PYTHONPATH = str(Path(trio_bridge.__file__).parents[1])

SCRIPT = "import sys; print(sys.argv); sys.exit(len(sys.argv))\n"
OWN = (
    *(
        "--engine",
        "--engine=portable",
        "--engine=nonesuch",
        "--engine=",
        "--debug",
        "--tree-signal",
    ),
    *(
        "--tree-signal=SIGUSR1",
        "--tree-signal=SIGKILL",
        "--enigne",
        "-x",
        "--",
        "-",
        "--engine=\xe9",
    ),
)
VALUES = ("selector", "portable", "SIGUSR1", "nonesuch", "", "--debug", "-m")
PROGRAMS = (
    *("script.py", "nonesuch.py", "broken.py", "empty", "-m", "-mscript", "-mnonesuch", "-m.x", ""),
    *("-mpackage", "script", "-msys"),
)
ARGUMENTS = ("script", "nonesuch", "-m", "--engine", "--", "", "x y", "\xe9\u20ac", "--help")
ENGINES = ("selector", "portable", "uvloop")
SIGNALS = ("SIGUSR1",)


def some(chance: Random, count: int) -> Iterator[list[str]]:
    """Some of all that there are."""
    for _ in range(count):
        line = []
        for _ in range(chance.randrange(3)):
            line.append(chance.choice(OWN))
            if line[-1] in ("--engine", "--tree-signal") and chance.random() < 0.9:
                line.append(chance.choice(VALUES))
        if chance.random() < 0.95:
            line.append(chance.choice(PROGRAMS))
        line += [chance.choice(ARGUMENTS) for _ in range(chance.randrange(3))]
        yield line


def model(line: list[str]) -> tuple[int, str]:
    """The exit status, and words: of stderr if the launcher refuses, else the program's argv."""
    found: dict[str, str] = {}
    rest, is_known = list(line), True
    while rest and rest[0].startswith("-") and not rest[0].startswith("-m"):
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if word == "--":
            break
        if word == "--help":
            return 0, "usage"
        if option in ("--engine", "--tree-signal"):
            if not equals and (not rest or rest[0].startswith("-")):
                return 2, "expected one argument"
            found[option] = value if equals else rest.pop(0)
        elif option != "--debug":
            is_known = False
    if not is_known:
        return 2, "unrecognized arguments"
    if not rest or rest == ["-m"]:
        return 2, "name the program to run"
    return _model_of_options(found) or _model_of_program(rest)


def _model_of_options(found: dict[str, str]) -> tuple[int, str] | None:
    if (engine := found.get("--engine", "selector")) not in ENGINES:
        return 1, f"unknown engine {engine!r}"
    if found.get("--tree-signal", "SIGUSR1") not in SIGNALS:
        return 1, "tree_signal="
    return None


def _model_of_program(rest: list[str]) -> tuple[int, str]:
    name, *args = rest
    if name == "-m":
        return _model_of_module(args[0], args[1:])
    if name.startswith("-m"):
        return _model_of_module(name[2:], args)
    if name == "script.py":
        return 1 + len(args), repr([name, *args])
    if name == "broken.py":
        return 1, "SyntaxError"
    if name in ("empty", ""):
        return 1, "can't find '__main__' module"
    return 2, "can't open file"


def _model_of_module(name: str, args: list[str]) -> tuple[int, str]:
    if name == "script":
        return 1 + len(args), repr(args)[1:]
    if name == "package":
        return 1, "No module named package.__main__"
    if name == "sys":
        return 1, "has no Python code to run"
    if name.startswith("."):
        return 1, "Relative module names not supported"
    return 1, "No module named"


def check(engine: str, line: list[str]) -> None:
    """The launcher does what the model says."""
    status, words = model(line)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "script.py").write_text(SCRIPT)
        (here / "broken.py").write_text("def\n")
        (here / "package").mkdir()
        (here / "package" / "__init__.py").touch()
        (here / "empty").mkdir()
        result = subprocess.run(
            [sys.executable, "-m", "trio_bridge", *line],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": PYTHONPATH,
                "PYTHONUTF8": "1",
                "TRIO_BRIDGE_ENGINE": engine,
            },
            timeout=HANG,
        )
    said = f"{line}: status {result.returncode}, not {status} with {words!r}\n{result.stderr}"
    assert result.returncode == status, said
    assert words in result.stdout + result.stderr, said
    assert "Traceback" not in result.stderr, said
