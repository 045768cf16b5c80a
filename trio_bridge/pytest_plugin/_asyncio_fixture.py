"""The decorator for fixtures that are asyncio code."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, overload

import pytest

from .._views import trio2aio
from ._mistakes import WIDER_SCOPE_OF
from ._options import LOOP

if TYPE_CHECKING:
    from collections.abc import Callable


@overload
def asyncio_fixture(function: Callable[..., Any], /) -> Any: ...


@overload
def asyncio_fixture(**options: Any) -> Callable[[Callable[..., Any]], Any]: ...


def asyncio_fixture(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """A fixture that is asyncio code, for tests of both sides: an async function or generator.

    It brings the loop with it: a Trio test that uses the fixture has one. A generator's two halves
    run in one asyncio task, so that it may yield inside of ``asyncio.timeout`` or a ``TaskGroup``.
    The value comes as it is; adapt it with ``trio2aio`` in the Trio test.

    Args:
      function: the fixture's function, as for :func:`pytest.fixture`.
      options: those of :func:`pytest.fixture`, but for ``scope``: each test has its own loop.

    Returns:
      The fixture; without ``function`` a decorator.

    Raises:
      ValueError: another ``scope``.
      TypeError: ``function`` is a plain function.
    """
    if function is None:
        return lambda function: _made(function, options)
    return _made(function, options)


def _made(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    name = getattr(function, "__name__", repr(function))
    if options.get("scope", "function") != "function":
        raise ValueError(WIDER_SCOPE_OF.format(name, options["scope"]))
    if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
        raise TypeError(
            f"asyncio_fixture takes an async function or generator. Write\n    async def {name}"
            "(...):\nor @pytest.fixture above a plain function"
        )
    signature = inspect.signature(function)
    takes_loop = LOOP in signature.parameters
    adapted: Callable[..., Any] = trio2aio(function)

    @functools.wraps(function)
    def on_the_bridge(*args: Any, **arguments: Any) -> Any:
        if not takes_loop:
            del arguments[LOOP]
        return adapted(*args, **arguments)

    if not takes_loop:
        loop = inspect.Parameter(LOOP, inspect.Parameter.KEYWORD_ONLY)
        signature = signature.replace(parameters=[*signature.parameters.values(), loop])
    on_the_bridge.__signature__ = signature  # type: ignore[attr-defined]
    fixture: Any = pytest.fixture  # its overloads want a literal scope
    return fixture(**options)(on_the_bridge)
