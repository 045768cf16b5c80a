"""Ctrl-C in Trio code that an asyncio task runs, where nobody else handles it: it leaves the loop.

``signal.raise_signal`` in Trio code is Ctrl-C in busy Trio code.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import weakref

import pytest
import trio
import trio.testing
from foreign_loops import leave_running, make_loop, variant
from loop_kinds import leaves_nothing, start_trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio

assert leaves_nothing
assert make_loop
assert variant


async def interrupted():
    signal.raise_signal(signal.SIGINT)
    await trio.sleep_forever()


async def interrupted_in_a_nursery():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(interrupted)


class Notes(list):
    """What has ended, and how."""

    async def around(self, async_fn):
        try:
            await async_fn()
        except BaseException as exc:
            for _ in range(20):
                await asyncio.sleep(0)
            self.append(type(exc))
            raise


async def in_a_call():
    await aio2trio(interrupted)()


async def in_a_child_of_a_call():
    await aio2trio(interrupted_in_a_nursery)()


async def in_a_call_below_a_manager():
    async with aio2trio(trio.CancelScope()):
        await aio2trio(interrupted)()


async def in_a_call_below_a_nursery():
    await start_trio()
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(trio.sleep_forever)
        await aio2trio(interrupted)()


async def in_a_step():
    @aio2trio
    async def steps():
        yield 1
        await interrupted()

    async for _ in steps():
        pass


async def in_a_child_of_the_nursery_around():
    await start_trio()
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(interrupted)
        await asyncio.Event().wait()


async def in_a_child_of_a_call_below_a_manager():
    async with aio2trio(trio.CancelScope()):
        await aio2trio(interrupted_in_a_nursery)()


EVERYWHERE = [
    in_a_call,
    in_a_child_of_a_call,
    in_a_call_below_a_manager,
    in_a_call_below_a_nursery,
    in_a_step,
    in_a_child_of_the_nursery_around,
    in_a_child_of_a_call_below_a_manager,
]

everywhere = pytest.mark.parametrize("where", EVERYWHERE, ids=lambda where: where.__name__)


@everywhere
def test_ctrl_c_in_the_main_task_leaves_the_loop(make_loop, where):
    notes = Notes()
    loop = make_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(notes.around(where))
    assert len(notes) == 1


@everywhere
def test_ctrl_c_in_a_background_task_leaves_the_loop(make_loop, where):
    notes = Notes()

    async def main():
        task = asyncio.create_task(notes.around(where))
        try:
            await asyncio.wait([task])
            await asyncio.sleep(5)
            return "was not interrupted"
        finally:
            notes.append(task.done())

    loop = make_loop()
    running = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(running)
    assert len(notes) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(running)
    assert notes[1:] == [True]


@everywhere
def test_ctrl_c_in_a_task_of_a_loop_that_trio_drives_leaves_it_bare(where):
    notes = Notes()

    async def main():
        task = trio_bridge.current_loop().create_task(notes.around(where))
        await trio.sleep(5)
        return task

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert len(notes) == 1


def test_what_failed_beside_ctrl_c_is_its_context(make_loop):
    async def fail():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("beside")

    async def trio_code():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(interrupted)

    loop = make_loop()
    with pytest.raises(KeyboardInterrupt) as excinfo:
        loop.run_until_complete(aio2trio(trio_code)())
    assert [str(exc) for exc in excinfo.value.__context__.exceptions] == ["beside"]


def test_an_exit_in_a_group_that_cannot_be_split_leaves_the_loop_too(make_loop):
    class Own(BaseExceptionGroup):
        def derive(self, excs):
            raise ValueError("derive() fails")

    group = Own("mine", [ValueError("beside"), SystemExit(3)])

    async def trio_code():
        raise group

    loop = make_loop()
    with pytest.raises(SystemExit) as excinfo:
        loop.run_until_complete(aio2trio(trio_code)())
    assert excinfo.value.__context__ is group


def test_a_guests_group_goes_up_to_trio_as_it_is(make_loop):
    seen = []

    async def trio_code():
        try:
            await trio2aio(aio2trio(interrupted_in_a_nursery))()
        except BaseExceptionGroup as exc:
            seen.extend(type(exc) for exc in exc.exceptions)

    loop = make_loop()
    loop.run_until_complete(aio2trio(trio_code)())
    assert seen == [KeyboardInterrupt]


def test_ctrl_c_while_the_loop_is_closed_lets_trio_clean_up_first(make_loop):
    notes = []

    async def child():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                trio2aio(signal.raise_signal)(signal.SIGINT)
                await trio.sleep(0.001)
                notes.append("cleaned up")

    loop = make_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.run_until_complete(leave_running(child))
    with pytest.raises(KeyboardInterrupt):
        loop.close()
    assert notes == ["cleaned up"]
    assert loop.is_closed()


def test_a_second_ctrl_c_does_not_wait_until_the_loop_is_closed(make_loop):
    notes = []

    async def child():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                for _ in range(2):
                    await interrupt_and_sleep()
                notes.append("cleaned up")

    @trio2aio
    async def interrupt_and_sleep():
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.sleep(0)  # until the callback has been called

    loop = make_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.run_until_complete(leave_running(child))
    with pytest.raises(KeyboardInterrupt):
        loop.close()
    assert notes == []
    assert not loop.is_closed()
    loop.close()
    assert notes == ["cleaned up"]
    assert loop.is_closed()


# ---- where Python drops what is raised


class PressesCtrlC:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


class PressesCtrlCToForget(set):
    """What a weak set takes a dead reference out of."""

    def discard(self, reference):
        signal.raise_signal(signal.SIGINT)
        super().discard(reference)


def drop_by_count():
    PressesCtrlC()


def drop_in_a_cycle():
    presses = PressesCtrlC()
    presses.itself = presses
    del presses
    gc.collect()


def drop_out_of_a_weak_set():
    thing = type("Thing", (), {})()
    things = weakref.WeakSet([thing])
    things.data = PressesCtrlCToForget(things.data)
    del thing


@pytest.mark.parametrize("drop", [drop_by_count, drop_in_a_cycle, drop_out_of_a_weak_set])
@pytest.mark.filterwarnings("error")
def test_ctrl_c_while_something_is_dropped_is_not_lost(make_loop, drop):
    reached = []

    async def main():
        await start_trio()
        drop()
        reached.append("after it")
        await asyncio.sleep(5)
        reached.append("it was lost")

    loop = make_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    assert reached == ["after it"]
