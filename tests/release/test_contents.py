"""What is in the sdist and in the wheel, and what the index is told about them."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import PurePosixPath

import pytest
from release_build import ROOT, built

__all__ = ["built"]

KILOBYTE = 1000
# Without any docstring and comment the code alone would take 147 kB, and 107 kB without the tree,
# the pytest plugin, the streams and the channels as well.
WHEEL_AT_MOST = 265 * KILOBYTE


@pytest.fixture
def wheel(built):
    with zipfile.ZipFile(built[".whl"]) as wheel:
        yield wheel


@pytest.fixture
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_is_small(built):
    assert built[".whl"].stat().st_size < WHEEL_AT_MOST


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "trio_bridge").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.endswith(".py")} <= {"trio_bridge/py.typed"}


def test_the_sdist_has_what_it_takes_to_test_it(built):
    with tarfile.open(built[".gz"]) as sdist:
        names = {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in sdist.getnames()}
    for folder in ("trio_bridge", "tests", "examples", "docs", "benchmarks"):
        code = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")}
        code = {path for path in code if "_build" not in path.parts}  # the site, if it was built
        assert names >= {PurePosixPath(path.as_posix()) for path in code}
    assert names >= {
        PurePosixPath(name) for name in ("tox.ini", "make.py", "CHANGELOG.md", "LICENSE.MIT")
    }


def test_the_index_takes_both(built):
    pytest.importorskip("twine")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.values())]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("PASSED") == 2


def test_the_metadata_is_complete(metadata, wheel):
    assert metadata["Name"] == "trio-bridge"
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    licences = {name.rpartition("/")[2] for name in wheel.namelist() if "/licenses/" in name}
    assert licences == {"LICENSE", "LICENSE.MIT", "LICENSE.APACHE2"}
    assert metadata["Author"] == "the trio_bridge maintainers"
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = (ROOT / "README.md").read_text()
    assert metadata.get_payload().strip() == readme.strip()


def test_the_classifiers_exist_and_name_the_pythons_that_are_tested(metadata):
    known = pytest.importorskip("trove_classifiers").classifiers
    ours = metadata.get_all("Classifier")
    assert set(ours) <= known
    prefix = "Programming Language :: Python :: 3."
    pythons = [int(x.removeprefix(prefix)) for x in ours if x.startswith(prefix)]
    tested = re.search(r"py\{([\d,]+)\}-\{selector", (ROOT / "tox.ini").read_text())[1]
    assert [f"3{minor}" for minor in pythons] == tested.split(",")
    assert metadata["Requires-Python"] == f">=3.{min(pythons)}"


def test_no_names_of_this_machine_are_in_it(built):
    """The folder in which it was built, and where its parts came from, are nobody's business."""
    folder = str(built[".whl"].parent.parent).encode()
    with zipfile.ZipFile(built[".whl"]) as wheel:
        assert all(folder not in wheel.read(name) for name in wheel.namelist())
