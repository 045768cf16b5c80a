"""Rules 4.1: Trio calls asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import sys

import pytest
import sniffio
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._crossing import crossing_to_asyncio

var = contextvars.ContextVar("var", default="unset")
needs_eager_start = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager start is 3.12+")


@trio2aio
async def at_once(value=None):
    return value


@trio2aio
async def after_a_turn(value=None):
    await asyncio.sleep(0)
    return value


# ---- 4.1.1


async def test_4_1_1_the_call_runs_in_an_asyncio_task_of_the_current_loop():
    @trio2aio
    async def look():
        before = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is before
        return before, asyncio.get_running_loop()

    first, loop = await look()
    second, _ = await look()
    assert isinstance(first, asyncio.Task)
    assert first is not second
    assert loop is trio_bridge.current_loop()
    assert first.get_loop() is loop


async def test_4_1_1_timeout_and_task_group_work():
    @trio2aio
    async def use_them():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, i)) for i in range(3)]
        return [task.result() for task in tasks], asyncio.current_task().cancelling()

    assert await use_them() == ([0, 1, 2], 0)


async def test_4_1_1_a_task_group_with_a_failing_child_works():
    async def fail():
        raise OSError("child")

    @trio2aio
    async def use_it():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(60)

    with pytest.raises(ExceptionGroup) as caught:
        await use_it()
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]


async def test_4_1_1_anyio_works_in_the_task():
    anyio = pytest.importorskip("anyio")

    async def child(task_status):
        task_status.started("ready")
        await anyio.sleep_forever()

    @trio2aio
    async def use_anyio():
        async with anyio.create_task_group() as group:
            ready = await group.start(lambda task_status: child(task_status))
            with anyio.move_on_after(0.001) as scope:
                await anyio.sleep(60)
            group.cancel_scope.cancel()
        return ready, scope.cancelled_caught, await anyio.to_thread.run_sync(lambda: 7)

    assert await use_anyio() == ("ready", True, 7)


# ---- 4.1.2


@pytest.mark.parametrize("crossing", [at_once, after_a_turn])
async def test_4_1_2_the_value_comes_back_as_it_is(crossing):
    value = object()
    assert await crossing(value) is value


@pytest.mark.parametrize("suspends", [False, True])
@pytest.mark.parametrize(
    "error",
    [ValueError("v"), ExceptionGroup("g", [OSError()]), GeneratorExit(), asyncio.CancelledError()],
    ids=repr,
)
async def test_4_1_2_the_exception_comes_back_as_it_is(suspends, error):
    @trio2aio
    async def fail():
        if suspends:
            await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)) as caught:
        await fail()
    if not isinstance(error, asyncio.CancelledError):  # asyncio makes a new one of these
        assert caught.value is error


async def test_4_1_2_a_wrong_argument_is_the_callers_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        await at_once(wrong=1)


# ---- 4.1.3


@pytest.mark.parametrize("crossing", [at_once, after_a_turn])
async def test_4_1_3_every_crossing_is_a_checkpoint(crossing):
    with trio.testing.assert_checkpoints():
        await crossing()


async def test_4_1_3_a_pending_cancellation_is_delivered_before_the_body_starts():
    started = False

    @trio2aio
    async def body():
        nonlocal started
        started = True

    with trio.CancelScope() as scope:
        scope.cancel()
        await body()
    assert scope.cancelled_caught
    assert not started


async def test_4_1_3_other_trio_tasks_run_when_the_body_never_suspends():
    steps = 0

    async def other():
        nonlocal steps
        while True:
            steps += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(50):
            await at_once()
        assert steps >= 49
        nursery.cancel_scope.cancel()


# ---- 4.1.4


@needs_eager_start
async def test_4_1_4_a_function_that_does_not_suspend_costs_no_turn(monkeypatch):
    await trio.testing.wait_all_tasks_blocked()  # the loop is parked
    turns = 0
    loop = trio_bridge.current_loop()
    select = loop._selector.select

    def counting_select(timeout=None):
        nonlocal turns
        turns += 1
        return select(timeout)

    monkeypatch.setattr(loop._selector, "select", counting_select)
    for _ in range(10):
        await at_once()
    assert turns == 0
    await after_a_turn()
    assert turns > 0


@needs_eager_start
@pytest.mark.parametrize("setting", ["debug mode", "a task factory"])
async def test_4_1_4_but_where_the_loop_has_its_own_way_from_then_on(setting):
    loop = trio_bridge.current_loop()
    made = []

    def factory(loop, coro, **options):
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    @trio2aio
    async def begins_after(ran):
        return list(ran)

    async def is_in_a_turn():
        ran = []
        trio2aio(loop.call_soon)(ran.append, "an earlier callback")
        return await begins_after(ran) == ["an earlier callback"]

    assert not await is_in_a_turn()
    if setting == "debug mode":
        loop.set_debug(True)
    else:
        loop.set_task_factory(factory)
    assert await is_in_a_turn()
    assert len(made) == (setting == "a task factory")
    loop.set_debug(False)
    loop.set_task_factory(None)
    assert not await is_in_a_turn()


# ---- 4.1.5


async def test_4_1_5_context_variables_flow_both_ways():
    @trio2aio
    async def change(suspend):
        seen = var.get()
        var.set("before")
        if suspend:
            await asyncio.sleep(0)
            assert var.get() == "before"
            var.set("after")
        return seen

    for suspend, visible in ((False, "before"), (True, "after")):
        token = var.set("host's")
        assert await change(suspend) == "host's"
        assert var.get() == visible
        var.reset(token)
        assert var.get() == "unset"


async def test_4_1_5_context_variables_flow_through_nested_crossings():
    @aio2trio
    async def innermost():
        seen = var.get()
        var.set("trio")
        await trio.lowlevel.checkpoint()
        return seen

    @trio2aio
    async def middle():
        var.set("asyncio")
        seen = await innermost()
        return seen, var.get()

    assert await middle() == ("asyncio", "trio")
    assert var.get() == "trio"


async def test_4_1_5_siblings_do_not_see_each_other():
    async def one(name):
        @trio2aio
        async def body():
            var.set(name)
            await asyncio.sleep(0)
            return var.get()

        assert await body() == name == var.get()

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(one, name)
    assert var.get() == "unset"


async def test_4_1_5_what_a_failing_call_set_is_visible_too():
    @trio2aio
    async def fail():
        var.set("set before the error")
        raise ValueError

    with pytest.raises(ValueError):
        await fail()
    assert var.get() == "set before the error"


# ---- 4.1.6


async def test_4_1_6_sniffio_is_right_everywhere():
    library = sniffio.current_async_library
    loop = trio_bridge.current_loop()
    seen = {}

    @aio2trio
    async def trio_call():
        seen["trio call"] = library()

    @trio2aio
    async def asyncio_call():
        seen["first step"] = library()
        done = loop.create_future()
        loop.call_soon(lambda: done.set_result(library()))
        seen["callback"] = await done
        seen["task"] = await asyncio.create_task(task())
        await trio_call()
        seen["after trio call"] = library()

    async def task():
        return library()

    seen["trio before"] = library()
    await asyncio_call()
    seen["trio after"] = library()
    assert seen == {
        "trio before": "trio",
        "first step": "asyncio",
        "callback": "asyncio",
        "task": "asyncio",
        "trio call": "trio",
        "after trio call": "asyncio",
        "trio after": "trio",
    }


# ---- how calls start and end


async def test_a_host_serves_a_call_made_in_the_guests_first_step():
    host = trio.lowlevel.current_task()

    @aio2trio
    async def who():
        return trio.lowlevel.current_task()

    @trio2aio
    async def ask():
        return [await who(), await who()]

    assert await ask() == [host, host]


async def test_a_guest_that_only_waits_for_a_descriptor_is_woken():
    @trio2aio
    async def echo():
        server = await asyncio.start_server(
            lambda r, w: w.write(b"hello") or w.close(), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        data = await reader.read()
        writer.close()
        server.close()
        return data

    assert await echo() == b"hello"


async def test_futures_may_be_resolved_from_trio_while_the_loop_is_parked():
    loop = trio_bridge.current_loop()
    future = loop.create_future()

    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait():
            assert await trio2aio(future) == "result"

        await trio.testing.wait_all_tasks_blocked()
        future.set_result("result")


async def test_timers_may_be_set_from_trio_while_the_loop_is_parked(autojump_clock):
    loop = trio_bridge.current_loop()
    future = loop.create_future()
    await trio.testing.wait_all_tasks_blocked()
    loop.call_later(5, future.set_result, "late")
    loop.call_later(2, lambda: None)
    start = trio.current_time()
    assert await trio2aio(future) == "late"
    assert trio.current_time() - start == pytest.approx(5)


async def test_ten_thousand_crossings_at_once_complete_with_the_right_sum():
    total = 0

    async def add(i):
        nonlocal total
        value = await (at_once if i % 2 else after_a_turn)(i)
        total += value

    async with trio.open_nursery() as nursery:
        for i in range(10_000):
            nursery.start_soon(add, i)
    assert total == sum(range(10_000))


def test_iscoroutinefunction_name_and_signature_are_kept():
    async def original(a: int, *, b: str = "") -> bool:
        """Docs."""
        return True

    for adapted in (trio2aio(original), aio2trio(original)):
        assert inspect.iscoroutinefunction(adapted)
        assert adapted.__name__ == "original"
        assert adapted.__doc__ == "Docs."
        assert inspect.signature(adapted) == inspect.signature(original)
        assert adapted.__wrapped__ is original
    assert inspect.iscoroutinefunction(trio2aio(functools.partial(original, 1)))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="markcoroutinefunction() is 3.12's")
@pytest.mark.parametrize("eager", [True, False])
async def test_a_function_that_passes_for_async_and_returns_another_awaitable(eager):
    """As those of a library that is compiled."""

    @trio2aio
    @inspect.markcoroutinefunction
    def function(value):
        future = asyncio.get_running_loop().create_future()
        future.get_loop().call_soon(future.set_result, value)
        return future

    trio_bridge.current_loop().set_debug(not eager)
    assert await function(3) == 3


async def test_a_task_factory_that_fails_is_an_error_of_the_call():
    def factory(loop, coro, **options):
        raise AttributeError("the factory's own")

    trio_bridge.current_loop().set_task_factory(factory)
    try:
        with pytest.raises(AttributeError, match="the factory's own"):
            await trio2aio(asyncio.sleep)(0)
    finally:
        trio_bridge.current_loop().set_task_factory(None)


async def test_a_task_factory_that_makes_no_task_is_named():
    set_task_factory = trio2aio(
        lambda factory: asyncio.get_running_loop().set_task_factory(factory)
    )
    asyncio_code = trio2aio(asyncio.sleep)
    set_task_factory(lambda loop, coro, **options: coro.close())
    with pytest.raises(TypeError, match=r"task factory returned None, which is no task\. Write"):
        await asyncio_code(0, "Riri")
    set_task_factory(None)
    assert await asyncio_code(0, "Riri") == "Riri"


@pytest.mark.parametrize("name", ["set_name", "another"])
async def test_what_a_task_factory_raises_is_its_own(name):
    """But for the name that CPython 3.13 tries to give to what it returns."""

    def factory(loop, coro, **options):
        raise AttributeError("no such attribute", name=name, obj=object())

    trio_bridge.current_loop().set_task_factory(factory)
    named = "the loop's task factory returned <object"
    expected = (TypeError, named) if name == "set_name" else (AttributeError, "no such attribute")
    with pytest.raises(expected[0], match=expected[1]):
        await at_once()
    trio_bridge.current_loop().set_task_factory(None)


# ---- what a function may return that is no coroutine


class Awaitable:
    def __init__(self, suspends):
        self.suspends = suspends

    def __await__(self):
        if self.suspends:
            yield from asyncio.sleep(0).__await__()
        return "value"


@pytest.mark.parametrize("suspends", [False, True])
async def test_a_function_that_returns_an_awaitable(suspends):
    assert await crossing_to_asyncio(Awaitable)(suspends) == "value"


async def test_a_function_that_returns_a_future():
    def future():
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "value")
        return future

    assert await crossing_to_asyncio(future)() == "value"


async def test_a_guest_that_was_cancelled_without_a_wait():
    async def cancelled():
        raise asyncio.CancelledError("its own")

    with pytest.raises(asyncio.CancelledError, match="its own"):
        await crossing_to_asyncio(cancelled)()
    with trio.CancelScope() as scope:

        async def cancels():
            aio2trio(scope.cancel)()
            raise asyncio.CancelledError

        await crossing_to_asyncio(cancels)()
    assert scope.cancelled_caught
