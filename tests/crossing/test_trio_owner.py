"""One Trio task that takes several steps for asyncio code."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, open_loop, trio2aio
from trio_bridge._crossing import TrioOwner


async def trio_task():
    await trio.lowlevel.checkpoint()
    return trio.lowlevel.current_task()


class Owner:
    """An owner, and what it does."""

    def __init__(self, *, is_generator=True):
        self.at_end = 0
        self.owner = TrioOwner(at_end=self.end, is_generator=is_generator)

    async def end(self):
        self.at_end += 1

    async def last(self):
        return await self.owner.close(trio_task)


@trio2aio
async def a_turn():
    await asyncio.sleep(0)


async def test_all_steps_in_one_task():
    me = trio.lowlevel.current_task()

    @trio2aio
    async def guest():
        one = Owner()
        owner = one.owner
        assert not owner.has_ended
        task = await owner.call(trio_task)
        assert await owner.call(trio_task) is task is not me
        assert await owner.advance(trio_task) is task
        assert owner in owner.bridge.trio_owners
        assert not owner.has_ended
        assert not owner.is_ending
        assert await one.last() is task
        assert owner.is_ending
        return one

    one = await guest()
    await trio.testing.wait_all_tasks_blocked()
    assert one.owner.has_ended
    assert one.owner not in one.owner.bridge.trio_owners
    assert one.at_end == 0


async def test_whether_a_step_is_being_taken():
    @trio2aio
    async def guest():
        one = Owner()

        async def step():
            seen.append(one.owner.is_busy)
            await trio.lowlevel.checkpoint()
            seen.append(one.owner.is_busy)

        for _ in range(2):
            assert not one.owner.is_busy
            await one.owner.call(step)
            assert not one.owner.is_busy
        await one.last()

    seen = []
    await guest()
    assert seen == 4 * [True]


@pytest.mark.parametrize("times", [1, 2])
async def test_an_owner_that_is_abandoned_takes_its_last_step(times):
    @trio2aio
    async def guest():
        one = Owner()
        await one.owner.call(trio_task)
        for _ in range(times):
            one.owner.abandon()
        return one

    one = await guest()
    await trio.testing.wait_all_tasks_blocked()
    assert one.at_end == 1
    assert one.owner.has_ended
    one.owner.abandon()
    await trio.testing.wait_all_tasks_blocked()
    assert one.at_end == 1


async def test_an_owner_that_was_never_called_has_no_last_step():
    @trio2aio
    async def guest():
        one = Owner()
        one.owner.abandon()
        return one

    one = await guest()
    await trio.testing.wait_all_tasks_blocked()
    assert one.at_end == 0


async def test_an_owner_that_has_taken_its_last_step_takes_no_other():
    @trio2aio
    async def guest():
        one = Owner()
        await one.owner.call(trio_task)
        await one.last()
        one.owner.end()
        return one

    one = await guest()
    await trio.testing.wait_all_tasks_blocked()
    assert one.at_end == 0


async def test_with_its_loop_it_ends():
    async with open_loop():

        @trio2aio
        async def guest():
            one = Owner()
            await one.owner.call(trio_task)
            return one

        one = await guest()
    assert one.at_end == 1
    assert one.owner.has_ended
    one.owner.abandon()


async def test_other_trio_tasks_run_between_two_steps_that_do_not_wait():
    ran = []

    async def nothing():
        ran.append("step")

    async def other():
        for _ in range(20):
            ran.append("other")
            await trio.lowlevel.checkpoint()

    @trio2aio
    async def guest():
        one = Owner()
        for _ in range(10):
            await one.owner.call(nothing)
        await one.last()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await guest()
    between = ran[ran.index("step") : len(ran) - ran[::-1].index("step")]
    assert between.count("other") >= 4


async def test_a_step_has_the_deadline_of_the_callers_host(autojump_clock):
    async def deadline():
        return trio.current_effective_deadline()

    @trio2aio
    async def guest(owner):
        return await owner.call(deadline)

    @trio2aio
    async def makes_it():
        return Owner()

    one = await makes_it()
    with trio.move_on_after(10):
        expected = trio.current_effective_deadline()
        assert await guest(one.owner) == expected
    assert one.owner.scope.deadline == math.inf
    assert await guest(one.owner) == math.inf
    await trio.sleep(20)
    await trio2aio(one.last)()


async def test_cancelled_before_the_step_is_begun():
    """asyncio was faster than Trio's scheduler."""
    began = []

    async def step():
        await trio.lowlevel.checkpoint()
        began.append(1)

    @trio2aio
    async def guest():
        one = Owner(is_generator=False)
        await one.owner.call(trio_task)
        task = asyncio.create_task(one.owner.call(step))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await one.last()

    await guest()
    assert began == []


@pytest.mark.parametrize("is_generator", [False, True])
async def test_after_a_cancelled_step(is_generator, autojump_clock):
    """A generator may hold scopes open inside of the owner's; an iterator holds none."""

    async def waits():
        await trio.sleep(1000)

    @trio2aio
    async def guest():
        one = Owner(is_generator=is_generator)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await one.owner.call(waits)
        with pytest.raises(asyncio.CancelledError) if is_generator else contextlib.nullcontext():
            await one.owner.call(trio_task)
        one.owner.end()

    await guest()


async def test_its_task_is_shielded_from_what_cancels_the_loop():
    """It is cancelled by its caller only: what cleans up may wait."""
    log = []

    async def steps():
        try:
            yield
        finally:
            await trio.testing.wait_all_tasks_blocked()
            log.append("cleaned up")

    async def consumer():
        async with contextlib.aclosing(aio2trio(steps)()) as generator:
            async for _ in generator:
                await asyncio.sleep(1000)

    with trio.CancelScope() as scope:
        async with open_loop():
            task = current_loop().create_task(consumer())
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.sleep_forever()
    assert task.cancelled()
    assert log == ["cleaned up"]


async def test_an_iterator_abandoned_in_a_step_that_is_cancelled_takes_its_last_step():
    @trio2aio
    async def guest():
        one = Owner(is_generator=False)

        async def step():
            one.owner.end()
            is_waiting.set()
            await trio.sleep_forever()

        is_waiting = trio.Event()
        task = asyncio.create_task(one.owner.call(step))
        await aio2trio(is_waiting.wait)()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return one

    one = await guest()
    await trio.testing.wait_all_tasks_blocked()
    assert one.owner.has_ended
    assert one.at_end == 1


async def test_the_steps_of_a_caller_whose_cancellation_is_owed_are_not_taken():
    """It has called Trio code that took no notice, and is about to be cancelled once more."""
    log = []

    async def takes_no_notice():
        with trio.CancelScope(shield=True):
            is_waiting.set()
            await may_end.wait()

    async def child():
        one = Owner()
        await one.owner.call(trio_task)
        await aio2trio(takes_no_notice)()
        try:
            await one.owner.call(step)
        finally:
            log.append("ended")
            await one.last()
            log.append("left")

    async def step():
        log.append("step")

    is_waiting, may_end = trio.Event(), trio.Event()
    async with trio_bridge.open_asyncio_nursery() as nursery:
        trio2aio(asyncio.create_task)(child())
        await is_waiting.wait()
        nursery.cancel_scope.cancel()
        may_end.set()
    assert log == ["ended", "left"]


async def test_what_interrupts_its_task_interrupts_the_step_that_waits():
    """It would wait for ever."""

    class Fails(Owner):
        async def end(self):
            raise ValueError

    @trio2aio
    async def guest():
        one = Fails()
        await one.owner.call(trio_task)
        one.owner.end()

    with pytest.raises(BaseExceptionGroup):
        async with open_loop():
            await guest()
            await trio.sleep_forever()


async def test_an_iterator_whose_task_has_ended():
    async with open_loop():

        @trio2aio
        async def guest():
            one = Owner()
            await one.owner.call(trio_task)
            await one.last()
            while not one.owner.has_ended:
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="has ended"):
                await one.owner.call(trio_task)

        await guest()


@pytest.mark.parametrize("make_loop", [trio_bridge.new_event_loop, asyncio.new_event_loop])
@pytest.mark.parametrize("holds", [trio.CancelScope, contextlib.nullcontext])
def test_a_generator_that_is_left_to_its_loop_ends_inside_the_scope_that_it_holds(make_loop, holds):
    """Trio's stack of scopes was broken if ours was left before."""
    log = []

    async def numbers():
        with holds():
            try:
                yield 1
            finally:
                log.append("ended")

    async def main():
        generators.append(aio2trio(numbers)())
        await anext(generators[0])

    generators = []
    loop = make_loop()
    loop.set_exception_handler(lambda loop, context: log.append(context))
    loop.run_until_complete(main())
    loop.close()
    assert log == ["ended"]


async def test_one_that_a_cancelled_guest_begins_in_its_clean_up_is_not_cancelled(autojump_clock):
    @aio2trio
    async def generator():
        yield 1
        await trio.sleep(1)
        yield 2

    @trio2aio
    async def guest():
        try:
            await asyncio.Event().wait()
        finally:
            items = [item async for item in generator()]
            with pytest.raises(asyncio.CancelledError):
                await aio2trio(trio.sleep)(1)
            assert items == [1, 2]

    with trio.move_on_after(1) as scope:
        await guest()
    assert scope.cancelled_caught
    assert trio.current_time() == scope.deadline + 1


@aio2trio
async def interrupted():
    signal.raise_signal(signal.SIGINT)
    await trio.sleep_forever()
    yield


async def iterates():
    async for _ in interrupted():
        pass


def test_ctrl_c_in_a_guests_step_comes_out_of_the_guests_crossing():
    async def main():
        with pytest.raises(KeyboardInterrupt):
            await trio2aio(iterates)()
        await trio.lowlevel.checkpoint()
        return "goes on"

    assert trio_bridge.run(main) == "goes on"
