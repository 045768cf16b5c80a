"""Cancellation from either side, on loops that run already."""

from __future__ import annotations

import asyncio

import pytest
import trio
from foreign_loops import TrioWaits, expire, fails_after, run, variant
from loop_kinds import leaves_nothing, start_trio

from trio_bridge import aio2trio, trio2aio

assert leaves_nothing
assert run
assert variant

# ---- cancellation, from asyncio


def test_4_7_2_task_cancel_ends_the_trio_code_first(run):
    async def main():
        waits = TrioWaits()
        task = asyncio.create_task(aio2trio(waits)())
        await waits.started.wait()
        task.cancel("why")
        with pytest.raises(asyncio.CancelledError, match="why"):
            await task
        assert waits.ends == ["cleaned up"]
        assert task.cancelled()
        assert task.cancelling() == 1

    run(main)


def test_asyncio_timeout_ends_the_trio_code_first(run):
    async def main():
        waits = TrioWaits()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600) as timeout:
                expiring = asyncio.create_task(expire(timeout, waits))
                await aio2trio(waits)()
        await expiring
        assert waits.ends == ["cleaned up"]
        assert asyncio.current_task().cancelling() == 0

    run(main)


def test_a_task_group_ends_the_trio_code_first(run):
    async def main():
        waits = TrioWaits()
        with pytest.raises(ExceptionGroup) as excinfo:
            async with asyncio.TaskGroup() as group:
                group.create_task(aio2trio(waits)())
                await waits.started.wait()
                group.create_task(fails_after(asyncio.sleep, 0))
        assert [str(exc) for exc in excinfo.value.exceptions] == ["child"]
        assert waits.ends == ["cleaned up"]

    run(main)


def test_a_value_that_comes_despite_the_cancellation_is_not_lost(run):
    async def insists(started):
        trio2aio(started.set)()
        with trio.CancelScope(shield=True):
            await trio.sleep(0.002)
        return "value"

    async def main():
        started = asyncio.Event()
        task = asyncio.create_task(aio2trio(insists)(started))
        await started.wait()
        task.cancel()
        return await task

    assert run(main) == "value"


def test_a_call_cancelled_before_it_starts_does_not_run(run):
    ran = []

    async def trio_code():
        await trio.lowlevel.checkpoint()
        ran.append("trio")

    async def main():
        await start_trio()
        task = asyncio.create_task(aio2trio(trio_code)())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert ran == []


# ---- cancellation, from Trio


def test_4_7_2_move_on_after_cancels_the_asyncio_code(run):
    ends = []

    async def asyncio_code(scope):
        # Not before it is here, however long that took.
        scope.deadline = asyncio.get_running_loop().time() + 0.001
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            ends.append((asyncio.current_task().cancelling(), "cleaned up"))
            raise

    async def trio_code():
        with trio.move_on_after(3600) as scope:
            await trio2aio(asyncio_code)(scope)
        return scope.cancelled_caught

    async def main():
        caught = await aio2trio(trio_code)()
        return caught, asyncio.current_task().cancelling()

    assert run(main) == (True, 0)
    assert ends == [(1, "cleaned up")]


def test_fail_after_raises_too_slow_error(run):
    async def trio_code():
        with trio.fail_after(0.005):
            await trio2aio(asyncio.Event().wait)()

    async def main():
        with pytest.raises(trio.TooSlowError):
            await aio2trio(trio_code)()

    run(main)


def test_a_scope_is_cancelled_through_several_crossings(run):
    ends = []
    started = trio.Event()

    async def innermost():
        try:
            started.set()
            await trio.sleep_forever()
        finally:
            ends.append("trio")

    async def inner():
        try:
            await aio2trio(innermost)()
        finally:
            ends.append("asyncio")

    async def outer(scope_seen):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio2aio(inner))
                await started.wait()
                scope.cancel()
        scope_seen.append(scope.cancelled_caught)

    async def main():
        seen = []
        await aio2trio(outer)(seen)
        return seen

    assert run(main) == [True]
    assert ends == ["trio", "asyncio"]


def test_a_cancelled_that_leaves_its_scope_is_a_cancellation_of_the_task(run):
    """As Trio's code must not let it: the scope would have taken it."""

    async def leaks():
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as exc:
                leaked = exc
        raise leaked

    async def main():
        task = asyncio.create_task(aio2trio(leaks)())
        await asyncio.wait([task])
        return task.cancelled(), await aio2trio(trio.sleep)(0)

    assert run(main) == (True, None)


def test_4_7_2_the_deadline_is_visible_below_all_crossings(run):
    async def deadlines():
        return trio.current_effective_deadline()

    async def trio_code():
        with trio.fail_after(60) as scope:
            assert await trio2aio(aio2trio(deadlines))() == scope.deadline
            assert await trio2aio(asyncio_code)() == scope.deadline
            # Both clocks are one.
            assert scope.deadline - await trio2aio(now)() == pytest.approx(60, abs=1)
        return trio.current_effective_deadline()

    async def now():
        return asyncio.get_running_loop().time()

    async def asyncio_code():
        await asyncio.sleep(0)
        return aio2trio(trio.current_effective_deadline)()

    async def main():
        return await aio2trio(trio_code)()

    assert run(main) == float("inf")
