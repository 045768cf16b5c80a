"""The program of ``docs/trio_asyncio.md``, before and after, prints what the page says.

The one before needs trio-asyncio, which a Python before 3.14 may have (the group ``benchmark``).
``python test_trio_asyncio_page.py`` writes the difference, and what the one after prints.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import trio_bridge
from trio_bridge._moved_names import HERE

PAGE = Path(__file__).parent.parent.parent / "docs" / "trio_asyncio"
PACKAGES = str(Path(trio_bridge.__file__).parent.parent)


def difference() -> str:
    before, after = (
        PAGE.joinpath(name).read_text().splitlines(keepends=True)
        for name in ("before.py", "after.py")
    )
    return "".join(difflib.unified_diff(before, after, "before.py", "after.py", n=1))


def output(name: str, *options: str) -> str:
    result = subprocess.run(
        [sys.executable, *options, str(PAGE / name)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        timeout=50,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_the_difference_is_that_of_the_files():
    assert (PAGE / "changes.diff").read_text() == difference()


def test_the_program_afterwards():
    assert output("after.py", "-W", "error") == (PAGE / "output.txt").read_text()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="trio-asyncio doesn't import there")
def test_the_program_before():
    pytest.importorskip("trio_asyncio", exc_type=ImportError)
    assert output("before.py") == (PAGE / "output.txt").read_text()


def test_every_name_is_on_the_page_and_those_that_are_gone_say_what_to_write():
    page = PAGE.with_suffix(".md").read_text()
    for name, line in HERE.items():
        assert f"`{name}" in page, name
        with pytest.raises(AttributeError, match=f"no attribute '{name}'") as caught:
            getattr(trio_bridge, name)
        assert line in str(caught.value)
    with pytest.raises(AttributeError, match=r"no attribute 'nonesuch'$"):
        trio_bridge.nonesuch  # noqa: B018


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="trio-asyncio doesn't import there")
def test_no_name_of_trio_asyncios_is_forgotten():
    if importlib.util.find_spec("trio_asyncio") is None:
        pytest.skip("trio-asyncio is not installed")
    # Elsewhere: importing it changes asyncio.
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        "import trio_asyncio; print(*dir(trio_asyncio))",
    ]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    names = {name for name in listed if not name.startswith("_")}
    assert names - {*trio_bridge.__all__, "TrioAsyncioDeprecationWarning"} == set(HERE)


if __name__ == "__main__":
    (PAGE / "changes.diff").write_text(difference())
    (PAGE / "output.txt").write_text(output("after.py"))
