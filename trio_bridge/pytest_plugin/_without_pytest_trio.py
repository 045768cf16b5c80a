"""Where pytest-trio is not installed: say so to who would need it."""

from __future__ import annotations

import pytest

from ._options import ASYNCIO, INSTALL, LOOP

_MISSING = (
    "{0} needs pytest-trio, which is not installed, or not loaded. " + INSTALL + "\n"
    "(and run pytest without `-p no:trio`)"
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before pytest says that it knows no async functions."""
    for name in (ASYNCIO, LOOP):
        if item.get_closest_marker(name):
            pytest.fail(_MISSING.format(f"@pytest.mark.{name}"), pytrace=False)


@pytest.fixture
def bridge_loop() -> None:
    """An asyncio loop that is open for this Trio test: needs pytest-trio."""
    pytest.fail(_MISSING.format(f"the fixture {LOOP}"), pytrace=False)
