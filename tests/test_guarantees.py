"""Every test that docs/guarantees.md names exists, and its figures are those that are kept."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT
from torture import kept, page

PAGE = ROOT / "docs" / "guarantees.md"
FILE = re.compile(r"^ +- `(tests/[\w/]+\.py)`:\s((?:.+\n)+?)(?=^ *- |^$)", re.MULTILINE)


def named():
    """The tests of the page: file and name."""
    for file, names in FILE.findall(PAGE.read_text()):
        for name in re.findall(r"`(test_\w+)`", names):
            yield pytest.param(file, name, id=name)


NAMED = list(named())


def test_the_page_is_understood():
    assert len(NAMED) == len(re.findall(r"`test_\w+`", PAGE.read_text()))
    assert len({param.id for param in NAMED}) == len(NAMED)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_page_names_exists(file, name):
    source = (ROOT / file).read_text()
    assert re.search(rf"^(?:async )?def {name}\(", source, re.MULTILINE)


def test_each_promise_names_a_test():
    promises = PAGE.read_text().partition("## Under attack")[0].split("\n- ")[1:]
    assert len(promises) > 20
    for promise in promises:
        assert "`test_" in promise or ".md)" in promise, promise


def test_the_figures_are_those_that_are_kept():
    assert f"{page.BEGIN}\n{page.text(kept.load())}\n{page.END}" in PAGE.read_text()
