"""asyncio's services, on the loop of a program that starts from asyncio, with and without Trio.

Those of the loop that Trio drives have tests of their own in ``tests/engines``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import socket
import sys
import threading
import time
import warnings

import pytest
import trio
from loop_kinds import (
    ALL,
    FIRST,
    FIRST_WITH_TRIO,
    RESTARTABLE,
    STOCK,
    STOCK_WITH_TRIO,
    TIME_LIMIT,
    leaves_nothing,
    on,
    start_trio,
    wakeup_fd,
)

import trio_bridge
from trio_bridge import aio2trio

pytestmark = pytest.mark.usefixtures("leaves_nothing")
multiprocessing.resource_tracker.ensure_running()  # it keeps a pipe open from here on
assert leaves_nothing

LOCALHOST = "127.0.0.1"
PIPE = asyncio.subprocess.PIPE


# ---- signals


@on(*RESTARTABLE)
async def test_signal_handlers_come_and_go():
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGUSR1)
    came = asyncio.Queue()
    loop.add_signal_handler(signal.SIGUSR1, came.put_nowait, "first")
    os.kill(os.getpid(), signal.SIGUSR1)
    assert await came.get() == "first"
    loop.add_signal_handler(signal.SIGUSR1, came.put_nowait, "second")
    thread = threading.Thread(
        target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    )
    thread.start()
    assert await came.get() == "second"
    thread.join()
    assert loop.remove_signal_handler(signal.SIGUSR1)
    assert not loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) == before
    assert wakeup_fd() == -1


@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_ctrl_c_works_after_a_handler_for_it(kind):
    async def main():
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGINT, came.set)
        os.kill(os.getpid(), signal.SIGINT)
        await came.wait()
        assert loop.remove_signal_handler(signal.SIGINT)
        if kind.has_trio:
            await start_trio()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(TIME_LIMIT)

    with pytest.raises(KeyboardInterrupt):
        kind.run(main)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_signal_handlers_end_with_their_loop(kind):
    loop = kind.new_loop()
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert wakeup_fd() == -1


# ---- processes


@on(*RESTARTABLE)
async def test_child_processes_are_talked_to_and_awaited():
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    process.stdin.write(b"Riri\n")
    assert await process.stdout.readline() == b"Riri\n"
    process.stdin.close()
    assert await process.wait() == 0
    process = await asyncio.create_subprocess_shell("echo $((6 * 7)); exit 3", stdout=PIPE)
    assert await process.communicate() == (b"42\n", None)
    assert process.returncode == 3
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    process.stdin.close()


@on(FIRST, FIRST_WITH_TRIO, STOCK_WITH_TRIO)
async def test_processes_of_both_libraries_at_once():
    async def run_in_trio():
        result = await trio.run_process(["echo", "trio"], capture_stdout=True)
        return result.stdout

    async def run_in_asyncio():
        process = await asyncio.create_subprocess_exec("echo", "asyncio", stdout=PIPE)
        return (await process.communicate())[0]

    results = await asyncio.gather(
        *(aio2trio(run_in_trio)() for _ in range(3)), *(run_in_asyncio() for _ in range(3))
    )
    assert results == [b"trio\n"] * 3 + [b"asyncio\n"] * 3


if sys.version_info < (3, 12):
    WATCHERS = ["ThreadedChildWatcher", "SafeChildWatcher", "FastChildWatcher", "PidfdChildWatcher"]
else:
    WATCHERS = []


@pytest.mark.parametrize("watcher_name", WATCHERS)
@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_each_child_watcher_watches(kind, watcher_name):
    async def main():
        watcher = getattr(asyncio, watcher_name)()
        if hasattr(watcher, "attach_loop"):
            watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
        with watcher:
            processes = [
                await asyncio.create_subprocess_exec("sh", "-c", f"exit {n}") for n in range(3)
            ]
            assert [await process.wait() for process in processes] == [0, 1, 2]

    try:
        kind.run(main)
    finally:
        asyncio.set_child_watcher(None)


# ---- the network


async def close(writer):
    writer.close()
    await writer.wait_closed()


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
    await close(writer)


@on(*RESTARTABLE)
async def test_a_server_and_its_clients():
    async def client():
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"quack\n")
        assert await reader.readline() == b"QUACK\n"
        await close(writer)

    async with await asyncio.start_server(echo, LOCALHOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(client() for _ in range(10)))


@on(*RESTARTABLE)
async def test_unix_sockets(tmp_path):
    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(echo, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"quack\n")
        assert await reader.readline() == b"QUACK\n"
        await close(writer)


@on(*RESTARTABLE)
async def test_a_connection_is_upgraded_to_tls(certificates):
    for_server, for_client = certificates

    async def serve(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.drain()
        await writer.start_tls(for_server)
        await echo(reader, writer)

    async with await asyncio.start_server(serve, LOCALHOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        await writer.start_tls(for_client, server_hostname="localhost")
        writer.write(b"quack\n")
        assert await reader.readline() == b"QUACK\n"
        assert writer.get_extra_info("cipher")
        await close(writer)


@on(*RESTARTABLE)
async def test_datagrams():
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport
            self.received = asyncio.Queue()

        def datagram_received(self, data, address):
            if data.islower():
                self.transport.sendto(data.upper(), address)
            self.received.put_nowait(data)

    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=(LOCALHOST, 0))
    address = server.get_extra_info("sockname")
    client, protocol = await loop.create_datagram_endpoint(Echo, remote_addr=address)
    client.sendto(b"quack")
    assert await protocol.received.get() == b"QUACK"
    client.close()
    server.close()
    await asyncio.sleep(0)


@on(*RESTARTABLE)
async def test_pipes():
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )
    writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(write_end, "wb"))
    writing.write(b"quack\n")
    assert await reader.readline() == b"quack\n"
    writing.close()
    assert await reader.read() == b""
    transport.close()
    await asyncio.sleep(0)


@on(*RESTARTABLE)
async def test_sendfile(tmp_path):
    data = os.urandom(1 << 20)
    (tmp_path / "file").write_bytes(data)

    async def send(reader, writer):
        with (tmp_path / "file").open("rb") as file:
            await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
        await close(writer)

    async with await asyncio.start_server(send, LOCALHOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        assert await reader.read() == data
        await close(writer)


# ---- executors


@on(*RESTARTABLE)
async def test_executors_of_threads_and_processes():
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        assert await loop.run_in_executor(threads, threading.get_ident) != threading.get_ident()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as processes:
        assert await loop.run_in_executor(processes, os.getpid) != os.getpid()


@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_shutdown_default_executor_waits_for_its_threads(kind):
    ended = []

    def work():
        time.sleep(0.01)
        ended.append(threading.current_thread())

    loop = kind.new_loop()

    async def main():
        loop.run_in_executor(None, work)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    assert not ended[0].is_alive()
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, work)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_shutdown_asyncgens_ends_generators(kind):
    ended = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main():
        generator = numbers()
        await anext(generator)
        return generator

    loop = kind.new_loop()
    generator = loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert ended == [True]
    with pytest.raises(StopAsyncIteration):
        loop.run_until_complete(anext(generator))
    loop.close()


# ---- debug mode


@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_debug_mode_reports_slow_callbacks_and_wrong_threads(kind, caplog):
    async def main():
        loop = asyncio.get_running_loop()
        assert loop.get_debug()
        loop.slow_callback_duration = 0.01
        loop.call_soon(time.sleep, 0.02)
        await asyncio.sleep(0.001)

        def call():
            with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
                loop.call_soon(print)

        await asyncio.to_thread(call)

    with caplog.at_level(logging.WARNING, "asyncio"):
        kind.run(main, debug=True)
    assert [r.getMessage()[:9] for r in caplog.records if "sleep" in r.getMessage()] == [
        "Executing"
    ]
    assert sys.get_coroutine_origin_tracking_depth() == 0


@on(FIRST, STOCK_WITH_TRIO, debug=True)
async def test_trio_is_called_in_debug_mode(caplog):
    async def trio_code():
        await trio.sleep(0.001)
        return "value"

    asyncio.get_running_loop().slow_callback_duration = TIME_LIMIT
    assert await aio2trio(trio_code)() == "value"
    assert caplog.records == []


# ---- tasks and time


class OwnTask(asyncio.Task):
    pass


@on(*RESTARTABLE)
async def test_task_factories():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **options: OwnTask(coro, loop=loop, **options))
    task = asyncio.create_task(asyncio.sleep(0, "value"), name="errand")
    assert (type(task), task.get_name()) == (OwnTask, "errand")
    assert await task == "value"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
@on(*RESTARTABLE)
async def test_eager_tasks(kind):
    steps = []

    async def child():
        steps.append("child")
        if kind is not STOCK:
            await aio2trio(trio.lowlevel.checkpoint)()
        await asyncio.sleep(0)
        steps.append("child again")

    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    task = asyncio.create_task(child())
    steps.append("parent")
    await task
    assert steps == ["child", "parent", "child again"]


@on(*RESTARTABLE)
async def test_loop_time_is_monotonic_time():
    before = time.monotonic()
    assert before <= asyncio.get_running_loop().time() <= time.monotonic()


@on(FIRST, STOCK_WITH_TRIO)
async def test_trios_time_is_the_loops():
    async def trio_time():
        return trio.current_time()

    before = time.monotonic()
    assert before <= await aio2trio(trio_time)() <= time.monotonic()


@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_a_tasks_get_loop_can_be_closed_and_asked_afterwards(kind):
    loop = kind.new_loop()
    task = loop.create_task(asyncio.sleep(0, "value"))
    assert loop.run_until_complete(task) == "value"
    task.get_loop().close()
    assert task.get_loop() is loop
    assert loop.is_closed()
    assert task.result() == "value"
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon(print)
    task.get_loop().close()


# ---- forks

# From 3.12 on a fork warns where there are threads.
FORKING = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


async def use_asyncio():
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.to_thread(socket.socketpair)
    with reader, writer:
        reader.setblocking(False)
        loop.call_later(0.001, writer.send, b"quack")
        return await loop.sock_recv(reader, 10) == b"quack"


async def use_trio():
    await trio.sleep(0.001)
    return await trio_bridge.trio2aio(use_asyncio)()


async def use_both():
    return await use_asyncio() and await aio2trio(use_trio)()


def work_in_child():
    """Use each kind of loop."""
    assert asyncio.run(use_both())
    with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
        assert runner.run(use_both())
    if sys.version_info < (3, 12):
        signal.set_wakeup_fd(-1)  # as later Pythons do: else Trio warns of what it has inherited
    assert trio_bridge.run(aio2trio(use_trio))
    assert trio.run(trio.sleep, 0) is None


def fork(fn):
    """The child's exit status: 0, or what went wrong was printed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(TIME_LIMIT)
            fn()
            status = 0
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@FORKING
@on(*ALL)
async def test_a_fork_in_a_callback_leaves_the_child_a_usable_asyncio():
    forked = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: forked.set_result(fork(work_in_child)))
    assert await forked == 0
    assert await use_asyncio()


@FORKING
@on(*ALL)
async def test_a_fork_in_a_task_leaves_the_child_a_usable_asyncio(kind):
    assert fork(work_in_child) == 0
    assert await (use_asyncio() if kind is STOCK else use_both())


@FORKING
@pytest.mark.parametrize("kind", RESTARTABLE, ids=str)
def test_a_fork_between_two_runs_leaves_the_child_a_usable_asyncio(kind):
    loop = kind.new_loop()
    loop.run_until_complete(asyncio.sleep(0))
    assert fork(work_in_child) == 0
    assert loop.run_until_complete(use_both())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@FORKING
@on(FIRST_WITH_TRIO, STOCK_WITH_TRIO)
async def test_a_fork_in_trio_code_leaves_the_child_a_usable_asyncio():
    async def trio_code():
        return fork(work_in_child)

    assert await aio2trio(trio_code)() == 0
    assert await use_both()


def run_at_once():
    if sys.version_info < (3, 12):
        signal.set_wakeup_fd(-1)
    assert trio_bridge.run(aio2trio(use_trio))


@FORKING
@on(*ALL)
async def test_a_child_may_call_run_first_of_all():
    forked = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: forked.set_result(fork(run_at_once)))
    assert await forked == 0


@FORKING
@on(FIRST_WITH_TRIO, STOCK_WITH_TRIO)
async def test_a_child_of_trio_code_may_call_run_first_of_all():
    async def trio_code():
        return fork(run_at_once)

    assert await aio2trio(trio_code)() == 0
    assert await use_both()


@FORKING
@on(*ALL)
async def test_multiprocessing_with_fork_leaves_the_child_a_usable_asyncio():
    process = multiprocessing.get_context("fork").Process(target=work_in_child)
    process.start()
    await asyncio.to_thread(process.join, TIME_LIMIT)
    assert process.exitcode == 0
    process.close()
    assert await use_asyncio()


@FORKING
@on(FIRST_WITH_TRIO, STOCK_WITH_TRIO)
async def test_the_parents_trio_goes_on_unharmed_after_a_fork():
    ticks = []

    async def tick():
        while len(ticks) < 5:
            await trio.sleep(0.001)
            ticks.append(os.getpid())

    ticking = asyncio.create_task(aio2trio(tick)())
    await asyncio.sleep(0.001)
    assert fork(work_in_child) == 0
    await ticking
    assert set(ticks) == {os.getpid()}


@FORKING
@pytest.mark.parametrize("kind", [FIRST_WITH_TRIO, STOCK_WITH_TRIO], ids=str)
def test_a_child_may_close_the_loop_that_it_inherits(kind):
    loop = kind.new_loop()

    def close_in_child():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loop.close()
        work_in_child()

    assert fork(close_in_child) == 0
    # The parent's loop can't be woken by a thread any more: they share what the selector watches.
    # So it is with stock asyncio.
    loop.run_until_complete(aio2trio(trio.sleep)(0.001))
    loop.close()
