"""The uvloop engine: what is special to it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import math
import os
import socket
import ssl
import sys

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import _private, current_loop, trio2aio
from trio_bridge._private import uvloop_door

uvloop = pytest.importorskip("uvloop")

from trio_bridge._engines.uvloop import UvloopEngine, UvloopEventLoop  # noqa: E402

HANG = 20


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    monkeypatch.setenv("TRIO_BRIDGE_ENGINE", "uvloop")


def engine_of(loop):
    return trio_bridge._bridge.by_loop[loop].pump._engine


async def settle():
    """Until nothing runs but what waits."""
    for _ in range(3):
        await trio.testing.wait_all_tasks_blocked(0.005)


class Keeping(asyncio.Protocol):
    """Keeps its transport, and what comes."""

    def __init__(self):
        self.received = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data


async def keeping(sock):
    _, protocol = await trio2aio(current_loop().create_connection)(Keeping, sock=sock)
    return protocol


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    with left, right:
        yield left, trio.socket.from_stdlib_socket(right)


def test_it_is_uvloops_loop():
    async def main():
        assert isinstance(current_loop(), uvloop.Loop)
        assert current_loop().is_running()
        return current_loop()

    loop = trio_bridge.run(main, engine="uvloop")
    assert loop.is_closed()
    assert not loop.is_running()


# ---- a loop that is idle, and is given work from Trio's side


async def test_what_a_plain_call_writes_is_sent(pair):
    left, right = pair
    protocol = await keeping(left)
    await settle()
    trio2aio(protocol.transport.write)(b"from Trio's side")
    with trio.fail_after(HANG):
        assert await right.recv(100) == b"from Trio's side"
    trio2aio(protocol.transport.close)()
    await settle()


async def test_what_a_first_step_writes_is_sent(pair):
    left, right = pair
    protocol = await keeping(left)

    async def ends_at_once():
        protocol.transport.write(b"and gone")

    await settle()
    await trio2aio(ends_at_once)()
    with trio.fail_after(HANG):
        assert await right.recv(100) == b"and gone"
    trio2aio(protocol.transport.close)()
    await settle()


@pytest.mark.parametrize("how", ["call_soon", "call_later", "call_at", "call_soon_threadsafe"])
async def test_callbacks_asked_for_by_trio_code(how):
    loop, called = current_loop(), trio.Event()
    when = {"call_later": [0.002], "call_at": [loop.time() + 0.002]}.get(how, [])
    await settle()
    getattr(loop, how)(*when, called.set)
    with trio.fail_after(HANG):
        await called.wait()


@pytest.mark.parametrize("how", ["add_reader", "add_writer"])
async def test_descriptors_watched_by_trio_code(pair, how):
    left, right = pair
    await right.send(b"readable")
    loop, called = current_loop(), trio.Event()
    await settle()
    getattr(loop, how)(left, called.set)
    with trio.fail_after(HANG):
        await called.wait()
    loop.remove_reader(left)
    loop.remove_writer(left)


async def test_a_descriptor_that_the_last_callback_of_a_turn_watches(pair):
    # A timer's callback comes after libuv's poll, and libuv keeps the descriptor for the next.
    left, right = pair
    protocol = await keeping(left)
    protocol.transport.pause_reading()
    await settle()
    current_loop().call_later(0.002, protocol.transport.resume_reading)
    await right.send(b"to read")
    with trio.fail_after(HANG):
        while not protocol.received:
            await trio.sleep(0.001)
    protocol.transport.close()
    await settle()


async def hello():
    return "hello"


@pytest.mark.parametrize("crossing", ["plain call", "at once", "suspending"])
async def test_what_code_outside_of_a_turn_writes_is_written(pair, crossing):
    left, right = pair
    protocol = await keeping(left)
    await settle()

    async def write():
        protocol.transport.write(b"hello")
        if crossing == "suspending":
            await asyncio.Event().wait()

    if crossing == "plain call":
        trio2aio(protocol.transport.write)(b"hello")
    async with trio.open_nursery() as nursery:
        if crossing != "plain call":
            nursery.start_soon(trio2aio(write))
        with trio.fail_after(HANG):
            assert await right.recv(5) == b"hello"
        nursery.cancel_scope.cancel()
    protocol.transport.close()
    await settle()


async def test_a_write_that_uvloop_keeps_for_the_next_iteration_is_work(pair):
    left, right = pair
    protocol = await keeping(left)
    door = engine_of(current_loop())._door
    size = 4_000_000

    @trio2aio
    def write_more():
        before = door.due()
        protocol.transport.write(b"end")  # libuv has not sent all that came before
        return before, door.due()

    trio2aio(protocol.transport.write)(bytes(size))
    await settle()
    before, after = write_more()
    assert before != after == -math.inf
    await settle()
    assert door.due() != -math.inf
    received = b""
    with trio.fail_after(HANG):
        while len(received) < size + 3:
            received += await right.recv(1_000_000)
    assert received.endswith(b"\0end")
    protocol.transport.close()
    await settle()


async def test_a_timer_that_uvloop_sets_itself():
    # Its C code doesn't call the loop's call_later(), which is exchanged: here a handshake's limit.
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.create_default_context()
    connect = trio2aio(current_loop().create_connection)
    with listener, trio.fail_after(HANG), pytest.raises(ConnectionAbortedError, match="SSL"):
        await connect(
            asyncio.Protocol,
            *listener.getsockname(),
            ssl=context,
            server_hostname="localhost",
            ssl_handshake_timeout=0.05,
        )


@pytest.mark.bridge(on_error="log")
async def test_an_idle_loop_is_not_turned(monkeypatch):
    def fail():
        raise ValueError("logged")

    @trio2aio
    async def busy():
        for _ in range(20):
            current_loop().call_soon(fail)
            for _ in range(10):
                await asyncio.sleep(0)

    await busy()
    await settle()
    turns = []
    run_once = _private.UvloopDoor.run_once
    monkeypatch.setattr(
        _private.UvloopDoor, "run_once", lambda door: turns.append(door) or run_once(door)
    )
    engine = engine_of(current_loop())
    engine._run_once = engine._door.run_once  # bound before
    await trio.sleep(0.05)
    assert turns == []
    # Code that asks nothing of the loop makes no turn either.
    trio2aio(asyncio.get_running_loop)()
    if sys.version_info >= (3, 12):  # before, a guest takes its first step in a turn
        await trio2aio(hello)()
    await settle()
    assert turns == []
    trio2aio(current_loop().call_soon)(int)
    await settle()
    assert turns


# ---- exits


class Leaves(BaseException):
    """No ``Exception``, and no exit either."""


def in_a_callback(fail):
    current_loop().call_soon(fail)


def in_a_timer(fail):
    current_loop().call_later(0.001, fail)


def in_a_reader(fail):
    left, right = socket.socketpair()
    right.send(b"now")
    right.close()

    def read():
        current_loop().remove_reader(left)
        left.close()
        fail()

    current_loop().add_reader(left, read)


def in_a_protocol(fail):
    class Failing(asyncio.Protocol):
        def data_received(self, data):
            fail()

    async def connect():
        left, right = socket.socketpair()
        right.send(b"now")
        with right:
            transport, _ = await current_loop().create_connection(Failing, sock=left)
            try:
                await asyncio.sleep(HANG)
            finally:
                transport.close()

    current_loop().create_task(connect())


PLACES = [in_a_callback, in_a_timer, in_a_reader, in_a_protocol]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("exit_type", [SystemExit, KeyboardInterrupt])
def test_an_exit_leaves_the_loop_wherever_it_is_raised(place, exit_type):
    def fail():
        raise exit_type

    async def main():
        trio2aio(place)(fail)
        await trio.sleep(HANG)

    with pytest.raises(exit_type) as excinfo:
        trio_bridge.run(main)
    assert any(entry.name == "fail" for entry in excinfo.traceback)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_other_errors_leave_the_nursery_that_owns_them(place):
    def fail():
        raise Leaves

    async def main():
        trio2aio(place)(fail)
        await trio.sleep(HANG)

    with pytest.raises(BaseExceptionGroup) as excinfo:
        trio_bridge.run(main)
    assert excinfo.group_contains(Leaves, depth=1)


@pytest.mark.parametrize("exit_type", [SystemExit, KeyboardInterrupt])
def test_an_exit_of_a_protocol_leaves_a_loop_on_virtual_time(exit_type, autojump_clock):
    def fail():
        raise exit_type

    async def main():
        trio2aio(in_a_protocol)(fail)
        await trio.sleep(HANG)

    with pytest.raises(exit_type):
        trio_bridge.run(main, clock=autojump_clock)


def test_an_error_of_a_signal_handler_in_a_turn_ends_the_block():
    """Where Python calls it, in a line of ours; and what is cancelled then can clean up."""

    class FromSignalError(Exception):
        pass

    log = []

    def raise_in_turn(frame, event, arg):
        if frame.f_code is UvloopEngine.turn.__code__:
            raise FromSignalError  # here the trace function ends

    async def main():
        @trio2aio
        async def guest():
            try:
                sys.settrace(raise_in_turn)
                await asyncio.sleep(HANG)
            finally:
                await asyncio.sleep(0.001)
                log.append("cleaned up")

        await guest()

    trace = sys.gettrace()
    try:
        with pytest.raises(ExceptionGroup) as excinfo:
            trio_bridge.run(main)
    finally:
        sys.settrace(trace)
    assert excinfo.group_contains(FromSignalError, depth=1)
    assert log == ["cleaned up"]


def test_two_exits_and_the_callback_behind_them():
    ran = []

    def fail(cls):
        ran.append(cls)
        raise cls

    async def main():
        loop = current_loop()
        loop.call_soon(fail, SystemExit)
        loop.call_soon(fail, KeyboardInterrupt)
        loop.call_soon(ran.append, "behind")
        await trio.sleep(HANG)

    with pytest.raises((SystemExit, KeyboardInterrupt)):
        trio_bridge.run(main)
    assert ran == [SystemExit, KeyboardInterrupt, "behind"]


@pytest.mark.parametrize(
    "where", [UvloopEngine._stop_if_idle, UvloopEventLoop.call_exception_handler]
)
def test_what_raises_where_libuv_is_stopped_does_not_make_it_wait(where):
    """A signal handler may, at the call. Libuv would wait for ever, with the interpreter's lock."""

    class Alarm(Exception):
        pass

    alarms = 0
    libuvs_caller = _private.UvloopDoor.run_until_stopped.__code__

    def raise_in_its_place(frame, event, arg):
        nonlocal alarms
        if (frame.f_code, frame.f_back.f_code) == (where.__code__, libuvs_caller):
            alarms += 1
            raise Alarm

    async def main():
        def fail():
            raise ValueError

        @trio2aio
        async def busy():
            for _ in range(20):
                current_loop().call_soon(fail)
                sys.settrace(raise_in_its_place)  # it ends when it raises
                await asyncio.sleep(0)

        await busy()

    trace = sys.gettrace()
    try:
        trio_bridge.run(main, on_error=lambda loop, context: None)
    finally:
        sys.settrace(trace)
    assert alarms >= 10


# ---- time


async def test_virtual_time_drives_its_timers_in_order(autojump_clock):
    loop, ran = current_loop(), []
    loop.call_later(30, ran.append, 3)
    loop.call_at(loop.time() + 10, ran.append, 1)
    cancelled = loop.call_later(15, ran.append, "cancelled")
    loop.call_later(20, ran.append, 2)
    cancelled.cancel()
    started = trio.current_time()
    await trio2aio(asyncio.sleep)(40)
    assert trio.current_time() - started == pytest.approx(40)
    assert ran == [1, 2, 3]


async def test_a_timer_that_another_one_of_its_moment_cancels(autojump_clock):
    loop, ran = current_loop(), []
    loop.call_later(1, lambda: second.cancel())
    second = loop.call_later(1, ran.append, "cancelled")
    await trio2aio(asyncio.sleep)(2)
    assert ran == []


async def test_a_hundred_thousand_cancelled_timers_leave_no_work_to_trio():
    loop = current_loop()
    await settle()
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(100_000):
        loop.call_later(3600, int).cancel()
    await settle()
    assert trio.lowlevel.current_statistics().tasks_living == before


# ---- other processes and threads


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_fork_in_a_callback_leaves_the_parent_as_it_is():
    @trio2aio
    async def fork():
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        await asyncio.sleep(0.001)
        return os.waitstatus_to_exitcode(status)

    assert await fork() == 7


async def test_loops_in_threads_and_nested():
    def in_a_thread():
        async def main():
            async with trio_bridge.open_loop(engine="uvloop"):
                return await trio2aio(asyncio.sleep)(0.001, "done")

        return trio_bridge.run(main, engine="uvloop")

    results = []

    async def one():
        results.append(await trio.to_thread.run_sync(in_a_thread))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(one)
    assert results == ["done"] * 4


# ---- what is asked of uvloop


class _NoFunctions:
    def __init__(self, path):
        pass


def wrong_function(monkeypatch):
    monkeypatch.setattr(ctypes, "PyDLL", _NoFunctions)


def wrong_layout(monkeypatch):
    monkeypatch.setattr(uvloop_door, "_BACKEND_FD", uvloop_door._BACKEND_FD + 8)


def wrong_counts(monkeypatch):
    monkeypatch.setattr(uvloop_door, "_METRICS", uvloop_door._METRICS + 8)


def no_error_kept(monkeypatch):
    looks = uvloop_door._last_error_offset.__wrapped__
    monkeypatch.setattr(uvloop_door, "_last_error_offset", looks)
    monkeypatch.setattr(uvloop, "Loop", asyncio.SelectorEventLoop)


@pytest.mark.parametrize("wrong", [wrong_function, wrong_layout, wrong_counts, no_error_kept])
def test_a_uvloop_that_lacks_something_is_refused_by_name(monkeypatch, wrong):
    wrong(monkeypatch)
    with pytest.raises(RuntimeError, match=r"uvloop [\d.]+.*\n    pip install 'uvloop>=0\.22"):
        trio_bridge.run(trio.sleep, 0, engine="uvloop")


def test_without_uvloop_the_error_says_what_to_install(run_script):
    result = run_script(
        "import sys; sys.modules['uvloop'] = None\n"
        "import trio, trio_bridge\n"
        "for use in (lambda: trio_bridge.run(trio.sleep, 0, engine='uvloop'),\n"
        "            lambda: trio_bridge.new_event_loop(engine='uvloop')):\n"
        "    try:\n"
        "        use()\n"
        "    except ImportError as exc:\n"
        "        print(exc)\n"
    )
    assert result.stdout.count("pip install 'trio-bridge[uvloop]'") == 2, result.stderr


@pytest.mark.parametrize("start", ["new_event_loop", "policy"])
def test_asyncio_first(start):
    async def main():
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        return await trio_bridge.aio2trio(trio.sleep)(0.001)

    if start == "policy":
        loop = trio_bridge.EventLoopPolicy(engine="uvloop").new_event_loop()
    else:
        loop = trio_bridge.new_event_loop(engine="uvloop")
    with contextlib.closing(loop):
        loop.run_until_complete(main())


def test_the_launchers_option(run_script, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio\n"
        "async def main(): print(type(asyncio.get_running_loop()).__mro__[2].__module__)\n"
        "asyncio.run(main())\n"
    )
    result = run_script(
        "import sys, runpy\n"
        f"sys.argv = ['trio_bridge', '--engine', 'uvloop', {str(program)!r}]\n"
        "runpy.run_module('trio_bridge', run_name='__main__', alter_sys=True)\n"
    )
    assert result.stdout == "uvloop\n", result.stderr
