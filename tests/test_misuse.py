"""Bad use gives an error that shows the line to write."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
import trio

import trio_bridge
from trio_bridge import aio2trio, open_loop, trio2aio


@trio2aio
async def crossing():
    pass


def text_of(exc):
    """What a person reads: the message and its notes."""
    return "\n".join([str(exc), *getattr(exc, "__notes__", ())])


def test_no_loop_open():
    for use in (crossing, current_loop_in_trio):
        with pytest.raises(RuntimeError, match=r"async with trio_bridge\.open_loop"):
            trio.run(use)


async def current_loop_in_trio():
    trio_bridge.current_loop()


def test_neither_side():
    with pytest.raises(RuntimeError, match=r"trio_bridge\.run\(main\)"):
        trio_bridge.current_loop()

    async def open_one():
        async with open_loop():
            pass

    with pytest.raises(RuntimeError, match=r"trio_bridge\.run\(main\)"):
        open_one().send(None)


async def test_a_loop_that_is_closed_already():
    async def outlives_the_loop(may_call):
        await may_call.wait()
        with pytest.raises(RuntimeError, match="Start it in a nursery inside the block"):
            await crossing()

    may_call = trio.Event()
    async with trio.open_nursery() as nursery:
        async with open_loop():
            nursery.start_soon(outlives_the_loop, may_call)
        may_call.set()


def test_a_coroutine_object_given_to_aio2trio():
    async def fetch():
        pass

    with pytest.raises(TypeError, match=r"await aio2trio\(fetch\)\(\.\.\.\)"):
        aio2trio(fetch())  # and no warning that it was never awaited


async def test_an_asyncio_future_given_to_aio2trio():
    with pytest.raises(TypeError, match=r"await trio2aio\(future\)"):
        aio2trio(trio_bridge.current_loop().create_future())


def test_asyncio_code_awaited_directly_in_trio_code():
    async def sleeps():
        await asyncio.sleep(1)

    async def awaits_a_future():
        await trio_bridge.current_loop().create_future()

    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(sleeps)
    assert "await trio2aio(asyncio.sleep)(...)" in text_of(caught.value)
    with pytest.raises(TypeError) as caught:
        trio_bridge.run(awaits_a_future)
    assert "await trio2aio(" in text_of(caught.value)


async def test_asyncio_code_awaited_directly_in_a_nested_trio_call():
    async def sleeps():
        await asyncio.sleep(1)

    @trio2aio
    async def guest():
        await aio2trio(sleeps)()

    with pytest.raises(RuntimeError) as caught:
        await guest()
    assert "await trio2aio(asyncio.sleep)(...)" in text_of(caught.value)


async def enter_directly():
    async with asyncio.timeout(1):
        pass


async def enter_the_result_of_a_direct_call():
    async with trio2aio(asyncio.timeout(1)):
        pass


@trio2aio
async def enter_a_scope_directly():
    with trio.move_on_after(1):
        pass


@trio2aio
async def open_a_nursery_directly():
    async with trio.open_nursery():
        pass


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (enter_directly, "async with trio2aio(asyncio.timeout)(...)"),
        (enter_the_result_of_a_direct_call, "async with trio2aio(asyncio.timeout)(...)"),
        (enter_a_scope_directly, "async with aio2trio(trio.move_on_after)(...)"),
        (open_a_nursery_directly, "async with aio2trio(trio.open_nursery)(...)"),
    ],
)
def test_managers_entered_directly_on_the_other_side(code, line):
    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(code)
    assert line in text_of(caught.value)


async def starts_a_task():
    with contextlib.closing(asyncio.sleep(0)) as coro:
        asyncio.create_task(coro)


async def asks_for_the_loop():
    return asyncio.get_running_loop()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (starts_a_task, "    trio2aio(asyncio.create_task)(...)"),
        (asks_for_the_loop, "    trio2aio(asyncio.get_running_loop)(...)"),
    ],
)
def test_plain_functions_called_directly_on_the_other_side(code, line):
    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(code)
    assert line in text_of(caught.value).splitlines()


async def sleeps_with_the_wrong_adapter():
    await trio2aio(trio.sleep)(1)


async def asyncio_sleeps_with_the_wrong_adapter():
    await aio2trio(asyncio.sleep)(1)


@pytest.mark.parametrize(
    ("code", "belongs", "line"),
    [
        (
            sleeps_with_the_wrong_adapter,
            "trio.sleep belongs to Trio, and trio2aio(...) is for what belongs to asyncio.",
            "    await aio2trio(trio.sleep)(...)",
        ),
        (
            trio2aio(asyncio_sleeps_with_the_wrong_adapter),
            "asyncio.sleep belongs to asyncio, and aio2trio(...) is for what belongs to Trio.",
            "    await trio2aio(asyncio.sleep)(...)",
        ),
        (
            asyncio_sleeps_with_the_wrong_adapter,
            "asyncio.sleep belongs to asyncio, and aio2trio(...) is for what belongs to Trio.",
            "    await trio2aio(asyncio.sleep)(...)",
        ),
    ],
)
def test_the_adapter_of_the_other_direction(code, belongs, line):
    with pytest.raises(RuntimeError) as caught:
        trio_bridge.run(code)
    assert belongs in text_of(caught.value)
    assert line in text_of(caught.value).splitlines()


async def open_a_nursery():
    async with trio.open_nursery():
        pass


@pytest.mark.parametrize("suspended_before", [False, True])
@pytest.mark.parametrize(
    ("trio_code", "line"),
    [
        (lambda: trio.sleep(1), "await aio2trio(trio_code)(...)"),
        (lambda: trio.Event().wait(), "await aio2trio(trio_code)(...)"),
        (lambda: trio.lowlevel.cancel_shielded_checkpoint(), "await aio2trio(trio_code)(...)"),
        (open_a_nursery, "await aio2trio(trio_code)(...)"),
    ],
    ids=["sleep", "event", "checkpoint", "nursery"],
)
async def test_trio_code_awaited_directly_in_asyncio_code(suspended_before, trio_code, line):
    @trio2aio
    async def guest():
        if suspended_before:
            await asyncio.sleep(0)
        await trio_code()

    with pytest.raises(RuntimeError) as caught:
        await guest()
    assert "aio2trio(" in text_of(caught.value)
    assert await trio2aio(asyncio.sleep)(0, "the loop goes on") == "the loop goes on"


async def test_trio_code_awaited_directly_in_asyncios_own_task():
    async def sleeps():
        await trio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop() as loop:
            loop.create_task(sleeps())
            await trio.sleep_forever()
    (error,) = caught.value.exceptions
    assert "await aio2trio(trio.sleep)(...)" in text_of(error)


async def test_a_crossing_from_another_thread():
    def in_thread():
        with pytest.raises(RuntimeError, match=r"trio\.from_thread\.run\(async_fn, \*args\)"):
            trio.run(crossing)

    await trio.to_thread.run_sync(in_thread)  # copies the context, the loop's mark included


async def test_the_loop_called_from_another_thread():
    loop = trio_bridge.current_loop()
    await trio.testing.wait_all_tasks_blocked()  # the loop is parked
    errors = []

    def in_thread():
        for method, args in ((loop.call_soon, ()), (loop.call_later, (1,)), (loop.call_at, (1,))):
            try:
                method(*args, print)
            except RuntimeError as exc:
                errors.append(str(exc))

    thread = threading.Thread(target=in_thread)
    thread.start()
    await trio.to_thread.run_sync(thread.join)
    assert len(errors) == 3
    assert all("loop.call_soon_threadsafe(callback, *args)" in error for error in errors)


def test_an_unknown_engine(monkeypatch):
    with pytest.raises(ValueError, match="engine='selector'"):
        trio_bridge.run(trio.sleep, 0, engine="nonesuch")
    monkeypatch.setenv("TRIO_BRIDGE_ENGINE", "nonesuch")
    with pytest.raises(ValueError, match="unknown engine 'nonesuch' in the variable TRIO_BRIDGE_E"):
        trio_bridge.run(trio.sleep, 0)


async def test_stopping_the_loop():
    with pytest.raises(RuntimeError, match="leave the `async with"):
        trio_bridge.current_loop().stop()


async def test_running_or_closing_the_loop():
    loop = trio_bridge.current_loop()
    with pytest.raises(RuntimeError, match="already running"):
        loop.run_forever()
    with pytest.raises(RuntimeError, match="running"):
        loop.close()


async def test_aio2trio_outside_of_a_task():
    loop = trio_bridge.current_loop()
    result = loop.create_future()

    def callback():
        try:
            aio2trio(trio.sleep)(0).send(None)
        except RuntimeError as exc:
            result.set_result(str(exc))

    loop.call_soon(callback)
    assert "loop.create_task(async_fn())" in await trio2aio(result)


def test_a_coroutine_object_given_to_run():
    async def main(argument):
        pass

    with pytest.raises(TypeError, match=r"trio_bridge\.run\(main, \.\.\.\)"):
        trio_bridge.run(main(1))  # and no warning that it was never awaited


async def get_from_a_queue():
    await asyncio.Queue().get()


async def wait_for_an_event():
    await asyncio.Event().wait()


async def ask_for_the_loop():
    asyncio.get_running_loop()


@pytest.mark.parametrize("code", [get_from_a_queue, wait_for_an_event, ask_for_the_loop])
def test_what_asyncio_says_without_a_loop_is_explained(code):
    with pytest.raises((RuntimeError, AttributeError)) as caught:
        trio_bridge.run(code)
    assert "trio2aio(" in text_of(caught.value)


def test_a_view_called_where_no_loop_is_open():
    view = trio2aio(asyncio)
    with pytest.raises(RuntimeError) as caught:
        view.timeout(1)
    assert "trio_bridge.run(main)" in text_of(caught.value)


def test_run_within_asyncio():
    async def main():
        trio_bridge.run(trio.sleep, 0)

    with pytest.raises(RuntimeError, match=r"await aio2trio\(async_fn\)\(\*args\)"):
        asyncio.run(main())


@pytest.mark.parametrize("option", ["cancel_warn_after", "redeliver_cancel_after"])
@pytest.mark.parametrize(("value", "error"), [("5", TypeError), (0, ValueError), (-1, ValueError)])
def test_seconds_that_are_none(option, value, error):
    with pytest.raises(error, match=f"{option}={value!r}: write a"):
        trio_bridge.run(trio.sleep, 0, **{option: value})
