"""The suites of ``docs/testing.md`` pass: a section has the files of one, named in their heads."""

from __future__ import annotations

import re

import pytest
from conftest import HANG, ROOT

from .conftest import INI, LOAD

PAGE = (ROOT / "docs" / "testing.md").read_text()
BLOCK = re.compile(r"```(?:python|ini)\n# (?P<name>\S+)\n(?P<text>.*?)```", re.DOTALL)
SUITES = {
    section.partition("\n")[0]: dict(BLOCK.findall(section))
    for section in PAGE.split("\n## ")
    if BLOCK.search(section)
}


def test_every_block_of_code_is_a_file_of_a_suite():
    assert len(re.findall("```(?:python|ini)\n", PAGE)) == sum(map(len, SUITES.values()))


@pytest.mark.parametrize("section", SUITES)
def test_the_suite_passes(section, pytester, environment):
    for name, text in SUITES[section].items():
        (pytester.path / name).write_text(text)
    ini = [option for item in INI.items() for option in ("-o", "=".join(item))]
    result = pytester.runpytest_subprocess(*LOAD, *ini, "-ra", timeout=HANG)
    outcomes = result.parseoutcomes()
    tests = sum(text.count("def test_") for text in SUITES[section].values())
    assert outcomes.pop("passed", 0) + outcomes.pop("xfailed", 0) >= tests
    assert not outcomes
