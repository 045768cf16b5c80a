"""What the command line, the configuration and the markers say."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from .._engines import engine_name
from .._run import open_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOP: Final = "bridge_loop"
"""The fixture that is the loop, the marker for a Trio test with one, and the ini option."""
ASYNCIO: Final = "bridge_asyncio"
"""The marker for an asyncio test."""
ENGINE: Final = "bridge_engine"

INSTALL: Final = "Write\n    pip install 'trio-bridge[pytest]'"


def add(parser: pytest.Parser) -> None:
    """``--bridge-engine`` and the ini options."""
    group = parser.getgroup("trio_bridge")
    group.addoption(
        "--bridge-engine",
        dest=ENGINE,
        action="append",
        metavar="ENGINE",
        help="the engine of the tests' loops: selector, uvloop or portable; "
        "several run each test once per engine",
    )
    parser.addini(ENGINE, "--bridge-engine's default; several: with spaces between", type="args")
    parser.addini(LOOP, "open an asyncio loop for every Trio test", type="bool", default=False)


def add_markers(config: pytest.Config) -> None:
    """For ``pytest --markers``."""
    for line in (
        f"{LOOP}(**options): a Trio test with an asyncio loop, opened with these options of "
        "trio_bridge.open_loop; engine may be a list",
        f"{ASYNCIO}(**options): a test that is asyncio code, run on a loop inside Trio; "
        f"options as for {LOOP}",
    ):
        config.addinivalue_line("markers", line)


def check(config: pytest.Config) -> None:
    """Refuse what can't be meant, before any test is collected."""
    for name in engines(config):
        try:
            engine_name(name)
        except (ValueError, ImportError) as exc:
            place = "--bridge-engine" if config.getoption(ENGINE) else f"{ENGINE} of the ini file"
            raise pytest.UsageError(f"{place}: {exc}") from None
    if config.getini(LOOP) and not has_pytest_trio(config):
        raise pytest.UsageError(
            f"{LOOP} = true: opens a loop for every Trio test, and pytest-trio, which runs them, "
            f"is not there. {INSTALL}\nor leave the option out"
        )


def has_pytest_trio(config: pytest.Config) -> bool:
    """Whether pytest-trio takes part, by its entry point or by ``-p``."""
    manager = config.pluginmanager
    return bool(manager.has_plugin("trio") or manager.has_plugin("pytest_trio.plugin"))


def engines(config: pytest.Config) -> list[str]:
    """The engines that the command line, else the ini file, names."""
    named = config.getoption(ENGINE) or config.getini(ENGINE)
    return [name for text in named for name in text.replace(",", " ").split()]


def marker_of(node: pytest.Item) -> str | None:
    """The marker of ours that the test has."""
    return next((name for name in (ASYNCIO, LOOP) if node.get_closest_marker(name)), None)


def loop_options(node: pytest.Item) -> dict[str, Any]:
    """What the markers say, the closest first; ``engine`` is left to :func:`marked_engines`."""
    options: dict[str, Any] = {}
    for name in (ASYNCIO, LOOP):
        for mark in node.iter_markers(name):
            options = {**mark.kwargs, **options}
    options.pop("engine", None)
    return options


def marked_engines(node: pytest.Item) -> Sequence[str]:
    """The engines that the closest marker with ``engine=`` names."""
    for name in (ASYNCIO, LOOP):
        for mark in node.iter_markers(name):
            if engine := mark.kwargs.get("engine"):
                return [engine] if isinstance(engine, str) else list(engine)
    return []


def wrong_options(node: pytest.Item) -> str | None:
    """What is wrong with what the markers say."""
    known = ", ".join(inspect.signature(open_loop).parameters)
    for name in (ASYNCIO, LOOP):
        for mark in node.iter_markers(name):
            if mark.args:
                values = ", ".join(map(repr, mark.args))
                return f"@pytest.mark.{name}({values}): write names, of {known}"
            if unknown := [option for option in mark.kwargs if option not in known.split(", ")]:
                return f"@pytest.mark.{name}({unknown[0]}=...): there are only {known}"
    try:
        open_loop(**loop_options(node))
        for engine in marked_engines(node):
            engine_name(engine)
    except (TypeError, ValueError, ImportError) as exc:
        return f"@pytest.mark.{marker_of(node)}: {exc}"
    return None
