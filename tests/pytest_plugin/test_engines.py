"""Engines: from the command line, the ini file, the marker, a fixture."""

from __future__ import annotations

import re

import pytest

from .conftest import says

TESTS = """
    @pytest.mark.trio
    async def test_trio(bridge_loop, bridge_engine):
        assert bridge_engine in (None, engine_of(bridge_loop))
        print("trio:", engine_of(bridge_loop))

    @pytest.mark.bridge_asyncio
    async def test_asyncio():
        print("asyncio:", engine_of(asyncio.get_running_loop()))
"""


def engines_of(result):
    return dict(re.findall("(trio|asyncio): ([a-z]+)", "\n".join(result.outlines)))


def test_the_default(run):
    result = run(TESTS, "-s")
    assert engines_of(result) == {"trio": "selector", "asyncio": "selector"}


@pytest.mark.parametrize("where", ["command line", "ini file", "both"])
def test_one_engine_or_several(run, where):
    if where == "command line":
        result = run(TESTS, "--bridge-engine=uvloop", "-v", "-s")
    elif where == "ini file":
        result = run(TESTS, "-v", "-s", ini={"bridge_engine": "uvloop"})
    else:
        options = ("--bridge-engine=uvloop", "--bridge-engine=portable,selector")
        result = run(TESTS, *options, "-v", "-s", ini={"bridge_engine": "selector"})
        result.assert_outcomes(passed=6)
        result.stdout.fnmatch_lines_random(
            [f"*::test_trio[[]{name}[]]*" for name in ("uvloop", "portable", "selector")]
        )
        return
    result.assert_outcomes(passed=2)
    assert not any("[uvloop]" in line for line in result.outlines)
    assert engines_of(result) == {"trio": "uvloop", "asyncio": "uvloop"}


def test_markers_fixtures_and_parameters(run):
    tests = """
        @pytest.mark.bridge_asyncio(engine=["portable", "uvloop"])
        async def test_marker(bridge_engine):
            assert engine_of(asyncio.get_running_loop()) == bridge_engine != "selector"

        @pytest.mark.bridge_loop(engine="portable")
        async def test_one(request):
            assert request.node.name == "test_one" and engine_of(current_loop()) == "portable"

        @pytest.mark.parametrize("bridge_engine", ["selector", "portable"])
        @pytest.mark.trio
        async def test_parameter(bridge_engine, bridge_loop):
            assert engine_of(bridge_loop) == bridge_engine

        def test_without_a_loop(bridge_engine):
            import trio_bridge
            trio_bridge.run(trio.sleep, 0, engine=bridge_engine)
    """
    overridden = """
        @pytest.fixture(params=["selector", "portable"], scope="module")
        def bridge_engine(request):
            return request.param

        @pytest.mark.bridge_asyncio
        async def test_it(bridge_engine):
            assert engine_of(asyncio.get_running_loop()) == bridge_engine
    """
    result = run(tests, "--bridge-engine=selector,uvloop", test_overridden=overridden)
    result.assert_outcomes(passed=2 + 1 + 2 + 2 + 2)


@pytest.mark.parametrize("where", ["--bridge-engine", "bridge_engine of the ini file"])
def test_an_unknown_engine(run, where):
    if where == "--bridge-engine":
        result = run(TESTS, "--bridge-engine=uvlop")
    else:
        result = run(TESTS, ini={"bridge_engine": "selector uvlop"})
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says(
        result,
        f"ERROR: {where}: unknown engine 'uvlop': this version has 'portable', 'selector', "
        "'uvloop'. Write engine='selector', or leave it out (and see the TRIO_BRIDGE_ENGINE "
        "variable)",
    )
