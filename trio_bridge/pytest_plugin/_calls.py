"""How a test with a loop is called.

pytest-trio runs what the item has for its test, with the fixtures that it gets as arguments. So the
item has another function for as long as the call takes: one that is Trio code, and that takes all
fixtures of the test, so that those count that the test doesn't name (autouse, ``usefixtures``, the
loop of a marker).
"""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .._crossing.errors import readable
from .._run import open_loop
from .._views import trio2aio
from ._options import ENGINE, loop_options
from ._which_tests import hypothesis_of, side_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator

    AsyncTest = Callable[..., Awaitable[None]]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Around pytest-trio's: give it Trio code."""
    side = side_of(item)
    if side is None or not isinstance(item, pytest.Function):
        return (yield)
    with _exchanged(item, is_asyncio=side == "asyncio"):
        if side == "trio":
            return (yield)
        try:
            return (yield)
        except BaseException as exc:
            # The same exception, or the one in its group: nothing to add to its context.
            bare = _as_asyncio_has_it(exc)
            context = bare.__context__
            try:
                raise bare
            finally:
                bare.__context__ = context
                del bare, context


@pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_call")
def pytest_runtest_call_inside(item: pytest.Item) -> Generator[None, Any, Any]:
    """Inside pytest-trio's: give what it has made of that all the fixtures."""
    if isinstance(item, pytest.Function) and (more := item.stash.get(_MORE, None)):
        item.obj = functools.partial(item.obj, **more)
    return (yield)


_MORE = pytest.StashKey[dict[str, Any]]()
"""The fixtures of a test that it doesn't take."""


@contextmanager
def _exchanged(item: pytest.Function, *, is_asyncio: bool) -> Iterator[None]:
    test = item.obj  # pytest-trio leaves its own there
    handle = hypothesis_of(test)
    if handle is not None:
        inner = handle.inner_test
        handle.inner_test = _with_a_loop(item, inner, is_asyncio=is_asyncio)
        try:
            yield
        finally:
            handle.inner_test = inner
        return
    taken = inspect.signature(test).parameters
    item.stash[_MORE] = {name: value for name, value in item.funcargs.items() if name not in taken}
    item.obj = _without_more(item, trio2aio(test) if is_asyncio else test)
    try:
        yield
    finally:
        del item.stash[_MORE]
        item.obj = test


def _without_more(item: pytest.Function, test: AsyncTest) -> AsyncTest:
    more = item.stash[_MORE]

    @functools.wraps(test)
    async def with_what_it_takes(**arguments: Any) -> None:
        try:
            await test(**{name: value for name, value in arguments.items() if name not in more})
        except Exception as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with what to write instead

    return with_what_it_takes


def _with_a_loop(item: pytest.Function, test: AsyncTest, *, is_asyncio: bool) -> AsyncTest:
    """Each example that Hypothesis finds has a Trio run of its own, and so a loop."""
    engine: Any = item.funcargs.get(ENGINE)
    adapted = trio2aio(test) if is_asyncio else test

    @functools.wraps(test)
    async def example(*args: Any, **arguments: Any) -> None:
        async with open_loop(engine=engine, **loop_options(item)):
            await adapted(*args, **arguments)

    return example


def _as_asyncio_has_it(exc: BaseException) -> BaseException:
    """Without the group that pytest-trio's nursery has made of the test's one exception.

    Of a skip pytest-trio has kept that it is one, and not the reason: that is in the group.
    """
    if isinstance(exc, pytest.skip.Exception | pytest.xfail.Exception):
        group = exc.__context__
        while isinstance(group, BaseExceptionGroup) and len(group.exceptions) == 1:
            group = group.exceptions[0]
        return group if isinstance(group, type(exc)) else exc
    if isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        return exc.exceptions[0]
    return exc
