"""Builds the package as a release is built: the sdist, and the wheel from the sdist."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def copy_of_the_checkout(folder):
    """What a clone has: no caches, no environments, no Git."""
    shutil.copytree(
        ROOT,
        folder,
        ignore=lambda _, names: {
            name
            for name in names
            if (name[0] == "." and name != ".gitignore")
            or name in ("__pycache__", "_build", "dist", "build")
        },
    )
    return folder


def build(folder, **environment):
    """Build in a folder; the sdist and the wheel, by their endings."""
    clean = {name: x for name, x in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", str(folder)],
        check=True,
        capture_output=True,
        env={**clean, **environment},
    )
    return {path.suffix: path for path in Path(folder, "dist").iterdir()}


@functools.cache
def first_build():
    directory = tempfile.TemporaryDirectory()
    return directory, build(copy_of_the_checkout(Path(directory.name, "checkout")))


@pytest.fixture
def built():
    """A build of this checkout: the paths of the sdist (".gz") and of the wheel (".whl")."""
    for tool in ("build", "hatchling"):
        pytest.importorskip(f"{tool}.__main__", reason=f"{tool} is not installed")
    return first_build()[1]
