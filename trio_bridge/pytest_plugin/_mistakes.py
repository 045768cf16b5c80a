"""Errors of use: what is wrong, and the line to write."""

from __future__ import annotations

import unittest
from typing import Final

import pytest

from ._options import ASYNCIO, ENGINE, LOOP, marked_engines, marker_of, wrong_options
from ._which_tests import is_async_test

WIDER_SCOPES: Final = (
    "the async fixture {0.argname!r} has scope={0.scope!r}, and here each test has a Trio run and "
    "a loop of its own. Write\n"
    "    @pytest.fixture\n"
    "or see 'Wider scopes' in docs/testing.md for fixtures that live through several tests"
)
WIDER_SCOPE_OF: Final = (
    "asyncio_fixture {0!r} has scope={1!r}, and each test has a loop of its own. Write\n"
    "    @asyncio_fixture\n"
    "or see 'Wider scopes' in docs/testing.md for fixtures that live through several tests"
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before anything is set up."""
    message = _mistake(item)
    if message:
        pytest.fail(message, pytrace=False)


def _mistake(item: pytest.Item) -> str | None:
    marker = marker_of(item)
    if marker is None:
        return None
    if not isinstance(item, pytest.Function) or not is_async_test(item.obj):
        name = getattr(item, "originalname", item.name)
        return (
            f"{item.name!r} is marked {marker}, and is no async function. Write\n"
            f"    async def {name}(...):\nor take the marker away"
        )
    if item.cls is not None and issubclass(item.cls, unittest.TestCase):
        return (
            f"{item.name!r} is marked {marker}, and unittest runs it itself, on a loop of its own. "
            f"Write\n    class {item.cls.__name__}:\nwithout unittest, or take the marker away"
        )
    for other in ("asyncio", "anyio"):
        if item.get_closest_marker(other):
            return (
                f"{item.name!r} is marked {other} and {marker}, and two plugins can't both run it. "
                f"Take away one of\n    @pytest.mark.{other}\n    @pytest.mark.{marker}"
            )
    return wrong_options(item)


def mistake_with_the_loop(request: pytest.FixtureRequest) -> str | None:
    """What is wrong with the test that ``bridge_loop`` is set up for."""
    if not request.node.get_closest_marker("trio"):
        return _not_a_trio_test(request.node)
    marked = marked_engines(request.node)
    if marked and ENGINE in request.fixturenames:
        engine = request.getfixturevalue(ENGINE)
        if engine not in marked:  # overridden
            said = marked[0] if len(marked) == 1 else marked
            return (
                f"@pytest.mark.{marker_of(request.node)} says engine={said!r}, and the fixture "
                f"{ENGINE} says {engine!r}. Take one away"
            )
    return None


def _not_a_trio_test(item: pytest.Item) -> str:
    if not isinstance(item, pytest.Function) or not is_async_test(item.obj):
        name = getattr(item, "originalname", item.name)
        line = f"    async def {name}(bridge_loop):\nwith @pytest.mark.{LOOP} above it"
    else:
        line = (
            f"    @pytest.mark.{LOOP}\nabove it if it is Trio code, or\n"
            f"    @pytest.mark.{ASYNCIO}\nif it is asyncio code"
        )
        if others := [name for name in ("asyncio", "anyio") if item.get_closest_marker(name)]:
            line += f", instead of @pytest.mark.{others[0]}"
    return f"{item.name!r} uses the fixture {LOOP}, and is no Trio test. Write\n{line}"
