"""A loop for Trio tests: by the fixture, by the marker, by the ini option."""

from __future__ import annotations

import pytest


def test_the_fixture_is_the_loop_of_the_test_and_its_fixtures(run):
    result = run(
        """
        @pytest.fixture
        async def before(bridge_loop):
            queue = trio2aio(asyncio).Queue()
            await queue.put(6)
            yield queue
            assert current_loop() is bridge_loop
            print("the loop is open:", not bridge_loop.is_closed())

        @pytest.mark.trio
        async def test_takes_the_loop(bridge_loop):
            assert current_loop() is bridge_loop
            assert await trio2aio(asyncio.sleep)(0, 5) == 5

        @pytest.mark.trio
        async def test_takes_a_fixture_that_does(before):
            assert await before.get() == 6

        @pytest.mark.trio
        async def test_has_none():
            with pytest.raises(RuntimeError, match="no asyncio loop is open here"):
                await trio2aio(asyncio.sleep)(0)
        """,
        "-s",
    )
    result.assert_outcomes(passed=3)
    assert "the loop is open: True" in str(result.stdout)


def test_the_marker_opens_one_with_its_options(run):
    result = run(
        """
        seen = []
        pytestmark = pytest.mark.bridge_loop(on_error=lambda loop, context: seen.append(context))

        async def test_the_options_of_the_module():
            loop = current_loop()
            trio2aio(loop.call_soon)(int, "five")
            await trio2aio(asyncio.sleep)(0)
            assert "five" in str(seen.pop()["exception"])

        class TestClass:
            @pytest.mark.bridge_loop(on_error="log")
            async def test_the_closest_counts(self, caplog):
                trio2aio(current_loop().call_soon)(int, "six")
                await trio2aio(asyncio.sleep)(0)
                assert "six" in caplog.text and not seen

            @staticmethod
            async def test_static():
                await trio2aio(asyncio.sleep)(0)
        """
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("mode", ["trio_mode", "enable_trio_mode"])
def test_the_ini_option_opens_one_for_every_trio_test(run, mode):
    tests = """
        @pytest.fixture
        async def doesnt_name_the_loop():
            await trio2aio(asyncio.sleep)(0)
            yield current_loop()
            await trio2aio(asyncio.sleep)(0)

        @pytest.fixture(autouse=True)
        async def is_in_all_tests(request):
            request.node.stash[KEY] = current_loop()

        KEY = pytest.StashKey()

        @pytest.mark.parametrize("time", range(5))  # Trio starts fixtures in a random order
        async def test_trio(doesnt_name_the_loop, time, request):
            assert current_loop() is doesnt_name_the_loop is request.node.stash[KEY]

        @pytest.mark.skip
        async def test_is_skipped():
            pass
    """
    plain = "def test_plain():\n    with pytest.raises(RuntimeError):\n        current_loop()\n"
    ini = {"bridge_loop": "true"}
    if mode == "trio_mode":
        result = run(tests, ini={**ini, "trio_mode": "true"}, test_plain=plain)
    else:
        mode = "from pytest_trio.enable_trio_mode import *"
        result = run(tests, ini=ini, conftest=mode, test_plain=plain)
    result.assert_outcomes(passed=6, skipped=1)


def test_hypothesis_has_a_loop_for_each_example(run):
    result = run(
        """
        from hypothesis import given, settings, strategies as st

        loops = set()

        @pytest.mark.trio
        @settings(max_examples=5, deadline=None, database=None)
        @given(x=st.integers(), )
        async def test_ini_option(x):
            loops.add(current_loop())
            assert await trio2aio(asyncio.sleep)(0, x) == x

        @pytest.mark.bridge_asyncio
        @pytest.mark.parametrize("y", [1, 2])
        @settings(max_examples=5, deadline=None, database=None)
        @given(x=st.integers())
        async def test_asyncio(x, y):
            loops.add(asyncio.get_running_loop())
            assert await asyncio.sleep(0, x) == x

        class TestClass:
            @pytest.mark.bridge_loop
            @settings(max_examples=5, deadline=None, database=None)
            @given(x=st.integers())
            async def test_method(self, x):
                loops.add(current_loop())

        def test_all_are_closed():
            assert len(loops) == 20 and all(loop.is_closed() for loop in loops)
        """,
        ini={"bridge_loop": "true"},
    )
    result.assert_outcomes(passed=5)


def test_an_own_loop_fixture_may_need_async_fixtures(run):
    result = run(
        """
        import trio_bridge

        @pytest.fixture
        async def needed():
            await trio.sleep(0)
            return "needed"

        @pytest.fixture
        async def other(needed):
            return current_loop()

        @pytest.fixture
        async def bridge_loop(needed):
            assert needed == "needed"
            async with trio_bridge.open_loop(engine="portable") as loop:
                yield loop

        @pytest.mark.bridge_loop
        async def test_marked(needed, other):
            assert engine_of(other) == "portable"

        @pytest.mark.trio
        async def test_takes_it(other, needed, bridge_loop):
            assert other is bridge_loop
        """
    )
    result.assert_outcomes(passed=2)
