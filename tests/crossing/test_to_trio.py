"""Rules 4.3.1 and 4.3.2: asyncio calls Trio."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import itertools
import math
import signal

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import _private, aio2trio, trio2aio
from trio_bridge._crossing.to_trio import TrioCall, caller
from trio_bridge._trio_pass import MOST_LEFT_OUT


@aio2trio
async def trio_task():
    await trio.lowlevel.checkpoint()
    return trio.lowlevel.current_task()


@aio2trio
async def deadline():
    return trio.current_effective_deadline()


# ---- 4.3.1


async def test_4_3_1_a_guests_call_runs_in_the_host_task():
    @trio2aio
    async def guest():
        first = await trio_task()
        await asyncio.sleep(0)
        return first, await trio_task()

    me = trio.lowlevel.current_task()
    assert await guest() == (me, me)


async def test_4_3_1_the_outer_deadline_is_visible(autojump_clock):
    with trio.move_on_after(10):
        expected = trio.current_effective_deadline()
        assert await trio2aio(deadline)() == expected
        with trio.CancelScope(shield=True):
            assert await trio2aio(deadline)() == float("inf")


async def test_4_3_1_nested_to_any_depth_is_one_tree(autojump_clock):
    async def descend(depth):
        if depth == 0:
            return trio.lowlevel.current_task(), trio.current_effective_deadline()
        await trio.lowlevel.checkpoint()
        return await trio2aio(aio2trio(descend))(depth - 1)

    with trio.move_on_after(10):
        expected = trio.lowlevel.current_task(), trio.current_effective_deadline()
        assert await descend(20) == expected


async def test_4_3_1_a_nursery_around_the_crossing_takes_children_from_below():
    ran = []

    async def child():
        ran.append(trio.lowlevel.current_task().parent_nursery)

    async with trio.open_nursery() as nursery:

        @trio2aio
        async def guest():
            await aio2trio(start_child)()

        async def start_child():
            nursery.start_soon(child)
            assert nursery in trio.lowlevel.current_task().child_nurseries

        await guest()
    assert ran == [nursery]


async def test_4_3_1_shields_count(autojump_clock):
    @aio2trio
    async def shielded():
        with trio.CancelScope(shield=True):
            await trio.sleep(5)
        return "ended"

    with trio.move_on_after(1) as scope:
        assert await trio2aio(shielded)() == "ended"
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(5)


async def test_4_3_1_values_and_errors_cross_as_they_are():
    value = object()
    error = ValueError("trio's")

    async def returns():
        return value

    async def raises():
        await trio.lowlevel.checkpoint()
        raise error

    @trio2aio
    async def guest():
        assert await aio2trio(returns)() is value
        with pytest.raises(ValueError) as caught:
            await aio2trio(raises)()
        assert caught.value is error

    await guest()


async def test_4_3_1_a_trio_call_in_the_first_step_of_an_eager_child_is_not_the_guests():
    """A task that a guest starts eagerly, before its own first await, has no host."""

    @trio2aio
    async def guest():
        loop = asyncio.get_running_loop()
        kwargs = {"eager_start": True} if hasattr(asyncio, "eager_task_factory") else {}
        child = asyncio.Task(trio_task(), loop=loop, **kwargs)
        mine = await trio_task()
        return mine, await child

    mine, childs = await guest()
    assert mine is trio.lowlevel.current_task()
    assert childs is not mine


# ---- 4.3.2


async def test_4_3_2_a_task_of_asyncios_own_gets_a_trio_task_of_its_own():
    @trio2aio
    async def guest():
        return await asyncio.gather(trio_task(), trio_task())

    first, second = await guest()
    me = trio.lowlevel.current_task()
    assert len({first, second, me}) == 3
    assert first.parent_nursery is second.parent_nursery


async def test_4_3_2_with_the_scopes_of_the_loop(autojump_clock):
    with trio.move_on_after(10):
        expected = trio.current_effective_deadline()
        async with trio_bridge.open_loop():

            @trio2aio
            async def guest():
                return await asyncio.create_task(deadline())

            assert await guest() == expected
            # Scopes inside of the block are not the owner's.
            with trio.move_on_after(1):
                assert await guest() == expected


async def test_4_3_2_is_cancelled_with_the_scopes_of_the_loop(autojump_clock):
    log = []

    async def background():
        try:
            await aio2trio(trio.sleep_forever)()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            await aio2trio(trio.sleep)(2)  # Trio calls keep working for its clean-up
            log.append("cleaned up")
            raise

    with trio.move_on_after(1) as scope:
        async with trio_bridge.open_loop() as loop:
            task = loop.create_task(background())
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            assert log == [1, "cleaned up"]
            assert task.cancelled()
    assert not scope.cancelled_caught


async def test_4_3_2_works_from_a_callback_started_task_and_a_thread(autojump_clock):
    async def coroutine():
        return await trio_task()

    loop = trio_bridge.current_loop()

    def in_thread():
        return asyncio.run_coroutine_threadsafe(coroutine(), loop).result()

    task = await trio.to_thread.run_sync(in_thread)
    assert isinstance(task, trio.lowlevel.Task)


async def test_4_3_2_crossings_back_find_the_loop():
    """The Trio task of an asyncio task's call, even one without context, can call asyncio."""

    @aio2trio
    async def back():
        return await trio2aio(same_loop)()

    async def same_loop():
        return asyncio.get_running_loop()

    @trio2aio
    async def guest():
        import contextvars

        empty = contextvars.Context()
        return await asyncio.get_running_loop().create_task(back(), context=empty)

    assert await guest() is trio_bridge.current_loop()


async def test_a_trio_function_called_from_trio_is_the_original():
    me = trio.lowlevel.current_task()
    assert await trio_task() is me


async def test_an_asyncio_function_called_from_asyncio_is_the_original():
    @trio2aio
    async def inner():
        return asyncio.current_task()

    @trio2aio
    async def outer():
        return await inner() is asyncio.current_task()

    assert await outer()


async def test_two_loops_at_once_keep_apart():
    async def which():
        return asyncio.get_running_loop()

    outer = trio_bridge.current_loop()
    async with trio_bridge.open_loop() as inner:

        async def from_trio():
            return await trio2aio(which)()

        assert await from_trio() is inner
        # A crossing of the inner loop, whose Trio call opens a third, and so on back.
        assert await trio2aio(aio2trio(functools.partial(nested, which, inner)))() == "fine"
    assert await trio2aio(which)() is outer


async def nested(which, inner):
    assert trio_bridge.current_loop() is inner
    async with trio_bridge.open_loop() as third:
        assert await trio2aio(which)() is third
    assert await trio2aio(which)() is inner
    return "fine"


# ---- a row of calls: what they have in common


async def test_calls_in_a_row_share_a_scope_until_asyncio_cancels_one(autojump_clock):
    scopes = []

    @aio2trio
    async def note_scope():
        # What the bridge has around a call is nobody's business; a child's nursery hangs in it.
        scopes.append(_private.scopes_of(trio.lowlevel.current_task())[-1][0])

    @trio2aio
    async def guest():
        await note_scope()
        await note_scope()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await aio2trio(trio.sleep)(10)
        await asyncio.sleep(0)
        await note_scope()
        await note_scope()

    await guest()
    first, second, third, fourth = scopes
    assert first is second
    assert third is fourth
    assert second is not third


async def test_a_scope_that_asyncio_has_opened_is_around_the_calls_in_it_only(autojump_clock):
    @trio2aio
    async def guest():
        deadlines = [await deadline()]
        async with aio2trio(trio.CancelScope(deadline=trio.current_time() + 5)):
            deadlines += [await deadline(), await deadline()]
        return [*deadlines, await deadline()]

    now = trio.current_time()
    assert await guest() == [math.inf, now + 5, now + 5, math.inf]


async def test_calls_that_are_no_checkpoints_let_others_run(autojump_clock):
    """On a virtual clock, where no time passes: after a number of calls."""
    calls = 0
    seen = []

    @aio2trio
    async def no_checkpoint():
        nonlocal calls
        calls += 1

    async def other():
        while calls < 1000:
            seen.append(calls)
            await trio.lowlevel.checkpoint()

    @trio2aio
    async def guest():
        for _ in range(1000):
            await no_checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await guest()
    gaps = [later - earlier for earlier, later in itertools.pairwise([*seen, 1000])]
    assert max(gaps) <= 3 * MOST_LEFT_OUT


async def test_a_call_sees_what_the_guest_has_set_and_reset():
    var = contextvars.ContextVar("var", default="none")

    @aio2trio
    async def look_and_set(value):
        seen = var.get()
        if value:
            var.set(value)
        return seen

    @trio2aio
    async def guest():
        seen = [await look_and_set(None)]
        token = var.set("guest's")
        seen += [await look_and_set(None), await look_and_set(None)]
        var.reset(token)
        seen.append(await look_and_set("call's"))
        seen += [var.get(), await look_and_set(None)]
        return seen

    assert await guest() == ["none", "guest's", "guest's", "none", "call's", "call's"]
    assert var.get() == "call's"


async def test_a_call_sees_a_value_in_the_place_of_another():
    """As many variables are set as before the crossing, and one has another value."""
    var = contextvars.ContextVar("var", default="none")

    @aio2trio
    async def look():
        return var.get()

    @trio2aio
    async def guest():
        seen = [await look()]
        for value in ("first", "second"):
            var.set(value)
            seen.append(await look())
        return seen

    var.set("host's")
    assert await guest() == ["host's", "first", "second"]
    assert var.get() == "second"


def test_the_end_may_come_in_a_turn_that_the_host_makes_in_its_own_context():
    """The host waited first, and was woken by Ctrl-C, not by a call; then comes a call."""
    ended = []

    @trio.lowlevel.enable_ki_protection
    async def press_ctrl_c():
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGINT)

    @trio2aio
    async def guest():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await trio_task()
            ended.append(True)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(press_ctrl_c)
            with pytest.raises(KeyboardInterrupt):
                await guest()

    for _ in range(20):  # whether the host or the pump runs first is up to Trio
        trio_bridge.run(main)
    assert len(ended) == 20


async def test_who_cancels_all_asyncio_tasks_cancels_guests_below_a_nursery_too():
    """As ``asyncio.run`` does at its end: the caller is cancelled, and not given Trio's group."""
    waiting, cleaning_up, may_end = trio.Event(), trio.Event(), trio.Event()

    async def guest():
        aio2trio(waiting.set)()
        await asyncio.sleep(60)

    async def takes_its_time():
        try:
            await trio.sleep_forever()
        finally:
            cleaning_up.set()
            with trio.CancelScope(shield=True):
                await may_end.wait()

    @aio2trio
    async def trio_function():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(guest))
            nursery.start_soon(takes_its_time)

    @trio2aio
    async def cancel(tasks):
        for task in tasks:
            task.cancel()

    loop = trio_bridge.current_loop()
    caller = loop.create_task(trio_function())
    await waiting.wait()
    await cancel([task for task in asyncio.all_tasks(loop) if task is not caller])
    await cleaning_up.wait()
    await cancel([caller])
    may_end.set()
    await trio2aio(asyncio.wait)([caller])
    assert caller.cancelled()


# ---- plain functions


def test_a_plain_function_between_two_runs_of_a_loop_that_has_trio_in_it():
    def run():
        """Which run of Trio's it is."""
        return id(trio.lowlevel.current_root_task())

    async def main():
        await aio2trio(trio.lowlevel.checkpoint)()
        return aio2trio(run)()

    async def in_another_run():
        return aio2trio(run)(), run()

    loop = trio_bridge.new_event_loop()
    of_the_loop = loop.run_until_complete(main())
    assert aio2trio(run)() == of_the_loop
    here, expected = trio.run(in_another_run)
    assert here == expected != of_the_loop
    loop.close()


async def test_a_plain_function_has_the_host_as_its_task():
    me = trio.lowlevel.current_task()
    plain = aio2trio(trio.lowlevel.current_task)

    @trio2aio
    async def guest():
        first = plain()
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await asyncio.create_task(own())
        return first, plain()

    async def own():
        return plain()

    assert await guest() == (me, me)


async def test_a_plain_function_that_cancels_its_own_guest():
    @trio2aio
    async def guest():
        await asyncio.sleep(0)
        aio2trio(scope.cancel)()
        ran.append(1)
        await asyncio.sleep(1000)
        ran.append(2)

    ran = []
    with trio.CancelScope() as scope:
        await guest()
    assert scope.cancelled_caught
    assert ran == [1]


async def test_outside_of_a_task_it_says_what_to_write():
    @trio2aio
    async def guest():
        told = asyncio.get_running_loop().create_future()

        def call():
            try:
                trio_task().send(None)
            except RuntimeError as exc:
                told.set_result(str(exc))

        asyncio.get_running_loop().call_soon(call)
        return await told

    assert "was called outside of an asyncio task. Write loop.create_task" in await guest()


# ---- a cancellation that finds the call in one of its last moments


@pytest.mark.parametrize("is_counted", [False, True])
async def test_a_late_cancellation_comes_at_the_next_wait_unless_it_was_taken_back(is_counted):
    @trio2aio
    async def guest():
        bridge, task = caller(asyncio.get_running_loop())
        call = TrioCall(bridge, task, trio.lowlevel.checkpoint, (), {})
        if is_counted:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        call.cancel_late(task)
        with pytest.raises(asyncio.CancelledError) if is_counted else contextlib.nullcontext():
            await asyncio.sleep(0.001)
        return task.cancelling()

    assert await guest() == is_counted


async def test_what_a_call_runs_and_its_name():
    @trio2aio
    async def guest():
        bridge, task = caller(asyncio.get_running_loop())
        return TrioCall(bridge, task, trio.lowlevel.checkpoint, (), {})

    call = await guest()
    assert call.function is trio.lowlevel.checkpoint
    assert call.name == "checkpoint"


async def test_a_call_that_is_not_run_is_cancelled_as_any_future():
    @trio2aio
    async def guest():
        bridge, task = caller(asyncio.get_running_loop())
        call = TrioCall(bridge, task, trio.lowlevel.checkpoint, (), {})
        call.refuse()
        assert call.cancel("why")
        assert call.cancelled()
        with pytest.raises(asyncio.CancelledError, match="why"):
            await call
        assert not call.cancel()  # as a future that is done
        assert not call.is_cancelled_late

    await guest()
