"""What trips other loops in libraries' own suites: the promises that stock asyncio keeps."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
import warnings
import weakref

import pytest
import sniffio
import trio
from loop_kinds import (
    ALL,
    FIRST,
    FIRST_WITH_TRIO,
    OF_ONE_THREAD_AT_A_TIME,
    RESTARTABLE,
    STOCK,
    TIME_LIMIT,
    WITH_TRIO,
    descriptors,
    leaves_nothing,
    on,
    start_trio,
)

import trio_bridge
from trio_bridge import aio2trio, trio2aio

pytestmark = pytest.mark.usefixtures("leaves_nothing")
assert leaves_nothing


@pytest.fixture(params=RESTARTABLE, ids=str)
def loop(request):
    """A loop that does not run."""
    loop = request.param.new_loop()
    yield loop
    loop.close()


@pytest.fixture
def sockets():
    """Two connected sockets."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


@pytest.fixture(params=RESTARTABLE, ids=str)
def kind(request):
    return request.param


def stop_after(loop, callbacks):
    """Run until so many callbacks have been counted; the counting function."""
    seen = []

    def note(value):
        seen.append(value)
        if len(seen) == callbacks:
            loop.stop()

    loop.call_later(TIME_LIMIT, loop.stop)
    return seen, note


# ---- the loop that callbacks see


def running_loops():
    return asyncio.get_event_loop(), asyncio.get_running_loop()


@on(*ALL)
async def test_callbacks_of_all_kinds_see_the_running_loop(sockets):
    loop = asyncio.get_running_loop()
    left, right = sockets
    seen = asyncio.Queue()

    def callback(name):
        seen.put_nowait((name, running_loops()))
        if name == "reader":
            loop.remove_reader(left)
        elif name == "writer":
            loop.remove_writer(right)

    loop.add_reader(left, callback, "reader")
    loop.add_writer(right, callback, "writer")
    loop.add_signal_handler(signal.SIGUSR1, callback, "signal")
    loop.call_soon(callback, "soon")
    loop.call_later(0, callback, "later")
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(callback, "thread"))
    thread.start()
    future = loop.create_future()
    future.add_done_callback(lambda _: callback("future"))
    future.set_result(None)
    right.send(b"quack")
    os.kill(os.getpid(), signal.SIGUSR1)
    found = dict([await seen.get() for _ in range(7)])
    thread.join()
    loop.remove_signal_handler(signal.SIGUSR1)
    names = {"reader", "writer", "signal", "soon", "later", "thread", "future"}
    assert found == dict.fromkeys(names, (loop, loop))


def test_handles_scheduled_before_the_loop_ran_see_the_running_loop(loop, sockets):
    left, right = sockets
    seen, note = stop_after(loop, 5)

    def callback(name):
        note((name, running_loops()))

    def read(name):
        left.recv(100)
        callback(name)

    def write(name):
        loop.remove_writer(right)
        callback(name)

    loop.call_soon(callback, "soon")
    loop.call_later(0, callback, "later")
    loop.add_reader(left, read, "reader")
    loop.add_writer(right, write, "writer")
    loop.add_signal_handler(signal.SIGUSR1, callback, "signal")
    right.send(b"quack")
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.remove_reader(left)
    assert dict(seen) == dict.fromkeys(
        ["soon", "later", "reader", "writer", "signal"], (loop, loop)
    )
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_handles_that_trio_code_schedules_see_the_running_loop(sockets):
    left, right = sockets

    async def main():
        loop = trio_bridge.current_loop()
        send, receive = trio.open_memory_channel(10)

        def callback(name):
            if name == "reader":
                loop.remove_reader(left)
            send.send_nowait((name, running_loops()))

        loop.call_soon(callback, "soon")
        loop.call_later(0, callback, "later")
        loop.add_reader(left, callback, "reader")
        loop.add_signal_handler(signal.SIGUSR1, callback, "signal")
        await trio.lowlevel.checkpoint()
        right.send(b"quack")
        os.kill(os.getpid(), signal.SIGUSR1)
        with trio.fail_after(TIME_LIMIT):
            found = dict([await receive.receive() for _ in range(4)])
        loop.remove_signal_handler(signal.SIGUSR1)
        assert found == dict.fromkeys(["soon", "later", "reader", "signal"], (loop, loop))

    trio_bridge.run(main)

    async def first():
        await start_trio()
        await aio2trio(main)()

    asyncio.run(first())


@on(*ALL)
async def test_callbacks_run_on_the_asyncio_side(kind):
    def callback():
        seen.put_nowait((library(), asyncio.current_task(), trio.lowlevel.in_trio_task()))

    def library():
        try:
            return sniffio.current_async_library()
        except sniffio.AsyncLibraryNotFoundError:
            return "none, as there is no task"

    seen = asyncio.Queue()
    asyncio.get_running_loop().call_soon(callback)
    expected = "asyncio" if kind.drives else "none, as there is no task"
    assert await seen.get() == (expected, None, False)


# ---- stop


def test_stop_before_run_forever_gives_one_turn(loop):
    ran = []

    def first():
        ran.append("first")
        loop.call_soon(ran.append, "next turn")

    loop.call_soon(first)
    loop.stop()
    loop.run_forever()
    assert ran == ["first"]
    loop.stop()
    loop.run_forever()
    assert ran == ["first", "next turn"]


def test_stop_in_a_callback_lets_its_turn_end(loop):
    ran = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(ran.append, 2)
    loop.call_soon(lambda: loop.call_soon(ran.append, 3))
    loop.run_forever()
    assert ran == [1, 2]
    loop.stop()
    loop.run_forever()
    assert ran == [1, 2, 3]


def test_stop_from_a_thread_wakes_the_loop(loop):
    is_running = threading.Event()

    def stop():
        assert is_running.wait(TIME_LIMIT)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=stop)
    thread.start()
    loop.call_soon(is_running.set)
    loop.run_forever()
    thread.join()


def test_the_loop_runs_fifty_times(loop):
    async def add(a, b):
        await asyncio.sleep(0)
        return a + b

    assert [loop.run_until_complete(add(n, 1)) for n in range(50)] == list(range(1, 51))


# ---- threads


def in_thread(fn, *args):
    """Call in another thread."""
    outcome = []

    def call():
        try:
            outcome.append((fn(*args), None))
        except BaseException as exc:
            outcome.append((None, exc))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(TIME_LIMIT)
    assert not thread.is_alive()
    value, error = outcome.pop()
    if error is not None:
        raise error
    return value


async def use_both():
    """Something of asyncio's and of Trio's that has to wait."""
    await asyncio.sleep(0.001)
    await aio2trio(trio.sleep)(0.001)
    assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
    assert await aio2trio(trio.to_thread.run_sync)(threading.get_ident) != threading.get_ident()
    return threading.get_ident()


async def use_asyncio():
    await asyncio.sleep(0.001)
    assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
    return threading.get_ident()


def run_and_wait(loop, async_fn):
    try:
        return loop.run_until_complete(async_fn())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())


@pytest.mark.parametrize("kind", OF_ONE_THREAD_AT_A_TIME, ids=str)
def test_a_loop_made_in_one_thread_runs_in_another(kind):
    use = use_asyncio if kind is STOCK else use_both
    loop = kind.new_loop()
    ran = [loop.call_soon(lambda: ran.append(threading.get_ident()))]
    thread = in_thread(loop.run_until_complete, use())
    assert thread not in (None, threading.get_ident())
    assert ran[1:] in ([thread], []), "Trio's first call has made turns in the thread of before"
    assert loop.run_until_complete(use()) == threading.get_ident()
    loop.run_until_complete(loop.shutdown_default_executor())
    in_thread(loop.close)


@pytest.mark.parametrize("kind", [FIRST, FIRST_WITH_TRIO], ids=str)
def test_a_loop_made_in_a_thread_that_has_ended_runs_in_another(kind):
    loop = in_thread(kind.new_loop)
    for _ in range(2):
        assert loop.run_until_complete(use_both()) == threading.get_ident()
        assert in_thread(loop.run_until_complete, use_both()) != threading.get_ident()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_trio_nursery_moves_with_its_loop_to_another_thread():
    loop = trio_bridge.new_event_loop()
    ticks = []

    async def child():
        while True:
            await trio.sleep(0.001)
            ticks.append(threading.get_ident())

    async def set_up():
        await start_trio()
        manager = aio2trio(trio.open_nursery())
        nursery = await manager.__aenter__()
        aio2trio(nursery.start_soon)(child)
        return manager, nursery

    async def wait_for_ticks():
        del ticks[:]
        while len(ticks) < 3:
            await asyncio.sleep(0.001)
        return set(ticks) == {threading.get_ident()}

    async def tear_down(manager, nursery):
        nursery.cancel_scope.cancel()
        await manager.__aexit__(None, None, None)

    manager, nursery = loop.run_until_complete(set_up())
    assert loop.run_until_complete(wait_for_ticks())
    assert in_thread(loop.run_until_complete, wait_for_ticks())
    assert loop.run_until_complete(wait_for_ticks())
    in_thread(loop.run_until_complete, tear_down(manager, nursery))
    loop.close()


def test_two_loops_in_two_threads_at_once():
    barrier = threading.Barrier(2)

    async def main():
        await start_trio()
        for _ in range(20):
            await asyncio.to_thread(barrier.wait, TIME_LIMIT)
            await aio2trio(trio.sleep)(0)
        return await aio2trio(current_token)()

    async def current_token():
        return trio.lowlevel.current_trio_token()

    def run(make_loop):
        with asyncio.Runner(loop_factory=make_loop) as runner:
            tokens.append(runner.run(main()))

    tokens = []
    thread = threading.Thread(target=run, args=(trio_bridge.new_event_loop,))
    thread.start()
    run(None)
    thread.join()
    assert len(set(tokens)) == 2


# ---- the wakeup descriptor


def states_of_the_wakeup_descriptor(kind):
    """What the descriptor is at each point, by name."""
    own_end, other_end = socket.socketpair()
    own_end.setblocking(False)
    states = []

    def look():
        fd = signal.set_wakeup_fd(-1)
        if fd != -1:
            signal.set_wakeup_fd(fd)
        states.append({-1: "none", own_end.fileno(): "the program's"}.get(fd, "another"))

    async def main():
        loop = asyncio.get_running_loop()
        look()
        if kind.has_trio:
            await start_trio()
        look()
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, came.set)
        look()
        os.kill(os.getpid(), signal.SIGUSR1)
        await came.wait()
        loop.remove_signal_handler(signal.SIGUSR1)
        look()

    signal.set_wakeup_fd(own_end.fileno(), warn_on_full_buffer=False)
    try:
        loop = kind.make_loop()
        look()
        loop.run_until_complete(main())
        look()
        loop.close()
        look()
    finally:
        signal.set_wakeup_fd(-1)
        own_end.close()
        other_end.close()
    return states


def test_a_wakeup_descriptor_of_the_program_is_treated_as_stock_asyncio_does(kind):
    assert states_of_the_wakeup_descriptor(kind) == states_of_the_wakeup_descriptor(STOCK)


def states_without_signal_handlers(kind):
    own_end, other_end = socket.socketpair()
    own_end.setblocking(False)
    other_end.setblocking(False)
    signal.set_wakeup_fd(own_end.fileno(), warn_on_full_buffer=False)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:

        async def main():
            os.kill(os.getpid(), signal.SIGUSR1)
            return other_end.recv(10)

        return kind.run(main)
    finally:
        signal.signal(signal.SIGUSR1, before)
        assert signal.set_wakeup_fd(-1) == own_end.fileno()
        own_end.close()
        other_end.close()


def test_the_program_gets_its_signals_by_its_wakeup_descriptor(kind):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert states_without_signal_handlers(kind) == bytes([signal.SIGUSR1])
    assert caught == []


# ---- descriptors


@on(*ALL)
async def test_add_reader_on_a_regular_file_raises_at_once(tmp_path):
    loop = asyncio.get_running_loop()
    path = tmp_path / "file"
    path.write_bytes(b"quack")
    with path.open("rb") as file:
        for add in (loop.add_reader, loop.add_writer):
            with pytest.raises(PermissionError):
                add(file, print)
        assert not loop.remove_reader(file)
        assert not loop.remove_writer(file)
    with pytest.raises(ValueError, match=r"Invalid file|I/O operation on closed file"):
        loop.add_reader(file, print)
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        loop.add_reader(-1, print)
    await asyncio.sleep(0)


@on(*ALL)
async def test_a_cancelled_sock_recv_leaves_the_descriptor_to_the_next(sockets):
    loop = asyncio.get_running_loop()
    left, right = sockets
    for data in (b"Riri", b"Fifi", b"Loulou"):
        cancelled = asyncio.create_task(loop.sock_recv(left, 100))
        await asyncio.sleep(0)
        cancelled.cancel()
        following = asyncio.create_task(loop.sock_recv(left, 100))
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.sleep(0)
        right.send(data)
        assert await following == data
    assert not loop.remove_reader(left)


@on(*ALL)
async def test_a_sock_recv_that_times_out_gets_nothing_of_the_next(sockets):
    loop = asyncio.get_running_loop()
    left, right = sockets
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loop.sock_recv(left, 100), 0.001)
    right.send(b"quack")
    assert await loop.sock_recv(left, 100) == b"quack"


@on(*WITH_TRIO)
async def test_a_descriptor_goes_from_one_library_to_the_other(sockets):
    loop = asyncio.get_running_loop()
    left, right = sockets
    for _ in range(3):
        receiving = asyncio.create_task(loop.sock_recv(left, 100))
        await asyncio.sleep(0)
        right.send(b"to asyncio")
        assert await receiving == b"to asyncio"
        waiting = asyncio.create_task(aio2trio(trio.lowlevel.wait_readable)(left))
        await asyncio.sleep(0)
        right.send(b"to trio")
        await waiting
        assert left.recv(100) == b"to trio"


# ---- order


@on(*ALL)
async def test_threadsafe_and_plain_calls_are_made_in_one_order():
    loop = asyncio.get_running_loop()
    ran = []
    done = asyncio.Event()
    for n in range(0, 100, 4):
        loop.call_soon(ran.append, n)
        loop.call_soon_threadsafe(ran.append, n + 1)
        in_thread(loop.call_soon_threadsafe, ran.append, n + 2)
        future = loop.create_future()
        future.add_done_callback(lambda _, n=n: ran.append(n + 3))
        future.set_result(None)
    loop.call_soon_threadsafe(done.set)
    await done.wait()
    assert ran == list(range(100))


def test_calls_before_the_loop_runs_are_made_in_one_order(loop):
    ran = []
    for n in range(0, 30, 3):
        loop.call_soon(ran.append, n)
        loop.call_soon_threadsafe(ran.append, n + 1)
        in_thread(loop.call_soon_threadsafe, ran.append, n + 2)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert ran == list(range(30))


@on(*ALL)
async def test_timers_of_one_moment_are_called_in_order():
    loop = asyncio.get_running_loop()
    ran = []
    done = asyncio.Event()
    when = loop.time() + 0.002
    for n in (2, 0, 1):
        loop.call_at(when + n * 1e-4, ran.append, n)
    loop.call_at(when + 1e-3, done.set)
    await done.wait()
    assert ran == [0, 1, 2]


# ---- garbage


class NoGarbageCollector:
    def __enter__(self):
        gc.collect()
        gc.disable()

    def __exit__(self, *exc_info):
        gc.enable()


class Value:
    pass


async def are_gone(refs):
    """Whether they go, soon: Trio may let go of them a tick later. No collector runs."""
    for _ in range(1000):
        if all(ref() is None for ref in refs):
            return True
        await asyncio.sleep(0.001)
    return False


@on(*ALL)
async def test_a_future_and_its_value_are_freed_without_a_cycle():
    async def value():
        await asyncio.sleep(0)
        return Value()

    async def fail():
        await asyncio.sleep(0)
        raise ValueError(Value())

    with NoGarbageCollector():
        task = asyncio.create_task(value())
        refs = [weakref.ref(task), weakref.ref(await task)]
        failing = asyncio.create_task(fail())
        refs.append(weakref.ref(failing))
        try:
            await failing
        except ValueError as exc:
            refs.append(weakref.ref(exc.args[0]))
        del task, failing
        assert len(refs) == 4
        assert await are_gone(refs)


def test_a_future_is_freed_after_run_until_complete(kind):
    async def value():
        await asyncio.sleep(0)
        return Value()

    loop = kind.new_loop()
    with NoGarbageCollector():
        task = loop.create_task(value())
        refs = [weakref.ref(loop.run_until_complete(task)), weakref.ref(task)]
        del task
        assert [ref() for ref in refs] == [None] * 2
    loop.close()


def test_a_closed_loop_is_freed_without_a_cycle(kind):
    with NoGarbageCollector():
        loop = kind.new_loop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        ref = weakref.ref(loop)
        del loop
        assert ref() is None


@on(*WITH_TRIO)
async def test_a_task_that_calls_trio_is_freed_without_a_cycle():
    async def trio_code():
        await trio.sleep(0.001)
        await trio2aio(asyncio.sleep)(0.001)
        return Value()

    async def fail():
        await trio.sleep(0.001)
        raise ValueError(Value())

    with NoGarbageCollector():
        task = asyncio.create_task(aio2trio(trio_code)())
        refs = [weakref.ref(task), weakref.ref(await task)]
        task = asyncio.create_task(aio2trio(fail)())
        refs.append(weakref.ref(task))
        try:
            await task
        except ValueError as exc:
            refs.append(weakref.ref(exc.args[0]))
        del task
        assert len(refs) == 4
        assert await are_gone(refs)


@on(*WITH_TRIO)
async def test_a_task_that_opens_a_trio_nursery_is_freed_without_a_cycle():
    async def open_nursery():
        async with aio2trio(trio.open_nursery()) as nursery:
            aio2trio(nursery.start_soon)(trio.sleep, 0)
        return Value()

    with NoGarbageCollector():
        task = asyncio.create_task(open_nursery())
        refs = [weakref.ref(task), weakref.ref(await task)]
        del task
        assert len(refs) == 2
        assert await are_gone(refs)


# ---- async generators


def test_async_generator_hooks_are_those_of_before(kind):
    def mine(agen):
        raise AssertionError(agen)

    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=mine, finalizer=mine)
    try:
        loop = kind.make_loop()

        async def main():
            if kind.has_trio:
                await start_trio()
            return sys.get_asyncgen_hooks()

        inside = loop.run_until_complete(main())
        assert mine not in inside
        assert sys.get_asyncgen_hooks() == (mine, mine)
        assert loop.run_until_complete(main()) == inside
        assert sys.get_asyncgen_hooks() == (mine, mine)
        loop.close()
        assert sys.get_asyncgen_hooks() == (mine, mine)
    finally:
        sys.set_asyncgen_hooks(*before)


def test_async_generator_hooks_are_those_of_before_if_the_loop_fails(kind):
    async def fail():
        raise ValueError

    before = sys.get_asyncgen_hooks()
    loop = kind.new_loop()
    with pytest.raises(ValueError):
        loop.run_until_complete(fail())
    assert sys.get_asyncgen_hooks() == before
    loop.call_soon(sys.exit, 3)
    with pytest.raises(SystemExit):
        loop.run_forever()
    assert sys.get_asyncgen_hooks() == before
    loop.close()


async def numbers(sleep, ends):
    try:
        yield 1
        yield 2
    finally:
        ends.append(sniffio.current_async_library())
        await sleep(0)  # Trio's generators may not wait any more


@on(*ALL)
async def test_an_asyncio_generator_is_finalized_by_asyncio():
    ends = []
    generator = numbers(asyncio.sleep, ends)
    assert await anext(generator) == 1
    del generator
    while not ends:
        await asyncio.sleep(0)
    assert ends == ["asyncio"]


@on(*WITH_TRIO)
async def test_a_trio_generator_is_finalized_by_trio():
    ends = []

    async def trio_code():
        generator = numbers(trio.sleep, ends)
        assert await anext(generator) == 1
        with pytest.warns(ResourceWarning, match="garbage collected"):
            del generator
        while not ends:
            await trio.sleep(0)

    await aio2trio(trio_code)()
    assert ends == ["trio"]


@on(*WITH_TRIO)
async def test_a_trio_generator_that_asyncio_code_drops_is_finalized_by_trio():
    ends = []
    kept = []

    async def trio_code():
        generator = numbers(trio.sleep, ends)
        assert await anext(generator) == 1
        kept.append(generator)

    await aio2trio(trio_code)()
    with pytest.warns(ResourceWarning, match="garbage collected"):
        kept.clear()
    while not ends:
        await asyncio.sleep(0)
    assert ends == ["trio"]


@on(*WITH_TRIO)
async def test_an_asyncio_generator_that_trio_code_drops_is_finalized_by_asyncio():
    ends = []
    generator = numbers(asyncio.sleep, ends)
    assert await anext(generator) == 1
    kept = [generator]
    del generator

    async def trio_code():
        kept.clear()
        while not ends:
            await trio.sleep(0)

    await aio2trio(trio_code)()
    assert ends == ["asyncio"]


@pytest.mark.parametrize("kind", WITH_TRIO, ids=str)
def test_generators_that_are_left_open_end_with_their_loop(kind):
    ends = []
    kept = []

    async def take_one(sleep):
        generator = numbers(sleep, ends)
        assert await anext(generator) == 1
        kept.append(generator)

    async def main():
        await take_one(asyncio.sleep)
        await aio2trio(take_one)(trio.sleep)

    kind.run(main)
    assert sorted(ends) == ["asyncio", "trio"]


# ---- the default executor


@on(*ALL)
async def test_the_default_executors_threads_have_asyncios_names():
    loop = asyncio.get_running_loop()
    first = await loop.run_in_executor(None, threading.current_thread)
    second = await asyncio.to_thread(threading.current_thread)
    assert first.name == "asyncio_0"
    # The first thread's result may be here before it says that it is free.
    assert second.name in ("asyncio_0", "asyncio_1")


# ---- misuse


def error_of(fn, *args):
    with pytest.raises(BaseException) as excinfo:
        fn(*args)
    return type(excinfo.value), str(excinfo.value)


async def nothing():
    pass


def errors_while_running(kind):
    async def main():
        loop = asyncio.get_running_loop()
        coro = nothing()
        other = asyncio.SelectorEventLoop()
        errors = {
            "run_forever": error_of(loop.run_forever),
            "run_until_complete": error_of(loop.run_until_complete, loop.create_future()),
            "close": error_of(loop.close),
            "run of another loop": error_of(other.run_until_complete, other.create_future()),
            "asyncio.run": error_of(asyncio.run, coro),
            "set_task_factory": error_of(loop.set_task_factory, 3),
            "set_exception_handler": error_of(loop.set_exception_handler, 3),
            "add_signal_handler": error_of(loop.add_signal_handler, signal.SIGUSR1, coro),
            "add_reader": error_of(loop.add_reader, "socket", print),
        }
        assert asyncio.get_running_loop() is loop
        assert loop.is_running()
        coro.close()
        other.close()
        return {
            name: (error, text.replace(repr(coro), "CORO"))
            for name, (error, text) in errors.items()
        }

    return kind.run(main)


def test_a_running_loop_that_is_run_again_refuses_and_runs_on():
    async def main():
        loop = asyncio.get_running_loop()
        for run in (loop.run_forever, lambda: loop.run_until_complete(loop.create_future())):
            with pytest.raises(RuntimeError, match="already running"):
                run()
            assert asyncio.get_running_loop() is loop
            assert loop.is_running()
        await aio2trio(trio.sleep)(0)

    FIRST.run(main)


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0), reason="its loop un-marks itself before it refuses"
)
@pytest.mark.parametrize("kind", ALL[1:], ids=str)
def test_errors_of_misuse_of_a_running_loop_are_asyncios(kind):
    # What the stock loop of another Python of this minor version says differently is not ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that asyncio.run refuses
        assert errors_while_running(kind) == errors_while_running(STOCK)


def errors_after_close(loop):
    coro = nothing()
    future = loop.create_future()
    left, right = socket.socketpair()
    errors = {
        "run_forever": error_of(loop.run_forever),
        "run_until_complete": error_of(loop.run_until_complete, future),
        "call_soon": error_of(loop.call_soon, print),
        "call_soon_threadsafe": error_of(loop.call_soon_threadsafe, print),
        "call_later": error_of(loop.call_later, 1, print),
        "call_at": error_of(loop.call_at, 1, print),
        "create_task": error_of(loop.create_task, coro),
        "run_in_executor": error_of(loop.run_in_executor, None, print),
        "add_signal_handler": error_of(loop.add_signal_handler, signal.SIGUSR1, print),
        "add_reader": error_of(loop.add_reader, left, print),
        "add_writer": error_of(loop.add_writer, left, print),
    }
    assert loop.close() is None
    assert loop.stop() is None
    assert loop.is_closed()
    assert not loop.is_running()
    assert not loop.remove_signal_handler(signal.SIGUSR1)
    assert not loop.remove_reader(left)
    assert isinstance(loop.time(), float)
    assert loop.get_debug() is False
    left.close()
    right.close()
    coro.close()
    return errors


def test_errors_of_misuse_of_a_closed_loop_are_asyncios(kind):
    stock = asyncio.SelectorEventLoop()
    stock.close()
    expected = errors_after_close(stock)
    loop = kind.new_loop()
    loop.close()
    assert errors_after_close(loop) == expected
    assert repr(loop).partition(" ")[2] == repr(stock).partition(" ")[2]


def test_run_until_complete_says_when_the_loop_was_stopped_before(loop):
    async def stop():
        loop.stop()
        await asyncio.Event().wait()

    task = loop.create_task(stop())
    with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)


def test_a_future_of_another_loop_is_refused(loop):
    other = asyncio.SelectorEventLoop()
    future = other.create_future()
    with pytest.raises(ValueError, match="future belongs to a different loop"):
        loop.run_until_complete(future)
    other.close()


def test_closing_a_loop_twice_does_nothing(kind):
    loop = kind.new_loop()
    before = descriptors()
    loop.close()
    assert len(descriptors()) < len(before)
    loop.close()
    assert loop.is_closed()


def test_a_task_that_never_ran_is_told_as_by_stock_asyncio(kind):
    messages = []
    loop = kind.new_loop()
    loop.set_exception_handler(lambda loop, context: messages.append(context["message"]))
    task = loop.create_task(asyncio.Event().wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert task.get_loop() is loop
    task.get_coro().close()
    del task
    gc.collect()
    assert messages == ["Task was destroyed but it is pending!"]


def test_time_goes_on_between_two_runs(loop):
    called = []
    loop.call_later(0.01, called.append, "due")
    loop.run_until_complete(asyncio.sleep(0))
    time.sleep(0.012)
    loop.run_until_complete(asyncio.sleep(0))
    assert called == ["due"]
