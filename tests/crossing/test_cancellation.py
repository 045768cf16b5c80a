"""Rules 4.2: each row of the cancellation table, alone and with nested crossings.

Ctrl-C and exits that asyncio code raises are in ``test_interrupts.py``.
"""

from __future__ import annotations

import asyncio
import functools
import time

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

import trio_bridge
from trio_bridge import aio2trio, trio2aio

asyncio_sleep_forever = trio2aio(functools.partial(asyncio.sleep, 1_000_000))


async def nested_sleep_forever():
    """Trio, asyncio, Trio."""
    await trio2aio(aio2trio(trio.sleep_forever))()


async def twice_nested_sleep_forever():
    """Trio, asyncio, Trio, asyncio."""
    await trio2aio(aio2trio(asyncio_sleep_forever))()


SLEEPS = [asyncio_sleep_forever, nested_sleep_forever, twice_nested_sleep_forever]


async def cancel_when_blocked(scope):
    await trio.testing.wait_all_tasks_blocked()
    scope.cancel()


# ---- row 1: a Trio scope around a crossing is cancelled or times out


@pytest.mark.parametrize("sleep", SLEEPS)
async def test_4_2_row_1_a_cancelled_scope_ends_the_call(sleep):
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_when_blocked, scope)
            await sleep()
    assert scope.cancelled_caught


@pytest.mark.parametrize("sleep", SLEEPS)
async def test_4_2_row_1_a_deadline_ends_the_call(autojump_clock, sleep):
    with trio.move_on_after(10) as scope:
        await sleep()
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(10)
    with pytest.raises(trio.TooSlowError), trio.fail_after(10):
        await sleep()


async def test_4_2_row_1_the_guest_gets_one_cancel_and_may_await_while_cleaning_up(autojump_clock):
    log = []

    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            await asyncio.sleep(3)
            log.append("cleaned up")
            raise

    with trio.move_on_after(1) as scope:
        await guest()
    assert scope.cancelled_caught
    assert log == [1, "cleaned up"]
    assert trio.current_time() == pytest.approx(4)


@pytest.mark.parametrize("suspends", [False, True])
async def test_4_2_row_1_a_value_is_not_lost(autojump_clock, suspends):
    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if suspends:
                await asyncio.sleep(1)
            return "value"

    with trio.move_on_after(1) as scope:
        assert await guest() == "value"
    assert not scope.cancelled_caught


async def test_4_2_row_1_an_error_is_not_lost(autojump_clock):
    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        finally:
            raise OSError("while cleaning up")

    with trio.move_on_after(1), pytest.raises(OSError, match="while cleaning up"):
        await guest()


async def test_4_2_row_1_a_guest_that_waits_in_trio_code_gets_one_cancel(autojump_clock):
    log = []

    @aio2trio
    async def in_trio():
        try:
            await trio.sleep(1000)
        finally:
            log.append("trio cleans up")
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    @trio2aio
    async def guest():
        try:
            await in_trio()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            # Still inside of the cancelled scope, as any Trio code would be.
            with pytest.raises(asyncio.CancelledError):
                await aio2trio(trio.sleep)(1000)
            log.append(asyncio.current_task().cancelling())
            await asyncio.sleep(1)  # but asyncio's waiting is asyncio's
            raise

    with trio.move_on_after(1) as scope:
        await guest()
    assert scope.cancelled_caught
    assert log == ["trio cleans up", 1, 1]
    assert trio.current_time() == pytest.approx(4)


@aio2trio
async def shielded_sleep():
    with trio.CancelScope(shield=True):
        await trio.sleep(2)


async def nursery_with_a_shielded_child():
    async with aio2trio(trio.open_nursery()) as nursery:
        nursery.start_soon(shielded_sleep)


@pytest.mark.parametrize("outlasts", [shielded_sleep, nursery_with_a_shielded_child])
async def test_4_2_row_1_a_cancellation_that_trio_code_outlasts_is_seen_at_the_next_wait(
    autojump_clock, outlasts
):
    log = []

    @trio2aio
    async def guest():
        await outlasts()
        log.append("outlasted")
        await asyncio.sleep(0)
        log.append("went on")

    with trio.move_on_after(1) as scope:
        await guest()
    assert scope.cancelled_caught
    assert trio.current_time() == 2
    assert log == ["outlasted"]


async def test_4_2_row_1_an_outer_scope_passes_through_two_crossings(autojump_clock):
    """The inner crossing's scope isn't cancelled, the outer one is: it must get the Cancelled."""

    @aio2trio
    async def inner():
        with trio.CancelScope() as scope:
            await asyncio_sleep_forever()
        assert not scope.cancelled_caught

    with trio.move_on_after(1) as outer:
        await trio2aio(inner)()
        raise AssertionError("not cancelled")
    assert outer.cancelled_caught


# ---- row 2: the guest swallows the cancellation and goes on


async def stubborn():
    while True:
        try:
            await asyncio.sleep(20)
            return "done"
        except asyncio.CancelledError:
            pass


async def test_4_2_row_2_a_warning_with_the_guests_stack(autojump_clock):
    with pytest.warns(RuntimeWarning) as caught, trio.move_on_after(1) as scope:
        assert await trio2aio(stubborn)() == "done"
    assert not scope.cancelled_caught
    assert trio.current_time() == pytest.approx(21)
    (warning,) = caught
    text = str(warning.message)
    assert "5 s ago" in text
    assert "in stubborn\n    await asyncio.sleep(20)" in text
    assert "in sleep" in text  # the whole chain of awaits, not the outermost frame alone


@pytest.mark.bridge(cancel_warn_after=None)
async def test_4_2_row_2_the_warning_can_be_switched_off(autojump_clock):
    with trio.move_on_after(1):
        assert await trio2aio(stubborn)() == "done"


async def test_4_2_row_2_no_warning_for_a_guest_that_ends_in_time(autojump_clock):
    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(4.9)

    with trio.move_on_after(1):
        await guest()
    await trio.sleep(10)


@pytest.mark.bridge(cancel_warn_after=0.001)
async def test_4_2_row_2_no_warning_for_a_guest_that_has_just_ended():
    """It kept the loop busy until then: the time for a warning may come before its host knows."""

    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        finally:
            end = time.monotonic() + 0.01
            while time.monotonic() < end:
                pass

    for _ in range(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guest)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    await trio2aio(asyncio.sleep)(0.01)


@pytest.mark.bridge(redeliver_cancel_after=2, cancel_warn_after=None)
async def test_4_2_row_2_redelivery_cancels_again(autojump_clock):
    times = []

    @trio2aio
    async def guest():
        while len(times) < 3:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                times.append(trio.current_time())
        return "third time"

    with trio.move_on_after(1):
        assert await guest() == "third time"
    assert times == pytest.approx([1, 3, 5])
    await trio.sleep(10)


# ---- row 3: asyncio cancels a task that waits in Trio code


async def trio_code(log, end):
    try:
        await trio.sleep(1000)
    except trio.Cancelled:
        log.append("cancelled")
        with trio.CancelScope(shield=True):
            await trio.sleep(2)
        log.append("cleaned up")
        return end()


def reraise():
    raise


def fail():
    raise OSError("trio's error")


@pytest.mark.parametrize("who", ["guest", "asyncio's own task"])
@pytest.mark.parametrize(
    ("end", "outcome"),
    [(reraise, asyncio.CancelledError), (lambda: "value", "value"), (fail, OSError)],
    ids=["cancelled", "value", "error"],
)
async def test_4_2_row_3_cancel_waits_for_the_trio_code(autojump_clock, who, end, outcome):
    log = []

    async def caller():
        try:
            return await aio2trio(trio_code)(log, end)
        except BaseException as exc:
            return type(exc)
        finally:
            log.append("caller goes on")

    @trio2aio
    async def guest():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_later(1, lambda: task.cancel("why"))
        result = await caller()
        return result, task.cancelling()

    @trio2aio
    async def starts_a_task():
        task = asyncio.create_task(caller())
        await asyncio.sleep(1)
        task.cancel("why")
        return await task, task.cancelling()

    result = await (guest if who == "guest" else starts_a_task)()
    assert result == (outcome, 1)
    assert log == ["cancelled", "cleaned up", "caller goes on"]
    assert trio.current_time() == pytest.approx(3)


async def test_4_2_row_3_the_message_of_cancel_arrives():
    @trio2aio
    async def guest():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_soon(lambda: task.cancel("a reason"))
        with pytest.raises(asyncio.CancelledError, match="a reason"):
            await aio2trio(trio.sleep_forever)()
        return task.uncancel()

    assert await guest() == 0


async def test_4_2_row_3_asyncio_timeout_around_trio_code(autojump_clock):
    @trio2aio
    async def guest():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await aio2trio(trio.sleep_forever)()
        assert asyncio.current_task().cancelling() == 0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aio2trio(trio.sleep_forever)(), 1)
        return await aio2trio(trio.sleep)(1)

    await guest()
    assert trio.current_time() == pytest.approx(3)


async def test_4_2_row_3_a_failing_sibling_in_a_task_group_cancels_the_trio_code():
    log = []

    async def sibling():
        raise ValueError("sibling")

    @trio2aio
    async def guest():
        with pytest.raises(ExceptionGroup, match="unhandled errors in a TaskGroup"):
            async with asyncio.TaskGroup() as group:
                group.create_task(aio2trio(trio_code)(log, reraise))
                group.create_task(aio2trio(trio_code)(log, reraise))
                await asyncio.sleep(0)
                group.create_task(sibling())
                await aio2trio(trio.sleep_forever)()
        return asyncio.current_task().cancelling()

    with trio.testing.assert_checkpoints():
        assert await guest() == 0
    assert sorted(log) == ["cancelled"] * 2 + ["cleaned up"] * 2


async def test_4_2_row_3_cancelled_before_the_trio_code_begins():
    @trio2aio
    async def guest():
        asyncio.current_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await aio2trio(trio.sleep_forever)()
        return asyncio.current_task().uncancel()

    assert await guest() == 0


# ---- row 4: the guest ends by a CancelledError that Trio didn't ask for


@pytest.mark.parametrize("suspends", [False, True])
async def test_4_2_row_4_an_own_cancelled_error_comes_out_unchanged(suspends):
    @trio2aio
    async def guest():
        if suspends:
            await asyncio.sleep(0)
        raise asyncio.CancelledError("mine")

    with pytest.raises(asyncio.CancelledError, match="mine"):
        await guest()


async def test_4_2_row_4_a_cancelled_future_comes_out_as_cancelled_error():
    future = trio_bridge.current_loop().create_future()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trio2aio(future)


async def test_4_2_row_4_through_nested_crossings():
    async def inner():
        await trio2aio(own_cancellation)()

    async def own_cancellation():
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await trio2aio(aio2trio(inner))()


# ---- row 5: CancelledErrors inside an exception group, when Trio asked


async def test_4_2_row_5_leaves_become_trio_cancelled(autojump_clock):
    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError as exc:
            inner = BaseExceptionGroup("inner", [asyncio.CancelledError(), OSError("inner")])
            raise BaseExceptionGroup("outer", [exc, ValueError("outer"), inner]) from None

    with pytest.raises(ExceptionGroup) as caught, trio.move_on_after(1):
        await guest()
    # The scope has taken its Cancelleds out; the errors are left, in their places.
    outer_error, inner = caught.value.exceptions
    assert str(outer_error) == "outer"
    assert [str(exc) for exc in inner.exceptions] == ["inner"]


async def test_4_2_row_5_a_group_of_nothing_else_is_one_cancelled(autojump_clock):
    @trio2aio
    async def guest():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError as exc:
            raise BaseExceptionGroup("", [exc, asyncio.CancelledError()]) from None

    with trio.move_on_after(1) as scope:
        with pytest.raises(trio.Cancelled) as caught:
            await guest()
        raise caught.value
    assert scope.cancelled_caught


async def test_4_2_row_5_when_trio_did_not_ask_the_group_is_unchanged():
    error = BaseExceptionGroup("", [asyncio.CancelledError(), ValueError()])

    @trio2aio
    async def guest():
        raise error

    with pytest.raises(BaseExceptionGroup) as caught:
        await guest()
    assert caught.value is error


async def test_4_2_row_5_the_mirror_a_trio_group_with_cancelleds_reaches_asyncio(autojump_clock):
    seen = []

    async def fails_when_cancelled():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("cleanup")

    @aio2trio
    async def in_trio():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    @trio2aio
    async def guest():
        try:
            await in_trio()
        except BaseExceptionGroup as group:
            seen.append(group)
            raise

    with pytest.raises(ExceptionGroup) as caught, trio.move_on_after(1):
        await guest()
    (group,) = seen
    assert group.split(asyncio.CancelledError)[0] is not None
    assert group.split(trio.Cancelled)[0] is None
    assert [str(exc) for exc in caught.value.exceptions] == ["cleanup"]


# ---- races and corners


async def test_a_guest_that_cancels_its_own_scope_and_returns_keeps_its_value():
    @trio2aio
    async def guest():
        await asyncio.sleep(0)
        scope.cancel()
        return "value"

    with trio.CancelScope() as scope:
        assert await guest() == "value"
    assert not scope.cancelled_caught


async def test_a_cancellation_that_comes_after_the_guests_last_step_finds_the_host_gone(
    short_batches,
):
    """On a slow machine the pump makes one turn at a time: here the host runs after each."""

    @trio2aio
    async def guest():
        for _ in range(5):
            await asyncio.sleep(0)
        scope.cancel()
        return "value"

    with trio.CancelScope() as scope:
        assert await guest() == "value"
    assert not scope.cancelled_caught


async def test_a_guest_that_cancels_its_own_scope_and_waits_is_cancelled():
    @trio2aio
    async def guest():
        await asyncio.sleep(0)
        scope.cancel()
        await asyncio.sleep(1000)

    with trio.CancelScope() as scope:
        await guest()
    assert scope.cancelled_caught


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("goes_on", [False, True])
async def test_an_outcome_on_its_way_is_not_lost_to_asyncios_cancel(fails, goes_on):
    """The Trio code has ended, the task has not seen it yet, and asyncio cancels the task."""
    log = []

    async def trio_code():
        await may_end.wait()
        loop.call_soon(task.cancel)  # runs before the task's own wake-up
        if fails:
            raise OSError("outcome")
        return "outcome"

    @trio2aio
    async def background():
        try:
            log.append(await aio2trio(trio_code)())
        except OSError as exc:
            log.append(str(exc))
        if goes_on:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                log.append(asyncio.current_task().cancelling())
                raise
        return "returned"

    loop = trio_bridge.current_loop()
    may_end = trio.Event()
    task = loop.create_task(background())
    await trio.testing.wait_all_tasks_blocked()
    may_end.set()
    await trio2aio(asyncio.wait)([task])
    assert log == ["outcome", 1] if goes_on else ["outcome"]
    assert task.cancelled() == goes_on


async def test_a_trio_group_of_nothing_but_cancelleds_is_one_cancellation(autojump_clock):
    log = []

    async def trio_code():
        scope.cancel()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as exc:
            raise BaseExceptionGroup("", [exc]) from None

    @trio2aio
    async def guest():
        try:
            await aio2trio(trio_code)()
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            await asyncio.sleep(1)
            log.append("cleaned up")
            raise

    with trio.CancelScope() as scope:
        await guest()
    assert scope.cancelled_caught
    assert log == [1, "cleaned up"]


# ---- nothing lost, nothing hung


@trio2aio
async def returns_after(seconds):
    await asyncio.sleep(seconds)
    return "value"


@trio2aio
async def returns_after_in_trio(seconds):
    await aio2trio(trio.sleep)(seconds)
    return "value"


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_races_of_result_against_deadline(races):
    """Equal times are the race: then the one or the other happens, and never both or none."""

    async def race(deadline, duration, nested, shielded):
        call = returns_after_in_trio if nested else returns_after
        result = None
        with trio.move_on_after(deadline) as scope:
            with trio.CancelScope(shield=shielded):
                result = await call(duration)
        assert (result is None) == scope.cancelled_caught
        if shielded or duration < deadline:
            assert result == "value"
        elif deadline < duration:
            assert result is None

    async def main():
        async with trio.open_nursery() as nursery:
            for one in races:
                nursery.start_soon(race, *one)

    trio_bridge.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_twenty_thousand_races_in_real_time():
    """A value that the guest returned is never lost, and each call ends."""
    returned = received = 0

    @trio2aio
    async def guest(nested):
        nonlocal returned
        if nested:
            await aio2trio(trio.sleep)(0.01)
        else:
            await asyncio.sleep(0.01)
        returned += 1
        return True

    async def race(i):
        nonlocal received
        with trio.move_on_after(0.01 + (i % 7 - 3) * 0.0005):
            value = await guest(i % 2)
            received += value

    for _ in range(20):
        async with trio.open_nursery() as nursery:
            for i in range(1000):
                nursery.start_soon(race, i)
    assert received == returned
