"""Both alarms ring when they are set to, however often they are set."""

from __future__ import annotations

import asyncio
import math

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_bridge._alarm import DeadlineAlarm, ScopeAlarm, make_alarm

KINDS = [DeadlineAlarm, ScopeAlarm]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def watched(kind, body):
    """Run ``body(alarm, rung)`` with the alarm watched; the times at which it has rung."""
    rung = []

    async def main():
        alarm = kind()
        more = trio.Event()

        async def ring():
            nonlocal more
            rung.append(trio.current_time())
            more.set()
            more = trio.Event()

        async def next_ring():
            await more.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.watch, ring)
            with trio.fail_after(30):
                await body(alarm, next_ring)
            nursery.cancel_scope.cancel()
        alarm.close()

    trio.run(main)
    return rung


def test_it_rings_when_it_is_due_and_once(kind):
    async def body(alarm, next_ring):
        nonlocal due
        due = trio.current_time() + 0.01
        alarm.set(0.01)
        await next_ring()
        await trio.sleep(0.03)

    due = math.inf
    (at,) = watched(kind, body)
    assert at >= due - 0.001  # the clocks are read one after the other


def test_it_rings_again_and_again(kind):
    async def body(alarm, next_ring):
        for _ in range(5):
            alarm.set(0.001)
            await next_ring()

    assert len(watched(kind, body)) == 5


@pytest.mark.parametrize("delay", [0, -1, -math.inf])
def test_it_rings_at_once(kind, delay):
    async def body(alarm, next_ring):
        await wait_all_tasks_blocked()
        alarm.set(delay)
        await next_ring()

    assert len(watched(kind, body)) == 1


def test_it_rings_earlier_if_it_is_set_so(kind):
    async def body(alarm, next_ring):
        alarm.set(3600)
        await wait_all_tasks_blocked()
        alarm.set(0.001)
        await next_ring()

    assert len(watched(kind, body)) == 1


def test_it_may_be_set_for_a_time_that_no_kernel_knows(kind):
    async def body(alarm, next_ring):
        alarm.set(1e30)
        await trio.sleep(0.01)
        alarm.set(math.inf)
        await trio.sleep(0.01)

    assert watched(kind, body) == []


def test_what_rings_may_set_it(kind):
    rung = []

    async def main():
        alarm = kind()

        async def ring():
            rung.append(None)
            if len(rung) == 3:
                nursery.cancel_scope.cancel()
            alarm.set(0)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.watch, ring)
            alarm.set(0)
        alarm.close()

    trio.run(main)
    assert len(rung) == 3


def test_it_may_ring_while_nobody_waits(kind):
    rung = []

    async def main():
        alarm = kind()

        async def ring():
            rung.append(None)
            alarm.set(0)
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)
            if len(rung) == 3:
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.watch, ring)
            alarm.set(0)
        alarm.close()

    trio.run(main)
    assert len(rung) == 3


def test_nothing_is_left_in_trio(kind):
    async def main():
        alarm = kind()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.watch, trio.lowlevel.checkpoint)
            await wait_all_tasks_blocked()
            alarm.set(3600)
            assert trio.lowlevel.current_statistics().seconds_to_next_deadline > 3000
            nursery.cancel_scope.cancel()
        alarm.close()
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf

    trio.run(main)


def test_thousands_of_settings_leave_nothing_behind(kind):
    async def main():
        alarm = kind()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.watch, trio.lowlevel.checkpoint)
            await wait_all_tasks_blocked()
            for number in range(5000):
                alarm.set(3600 + number % 7)
            # What is out of date is dropped as time goes by; a pass of the scheduler is enough.
            with trio.move_on_after(0):
                await trio.sleep_forever()
            nursery.cancel_scope.cancel()
        alarm.close()

    trio.run(main)


def test_virtual_time_jumps_to_it(kind):
    rung = []

    async def main():
        alarm = kind()

        async def ring():
            rung.append(trio.current_time())
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarm.watch, ring)
            alarm.set(3600)
            alarm.set(1800)
        alarm.close()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert rung == [1800]


def test_a_trio_run_of_its_own_has_deadlines():
    async def main():
        assert type(make_alarm()) is DeadlineAlarm

    trio.run(main)


def test_a_guest_run_has_scopes():
    """Its host loop would have to be told of an earlier deadline, and a scope tells it."""
    kinds = []

    async def trio_main():
        kinds.append(type(make_alarm()))

    async def main():
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        trio.lowlevel.start_guest_run(
            trio_main,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda outcome: done.set(),
        )
        await done.wait()

    asyncio.run(main())
    assert kinds == [ScopeAlarm]
