"""The bar of the mutation run, as it was kept, and its page."""

from __future__ import annotations

import pytest
from mutation import page

RESULTS = page.load()


def test_the_tests_kill_enough():
    assert RESULTS["tried"] >= 300
    assert RESULTS["killed"] / RESULTS["tried"] >= 0.85


def test_every_survivor_is_listed():
    assert RESULTS["tried"] - RESULTS["killed"] == len(RESULTS["survivors"])


@pytest.mark.parametrize("survivor", RESULTS["survivors"], ids=lambda one: one["after"][:40])
def test_why_it_survives_is_known(survivor):
    assert page.reading_of(survivor)


def test_the_page_is_what_is_kept():
    assert f"{page.BEGIN}\n{page.text(RESULTS)}\n{page.END}" in page.PAGE.read_text()
