"""Rule 4.6, loop services: threads and executors, time, tasks.

The network is in ``test_services_network.py``, processes and signals in
``test_services_processes.py``, debug mode in ``test_services_debug.py``. A test under ``@trio2aio``
is asyncio code that Trio calls.
"""

import asyncio
import concurrent.futures
import contextvars
import multiprocessing
import os
import sys
import threading
import time

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, trio2aio

word = contextvars.ContextVar("word", default="unset")

since_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")


async def until_parked():
    """Return when no Trio task can run, so that nobody turns the loop."""
    await trio.testing.wait_all_tasks_blocked()


async def from_thread_while_parked(fn):
    """Call ``fn`` in a thread, when Trio sleeps and nothing but ``fn`` can wake it."""
    is_parked = threading.Event()
    results = []

    def call_when_parked():
        assert is_parked.wait(30)
        results.append(fn())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, call_when_parked)
        await until_parked()
        is_parked.set()
    return results[0]


class OneThreadEach(concurrent.futures.Executor):
    """An executor that nobody has told asyncio about."""

    def submit(self, fn, /, *args, **kwargs):
        future = concurrent.futures.Future()

        def work():
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as exc:
                future.set_exception(exc)

        threading.Thread(target=work).start()
        return future


class OwnTask(asyncio.Task):
    """What a custom task factory makes."""


def own_task_factory(loop, coro, **options):
    return OwnTask(coro, loop=loop, **options)


# ---- executors and threads


@pytest.mark.parametrize(
    "make_executor",
    [concurrent.futures.ThreadPoolExecutor, OneThreadEach],
    ids=lambda e: e.__name__,
)
@trio2aio
async def test_4_6_any_executor(make_executor):
    loop = asyncio.get_running_loop()
    with make_executor() as executor:
        assert await loop.run_in_executor(executor, threading.get_ident) != threading.get_ident()
        with pytest.raises(ValueError, match="invalid literal"):
            await loop.run_in_executor(executor, int, "seven")


@trio2aio
async def test_4_6_process_pool():
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")  # fork warns where there are threads
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        assert await loop.run_in_executor(executor, os.getpid) != os.getpid()
        with pytest.raises(ValueError, match="invalid literal"):
            await loop.run_in_executor(executor, int, "seven")


def process_of(offset):
    return os.getpid() + offset


async def test_4_6_process_pool_from_trio_code():
    loop = trio2aio(trio_bridge.current_loop())
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        assert await loop.run_in_executor(executor, process_of, 0) != os.getpid()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="interpreter pools came with 3.14")
@trio2aio
async def test_4_6_interpreter_pool():
    with concurrent.futures.InterpreterPoolExecutor(1) as executor:
        assert await asyncio.get_running_loop().run_in_executor(executor, pow, 2, 10) == 1024


@trio2aio
async def test_4_6_default_executor_can_be_set():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(thread_name_prefix="mine"))
    thread = await loop.run_in_executor(None, threading.current_thread)
    assert thread.name.startswith("mine")


@trio2aio
async def test_4_6_to_thread():
    word.set("from the task")
    assert await asyncio.to_thread(word.get) == "from the task"
    assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()


@trio2aio
async def test_4_6_to_thread_many_at_once():
    barrier = threading.Barrier(4)
    async with asyncio.timeout(30):
        places = await asyncio.gather(*(asyncio.to_thread(barrier.wait) for _ in range(4)))
    assert sorted(places) == [0, 1, 2, 3]


def test_4_6_default_executor_ends_with_the_loop():
    ended = []

    def slow_work():
        time.sleep(0.05)
        ended.append(threading.current_thread())

    async def main():
        current_loop().run_in_executor(None, slow_work)

    trio_bridge.run(main)
    (thread,) = ended
    assert not thread.is_alive()


async def test_4_6_run_coroutine_threadsafe():
    async def double(n):
        await asyncio.sleep(0)
        return 2 * int(n)

    def ask(n):
        return asyncio.run_coroutine_threadsafe(double(n), loop).result(timeout=30)

    loop = current_loop()
    assert await from_thread_while_parked(lambda: ask("21")) == 42
    with pytest.raises(ValueError, match="invalid literal"):
        await trio.to_thread.run_sync(ask, "seven")


async def test_4_6_run_coroutine_threadsafe_can_be_cancelled_from_the_thread():
    started = threading.Event()
    was_cancelled = threading.Event()

    async def wait():
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    def start_and_cancel():
        future = asyncio.run_coroutine_threadsafe(wait(), loop)
        assert started.wait(30)
        assert future.cancel()
        return was_cancelled.wait(30)

    loop = current_loop()
    assert await trio.to_thread.run_sync(start_and_cancel)


async def test_4_6_call_soon_threadsafe_wakes_a_parked_loop():
    called = threading.Event()

    def call():
        loop.call_soon_threadsafe(called.set)
        return called.wait(30)

    loop = current_loop()
    assert await from_thread_while_parked(call)


async def test_4_6_call_soon_from_a_wrong_thread_is_an_error():
    loop = current_loop()

    def call():
        with pytest.raises(RuntimeError, match=r"call_soon_threadsafe\(callback, \*args\)"):
            loop.call_soon(print)
        with pytest.raises(RuntimeError, match=r"call_soon_threadsafe\(loop.call_later, delay, "):
            loop.call_later(1, print)

    await from_thread_while_parked(call)


async def test_4_6_call_soon_in_trio_code_wakes_a_parked_loop():
    called = trio.Event()
    await until_parked()
    current_loop().call_soon(called.set)
    with trio.fail_after(30):
        await called.wait()


# ---- time


@trio2aio
async def test_4_6_loop_time_is_monotonic():
    for _ in range(3):
        before = time.monotonic()
        now = asyncio.get_running_loop().time()
        assert before <= now <= time.monotonic()
        await asyncio.sleep(0)


async def test_4_6_timers_run_in_order_and_not_early():
    loop = current_loop()
    start = loop.time()
    calls = []
    done = trio.Event()

    def call(name):
        calls.append((name, loop.time()))
        if name == "last":
            done.set()

    loop.call_later(1, call, "last")  # so late that the next is set before, on any machine
    await until_parked()
    loop.call_later(0.01, call, "second")  # earlier than what the parked loop waits for
    loop.call_at(start, call, "first")
    loop.call_later(0.015, call, "never").cancel()
    with trio.fail_after(30):
        await done.wait()
    assert [name for name, when in calls] == ["first", "second", "last"]
    assert all(
        when >= start + due - 0.001 for (_, when), due in zip(calls, [0, 0.01, 1], strict=True)
    )


async def test_4_6_mock_clock_drives_asyncio_timers(autojump_clock):
    async def sleep():
        loop = asyncio.get_running_loop()
        calls = []
        loop.call_later(1800, calls.append, "half an hour")
        loop.call_later(60, calls.append, "a minute")
        loop.call_later(3601, calls.append, "too late")
        before = loop.time()
        assert await asyncio.sleep(3600, "slept") == "slept"
        assert loop.time() - before == pytest.approx(3600)
        assert calls == ["a minute", "half an hour"]

    started = time.monotonic()
    await trio2aio(sleep)()
    assert trio.current_time() == pytest.approx(3600)
    assert time.monotonic() - started < 30  # and not a minute


async def test_4_6_mock_clock_drives_asyncio_timeouts(autojump_clock):
    async def time_out():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1000), 200)

    await trio2aio(time_out)()
    assert trio.current_time() == pytest.approx(300)


async def test_4_6_an_earlier_timer_wakes_a_parked_loop(autojump_clock):
    called = trio.Event()
    current_loop().call_later(3600, print, "never")
    await until_parked()
    current_loop().call_later(10, called.set)
    await called.wait()
    assert trio.current_time() == pytest.approx(10)


async def test_4_6_mock_clock_is_one_clock_for_both_sides(autojump_clock):
    log = []

    async def tick(name, sleep, first):
        await sleep(first)
        for _ in range(3):
            log.append(name)
            await sleep(10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick, "trio", trio.sleep, 1)
        nursery.start_soon(trio2aio(tick), "asyncio", asyncio.sleep, 2)
    assert log == ["trio", "asyncio"] * 3
    assert trio.current_time() == pytest.approx(32)


class IdleRounds(trio.abc.Instrument):
    """Waits, in a thread, until Trio has had nothing to do for a few rounds of its scheduler."""

    def __init__(self):
        self.count = 0
        self.enough = threading.Event()

    def after_io_wait(self, timeout):
        self.count += 1
        if self.count == 10:
            self.enough.set()


async def test_4_6_mock_clock_is_not_moved_by_a_cancelled_timer(autojump_clock):
    async def in_time():
        async with asyncio.timeout(3600):
            await may_end.wait()

    may_end = asyncio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio2aio(in_time))
        await until_parked()
        may_end.set()
    idle = IdleRounds()
    trio.lowlevel.add_instrument(idle)
    assert await trio.to_thread.run_sync(idle.enough.wait, 30)
    assert trio.current_time() == 0, "nothing was due"


# ---- tasks and callbacks


@trio2aio
async def test_4_6_task_factory():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(own_task_factory)
    task = asyncio.create_task(asyncio.sleep(0, "value"), name="errand")
    assert isinstance(task, OwnTask)
    assert task.get_name() == "errand"
    assert await task == "value"
    assert loop.get_task_factory() is own_task_factory


async def test_4_6_task_factory_makes_guests_too():
    async def guest():
        assert type(asyncio.current_task()) is OwnTask
        task_word = word.get()
        word.set("from the guest")
        await asyncio.sleep(0)
        return task_word, await aio2trio(trio_code)()

    async def trio_code():
        await trio.lowlevel.checkpoint()
        return "trio"

    current_loop().set_task_factory(own_task_factory)
    word.set("from the host")
    assert await trio2aio(guest)() == ("from the host", "trio")
    assert word.get() == "from the guest"


@since_3_12
async def test_4_6_eager_task_factory():
    steps = []

    async def trio_code():
        await trio.lowlevel.checkpoint()
        return "trio"

    async def child():
        steps.append("child")
        value = await aio2trio(trio_code)()
        steps.append("child again")
        return value

    async def guest():
        task = asyncio.create_task(child())
        steps.append("guest")
        return await task

    current_loop().set_task_factory(asyncio.eager_task_factory)
    assert await trio2aio(guest)() == "trio"
    assert steps == ["child", "guest", "child again"]


@since_3_12
async def test_4_6_eager_task_that_does_not_suspend():
    async def answer():
        return 42

    async def guest():
        task = asyncio.create_task(answer())
        assert task.done()
        return task.result()

    current_loop().set_task_factory(asyncio.eager_task_factory)
    assert await trio2aio(guest)() == 42


@trio2aio
async def test_4_6_queue_and_event():
    queue = asyncio.Queue(maxsize=1)
    finished = asyncio.Event()
    received = []

    async def consume():
        while (item := await queue.get()) is not None:
            received.append(item)
        finished.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        for item in ["Riri", "Fifi", "Loulou", None]:
            await queue.put(item)
        await finished.wait()
    assert received == ["Riri", "Fifi", "Loulou"]


@trio2aio
async def test_4_6_task_group_cancels_siblings():
    ends = []

    async def wait():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def fail():
        raise ValueError("crash")

    with pytest.raises(ExceptionGroup) as excinfo:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            await asyncio.sleep(0)
            group.create_task(fail())
    assert excinfo.group_contains(ValueError, match="crash")
    assert ends == ["cancelled"]


@trio2aio
async def test_4_6_anyio():
    anyio = pytest.importorskip("anyio")
    pytest.importorskip("anyio.from_thread")
    pytest.importorskip("anyio.to_thread")
    send, receive = anyio.create_memory_object_stream(0)

    async def produce():
        async with send:
            await send.send(await anyio.to_thread.run_sync(threading.get_ident))
            await anyio.sleep(0)
            await send.send(await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 0))

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        assert await receive.receive() != threading.get_ident()
        assert await receive.receive() is None
        with anyio.move_on_after(0) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()


@trio2aio
async def test_4_6_context_of_callbacks():
    loop = asyncio.get_running_loop()
    seen = []
    done = asyncio.Event()
    word.set("given")
    given = contextvars.copy_context()
    word.set("current")
    loop.call_soon(lambda: seen.append(word.get()))
    loop.call_soon(lambda: seen.append(word.get()), context=given)
    loop.call_later(0, lambda: (seen.append(word.get()), word.set("lost"), done.set()))
    word.set("changed")
    await done.wait()
    assert seen == ["current", "given", "current"]
    assert word.get() == "changed"


# ---- the loop itself


async def test_4_6_loop_is_running():
    async def in_asyncio():
        assert asyncio.get_running_loop() is loop
        assert loop.is_running()

    loop = current_loop()
    assert loop.is_running()
    await trio2aio(in_asyncio)()
    async with trio_bridge.open_loop() as inner:
        assert inner.is_running()
    assert inner.is_closed()
    assert not inner.is_running()


async def test_4_6_a_loop_whose_block_has_ended_is_closed_and_says_so():
    async with trio_bridge.open_loop() as loop:
        future = loop.create_future()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_until_complete(future)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_forever()
    loop.close()


async def test_4_6_a_running_loop_can_not_be_run_stopped_or_closed():
    def misuse():
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_until_complete(loop.create_future())
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match=r"not by loop\.stop\(\)"):
            loop.stop()
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()

    async def in_asyncio():
        misuse()
        await asyncio.sleep(0)

    loop = current_loop()
    misuse()
    await trio2aio(in_asyncio)()
    assert loop.is_running()


def test_4_6_importing_changes_nothing_in_asyncio(run_script):
    result = run_script(
        """
import asyncio, inspect, signal, sys, threading

def snapshot():
    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] == "asyncio"]
    scopes = modules + [c for m in modules for c in vars(m).values() if inspect.isclass(c)]
    names = {(id(s), name): id(value) for s in scopes for name, value in list(vars(s).items())}
    handlers = [signal.getsignal(s) for s in signal.valid_signals()]
    return names, handlers, threading.enumerate(), sys.get_asyncgen_hooks()

import trio  # what Trio itself does is not ours
before = snapshot()
import trio_bridge
after = snapshot()
assert before == after
print("unchanged")
""",
        args=["-X", "dev", "-W", "error"],
    )
    assert (result.stdout, result.stderr) == ("unchanged\n", "")
