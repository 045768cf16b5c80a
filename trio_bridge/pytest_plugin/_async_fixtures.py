"""The async fixtures of a test with a loop: whose code they are, and that they find the loop.

1. What ``trio_fixture`` made is Trio code; what ``asyncio_fixture`` or ``pytest_asyncio.fixture``
   made is asyncio code, in tests of either side.
2. Any other async fixture is code of the test's own side.
3. All of them are set up after the loop is open, and torn down before it closes. (pytest-trio sets
   up fixtures at the same time unless one needs the other: so they need it.)
4. Scopes wider than a function are not ours, as each test has a Trio run of its own. What
   pytest-asyncio or anyio takes, they may; the rest is refused.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from pytest_trio import trio_fixture

from .. import _private
from .._views import trio2aio
from ._mistakes import WIDER_SCOPES, mistake_with_the_loop
from ._options import ASYNCIO, LOOP

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Around all others, so that pytest-asyncio and anyio see a plain function."""
    mistake = _mistake(fixturedef, request)
    is_ours = fixturedef.scope == "function" and _is_async_in_a_loop(fixturedef, request)
    if mistake is None and not is_ours:
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        if mistake is not None:
            # Not here and now: pytest has to call the fixture's function to know that it failed.
            patch.setattr(fixturedef, "func", _failing(mistake))
            return (yield)
        patch.setattr(fixturedef, "func", _in_the_loop(fixturedef, request))
        if LOOP not in fixturedef.argnames and not _is_needed_by_the_loop(request):
            patch.setattr(fixturedef, "argnames", (*fixturedef.argnames, LOOP))
        return (yield)


def _mistake(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> str | None:
    if fixturedef.argname == LOOP:
        return mistake_with_the_loop(request)
    if fixturedef.scope == "function" or not _is_async_in_a_loop(fixturedef, request):
        return None
    return None if _belongs_to_others(fixturedef, request) else WIDER_SCOPES.format(fixturedef)


def _failing(message: str) -> Callable[..., None]:
    def fails(**arguments: object) -> None:
        pytest.fail(message, pytrace=False)

    return fails


def _is_async_in_a_loop(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
    if LOOP not in request.fixturenames or fixturedef.argname == LOOP:
        return False
    function = fixturedef.func
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
        or _private.is_trio_fixture(function)
        or LOOP in fixturedef.argnames
    )


def _in_the_loop(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """A plain function that returns what pytest-trio awaits or steps, Trio-side."""
    function = _bound(fixturedef.func, request)
    if _is_asyncio_code(fixturedef.func, request):
        function = trio2aio(function)
    takes_loop = LOOP in fixturedef.argnames

    def in_the_loop(**arguments: Any) -> Any:
        if not takes_loop:
            arguments.pop(LOOP, None)
        return function(**arguments)

    trio_fixture(in_the_loop)  # only marks it, and makes a fixture that nobody uses
    return in_the_loop


def _bound(function: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A method of the test class: of the instance whose test runs, not of the one collected."""
    instance = request.instance
    if inspect.ismethod(function) and type(function.__self__) is type(instance):
        return function.__func__.__get__(instance)  # type: ignore[no-any-return]
    return function  # type: ignore[no-any-return]


def _is_asyncio_code(function: object, request: pytest.FixtureRequest) -> bool:
    if _private.is_pytest_asyncio_fixture(function):
        return True
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    is_by_default = is_async and not _private.is_trio_fixture(function)
    return is_by_default and request.node.get_closest_marker(ASYNCIO) is not None


def _is_needed_by_the_loop(request: pytest.FixtureRequest) -> bool:
    """Whether the suite's own ``bridge_loop`` needs the fixture that is being set up."""
    try:
        request.getfixturevalue(LOOP)
    except pytest.FixtureLookupError:  # each needs the other
        return True
    return False


def _belongs_to_others(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
    config = request.config
    if "anyio_backend" in request.fixturenames:
        return True
    if not config.pluginmanager.has_plugin("asyncio"):
        return False
    mode = config.getoption("asyncio_mode") or config.getini("asyncio_mode")
    return mode == "auto" or _private.is_pytest_asyncio_fixture(fixturedef.func)
