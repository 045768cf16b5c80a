"""What ends an asyncio task cancels it once, however many things end.

Ctrl-C ends the task in whose Trio code it came, then the nursery around that, and the loop. Had
each of them its own ``Task.cancel()``, the second would cut the clean-up short (contract 4.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import weakref
from functools import partial

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio
from trio_bridge._bridge import by_loop
from trio_bridge._cancelled_once import CancelledOnce


class Task:
    """An asyncio task that waits, and then cleans up for a hundred turns of the loop."""

    def __init__(self, waits):
        self.log = []
        self._waits = waits

    async def __call__(self, trio_code):
        try:
            await self._waits(trio_code)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            await self._clean_up()
            self.log.append(asyncio.current_task().cancelling())
            raise

    async def _clean_up(self):
        async with aio2trio(trio.CancelScope(shield=True)):
            for _ in range(50):
                await asyncio.sleep(0)
            await aio2trio(trio.sleep)(0.001)
            for _ in range(50):
                await asyncio.sleep(0)
        self.log.append("cleaned up")


CANCELLED_ONCE = ["cancelled", "cleaned up", 1]


async def in_a_call(trio_code):
    await aio2trio(trio_code)()


async def below_a_manager(trio_code):
    async with aio2trio(trio.CancelScope()):
        await aio2trio(trio_code)()


async def below_a_nursery(trio_code):
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(trio.sleep_forever)
        await aio2trio(trio_code)()


async def in_a_step(trio_code):
    async for _ in steps(trio_code):
        pass


async def in_a_step_below_a_manager(trio_code):
    async with aio2trio(trio.CancelScope()):
        async for _ in steps(trio_code):
            pass


@aio2trio
async def steps(trio_code):
    yield 1
    await trio_code()


everywhere = pytest.mark.parametrize(
    "waits",
    [
        in_a_call,
        below_a_manager,
        below_a_nursery,
        in_a_step,
        in_a_step_below_a_manager,
    ],
    ids=lambda waits: waits.__name__,
)


async def interrupted():
    signal.raise_signal(signal.SIGINT)
    await trio.sleep_forever()


def start(task, trio_code):
    return current_loop().create_task(task(trio_code))


async def outlives_the_loop(work, *, task_status):
    """A Trio task in which a nursery owns what ``work`` starts; the loop ends after its end."""
    async with open_asyncio_nursery() as nursery:
        work()
        await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()
        task_status.started()


async def cancel_by_a_nursery_and_by_the_loop(async_fn):
    """Cancel a task of asyncio's twice, by two that own it."""
    held = []

    def start_task():
        held.append(current_loop().create_task(async_fn()))

    async with trio.open_nursery() as outer, open_loop():
        await outer.start(outlives_the_loop, start_task)
    return held[0]


async def end_a_loop_beside(outside):
    """The loop ends while a Trio task outside of its block waits for asyncio code."""
    async with trio.open_nursery() as outer:
        async with open_loop():
            outer.start_soon(outside)
            await trio.testing.wait_all_tasks_blocked()


async def as_a_task(async_fn):
    """Its owners are the nursery of the main task and the loop."""
    running = current_loop().create_task(async_fn())
    await trio.sleep(5)
    return running


async def as_a_task_of_a_nursery(async_fn):
    async with open_asyncio_nursery():
        return await as_a_task(async_fn)


async def as_a_guest(async_fn):
    await trio2aio(async_fn)()


begins = pytest.mark.parametrize(
    "begin", [as_a_task, as_a_task_of_a_nursery, as_a_guest], ids=lambda begin: begin.__name__
)


@begins
@everywhere
def test_ctrl_c_and_then_all_that_is_around(waits, begin):
    task = Task(waits)
    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(begin, partial(task, interrupted))
    assert task.log == CANCELLED_ONCE


@everywhere
async def test_what_is_around_the_loop_and_then_the_loop(waits):
    task = Task(waits)
    with trio.CancelScope() as scope:
        async with open_loop():
            running = start(task, trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked(0.001)
            scope.cancel()
    assert task.log == CANCELLED_ONCE
    assert running.cancelled()


@everywhere
async def test_a_nursery_and_then_the_loop_below_which_it_was_opened(waits):
    task = Task(waits)
    await cancel_by_a_nursery_and_by_the_loop(lambda: task(trio.sleep_forever))
    assert task.log == CANCELLED_ONCE


# ---- a task that is cancelled once is cancelled, though it has been before


def take_back():
    asyncio.current_task().uncancel()


async def test_a_task_that_has_taken_its_cancellation_back():
    log = []

    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            take_back()
            log.append("taken back")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            raise

    task = await cancel_by_a_nursery_and_by_the_loop(stubborn)
    assert log == ["taken back", 1]
    assert task.cancelled()


async def test_a_task_that_was_cancelled_before_by_itself():
    """Its count is one more than that of what owns it."""
    log = []

    async def stubborn():
        asyncio.current_task().cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            log.append("forgotten")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            take_back()
            log.append("taken back")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            raise

    task = await cancel_by_a_nursery_and_by_the_loop(stubborn)
    assert log == ["forgotten", "taken back", 2]
    assert task.cancelled()


async def test_a_task_whose_own_timeout_passes_when_the_loop_ends(autojump_clock):
    """Its count is as if what owns it had cancelled it; it is not, and is looked at again."""
    log = []

    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            take_back()
        try:
            async with asyncio.timeout(0):
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(1)  # of the loop's time: it is looked at four times
        except TimeoutError:
            log.append("timed out")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            raise

    task = await cancel_by_a_nursery_and_by_the_loop(stubborn)
    assert log == ["timed out", 1]
    assert task.cancelled()


async def test_a_guest_that_has_taken_its_scopes_cancellation_back():
    """The loop that ends cancels it once more, or would wait for it for ever."""
    log = []

    @trio2aio
    async def stubborn(scope):
        aio2trio(scope.cancel)()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            take_back()
        log.append("taken back")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            raise

    async def outside():
        with trio.CancelScope() as scope:
            await stubborn(scope)

    await end_a_loop_beside(outside)
    assert log == ["taken back", 1]


async def test_a_guest_that_has_taken_the_loops_cancellation_back_and_whose_scope_is_cancelled():
    log = []

    @trio2aio
    async def stubborn(scope):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            take_back()
        log.append("taken back")
        aio2trio(scope.cancel)()
        try:
            await asyncio.Event().wait()
        finally:
            log.append(asyncio.current_task().cancelling())

    async def outside():
        with trio.CancelScope() as scope:
            await stubborn(scope)

    await end_a_loop_beside(outside)
    assert log == ["taken back", 1]


async def test_a_guest_that_its_own_scope_has_cancelled_and_that_waits_for_ever_in_its_clean_up():
    log = []

    @trio2aio
    async def stubborn():
        async with aio2trio(trio.CancelScope()) as scope:
            aio2trio(scope.cancel)()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("cleans up")
                await asyncio.Event().wait()

    async def outside():
        with contextlib.suppress(asyncio.CancelledError):  # Trio has not asked for it
            await stubborn()

    await end_a_loop_beside(outside)
    assert log == ["cleans up"]


async def test_a_task_that_was_spared_is_let_go_of_when_it_has_ended(autojump_clock):
    cancelled_once = by_loop[current_loop()].cancelled_once
    task = current_loop().create_task(asyncio.Event().wait())
    await trio.testing.wait_all_tasks_blocked()
    cancelled_once.cancel(task)
    cancelled_once.cancel(task)
    held = weakref.ref(task)
    del task
    await trio.sleep(1)
    assert held() is None


# ---- one that didn't notice is cancelled where it waits next


def test_one_that_is_about_to_be_cancelled_once_more_stands_as_cancelled():
    async def main():
        cancelled_once = CancelledOnce(asyncio.get_running_loop(), {}, {}, {})

        async def does_not_notice():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            assert cancelled_once.cancel_again(task)
            assert (task.cancelling(), cancelled_once.stands(task)) == (0, True)
            await asyncio.Event().wait()

        task = asyncio.create_task(does_not_notice())
        await asyncio.sleep(0)
        cancelled_once.cancel(task)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (task.cancelling(), cancelled_once.stands(task)) == (1, True)

    asyncio.run(main())


async def ends_by_a_value():
    with trio.CancelScope(shield=True):
        for _ in range(10):
            await trio.lowlevel.checkpoint()


class EndsByAValue:
    async def __aenter__(self):
        pass

    async def __aexit__(self, *details):
        await ends_by_a_value()


async def does_not_notice_in_a_call(end):
    end()
    await aio2trio(ends_by_a_value)()


async def does_not_notice_in_the_end_of_a_manager(end):
    async with aio2trio(EndsByAValue()):
        end()


async def does_not_notice_in_either(end):
    async with aio2trio(EndsByAValue()):
        end()
        await aio2trio(ends_by_a_value)()


async def does_not_notice_in_a_step(end):
    end()
    async for _ in steps(ends_by_a_value):
        pass


async def does_not_notice_in_a_step_below_a_manager(end):
    async with aio2trio(trio.CancelScope()):
        await does_not_notice_in_a_step(end)


@pytest.mark.parametrize(
    "does_not_notice",
    [
        does_not_notice_in_a_step,
        does_not_notice_in_a_step_below_a_manager,
        does_not_notice_in_a_call,
        does_not_notice_in_the_end_of_a_manager,
        does_not_notice_in_either,
    ],
    ids=lambda does_not_notice: does_not_notice.__name__,
)
@pytest.mark.parametrize("by_itself", [False, True])
async def test_one_that_did_not_notice_is_cancelled_where_it_waits_next(does_not_notice, by_itself):
    log = []

    async def call(end):
        try:
            await does_not_notice(end)
            await asyncio.Event().wait()
        finally:
            log.append(asyncio.current_task().cancelling())

    async with open_asyncio_nursery() as nursery:
        cancel = nursery.cancel_scope.cancel
        end = (
            cancel
            if by_itself
            else partial(trio.lowlevel.current_trio_token().run_sync_soon, cancel)
        )
        running = current_loop().create_task(call(end))
        await trio.sleep_forever()
    assert log == [1]
    assert running.cancelled()


# ---- in its clean-up


async def by_the_deadline_of_a_shield():
    async with aio2trio(trio.move_on_after(0.001, shield=True)):
        await asyncio.Event().wait()


async def by_the_deadlines_of_two_shields():
    async with aio2trio(trio.move_on_after(0.002, shield=True)) as outer:
        try:
            await asyncio.Event().wait()
        finally:
            async with aio2trio(trio.move_on_after(0.001, shield=True)) as inner:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
    assert outer.cancelled_caught
    assert inner.cancelled_caught


async def by_a_deadline_in_a_shield():
    async with aio2trio(trio.CancelScope(shield=True)):
        with pytest.raises(trio.TooSlowError):
            async with aio2trio(trio.fail_after(0.001)):
                await asyncio.Event().wait()


async def by_a_child_that_fails():
    async def fails():
        await trio.lowlevel.checkpoint()
        raise ValueError

    async with aio2trio(trio.CancelScope(shield=True)):
        with contextlib.suppress(BaseExceptionGroup):
            async with aio2trio(trio.open_nursery()) as nursery:
                aio2trio(nursery.start_soon)(fails)
                await asyncio.Event().wait()


async def by_asyncios_timeout():
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()


async def by_nobody_though_a_timeout_passes_in_trio_code():
    """The cancellation of the timeout is its own, and not once more that of what owns the task."""

    async def ends_by_a_value():
        with trio.CancelScope(shield=True):
            await trio.sleep(0.005)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await aio2trio(ends_by_a_value)()
    for _ in range(10):
        await asyncio.sleep(0)


def cleans_up(clean_up, where, trio_code, log):
    """What waits in Trio code and cleans up in or after the body of a manager of Trio's."""

    async def waits():
        await aio2trio(trio_code)()

    async def cleaning():
        log.append(asyncio.current_task().cancelling())
        try:
            await clean_up()
        finally:
            log.append(asyncio.current_task().cancelling())

    async def in_its_body():
        async with aio2trio(trio.CancelScope()):
            try:
                await waits()
            finally:
                await cleaning()

    async def after_it():
        try:
            async with aio2trio(trio.CancelScope()):
                await waits()
        finally:
            await cleaning()

    async def without_it():
        try:
            await waits()
        finally:
            await cleaning()

    return {"in a body": in_its_body, "after a body": after_it, "alone": without_it}[where]


async def by_what_is_outside_of_a_shield_that_is_lifted():
    """Only what Trio has cancelled comes in; after Ctrl-C there is nothing outside."""
    async with aio2trio(trio.CancelScope(shield=True)) as scope:
        for _ in range(3):
            await asyncio.sleep(0)
        aio2trio(setattr)(scope, "shield", False)
        await asyncio.sleep(0.001)


clean_ups = pytest.mark.parametrize(
    "clean_up",
    [
        by_the_deadline_of_a_shield,
        by_the_deadlines_of_two_shields,
        by_a_deadline_in_a_shield,
        by_a_child_that_fails,
        by_asyncios_timeout,
        by_nobody_though_a_timeout_passes_in_trio_code,
        by_what_is_outside_of_a_shield_that_is_lifted,
    ],
    ids=lambda clean_up: clean_up.__name__,
)
wheres = pytest.mark.parametrize("where", ["in a body", "after a body", "alone"])


@begins
@wheres
@clean_ups
def test_what_it_is_cancelled_by_in_its_clean_up_after_ctrl_c(clean_up, where, begin):
    log = []
    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(begin, cleans_up(clean_up, where, interrupted, log))
    assert log == [1, 1]


@wheres
@clean_ups
async def test_what_a_guest_is_cancelled_by_in_its_clean_up_after_its_scope(clean_up, where):
    log = []

    async def cancelled():
        scope.cancel()
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        await trio2aio(cleans_up(clean_up, where, cancelled, log))()
    assert log == [1, 1]
    assert scope.cancelled_caught


@wheres
@clean_ups
async def test_what_a_task_is_cancelled_by_in_its_clean_up_at_the_end_of_its_nursery(
    clean_up, where
):
    log = []
    task = cleans_up(clean_up, where, trio.sleep_forever, log)
    async with open_asyncio_nursery() as nursery:
        running = current_loop().create_task(task())
        await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()
    assert log == [1, 1]
    assert running.cancelled()


async def test_an_outer_scope_keeps_its_cancellation_that_a_lifted_shield_lets_in():
    @trio2aio
    async def guest():
        async with aio2trio(trio.CancelScope()) as outer:
            aio2trio(outer.cancel)()
            try:
                await asyncio.Event().wait()
            finally:
                async with aio2trio(trio.CancelScope(shield=True)) as inner:
                    aio2trio(setattr)(inner, "shield", False)
                    await asyncio.Event().wait()
        return outer.cancelled_caught, asyncio.current_task().cancelling()

    assert await guest() == (True, 0)


# ---- where two could count


async def by_asyncio_code():
    await asyncio.Event().wait()


async def by_trio_code():
    await aio2trio(trio.sleep_forever)()


async def by_a_second_manager():
    async with aio2trio(trio.open_nursery()):
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    "follow", [by_asyncio_code, by_trio_code, by_a_second_manager], ids=lambda how: how.__name__
)
async def test_a_nursery_that_ends_while_its_task_enters_a_manager(follow):
    class EndsIt:
        def __enter__(self):
            nursery.cancel_scope.cancel()

        def __exit__(self, *details):
            pass

    async def enters():
        async with aio2trio(EndsIt()):
            try:
                await follow()
            finally:
                log.append(asyncio.current_task().cancelling())

    log = []
    async with open_asyncio_nursery() as nursery:
        running = current_loop().create_task(enters())
    assert log == [1]
    assert running.cancelled()


def test_ctrl_c_in_a_step_of_an_asyncio_generator_that_has_a_manager_open():
    log = []

    async def generator():
        async with aio2trio(trio.CancelScope()):
            try:
                yield 1
                await in_a_step(interrupted)
            finally:
                log.append(asyncio.current_task().cancelling())

    async def main():
        async for _ in trio2aio(generator)():
            pass

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert log == [1]


@pytest.mark.parametrize("ends", ["what is around the loop", "the nursery"])
async def test_a_guest_whose_first_await_is_a_step(ends):
    log = []

    @aio2trio
    async def first_step():
        await trio.sleep_forever()
        yield

    async def guest():
        try:
            async for _ in first_step():
                pass
        finally:
            log.append(asyncio.current_task().cancelling())

    with trio.CancelScope() as scope:
        async with open_loop(), open_asyncio_nursery() as nursery:
            nursery.start_soon(guest)
            await trio.testing.wait_all_tasks_blocked(0.001)
            (nursery.cancel_scope if ends == "the nursery" else scope).cancel()
    assert log == [1]


@pytest.mark.parametrize("in_body", [False, True])
async def test_a_guest_that_its_scope_has_cancelled_cleans_up_while_the_loop_ends(in_body):
    task = Task(below_a_manager if in_body else in_a_call)

    async def outside(task_status):
        async def cancelled():
            task_status.started()
            scope.cancel()
            await trio.sleep_forever()

        with trio.CancelScope() as scope:
            await trio2aio(task)(cancelled)

    async with trio.open_nursery() as outer:
        async with open_loop():
            await outer.start(outside)
            while not task.log:
                await trio.lowlevel.checkpoint()
    assert task.log == CANCELLED_ONCE


async def test_a_task_that_cleans_up_by_waiting_for_a_guest_from_outside():
    """Nobody but the loop would cancel that one, and nobody waits for it but this task."""
    log = []

    async def guest():
        tasks.append(asyncio.current_task())
        try:
            await asyncio.Event().wait()
        finally:
            log.append("guest")

    async def waits_for_it():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.wait(tasks)
            log.append("task")

    async def outside():
        with contextlib.suppress(asyncio.CancelledError):  # Trio has not asked for it
            await trio2aio(guest)()

    tasks = []
    async with trio.open_nursery() as outer, open_loop():
        outer.start_soon(outside)
        running = current_loop().create_task(waits_for_it())
        await trio.testing.wait_all_tasks_blocked(0.001)
    assert log == ["guest", "task"]
    assert running.cancelled()
