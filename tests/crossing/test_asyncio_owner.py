"""One asyncio task that takes several steps for Trio code."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextvars import Context

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, open_loop, trio2aio
from trio_bridge._crossing.asyncio_owner import AsyncioOwner, Step
from trio_bridge._crossing.cancellation import pending_interruption

VAR: contextvars.ContextVar[object] = contextvars.ContextVar("var")

# ---- a step, which its host waits for as for a task


async def returns(value):
    return value


async def fails(exc):
    raise exc


def run(step):
    """Its end, as who waits for it sees it."""
    told = []
    step.add_done_callback(told.append, context=Context())
    with pytest.raises(StopIteration):
        step.run().send(None)
    assert told == [step]
    return step


def test_a_step_with_a_value():
    value = object()
    step = Step(returns, (value,))
    assert not step.done()
    run(step)
    assert step.done()
    assert not step.cancelled()
    assert step.exception() is None
    assert step.result() is value


@pytest.mark.parametrize("exc", [ValueError(), asyncio.CancelledError()], ids=repr)
def test_a_step_with_an_error(exc):
    step = run(Step(fails, (exc,)))
    assert step.done()
    assert step.cancelled() is isinstance(exc, asyncio.CancelledError)
    assert step.exception() is exc
    with pytest.raises(type(exc)) as caught:
        step.result()
    assert caught.value is exc


def test_a_step_without_anybody_who_waits():
    step = Step(returns, (1,))
    with pytest.raises(StopIteration):
        step.run().send(None)
    assert step.done()


def test_a_step_that_is_not_taken():
    step, told = Step(returns, (1,)), []
    step.add_done_callback(told.append, context=Context())
    step.end()
    assert told == [step]
    assert step.done()
    assert step.cancelled()


def test_a_step_that_has_been_taken_is_not_ended():
    step = run(Step(returns, (1,)))
    step.end()
    assert step.result() == 1


# ---- an owner


class Owner:
    """An owner, and what it does."""

    def __init__(self, **options):
        self.at_end = 0
        self.on_cancel = 0
        self.owner = AsyncioOwner(at_end=self.end, on_cancel=self.cancel, **options)

    async def end(self):
        self.at_end += 1

    def cancel(self):
        self.on_cancel += 1

    async def step(self, suspends=False):
        if suspends:
            await asyncio.sleep(0)
        return asyncio.current_task()

    async def last(self):
        return await self.owner.leave(self.step, interruption=None, is_thrown=False)


SUSPENDS = pytest.mark.parametrize("suspends", [False, True], ids=["at_once", "suspended"])


@SUSPENDS
async def test_all_steps_in_one_task(suspends):
    one = Owner()
    owner = one.owner
    assert owner.task is None
    task = await owner.call(one.step, suspends)
    assert owner.task is task
    assert await owner.call(one.step, suspends) is task
    assert await owner.advance(one.step, suspends) is task
    assert not owner.has_ended
    assert owner in owner.bridge.asyncio_owners
    assert await one.last() is task
    assert task.done()
    assert owner.has_ended
    assert owner not in owner.bridge.asyncio_owners
    assert one.at_end == 0


async def test_its_task_is_known_as_one_that_takes_steps():
    for is_manager in (False, True):
        one = Owner(is_manager=is_manager)
        task = await one.owner.call(one.step)
        assert task in one.owner.bridge.in_steps
        assert (task in one.owner.bridge.in_iterations) is not is_manager
        await one.last()
        assert task not in one.owner.bridge.in_steps
        assert task not in one.owner.bridge.in_iterations


@SUSPENDS
async def test_whether_a_step_is_being_taken(suspends):
    one = Owner()
    seen = []

    async def step():
        seen.append(one.owner.is_busy)
        if suspends:
            await asyncio.sleep(0)
            seen.append(one.owner.is_busy)

    for _ in range(2):
        assert not one.owner.is_busy
        await one.owner.call(step)
        assert not one.owner.is_busy
    assert set(seen) == {True}
    await one.last()


@SUSPENDS
async def test_context_variables_of_all_steps(suspends):
    one = Owner()

    async def step(expected, value):
        if suspends:
            await asyncio.sleep(0)
        assert VAR.get(None) == expected
        return VAR.set(value)

    first = await one.owner.call(step, None, 1)
    assert VAR.get() == 1
    VAR.set(2)
    await one.owner.call(step, 2, 3)
    assert VAR.get() == 3

    async def back():
        VAR.reset(first)

    VAR.set(4)
    await one.owner.call(back)  # a token of one step is good in the next
    await one.last()


@pytest.mark.parametrize("method", ["call", "advance"])
async def test_a_step_that_is_cancelled_before_it_begins(method):
    """A call isn't made; a generator is to have the cancellation where it stands."""
    one = Owner()
    steps = []

    async def step():
        steps.append((one.owner.cancellation, asyncio.current_task().cancelling()))

    await one.owner.call(step)
    await trio.testing.wait_all_tasks_blocked()  # then the caller makes the turns for the step
    with trio.CancelScope() as scope:
        scope.cancel()
        await getattr(one.owner, method)(step)
    assert scope.cancelled_caught is (method == "call")
    assert steps[0] == (None, 0)
    if method == "advance":
        ((cancellation, count),) = steps[1:]
        assert isinstance(cancellation, asyncio.CancelledError)
        assert count == 1
    one.owner.cancellation = None
    task = await one.owner.call(one.step)
    assert task.cancelling() == 0
    await one.last()


async def test_a_step_that_is_cancelled_counts_for_its_caller_only(autojump_clock):
    one = Owner()

    async def waits():
        await asyncio.sleep(1000)

    for _ in range(2):
        with trio.move_on_after(0.001) as scope:
            await one.owner.call(waits)
        assert scope.cancelled_caught
        task = await one.owner.call(one.step)
        assert task.cancelling() == 0
    await one.last()


async def test_asyncio_cancels_between_two_steps():
    one = Owner()
    task = await one.owner.call(one.step)
    trio_bridge.current_loop().call_soon(task.cancel)
    await trio2aio(asyncio.sleep)(0)
    await trio2aio(asyncio.sleep)(0)
    assert one.on_cancel == 1
    assert isinstance(one.owner.cancellation, asyncio.CancelledError)
    assert one.owner.cancelled() is one.owner.cancellation
    assert await one.owner.call(one.step) is task
    assert task.cancelling() == 1
    await one.last()


async def test_a_cancellation_that_nobody_has_kept():
    one = Owner()
    assert isinstance(one.owner.cancelled(), asyncio.CancelledError)
    await one.owner.call(one.step)
    await one.last()


async def test_asyncio_cancels_between_two_steps_and_nobody_is_told():
    owner = AsyncioOwner(at_end=Owner().end)
    one = Owner()
    task = await owner.call(one.step)
    trio_bridge.current_loop().call_soon(task.cancel)
    await trio2aio(asyncio.sleep)(0)
    await trio2aio(asyncio.sleep)(0)
    assert isinstance(owner.cancellation, asyncio.CancelledError)
    await owner.leave(one.step, interruption=None, is_thrown=False)


@pytest.mark.parametrize("from_thread", [False, True])
async def test_an_owner_that_is_abandoned_takes_its_last_step(from_thread):
    one = Owner()
    task = await one.owner.call(one.step)
    if from_thread:
        thread = threading.Thread(target=one.owner.abandon)
        thread.start()
        thread.join()
    else:
        one.owner.abandon()
    with trio.fail_after(50):
        await trio2aio(asyncio.wait)([task])
    assert one.at_end == 1
    assert one.owner.has_ended
    one.owner.abandon()  # once more
    await trio2aio(asyncio.sleep)(0)
    assert one.at_end == 1


async def test_an_owner_that_is_abandoned_twice():
    one = Owner()
    task = await one.owner.call(one.step)
    one.owner.abandon()
    one.owner.abandon()
    await trio2aio(asyncio.wait)([task])
    assert one.at_end == 1


async def test_an_owner_that_is_abandoned_in_a_step():
    one = Owner()
    await one.owner.call(one.step)

    async def step():
        one.owner.abandon()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.at_end == 0
        return asyncio.current_task()

    await trio2aio(asyncio.wait)([await one.owner.call(step)])
    assert one.at_end == 1


async def test_an_owner_that_is_abandoned_has_its_last_step_asked_for_no_more():
    one = Owner()
    await one.owner.call(one.step)
    await one.last()
    one.owner.abandon()
    await trio2aio(asyncio.sleep)(0)
    assert one.at_end == 0


async def test_with_its_loop_it_ends():
    async with open_loop():
        one = Owner()
        await one.owner.call(one.step)
        other = Owner()
        assert not other.owner.has_ended
    assert one.at_end == 1
    assert one.owner.has_ended
    assert other.owner.has_ended
    one.owner.abandon()
    with pytest.raises(RuntimeError, match="closed already"):
        await one.owner.call(one.step)
    with pytest.raises(RuntimeError, match="closed already"):
        await one.owner.advance(one.step)
    with pytest.raises(RuntimeError, match="closed already"):
        await one.last()


async def test_a_trio_call_in_each_step():
    me = trio.lowlevel.current_task()
    one = Owner()

    @aio2trio
    async def here():
        return trio.lowlevel.current_task()

    async def step():
        return await here()

    for _ in range(3):
        assert await one.owner.call(step) is me
    assert not one.owner.bridge.hosts
    assert one.owner.bridge.starting is None
    assert one.owner.bridge.first_call is None
    await one.last()


async def test_the_last_step_of_a_caller_that_is_cancelled_already():
    """It isn't disturbed by what is known already; or it has it, where that is thrown in."""
    for is_thrown in (False, True):
        one = Owner()
        await one.owner.call(one.step)

        async def step(one=one):
            await asyncio.sleep(0.001)
            return one.owner.cancellation, asyncio.current_task().cancelling()

        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as exc:
                options = {"interruption": exc, "is_thrown": is_thrown}
                cancellation, count = await one.owner.leave(step, **options)
        assert (cancellation is not None) is is_thrown
        assert count == is_thrown
        assert one.owner.has_ended


async def test_other_trio_tasks_run_in_the_last_step_of_a_cancelled_caller():
    passes = 0

    async def other():
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    owners = [Owner() for _ in range(20)]
    for one in owners:
        await one.owner.call(one.step)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        with trio.CancelScope() as scope:
            scope.cancel()
            exc = await pending_interruption()
            before = passes
            for one in owners:
                await one.owner.leave(one.step, interruption=exc, is_thrown=False)
        assert passes - before >= len(owners) // 2
        nursery.cancel_scope.cancel()


async def test_cancelled_before_its_first_step():
    """Where that isn't taken at once: on Python 3.11, and in debug mode."""
    loop = trio_bridge.current_loop()
    loop.set_debug(True)
    one = Owner()

    def cancel():
        (task,) = (task for task in asyncio.all_tasks(loop) if "_run" in repr(task.get_coro()))
        task.cancel()

    loop.call_soon(cancel)
    with pytest.raises(asyncio.CancelledError):
        await one.owner.call(one.step)
    assert one.owner not in one.owner.bridge.asyncio_owners
    assert not one.owner.has_ended
    task = await one.owner.call(one.step)  # another, which takes all that follow
    assert await one.owner.call(one.step) is task
    await one.last()
    assert one.owner.has_ended


@pytest.mark.parametrize("debug", [False, True])
@SUSPENDS
async def test_the_only_step_of_a_caller_that_is_cancelled_already(debug, suspends):
    """The owner begins with its last step, and that isn't disturbed by what is known already."""
    trio_bridge.current_loop().set_debug(debug)
    one = Owner()

    async def last():
        await one.step(suspends)
        await one.step(suspends)
        ended.append(asyncio.current_task().cancelling())

    ended = []
    with trio.CancelScope() as scope:
        scope.cancel()
        await one.owner.close(last)
    assert ended == [0]
    assert one.owner.has_ended
    assert not one.owner.bridge.hosts


@SUSPENDS
async def test_ctrl_c_is_not_lost_in_the_only_step(suspends):
    one = Owner()
    with pytest.raises(KeyboardInterrupt):
        await one.owner.leave(one.step, suspends, interruption=KeyboardInterrupt(), is_thrown=False)
    assert one.owner.has_ended
