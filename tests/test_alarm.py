"""Both alarms ring when they are set to, however often they are set."""

from __future__ import annotations

import math
import os
import sys

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import trio_bridge
from trio_bridge import _alarm
from trio_bridge._alarm import DeadlineAlarm, make_alarm

KINDS = [DeadlineAlarm]
if has_timers := hasattr(_alarm, "TimerAlarm"):
    KINDS.append(_alarm.TimerAlarm)


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


def test_linux_has_timers_since_python_3_13():
    assert has_timers == (sys.platform == "linux" and sys.version_info >= (3, 13))


def test_virtual_time_has_deadlines():
    assert type(make_alarm(is_virtual=True)) is DeadlineAlarm


@pytest.mark.skipif("not has_timers")
def test_without_a_descriptor_it_is_a_deadline(run_script):
    result = run_script(
        "import os, resource, trio_bridge\n"
        "from trio_bridge._alarm import make_alarm\n"
        "first = os.dup(0)\n"
        "os.close(first)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (first, first))\n"
        "print(type(make_alarm(is_virtual=False)).__name__)\n"
    )
    assert result.stdout == "DeadlineAlarm\n", result.stderr


@pytest.mark.skipif("not has_timers")
def test_a_loop_gives_its_timer_back():
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    async def main():
        await trio.sleep(0)

    trio_bridge.run(main)
    before = descriptors()
    trio_bridge.run(main)
    assert descriptors() == before
