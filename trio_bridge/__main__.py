"""``python -m trio_bridge [options] script.py ...``, or ``-m module ...``.

Runs an unchanged asyncio program on loops of the bridge's.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from ._engines import engine_name
from ._launcher import LAUNCHER, run_module, run_script
from ._policy import install
from ._tree_signal import TreeSignal

_OPTIONS_WITH_VALUE: Final = ("--engine", "--tree-signal")


def main() -> None:
    """Read the command line, make the program's loops ours, and run it."""
    own, program = _split(sys.argv[1:])
    options = _parse(own, program)
    if options.debug:
        os.environ["PYTHONASYNCIODEBUG"] = "1"
    try:
        install(engine=engine_name(options.engine, written="--engine {}"))
        TreeSignal(options.tree_signal).install()
    except (ValueError, ImportError, RuntimeError) as exc:
        sys.exit(f"{LAUNCHER}: {exc}")
    name, *args = program
    if not name.startswith("-m"):
        run_script(name, args)
    elif name == "-m":
        run_module(args[0], args[1:])
    else:
        run_module(name.removeprefix("-m"), args)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our own options, and what follows: the program and its arguments."""
    end = 0
    while end < len(argv) and argv[end].startswith("-") and not argv[end].startswith("-m"):
        if argv[end] == "--":  # as for Python itself: the end of the options
            return argv[:end], argv[end + 1 :]
        end += 2 if argv[end] in _OPTIONS_WITH_VALUE else 1
    return argv[:end], argv[end:]


def _parse(own: list[str], program: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=LAUNCHER,
        usage=f"{LAUNCHER} [--engine ENGINE] [--debug] [--tree-signal SIGNAL] "
        "(script.py | -m module) [args ...]",
        description="Run an unchanged asyncio program on trio_bridge's event loop. The script may "
        "be a file, a directory or a zip file, as with plain Python.",
        allow_abbrev=False,
    )
    parser.add_argument("--engine", help="what implements the loop: selector, portable or uvloop")
    parser.add_argument("--debug", action="store_true", help="asyncio's debug mode")
    parser.add_argument(
        "--tree-signal",
        metavar="SIGNAL",
        help="print the task tree to stderr on this signal (SIGUSR1, say)",
    )
    options = parser.parse_args(own)
    if not program or program == ["-m"]:
        parser.error("name the program to run: script.py, or -m module")
    return options


if __name__ == "__main__":
    main()
