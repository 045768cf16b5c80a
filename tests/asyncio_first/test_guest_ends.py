"""The end of a guest, and its run in several threads: what is left, and what is left first."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import warnings

import pytest
import trio
import trio.testing
from foreign_loops import leave_running, make_loop, run, variant
from loop_kinds import leaves_nothing, start_trio

from trio_bridge import aio2trio, trio2aio
from trio_bridge._private import trio_run_vars

assert leaves_nothing
assert make_loop
assert run
assert variant


async def trio_code():
    await trio.sleep(0)
    return "value"


def in_a_thread(fn):
    """Call it in another thread, and give its value."""
    values = []
    thread = threading.Thread(target=lambda: values.append(fn()))
    thread.start()
    thread.join()
    (value,) = values
    return value


# ---- threads


@pytest.fixture
def gives_ctrl_c_back():
    """Only the main thread can, and a test closes the loop in another."""
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_loop_closed_in_another_thread_leaves_no_trio_in_the_first(make_loop, gives_ctrl_c_back):
    loop = make_loop()
    loop.run_until_complete(start_trio())
    in_a_thread(loop.close)
    assert "runner" not in trio_run_vars()
    assert trio.run(trio_code) == "value"


def test_a_loop_that_goes_on_in_another_thread_takes_trio_with_it(make_loop, gives_ctrl_c_back):
    loop = make_loop()
    loop.run_until_complete(start_trio())
    assert in_a_thread(lambda: loop.run_until_complete(aio2trio(trio_code)())) == "value"
    assert "runner" not in trio_run_vars()
    assert trio.run(trio_code) == "value"
    assert loop.run_until_complete(aio2trio(trio_code)()) == "value"
    loop.close()
    assert "runner" not in trio_run_vars()


def test_a_plain_call_is_the_first_of_a_loop_that_goes_on_in_another_thread(
    make_loop, gives_ctrl_c_back
):
    loop = make_loop()
    opened = []

    async def waits():
        opened.append(trio.Event())
        await aio2trio(opened[0].wait)()
        return "woken"

    async def sets(task):
        aio2trio(opened[0].set)()
        async with asyncio.timeout(10):
            return await task

    async def start():
        task = asyncio.create_task(waits())
        while not opened:
            await asyncio.sleep(0)
        await aio2trio(trio.testing.wait_all_tasks_blocked)()
        return task

    task = loop.run_until_complete(start())
    assert in_a_thread(lambda: loop.run_until_complete(sets(task))) == "woken"
    loop.close()


def test_ctrl_c_when_the_loop_has_gone_on_in_another_thread(make_loop, gives_ctrl_c_back):
    """It comes where the main thread is: the loop has no use for it any more."""
    loop = make_loop()
    loop.run_until_complete(start_trio())
    in_a_thread(lambda: loop.run_until_complete(start_trio()))
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    loop.run_until_complete(start_trio())
    loop.close()


def test_ctrl_c_is_the_next_guests_when_the_last_was_closed_in_another_thread(
    make_loop, gives_ctrl_c_back
):
    first = make_loop()
    first.run_until_complete(start_trio())
    in_a_thread(first.close)

    async def interrupted():
        signal.raise_signal(signal.SIGINT)

    second = make_loop()
    with pytest.raises(KeyboardInterrupt):
        second.run_until_complete(aio2trio(interrupted)())
    second.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- managers of asyncio's around Trio bodies


class Manager:
    """Takes notes, and knows the task that it lives in."""

    def __init__(self, notes):
        self.notes = notes

    async def __aenter__(self):
        self.task = asyncio.current_task()
        return self

    async def __aexit__(self, *exc_info):
        await asyncio.sleep(0)
        self.notes.append("manager left")


def test_a_manager_is_left_after_a_shielded_body_when_the_loop_is_closed(make_loop):
    notes = []

    async def child():
        async with trio2aio(Manager(notes)) as manager:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    trio2aio(manager.task.cancel)()
                    await trio2aio(asyncio.sleep)(0.001)
                    await trio.sleep(0.001)
                notes.append("body ended")

    loop = make_loop()
    errors = []
    loop.set_exception_handler(lambda loop, context: errors.append(repr(context["exception"])))
    loop.run_until_complete(leave_running(child))
    loop.close()
    assert notes == ["body ended", "manager left"]
    (error,) = errors
    assert "open_nursery" in error or "NurseryManager" in error
    assert "trio2aio" not in error


async def forget(notes):
    await trio2aio(Manager(notes)).__aenter__()


async def let_a_trio_task_forget(notes):
    await start_trio()
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(forget, notes)


def test_a_manager_that_a_trio_task_forgets_is_left_when_the_loop_is_closed(make_loop):
    notes, errors = [], []
    loop = make_loop()
    loop.set_exception_handler(lambda loop, context: errors.append(repr(context["exception"])))
    loop.run_until_complete(let_a_trio_task_forget(notes))
    loop.close()
    gc.collect()
    assert notes == ["manager left"]
    (error,) = errors
    assert "was entered and not left" in error


def test_a_manager_that_a_trio_task_forgets_does_not_keep_asyncio_run_from_ending(run):
    notes, errors = [], []

    async def main():
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: errors.append(repr(context["exception"]))
        )
        await let_a_trio_task_forget(notes)

    run(main)
    assert notes == ["manager left"]
    (error,) = errors
    assert "was entered and not left" in error


def test_a_manager_that_a_cancelled_trio_task_forgets_does_not_keep_asyncio_run_from_ending(run):
    """The task ends only when ``asyncio.run`` has cancelled it, and the manager's as well."""
    notes, errors = [], []

    async def forgets():
        await forget(notes)
        notes.append("entered")
        await trio.sleep_forever()

    async def main():
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: errors.append(repr(context["exception"]))
        )
        task = asyncio.create_task(aio2trio(forgets)())
        while not notes:
            await asyncio.sleep(0)
        return task

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Trio's, of a scope that isn't left
        run(main)
    assert notes == ["entered", "manager left"]
    assert [error for error in errors if "was entered and not left" in error]


@pytest.mark.parametrize("enters_nursery", [False, True])
def test_trio_code_called_while_trio_finalizes_its_generators(make_loop, enters_nursery):
    """Trio has no tasks any more: who asks for one learns why, and the loop closes."""
    errors = []

    async def generate():
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)
                calls_trio.set_result(None)
                await trio.sleep(0.01)

    async def begin():
        generators.append(generate())
        await anext(generators[0])

    async def call_trio():
        await calls_trio
        with pytest.raises(RuntimeError, match="Trio code can't be called any more") as raised:
            if enters_nursery:
                await aio2trio(trio.open_nursery()).__aenter__()
            else:
                await aio2trio(trio_code)()
        errors.append(raised.value)

    async def main():
        await aio2trio(begin)()
        return asyncio.create_task(call_trio())

    generators = []
    loop = make_loop()
    calls_trio = loop.create_future()
    task = loop.run_until_complete(main())
    loop.close()
    assert task.done()
    assert len(errors) == 1
