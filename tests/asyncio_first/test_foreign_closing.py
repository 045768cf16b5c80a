"""The end of Trio with the loop that it is the guest of."""

from __future__ import annotations

import asyncio
import functools
import threading

import pytest
import sniffio
import trio
import trio.testing
from foreign_loops import TrioWaits, leave_running, make_loop, run, variant
from loop_kinds import TIME_LIMIT, descriptors, leaves_nothing, start_trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._bridge import by_loop

assert leaves_nothing
assert make_loop
assert run
assert variant

# ---- the end, and what is there until then


def test_4_7_2_trio_runs_afterwards(run):
    async def trio_code():
        await trio.sleep(0)
        return sniffio.current_async_library()

    for _ in range(2):
        run(start_trio)
        assert trio.run(trio_code) == "trio"
        assert trio_bridge.run(trio_code) == "trio"


def test_a_hundred_loops_one_after_the_other(run):
    async def main():
        await aio2trio(trio.sleep)(0)
        return asyncio.get_running_loop()

    before = descriptors()
    for _ in range(100):
        assert run(main).is_closed()
    assert descriptors() == before
    assert not by_loop


def test_run_until_complete_and_close(make_loop):
    loop = make_loop()
    waits = None

    async def main():
        nonlocal waits
        waits = TrioWaits()
        aio_task = asyncio.create_task(aio2trio(waits)())
        await waits.started.wait()
        return aio_task

    task = loop.run_until_complete(main())
    loop.close()
    assert waits.ends == ["cleaned up"]
    assert loop.is_closed()
    # What stock asyncio does with a task that is pending then.
    assert task.done()


def test_only_close(make_loop):
    make_loop().close()


def test_4_7_2_closing_ends_trio_tasks_that_need_asyncio_to_clean_up(make_loop):
    ends = []

    async def child():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio2aio(asyncio.sleep)(0)
                ends.append(await trio2aio(asyncio.to_thread)(str, "asyncio"))
                await trio.sleep(0.001)
                ends.append("trio")

    loop = make_loop()
    errors = []
    loop.set_exception_handler(lambda loop, context: errors.append(context.get("exception")))
    loop.run_until_complete(leave_running(child))
    loop.close()
    assert ends == ["asyncio", "trio"]
    assert ["did not leave" in repr(error) for error in errors] == [True]


def test_a_deadline_that_is_not_reached_keeps_no_loop_open(make_loop):
    """Trio waits for it while it cleans up, and has no more use for it when it has ended."""
    ends = []

    async def child():
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(1000) as scope:
                scope.shield = True
                await trio2aio(asyncio.sleep)(0.01)
                ends.append("cleaned up")

    loop = make_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.run_until_complete(leave_running(child))
    loop.close()
    assert ends == ["cleaned up"]


def test_a_loop_that_cannot_watch_descriptors_has_a_thread_wait_for_trio(make_loop, monkeypatch):
    """As Windows' default loop, whose ``add_reader`` is asyncio's own that refuses."""
    loop = make_loop()
    refuse = asyncio.AbstractEventLoop.add_reader
    monkeypatch.setattr(loop, "add_reader", functools.partial(refuse, loop), raising=False)

    async def trio_code():
        await trio.sleep(0.001)
        return "value"

    for _ in range(2):
        assert loop.run_until_complete(aio2trio(trio_code)()) == "value"
    loop.close()


def test_errors_of_trio_tasks_at_the_end_go_to_the_exception_handler(make_loop):
    async def child():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("at the end")

    async def main():
        await start_trio()
        trio_nursery = aio2trio(trio.open_nursery())
        nursery = await trio_nursery.__aenter__()
        aio2trio(nursery.start_soon)(child)
        await aio2trio(trio.testing.wait_all_tasks_blocked)()

    loop = make_loop()
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    loop.run_until_complete(main())
    loop.close()
    texts = "".join(repr(context) for context in contexts)
    assert "at the end" in texts


def test_a_loop_closed_from_inside_another_running_loop(make_loop):
    inner = make_loop()
    waits = []

    async def in_inner():
        waits.append(TrioWaits())
        waiting = asyncio.create_task(aio2trio(waits[0])())
        await waits[0].started.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
        waits.append(TrioWaits())
        nursery = aio2trio(trio.open_nursery())
        await nursery.__aenter__()

    async def in_outer():
        inner.close()
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    inner.set_exception_handler(lambda loop, context: None)
    inner.run_until_complete(in_inner())
    assert asyncio.run(in_outer()).is_closed()
    assert inner.is_closed()
    assert not by_loop


def test_a_loop_closed_from_inside_another_that_has_trio_too(make_loop):
    inner = trio_bridge.new_event_loop()
    inner.run_until_complete(start_trio())
    seen = []

    async def in_outer():
        await start_trio()
        inner.close()
        await aio2trio(trio.sleep)(0.001)
        seen.append(asyncio.get_running_loop())

    outer = make_loop()
    outer.run_until_complete(in_outer())
    assert seen == [outer]
    outer.close()
    assert not by_loop


def test_a_loop_that_fails_closes_all_the_same(make_loop):
    async def main():
        await start_trio()
        raise SystemExit(3)

    with pytest.raises(SystemExit), asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())


def test_a_loop_runs_in_a_worker_thread(run):
    outcome = []

    async def trio_code():
        await trio.sleep(0.001)
        await trio2aio(asyncio.sleep)(0.001)
        assert await trio.to_thread.run_sync(threading.get_ident) != threading.get_ident()
        return threading.get_ident()

    async def main():
        return await aio2trio(trio_code)()

    thread = threading.Thread(target=lambda: outcome.append(run(main)))
    thread.start()
    thread.join()
    assert outcome == [thread.ident]


def test_loops_in_two_threads_at_once(run):
    barrier = threading.Barrier(2)
    tokens = []

    async def trio_code():
        for _ in range(10):
            await trio.to_thread.run_sync(barrier.wait)
            await trio2aio(asyncio.sleep)(0)
        return trio.lowlevel.current_trio_token()

    async def main():
        tokens.append(await aio2trio(trio_code)())

    thread = threading.Thread(target=run, args=(main,))
    thread.start()
    run(main)
    thread.join()
    assert len(set(tokens)) == 2


def test_a_loop_that_is_never_closed_is_collected_or_kept_without_harm(variant, make_loop):
    loop = make_loop()
    loop.run_until_complete(start_trio())
    assert list(by_loop) == [loop]
    loop.close()
    assert not by_loop


def test_debug_mode(run, caplog):
    async def trio_code():
        await trio.sleep(0.001)
        return await trio2aio(asyncio.sleep)(0.001, "value")

    async def main():
        asyncio.get_running_loop().slow_callback_duration = TIME_LIMIT  # of a busy machine, too
        await start_trio()
        async with aio2trio(trio.open_nursery()) as nursery:
            aio2trio(nursery.start_soon)(trio_code)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aio2trio(trio.sleep_forever)(), 0.001)
        return await aio2trio(trio_code)()

    assert run(main, debug=True) == "value"
    assert [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")] == []


def test_an_idle_trio_makes_no_turns(run):
    class Turns(trio.abc.Instrument):
        count = 0

        def before_io_wait(self, timeout):
            self.count += 1

    turns = Turns()

    async def trio_code():
        trio.lowlevel.add_instrument(turns)
        await trio.lowlevel.checkpoint()

    async def main():
        await aio2trio(trio_code)()
        # The ticks of the call itself may come late, of a thread even later.
        counts = []
        while len(counts) < 5 and 0 not in counts:
            before = turns.count
            for _ in range(100):
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            counts.append(turns.count - before)
        return counts

    assert run(main)[-1] == 0


def test_trio_that_runs_by_other_means_is_refused(make_loop):
    async def trio_main():
        loop = make_loop()
        try:
            loop.run_until_complete(refused())
        finally:
            loop.close()

    async def refused():
        with pytest.raises(RuntimeError, match=r"trio_bridge\.run\(main\)"):
            await start_trio()

    trio.run(trio_main)
