"""Which tests have a loop; they are pytest-trio's, and nobody else's.

1. A test that is marked ``bridge_asyncio`` is asyncio code, with a loop.
2. A test that is marked ``bridge_loop`` is a Trio test with a loop.
3. With ``bridge_loop = true`` in the ini file so is every Trio test.
4. So is a Trio test that takes ``bridge_loop``, by itself or through another fixture.

The first three get the fixture before pytest looks at what a test needs, so that it can be
overridden and parametrized as if the test had named it.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import ExitStack
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ._hiding import hidden
from ._options import ASYNCIO, ENGINE, LOOP

if TYPE_CHECKING:
    from collections.abc import Generator


def side_of(item: pytest.Item) -> Literal["asyncio", "trio"] | None:
    """Whose code a test with a loop is; None for a test without one."""
    if not isinstance(item, pytest.Function) or not is_async_test(item.obj):
        return None
    if item.get_closest_marker(ASYNCIO):
        return "asyncio"
    if LOOP in item.fixturenames or item.get_closest_marker(LOOP):
        return "trio"
    # Hypothesis' tests have the loop that each example opens, and no fixture.
    is_trio = item.config.getini(LOOP) and item.get_closest_marker("trio")
    return "trio" if is_trio and hypothesis_of(item.obj) else None


def is_async_test(test: Any) -> bool:
    """Whether it is an async function, or one below Hypothesis' ``@given``."""
    handle = hypothesis_of(test)
    return inspect.iscoroutinefunction(handle.inner_test if handle else test)


def hypothesis_of(test: Any) -> Any:
    """Where Hypothesis keeps the function that ``@given`` decorates, if it does."""
    return getattr(test, "hypothesis", None)


_hidden = ExitStack()
"""What is hidden while one test is made into its items."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, obj: object
) -> Generator[None, Any, Any]:
    """Around all others: add what the test needs, for as long as its items are made."""
    function = _function_of(obj)
    if function is None or not is_async_test(function):
        return (yield)
    with ExitStack() as stack:
        stack.push(_hidden)
        if marks := _marks_to_add(collector, function):
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            own = getattr(function, "pytestmark", [])
            patch.setattr(function, "pytestmark", [*own, *marks], raising=False)
        return (yield)


@pytest.hookimpl(specname="pytest_pycollect_makeitem")
def pytest_pycollect_makeitem_after_anyio(obj: object) -> None:
    """Take back what anyio's auto mode has put on a test that gets the loop from us."""
    function: Any = _function_of(obj)
    uses = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "usefixtures"]
    if any(mark.args in ((LOOP,), (ENGINE,)) for mark in uses):
        anyios = [mark for mark in uses if mark.args == ("anyio_backend",)]
        function.pytestmark = [mark for mark in function.pytestmark if mark not in anyios]


def _function_of(obj: object) -> FunctionType | None:
    """The function that it is, or that a static or class method is of.

    All that a module or a class has comes here. By its type, as to ask for an attribute may run
    code: ``flask.request`` raises then. A class may have one mark for its ``pytestmark``.
    """
    if issubclass(type(obj), (staticmethod, classmethod)):
        obj = obj.__func__  # type: ignore[attr-defined]
    return obj if type(obj) is FunctionType else None


@pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_pycollect_makeitem")
def pytest_pycollect_makeitem_inside() -> Generator[None, Any, Any]:
    """Inside all others: pytest-asyncio's auto mode is not to see the items of ours."""
    items = yield
    for item in items if isinstance(items, list) else ():
        if side_of(item):
            _hidden.enter_context(hidden(item))
    return items


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, Any, Any]:
    """Nor what the items are made from: it would run them once per loop factory of its own."""
    if side_of(metafunc.definition):
        with hidden(metafunc.definition):
            return (yield)
    return (yield)


def _marks_to_add(
    collector: pytest.Module | pytest.Class, function: Any
) -> list[pytest.MarkDecorator]:
    own = {mark.name for mark in getattr(function, "pytestmark", ())}

    def is_marked(name: str) -> bool:
        return name in own or collector.get_closest_marker(name) is not None

    by_others = is_marked("asyncio") or is_marked("anyio")
    is_ours = is_marked(ASYNCIO) or is_marked(LOOP)
    is_trio = is_marked("trio") or (_has_trio_mode(collector.config) and not by_others)
    if not is_ours and not (is_trio and collector.config.getini(LOOP)):
        return []
    needs = pytest.mark.usefixtures(ENGINE if hypothesis_of(function) else LOOP)
    # Its marker, as pytest-trio's own mode comes too late for its fixtures.
    return [needs] if is_marked("trio") else [needs, pytest.mark.trio]


def _has_trio_mode(config: pytest.Config) -> bool:
    if config.getini("trio_mode"):
        return True
    mode = sys.modules.get("pytest_trio.enable_trio_mode")
    return mode is not None and any(
        getattr(plugin, "pytest_collection_modifyitems", None) is mode.pytest_collection_modifyitems
        for plugin in config.pluginmanager.get_plugins()
    )
