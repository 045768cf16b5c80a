"""Set up and run: ``python make.py example``, ``crawler``, ``dask``, ``test``, ``torture``.

Needs nothing but a Python and a clone: makes ``.venv`` with tox in it, and lets tox do the rest.
``test`` runs on every Python that is found here, of those that are supported: everything on the
first and the newest that is released, and the core on the others. ``torture`` is the long form of
``tests/torture``, which takes hours (``torture -- --help``). What follows is passed on to tox (``-e
py314-uvloop`` selects one environment), and what follows ``--`` to the program that it runs
(``crawler -- --help``); the whole matrix is ``.venv/bin/tox run``.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SELECTION = {
    "example": ["-q", "-e", "example"],
    "crawler": ["-q", "-e", "crawler"],
    "dask": ["-q", "-e", "dask"],
    "test": ["-m", "test"],
    "torture": ["-q", "-e", "torture"],
}


def tox() -> Path:
    """The tox of our own virtual environment, which is made when it is missing."""
    scripts = VENV / ("Scripts" if sys.platform == "win32" else "bin")
    if not (scripts / "tox").exists() and not (scripts / "tox.exe").exists():
        try:
            print("Setting up .venv, and what tox needs: a minute or two, this once.", flush=True)
            venv.create(VENV, with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            sys.exit("This Python can't make a virtual environment: install its venv package.")
        pip = [str(scripts / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        subprocess.run([*pip, "tox>=4.23"], check=True)
    return scripts / "tox"


def main() -> int:
    """Run tox for one of the targets; its exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- run by whatever Python is there
        sys.exit("trio_bridge needs Python 3.11 or later.")
    target, *options = sys.argv[1:] or [""]
    if target not in SELECTION:
        sys.exit(f"Write: python {Path(__file__).name} {{{'|'.join(SELECTION)}}}")
    selection = [] if any(option[:2] in ("-e", "-m") for option in options) else SELECTION[target]
    command = [str(tox()), "run", *selection, *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
