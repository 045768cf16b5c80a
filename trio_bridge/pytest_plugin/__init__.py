"""The pytest plugin: Trio tests with an asyncio loop, and asyncio tests on the bridge.

pytest loads it where trio_bridge is installed. It does nothing but for tests that ask for it, and
works on top of pytest-trio, whose tests its tests are: a test with a loop is a Trio test in which
the fixture ``bridge_loop`` comes before all other async fixtures.

``docs/testing.md`` shows the fixtures, the markers and the options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _engine, _options
from ._asyncio_fixture import asyncio_fixture

if TYPE_CHECKING:
    import pytest

__all__ = ["asyncio_fixture"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """What pytest's command line and configuration may say."""
    _options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the parts: with pytest-trio those that work, without it those that explain."""
    _options.add_markers(config)
    _options.check(config)
    parts = [_engine]
    if _options.has_pytest_trio(config):
        from . import _async_fixtures, _calls, _loop_fixture, _mistakes, _which_tests

        parts += [_async_fixtures, _calls, _loop_fixture, _mistakes, _which_tests]
    else:
        from . import _without_pytest_trio

        parts += [_without_pytest_trio]
    for part in parts:
        config.pluginmanager.register(part, part.__name__)
