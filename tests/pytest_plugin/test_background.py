"""What goes wrong where no test awaits it fails the test."""

from __future__ import annotations

import pytest


def test_errors_in_the_background_fail_the_test(run):
    result = run(
        """
        async def fails():
            raise ZeroDivisionError("in the background")

        @pytest.fixture
        async def unharmed():
            await trio.sleep(0)
            return 5

        @pytest.mark.bridge_asyncio
        async def test_asyncio():
            asyncio.create_task(fails())
            await asyncio.sleep(3600)  # cut short

        @pytest.mark.bridge_loop
        async def test_trio(unharmed):
            trio2aio(current_loop().call_soon)(int, "in a callback")
            await trio.sleep_forever()

        @pytest.mark.bridge_asyncio
        async def test_found_at_the_end():
            test_found_at_the_end.task = asyncio.create_task(fails())

        @asyncio_fixture
        async def goes_wrong():
            event = asyncio.Event()

            async def later():
                await event.wait()
                await fails()

            asyncio.create_task(later())
            yield event
            print("torn down", flush=True)

        @pytest.mark.trio
        async def test_of_a_fixture(goes_wrong):
            trio2aio(goes_wrong).set()
            await trio.sleep_forever()

        @pytest.mark.bridge_asyncio(on_error="log")
        async def test_not_if_it_says_so():
            asyncio.create_task(fails())
            await asyncio.sleep(0)
        """,
        "-s",
    )
    result.assert_outcomes(failed=4, passed=1)
    shown = str(result.stdout)
    assert "torn down" in shown
    assert "ZeroDivisionError: in the background" in shown
    assert "ValueError: invalid literal for int() with base 10: 'in a callback'" in shown
    assert "asyncio/tasks.py" not in shown  # no CancelledError of the test's own
    assert "cancelled the test but didn't raise" not in shown


@pytest.mark.parametrize("strict", [True, False])
def test_warnings_in_the_background(run, strict):
    result = run(
        """
        import warnings

        async def warns():
            warnings.warn("from a task")

        @pytest.mark.bridge_asyncio
        async def test_a_task():
            await asyncio.wait([asyncio.create_task(warns())])

        @pytest.mark.bridge_asyncio
        async def test_a_callback():
            asyncio.get_running_loop().call_soon(warnings.warn, "from a callback")
            await asyncio.sleep(0)

        @pytest.mark.bridge_asyncio
        async def test_a_coroutine_that_nobody_awaits():
            warns()

        @pytest.mark.bridge_asyncio(cancel_warn_after=10)
        async def test_a_task_that_goes_on(autojump_clock):
            async def goes_on():
                try:
                    await asyncio.sleep(3600)
                finally:
                    await asyncio.sleep(3600)
            task = asyncio.create_task(goes_on())
            await asyncio.sleep(0)
        """,
        ini={"filterwarnings": "error" if strict else "default"},
    )
    if strict:
        result.assert_outcomes(failed=4)
    else:
        result.assert_outcomes(passed=4, warnings=4)


def test_what_is_left_is_cleaned_up(run):
    result = run(
        """
        log = []

        @pytest.mark.bridge_asyncio
        async def test_leaves_a_task():
            async def task():
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(0)
                    log.append("cancelled")
            test_leaves_a_task.task = asyncio.create_task(task())
            await asyncio.sleep(0)

        @pytest.mark.bridge_asyncio
        async def test_leaves_a_generator():
            async def generator():
                try:
                    yield
                finally:
                    await asyncio.sleep(0)
                    log.append("finalized")
            test_leaves_a_generator.it = generator()
            await anext(test_leaves_a_generator.it)

        def test_the_log():
            assert log == ["cancelled", "finalized"]
        """
    )
    result.assert_outcomes(passed=3)
