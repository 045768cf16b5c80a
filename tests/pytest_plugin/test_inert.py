"""Where nobody asks for it, the plugin does nothing."""

from __future__ import annotations

import subprocess
import sys

from .conftest import LOAD


def test_the_core_doesnt_know_pytest():
    code = "import sys, trio_bridge; trio_bridge.run; print('pytest' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


def test_loading_it_imports_no_engine_and_no_other_plugin():
    code = (
        "import sys; import trio_bridge.pytest_plugin; print([name for name in sys.modules if "
        "name.startswith(('pytest_trio', 'pytest_asyncio', 'uvloop', 'trio_bridge._engines.u', "
        "'trio_bridge.inspect', 'rich', 'hypothesis'))])"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_a_suite_that_doesnt_use_it_runs_as_without_it(run):
    tests = """
        @pytest.fixture
        async def fixture():
            yield 5

        @pytest.mark.trio
        async def test_trio(fixture, nursery, autojump_clock):
            await trio.sleep(3600)
            assert fixture == 5

        @pytest.mark.trio
        async def test_fails(fixture):
            assert fixture == 6

        @pytest.mark.asyncio
        async def test_asyncio():
            await asyncio.sleep(0)

        @pytest.mark.anyio
        async def test_anyio(fixture):
            assert fixture == 5

        async def test_of_nobodys():
            pass
    """
    ours = run(tests, "-v")
    off = ["-p", "no:trio_bridge"] if LOAD == [] else ["-p", "no:trio_bridge.pytest_plugin"]
    without = run(tests, "-v", *off)
    assert outcomes(ours) == outcomes(without)
    assert len(outcomes(ours)) == 6


def test_it_asks_nothing_of_what_a_module_has(run):
    """``flask.request`` raises when it is asked for an attribute; a mark need not be in a list."""
    tests = """
        class Proxy:
            def __getattr__(self, name):
                raise RuntimeError("Working outside of request context.")

        request = Proxy()

        class TestClass:
            pytestmark = pytest.mark.bridge_asyncio

            async def test_method(self):
                asyncio.current_task()

            @staticmethod
            async def test_static():
                asyncio.current_task()

            @classmethod
            async def test_of_class(cls):
                asyncio.current_task()
    """
    run(tests).assert_outcomes(passed=3)


def outcomes(result):
    return [line for line in result.outlines if "::" in line and line.endswith("%]")]
