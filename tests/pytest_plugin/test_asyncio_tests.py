"""Tests that are asyncio code, on a loop inside Trio."""

from __future__ import annotations


def test_an_asyncio_test_is_an_asyncio_task_inside_trio(run):
    result = run(
        """
        pytestmark = pytest.mark.bridge_asyncio

        async def test_runs_in_a_task(bridge_loop):
            assert asyncio.current_task() and asyncio.get_running_loop() is bridge_loop
            async with asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0, 5))
            assert task.result() == 5

        async def test_calls_trio(nursery):
            event = trio.Event()
            nursery.start_soon(event.wait)
            async with asyncio.timeout(30):
                async with aio2trio(trio.open_nursery()) as inner:
                    inner.start_soon(trio.sleep, 0)
                    event.set()
                await aio2trio(event.wait)()

        class TestClass:
            async def test_method(self):
                await asyncio.sleep(0)

            @staticmethod
            async def test_static():
                await asyncio.sleep(0)

        @pytest.mark.parametrize("number", [1, 2])
        async def test_parameters(number, tmp_path):
            assert await asyncio.sleep(0, number) in (1, 2) and tmp_path.exists()

        async def test_skips():
            pytest.skip("the reason is kept")

        @pytest.mark.xfail(raises=ZeroDivisionError, strict=True)
        async def test_fails_with_the_bare_error():
            1 / 0

        async def test_xfails():
            pytest.xfail("so is this one")
        """,
    )
    result.assert_outcomes(passed=6, skipped=1, xfailed=2)
    result.stdout.fnmatch_lines(["SKIPPED*the reason is kept", "XFAIL*so is this one"])


def test_a_failure_shows_the_test_and_nothing_else(run):
    result = run(
        """
        @pytest.mark.bridge_asyncio
        async def test_fails():
            number = await asyncio.sleep(0, 5)
            assert number == 6
        """
    )
    result.assert_outcomes(failed=1)
    shown = "\n".join(result.outlines)
    assert says_assertion(result)
    assert "Group" not in shown
    assert "trio_bridge/" not in shown.replace("\\", "/").split("= FAILURES =")[1]


def says_assertion(result):
    return any(line.startswith("E") and "assert 5 == 6" in line for line in result.outlines)


def test_async_fixtures_of_an_asyncio_test(run):
    result = run(
        """
        import contextvars
        variable = contextvars.ContextVar("variable")
        log = []

        @pytest.fixture
        async def value():
            assert asyncio.current_task()
            return "value"

        @pytest.fixture(params=["a", "b"])
        async def generator(value, request):
            variable.set(request.param)
            async with asyncio.TaskGroup() as group:  # one task enters and leaves it
                background = group.create_task(asyncio.sleep(3600))
                yield value + request.param
                background.cancel()
            log.append("torn down")

        @pytest.fixture(autouse=True)
        async def in_all_tests(monkeypatch):
            loop = asyncio.get_running_loop()
            monkeypatch.setattr(asyncio, "set_by_fixture", loop, raising=False)

        @pytest.fixture
        async def by_its_name():
            log.append("used")

        @pytest.fixture
        def plain(generator):
            return generator.upper()

        @pytest.mark.bridge_asyncio
        @pytest.mark.usefixtures("by_its_name")
        async def test_it(plain):
            assert plain in ("VALUEA", "VALUEB") and variable.get().upper() in plain
            assert asyncio.set_by_fixture is asyncio.get_running_loop()
            assert log.pop() == "used"

        @pytest.mark.bridge_asyncio
        class TestClass:
            @pytest.fixture
            async def attribute(self):
                self.attribute = asyncio.get_running_loop()

            @pytest.fixture(autouse=True)
            async def autouse(self, attribute):
                yield
                log.append(self.attribute.is_closed())

            async def test_fixture_and_test_have_one_instance(self):
                assert self.attribute is asyncio.get_running_loop()

        """,
        test_the_log="""
        def test_the_log():
            from test_it import log
            assert log == ["torn down", "torn down", False]
        """,
    )
    result.assert_outcomes(passed=4)


def test_fixtures_of_both_sides_in_tests_of_both_sides(run):
    result = run(
        """
        import pytest_asyncio, pytest_trio

        @pytest_trio.trio_fixture
        async def of_trio():
            await trio.sleep(0)
            async with trio.open_nursery() as nursery:
                yield nursery

        @asyncio_fixture
        async def of_asyncio(of_trio):
            async with asyncio.timeout(1000):
                yield asyncio.get_running_loop()

        @asyncio_fixture(params=[1, 2], name="renamed")
        async def _named_otherwise(request, bridge_loop):
            assert bridge_loop is asyncio.get_running_loop()
            return request.param

        @pytest_asyncio.fixture
        async def of_pytest_asyncio():
            return asyncio.get_running_loop()

        @pytest.mark.trio
        async def test_trio(of_trio, of_asyncio, of_pytest_asyncio, renamed):
            assert current_loop() is of_asyncio is of_pytest_asyncio
            of_trio.start_soon(trio.sleep, 0)

        @pytest.mark.bridge_asyncio
        async def test_asyncio(of_trio, of_asyncio, of_pytest_asyncio, renamed):
            assert asyncio.get_running_loop() is of_asyncio is of_pytest_asyncio
            of_trio.start_soon(trio.sleep, 0)

        @pytest.mark.trio
        class TestClass:
            @asyncio_fixture
            async def method(self):
                self.loop = asyncio.get_running_loop()

            async def test_it(self, method):
                assert self.loop is current_loop()
        """
    )
    result.assert_outcomes(passed=5)
