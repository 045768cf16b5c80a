"""Errors of use name the mistake, and show the line to write."""

from __future__ import annotations

import pytest

from .conftest import says

MISTAKES = {
    "marker on a plain test": (
        """
        @pytest.mark.bridge_asyncio
        def test_plain(tmp_path):
            pass
        """,
        """
        'test_plain' is marked bridge_asyncio, and is no async function. Write
            async def test_plain(...):
        or take the marker away
        """,
    ),
    "marker on a generator": (
        """
        @pytest.mark.bridge_loop
        @pytest.mark.parametrize("x", [1])
        async def test_generator(x):
            yield
        """,
        """
        'test_generator[1]' is marked bridge_loop, and is no async function. Write
            async def test_generator(...):
        or take the marker away
        """,
    ),
    "a unittest class": (
        """
        from unittest import IsolatedAsyncioTestCase

        @pytest.mark.bridge_asyncio
        class TestIsolated(IsolatedAsyncioTestCase):
            async def test_it(self):
                pass
        """,
        """
        'test_it' is marked bridge_asyncio, and unittest runs it itself, on a loop of its own. Write
            class TestIsolated:
        without unittest, or take the marker away
        """,
    ),
    "two owners": (
        """
        @pytest.mark.asyncio
        @pytest.mark.bridge_asyncio
        async def test_twice():
            pass
        """,
        """
        'test_twice' is marked asyncio and bridge_asyncio, and two plugins can't both run it. Take
        away one of
            @pytest.mark.asyncio
            @pytest.mark.bridge_asyncio
        """,
    ),
    "the loop in a plain test": (
        """
        def test_plain(bridge_loop):
            pass
        """,
        """
        'test_plain' uses the fixture bridge_loop, and is no Trio test. Write
            async def test_plain(bridge_loop):
        with @pytest.mark.bridge_loop above it
        """,
    ),
    "the loop in a test of nobody's": (
        """
        async def test_unmarked(bridge_loop):
            pass
        """,
        """
        'test_unmarked' uses the fixture bridge_loop, and is no Trio test. Write
            @pytest.mark.bridge_loop
        above it if it is Trio code, or
            @pytest.mark.bridge_asyncio
        if it is asyncio code
        """,
    ),
    "the loop in pytest-asyncio's test": (
        """
        @pytest.mark.asyncio
        async def test_asyncio(bridge_loop):
            pass
        """,
        """
        'test_asyncio' uses the fixture bridge_loop, and is no Trio test. Write
            @pytest.mark.bridge_loop
        above it if it is Trio code, or
            @pytest.mark.bridge_asyncio
        if it is asyncio code, instead of @pytest.mark.asyncio
        """,
    ),
    "a fixture that brings the loop": (
        """
        @asyncio_fixture
        async def server():
            pass

        def test_plain(server):
            pass
        """,
        """
        'test_plain' uses the fixture bridge_loop, and is no Trio test. Write
            async def test_plain(bridge_loop):
        with @pytest.mark.bridge_loop above it
        """,
    ),
    "a wider scope": (
        """
        @pytest.fixture(scope="module")
        async def pool():
            pass

        @pytest.mark.bridge_asyncio
        async def test_pool(pool):
            pass
        """,
        """
        the async fixture 'pool' has scope='module', and here each test has a Trio run and a loop of
        its own. Write
            @pytest.fixture
        or see 'Wider scopes' in docs/testing.md for fixtures that live through several tests
        """,
    ),
    "an unknown option": (
        """
        @pytest.mark.bridge_asyncio(on_eror="log")
        async def test_option():
            pass
        """,
        """
        @pytest.mark.bridge_asyncio(on_eror=...): there are only engine, on_error,
        cancel_warn_after, redeliver_cancel_after, tree_signal
        """,
    ),
    "an option without its name": (
        """
        @pytest.mark.bridge_loop("uvloop")
        async def test_option():
            pass
        """,
        """
        @pytest.mark.bridge_loop('uvloop'): write names, of engine, on_error, cancel_warn_after,
        redeliver_cancel_after, tree_signal
        """,
    ),
    "a wrong value": (
        """
        @pytest.mark.bridge_loop(cancel_warn_after=0)
        async def test_option():
            pass
        """,
        """
        @pytest.mark.bridge_loop: cancel_warn_after=0: write a positive number of seconds, or None
        """,
    ),
    "an unknown engine": (
        """
        @pytest.mark.bridge_asyncio(engine=["uvlop"])
        async def test_engine():
            pass
        """,
        """
        @pytest.mark.bridge_asyncio: unknown engine 'uvlop': this version has 'portable',
        'selector', 'uvloop'. Write engine='selector', or leave it out (and see the
        TRIO_BRIDGE_ENGINE variable)
        """,
    ),
}


def test_each_mistake_is_named(run):
    """All in one run: a run takes a second."""
    files = {}
    for number, (code, _) in enumerate(MISTAKES.values()):
        files[f"test_{number}"] = code
    result = run("", **files)
    result.assert_outcomes(errors=len(MISTAKES))
    for name, (_, message) in MISTAKES.items():
        assert says(result, message), name
    assert "Traceback" not in str(result.stdout)


def test_an_engine_that_the_suite_doesnt_use(run):
    result = run(
        """
        @pytest.fixture
        def bridge_engine():
            return "selector"

        @pytest.mark.bridge_loop(engine="portable")
        async def test_it():
            pass
        """
    )
    result.assert_outcomes(errors=1)
    assert says(
        result,
        """
        @pytest.mark.bridge_loop says engine='portable', and the fixture bridge_engine says
        'selector'. Take one away
        """,
    )


@pytest.mark.parametrize(
    ("fixture", "message"),
    [
        (
            "@asyncio_fixture(scope='module')\nasync def pool(): pass",
            """
            ValueError: asyncio_fixture 'pool' has scope='module', and each test has a loop of its
            own. Write
                @asyncio_fixture
            or see 'Wider scopes' in docs/testing.md for fixtures that live through several tests
            """,
        ),
        (
            "@asyncio_fixture\ndef plain(): pass",
            """
            TypeError: asyncio_fixture takes an async function or generator. Write
                async def plain(...):
            or @pytest.fixture above a plain function
            """,
        ),
    ],
    ids=["scope", "plain"],
)
def test_asyncio_fixture_refuses(run, fixture, message):
    result = run(fixture)
    result.assert_outcomes(errors=1)
    assert says(result, message)


WITHOUT = """
    def test_plain():
        pass

    async def test_fixture(bridge_loop):
        pass

    @pytest.mark.bridge_loop
    async def test_marker():
        pass

    @pytest.mark.bridge_asyncio
    async def test_asyncio():
        pass

    def test_engine(bridge_engine):
        assert bridge_engine is None
"""


def test_without_pytest_trio_it_says_so_to_who_needs_it(run):
    result = run(WITHOUT, "-p", "no:trio")
    result.assert_outcomes(passed=2, errors=3)
    for what in ("the fixture bridge_loop", "@pytest.mark.bridge_loop"):
        assert says(
            result,
            f"""
            {what} needs pytest-trio, which is not installed, or not loaded. Write
                pip install 'trio-bridge[pytest]'
            (and run pytest without `-p no:trio`)
            """,
        )


def test_the_ini_option_without_pytest_trio(run):
    result = run(WITHOUT, "-p", "no:trio", ini={"bridge_loop": "true"})
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says(
        result,
        """
        ERROR: bridge_loop = true: opens a loop for every Trio test, and pytest-trio, which runs
        them, is not there. Write
            pip install 'trio-bridge[pytest]'
        or leave the option out
        """,
    )


def test_code_of_the_wrong_side_is_told_what_to_write(run):
    result = run(
        """
        @pytest.mark.bridge_loop
        async def test_awaits_asyncio():
            await asyncio.sleep(0.1)

        @pytest.mark.bridge_loop
        async def test_skips():
            pytest.skip("not this one")
        """
    )
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*await trio2aio(asyncio.sleep)(...)*"])
