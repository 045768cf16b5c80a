"""The suite of a made-up user's project, in ``project/``, which uses each feature of the plugin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import HANG

from .conftest import LOAD

PROJECT = Path(__file__).parent / "project"


@pytest.mark.parametrize("mode", ["strict", "trio_mode"])
def test_the_project_of_a_user(environment, pytester, mode):
    shutil.copytree(PROJECT, pytester.path, dirs_exist_ok=True)
    options = ["-o", "trio_mode=true", "--deselect=tests/test_others.py"]
    result = pytester.runpytest_subprocess(
        *LOAD, *(options if mode == "trio_mode" else ()), timeout=HANG
    )
    # Each test with a loop is run on two engines, but one, which names its own.
    with_a_loop = 2 * (7 + 5 + 2) + 1
    of_others = 5
    if mode == "strict":
        result.assert_outcomes(passed=with_a_loop + of_others, xfailed=2 * 2)
    else:
        result.assert_outcomes(passed=with_a_loop, xfailed=2 * 2, deselected=of_others)
