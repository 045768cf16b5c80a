"""Each test writes a suite, and has pytest run it in another process, with the other plugins there.

Not in this one, whose conftest has a way of its own to run async tests.
"""

from __future__ import annotations

import importlib.util
import textwrap
import types
from importlib.metadata import entry_points

import pytest
from conftest import HANG, PYTHONPATH

IS_INSTALLED = bool(entry_points(group="pytest11", name="trio_bridge"))
"""Whether pytest finds the plugin by itself: in tox, and not in a checkout."""
LOAD = [] if IS_INSTALLED else ["-p", "trio_bridge.pytest_plugin"]

INI = {"asyncio_default_fixture_loop_scope": "function", "filterwarnings": "error"}
PRELUDE = """
import asyncio, pytest, time, trio
from trio_bridge import aio2trio, current_loop, trio2aio
from trio_bridge.pytest_plugin import asyncio_fixture

def engine_of(loop):
    implementation = getattr(loop, "_selector", loop)  # uvloop has none
    return type(implementation).__module__.rpartition(".")[2]
"""


collect_ignore = ["project"]  # has its own pytest


@pytest.fixture
def environment(monkeypatch):
    """The other plugins are installed, the package is found, and no engine is preferred."""
    if missing := [name for name in PLUGINS if importlib.util.find_spec(name) is None]:
        pytest.skip(f"not installed: {missing}")
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    monkeypatch.delenv("TRIO_BRIDGE_ENGINE", raising=False)


PLUGINS = ("pytest_trio", "pytest_asyncio", "anyio")


@pytest.fixture
def run(pytester, environment):
    """Run ``tests``, and other files given by name, with these options and ini values."""

    def run(tests, *options, ini=types.MappingProxyType({}), **files):
        lines = [f"{name} = {value}" for name, value in {**INI, **ini}.items() if value]
        pytester.makefile(".ini", pytest="\n".join(["[pytest]", *lines]))
        pytester.makepyfile(
            test_it=PRELUDE + textwrap.dedent(tests),
            **{name: PRELUDE + textwrap.dedent(text) for name, text in files.items()},
        )
        return pytester.runpytest_subprocess(*LOAD, "-ra", *options, timeout=HANG)

    return run


def says(result, text):
    """Whether the run's output has the text, however its lines are broken."""
    lines = (line.removeprefix("E ") for line in result.outlines + result.errlines)
    return " ".join(text.split()) in " ".join(" ".join(lines).split())
