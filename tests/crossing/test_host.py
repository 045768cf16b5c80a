"""The Trio task that waits for a guest: what it does when several things come together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._crossing.host import Host
from trio_bridge._trio_pass import MOST_LEFT_OUT


async def trio_checkpoint():
    await trio.lowlevel.checkpoint()


# ---- one call after the other


@pytest.mark.parametrize("where", ["in a call", "between two calls"])
async def test_a_call_after_an_unnoticed_cancellation_is_not_run(where):
    ran = []

    async def first():
        ran.append("first")
        if where == "in a call":
            scope.cancel()

    async def second():
        ran.append("second")

    @trio2aio
    async def guest():
        await aio2trio(trio_checkpoint)()
        await aio2trio(first)()
        if where == "between two calls":
            aio2trio(scope.cancel)()
        try:
            await aio2trio(second)()
        finally:
            ran.append(asyncio.current_task().cancelling())

    with trio.CancelScope() as scope:
        await guest()
    assert scope.cancelled_caught
    assert ran == ["first", 1]


@pytest.mark.parametrize("where", ["in a call", "between two calls"])
async def test_a_call_after_an_unnoticed_ctrl_c_is_not_run(where):
    ran = []

    @trio.lowlevel.enable_ki_protection
    async def first():
        ran.append("first")
        if where == "in a call":
            signal.raise_signal(signal.SIGINT)

    async def second():
        ran.append("second")
        await trio.sleep_forever()

    @trio2aio
    async def guest():
        await aio2trio(trio_checkpoint)()
        await aio2trio(first)()
        if where == "between two calls":
            signal.raise_signal(signal.SIGINT)
        await aio2trio(second)()

    with pytest.raises(KeyboardInterrupt):
        await guest()
    assert ran == ["first"]


async def test_after_so_many_calls_other_trio_tasks_run(autojump_clock):
    """On a virtual clock no time passes, so the count alone says when."""
    calls = passes = 0

    async def nothing():
        nonlocal calls
        calls += 1

    async def looks():
        nonlocal passes
        while calls < 20 * MOST_LEFT_OUT:
            await trio.lowlevel.checkpoint()
            passes += 1

    @trio2aio
    async def guest():
        for _ in range(20 * MOST_LEFT_OUT):
            await aio2trio(nothing)()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(looks)
        await guest()
    assert 18 <= passes <= 22


async def test_a_cancellation_between_two_calls_of_many_comes_to_the_guest():
    """A guest that makes one call after the other leaves no wait to be cancelled in."""
    made = 0

    async def nothing():
        nonlocal made
        made += 1
        if made == 5:
            scope.cancel()

    @trio2aio
    async def guest():
        while True:
            await aio2trio(nothing)()

    with trio.CancelScope() as scope:
        await guest()
    assert scope.cancelled_caught
    assert made == 5


# ---- a cancellation and the end


async def test_a_step_that_has_ended_is_not_cancelled_after_it():
    """Its task lives on: the next step would find the cancellation."""

    @trio2aio
    async def steps():
        yield 1
        await asyncio.sleep(0.001)
        aio2trio(scope.cancel)()
        yield 2
        yield asyncio.current_task().cancelling()

    async with contextlib.aclosing(steps()) as generator:
        assert await anext(generator) == 1
        with trio.CancelScope() as scope:
            assert await anext(generator) == 2
        assert scope.cancel_called
        assert await anext(generator) == 0


async def test_a_cancellation_that_a_step_of_trios_did_not_notice_is_seen_at_the_next_wait():
    log = []

    async def steps():
        yield 1
        with trio.CancelScope(shield=True):
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
        yield 2

    @trio2aio
    async def guest():
        log.extend([x async for x in aio2trio(steps)()])
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(1000)
        log.append(asyncio.current_task().cancelling())

    with trio.fail_after(50), trio.CancelScope() as scope:
        await guest()
    assert log == [1, 2, 1]


async def test_a_host_goes_with_its_crossing():
    def hosts():
        return sum(isinstance(obj, Host) for obj in gc.get_objects())

    before = hosts()

    @trio2aio
    async def guest():
        await aio2trio(trio_checkpoint)()
        await asyncio.sleep(0)

    for _ in range(3):
        await guest()
    assert hosts() <= before


async def test_a_host_is_told_of_the_end_once():
    """Each callback of a task's costs a turn of the loop."""

    class Counts(asyncio.Task):
        callbacks = 0

        def add_done_callback(self, *args, **kwargs):
            self.callbacks += 1
            super().add_done_callback(*args, **kwargs)

    @trio2aio
    async def guest():
        for _ in range(5):
            await asyncio.sleep(0)
            await aio2trio(trio_checkpoint)()
        return asyncio.current_task().callbacks

    trio_bridge.current_loop().set_task_factory(
        lambda loop, coro, **kw: Counts(coro, loop=loop, **kw)
    )
    assert await guest() == 1


# ---- Ctrl-C


async def interrupted():
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
    await asyncio.sleep(1000)


async def test_ctrl_c_is_not_forgotten_where_a_scope_takes_the_cancellation_in():
    @trio2aio
    async def guest():
        async with aio2trio(trio.CancelScope()) as scope:
            await interrupted()
        ended.append(scope)

    ended = []
    with pytest.raises(KeyboardInterrupt):
        await guest()


async def test_ctrl_c_comes_out_whatever_the_guest_made_of_it():
    @trio2aio
    async def guest():
        with contextlib.suppress(asyncio.CancelledError):
            await interrupted()
        raise ValueError

    with pytest.raises(KeyboardInterrupt) as caught:
        await guest()
    assert isinstance(caught.value.__context__, ValueError)


async def test_ctrl_c_comes_out_of_a_guest_that_ended_by_it():
    with pytest.raises(KeyboardInterrupt) as caught:
        await trio2aio(interrupted)()
    assert caught.value.__context__ is None


async def test_ctrl_c_after_a_cancellation():
    """Trio cancels a wait once; Ctrl-C comes all the same."""

    @trio2aio
    async def guest():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        try:
            await interrupted()
        except asyncio.CancelledError:
            seen.append(asyncio.current_task().cancelling())
            raise

    seen = []
    with pytest.raises(KeyboardInterrupt), trio.move_on_after(0.001):
        await guest()
    assert seen == [2]


# ---- who cancelled it


async def test_an_error_of_a_guest_that_does_not_suspend_keeps_its_context():
    async def fails():
        try:
            raise ValueError("first")
        finally:
            raise KeyError("second")

    with pytest.raises(KeyError) as caught:
        try:
            raise LookupError("handled")
        except LookupError:
            await trio2aio(fails)()
    context = caught.value.__context__
    assert isinstance(context, ValueError)
    assert repr(context.__context__) == "LookupError('handled')"


def test_a_task_that_has_kept_a_cancellation_to_itself_can_call_trio():
    """It was counted, and is not delivered once more."""

    async def guest():
        task = asyncio.current_task()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        await aio2trio(trio_checkpoint)()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task.cancelling()

    async def in_a_task_of_its_own():
        return await asyncio.create_task(guest())

    assert trio_bridge.run(trio2aio(guest)) == 1
    assert trio_bridge.run(trio2aio(in_a_task_of_its_own)) == 1
