"""Which engine a name, the environment and the platform give; and what Windows' loops refuse."""

from __future__ import annotations

import asyncio
import math
import selectors

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge._engines import engine_name, make_engine
from trio_bridge._engines._windows import WindowsLimits


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("TRIO_BRIDGE_ENGINE", raising=False)


@pytest.fixture
def windows_selector(monkeypatch):
    """The standard library's selector that has no descriptor of its own: Windows' default."""
    monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)


def test_the_default_is_selector_where_that_can_be_watched():
    assert hasattr(selectors.DefaultSelector, "fileno")
    assert engine_name(None) == "selector"


@pytest.mark.usefixtures("windows_selector")
def test_the_default_is_portable_elsewhere():
    assert engine_name(None) == "portable"
    engine = make_engine(None)
    engine.loop.close()
    assert type(engine).__name__ == "PortableEngine"
    with pytest.raises(RuntimeError, match="engine='portable'"):
        trio_bridge.run(trio.sleep, 0, engine="selector")
    with pytest.raises(ValueError, match=r"'portable', 'selector'.*Write engine='portable'"):
        engine_name("nonesuch")


@pytest.mark.parametrize("name", ["selector", "portable"])
def test_the_variable_and_the_name(monkeypatch, name):
    other = {"selector": "portable", "portable": "selector"}[name]
    monkeypatch.setenv("TRIO_BRIDGE_ENGINE", name)
    assert engine_name(None) == name
    assert engine_name(other) == other
    engine = make_engine(None)
    engine.loop.close()
    assert type(engine).__module__ == f"trio_bridge._engines.{name}"
    trio_bridge.new_event_loop(engine=name).close()


class WindowsLoop(WindowsLimits, asyncio.SelectorEventLoop):
    """What a loop of the bridge's is on Windows, where its second base can do as little."""


def test_what_windows_loops_cannot_do_they_refuse_with_the_reason():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(NotImplementedError, match="call_soon_threadsafe"):
            loop.add_signal_handler(2, print)
        with pytest.raises(NotImplementedError, match="no signal handlers on Windows"):
            loop.remove_signal_handler(2)
        with pytest.raises(NotImplementedError, match="no pipes: on Windows"):
            await loop.connect_read_pipe(asyncio.Protocol, None)
        with pytest.raises(NotImplementedError, match="no pipes: on Windows"):
            await loop.connect_write_pipe(asyncio.Protocol, None)
        with pytest.raises(NotImplementedError, match=r"on Windows.*trio\.run_process"):
            await asyncio.create_subprocess_exec("true")
        with pytest.raises(NotImplementedError, match=r"on Windows.*trio\.run_process"):
            await asyncio.create_subprocess_shell("true")

    with asyncio.Runner(loop_factory=WindowsLoop) as runner:
        runner.run(main())


@pytest.mark.parametrize("name", ["selector", "portable", "uvloop"])
def test_an_engine_says_from_outside_when_its_next_turn_is_due(name):
    """The same that a turn says: what the pump asks of an engine that hides work."""
    if name == "uvloop":
        pytest.importorskip("uvloop")

    async def main():
        loop = trio_bridge.current_loop()
        engine = trio_bridge._bridge.by_loop[loop].pump._engine
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert engine.due() == math.inf
        timer = loop.call_later(60, int)
        assert 30 < engine.due() - loop.time() < 61
        timer.cancel()

        def in_asyncio_code():
            loop.call_soon(int)
            return engine.due()

        assert trio_bridge.trio2aio(in_asyncio_code)() == -math.inf

    trio_bridge.run(main, engine=name)
