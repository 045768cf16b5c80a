"""A crossing takes a pass of Trio's scheduler only if that lets anybody run."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading

import pytest
import trio
import trio.testing
from conftest import HANG, count_passes

from trio_bridge import aio2trio, open_loop, trio2aio

CAN_ASK = sys.version_info >= (3, 13)
NUMBER = 1000


async def at_once():
    return 1


async def after_a_turn():
    await asyncio.sleep(0)
    return 1


@pytest.fixture(params=[at_once, after_a_turn], ids=lambda fn: fn.__name__)
def crossing(request):
    return trio2aio(request.param)


async def test_where_no_other_task_can_run_most_passes_are_left_out(crossing, monkeypatch):
    passes = count_passes(monkeypatch)
    for _ in range(NUMBER):
        assert await crossing() == 1
    if CAN_ASK:
        assert len(passes) < NUMBER / 2  # a hundredth, on a machine that doesn't stand still
    else:
        assert len(passes) >= NUMBER


# Trio runs what can run in one batch, in either order: so as with two checkpoints of Trio's.


async def test_a_task_that_can_run_does_so_within_two_crossings(crossing):
    for _ in range(50):
        ran = trio.Event()
        async with trio.open_nursery() as nursery:
            await crossing()  # the next could go without a pass
            nursery.start_soon(set_soon, ran)
            await crossing()
            await crossing()
            assert ran.is_set()


async def set_soon(event):
    event.set()


async def test_a_task_that_is_woken_runs_within_two_crossings(crossing):
    steps = []

    async def other():
        for event in events:
            await event.wait()
            steps.append(event)

    events = [trio.Event() for _ in range(50)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await trio.testing.wait_all_tasks_blocked()
        for event in events:
            await crossing()
            event.set()
            await crossing()
            await crossing()
            assert steps[-1] is event


async def test_two_tasks_that_only_cross_take_turns(crossing):
    names = []

    async def crosses(name):
        for _ in range(50):
            names.append(name)
            await crossing()

    async with trio.open_nursery() as nursery:
        for name in "ab":
            nursery.start_soon(crosses, name)
    # Trio runs a batch in either order, so one name comes twice in a row at most.
    assert "aaa" not in "".join(names)
    assert "bbb" not in "".join(names)
    assert len(names) == 100


async def test_each_crossing_is_a_checkpoint(crossing):
    for _ in range(NUMBER):
        with trio.testing.assert_checkpoints():
            await crossing()


async def test_each_crossing_delivers_a_cancellation(crossing):
    for _ in range(50):
        await crossing()
        with trio.CancelScope() as scope:
            scope.cancel()
            await crossing()
        assert scope.cancelled_caught


async def test_a_deadline_passes_in_a_row_of_crossings(crossing):
    with trio.fail_after(HANG), trio.move_on_after(0.02) as scope:
        while True:
            await crossing()
    assert scope.cancelled_caught


async def test_io_arrives_in_a_row_of_crossings(crossing):
    got = []
    ours, others = socket.socketpair()

    async def receive():
        got.append(await trio.socket.from_stdlib_socket(ours).recv(10))

    with ours, others, trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await crossing()
            others.send(b"x")
            while not got:
                await crossing()
    assert got == [b"x"]


async def test_a_call_from_a_thread_arrives_in_a_row_of_crossings(crossing):
    called = threading.Event()
    token = trio.lowlevel.current_trio_token()
    thread = threading.Thread(target=token.run_sync_soon, args=(called.set,))
    with trio.fail_after(HANG):
        await crossing()
        thread.start()
        while not called.is_set():
            await crossing()
    thread.join()


async def test_a_signal_arrives_in_a_row_of_crossings(crossing):
    got = []

    async def receive(task_status):
        with trio.open_signal_receiver(signal.SIGUSR1) as signals:
            task_status.started()
            async for signum in signals:
                got.append(signum)
                return

    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            await nursery.start(receive)
            await crossing()
            signal.raise_signal(signal.SIGUSR1)
            while not got:
                await crossing()
    assert got == [signal.SIGUSR1]


async def test_an_instrument_sees_a_step_for_each_crossing(crossing):
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task):
            self.count += task is this_task

    this_task = trio.lowlevel.current_task()
    steps = Steps()
    await crossing()
    trio.lowlevel.add_instrument(steps)
    for _ in range(50):
        await crossing()
    trio.lowlevel.remove_instrument(steps)
    assert steps.count >= 50


async def test_on_a_virtual_clock_a_row_of_crossings_has_a_bound(autojump_clock, monkeypatch):
    """What bounds it may not be time, as none passes."""
    crossing = trio2aio(at_once)
    passes = count_passes(monkeypatch)
    for _ in range(NUMBER):
        await crossing()
    assert len(passes) >= NUMBER / 101
    if CAN_ASK:
        assert len(passes) < NUMBER / 50


async def test_steps_of_an_asyncio_generator_need_no_passes_either(monkeypatch):
    async def numbers():
        for number in range(NUMBER):
            yield number

    passes = count_passes(monkeypatch)
    assert [number async for number in trio2aio(numbers)()] == list(range(NUMBER))
    if CAN_ASK:
        assert len(passes) < NUMBER / 2


async def test_crossings_of_two_loops(crossing):
    async with open_loop():
        await crossing()
        async with open_loop():
            for _ in range(50):
                assert await crossing() == 1
        assert await crossing() == 1


async def test_in_trio_code_of_a_guest(crossing, monkeypatch):
    async def guest():
        await aio2trio(trio_code)()

    async def trio_code():
        for _ in range(NUMBER):
            assert await crossing() == 1

    passes = count_passes(monkeypatch)
    await trio2aio(guest)()
    if CAN_ASK:
        assert len(passes) < NUMBER / 2
