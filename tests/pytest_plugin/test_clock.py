"""pytest-trio's clocks drive asyncio's timers."""

from __future__ import annotations


def test_an_hour_of_asyncio_takes_less_than_a_second(run):
    result = run(
        """
        @pytest.fixture(autouse=True)
        def less_than_a_second():
            began = time.monotonic()
            yield
            assert time.monotonic() - began < 1

        @pytest.mark.trio
        async def test_trio(autojump_clock, bridge_loop):
            began = trio.current_time()
            await trio2aio(asyncio.sleep)(3600)
            assert trio.current_time() - began == pytest.approx(3600)

        @pytest.mark.bridge_asyncio
        async def test_asyncio(autojump_clock, bridge_loop):
            began = bridge_loop.time()
            await asyncio.sleep(3600)
            assert bridge_loop.time() - began == pytest.approx(3600)

        @pytest.mark.bridge_asyncio
        @pytest.mark.usefixtures("autojump_clock")
        async def test_by_name(bridge_loop):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3600):
                    await asyncio.Event().wait()

        @pytest.mark.bridge_asyncio
        async def test_by_hand(mock_clock, bridge_loop):
            fired = asyncio.Event()
            bridge_loop.call_later(10, fired.set)
            await asyncio.sleep(0)
            assert not fired.is_set()
            mock_clock.jump(10)
            await fired.wait()
        """,
        "--bridge-engine=selector,uvloop,portable",
    )
    result.assert_outcomes(passed=12)
