"""Who gives a loop its turns waits for the loop and for Trio at once, where Trio has nothing to do.

Whatever may wake either must do so then too. That the suites of all else pass says the same for
what they do; here each has its test, and the passes of Trio's scheduler are counted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time

import pytest
import trio
import trio.testing
from conftest import HANG, count_passes
from differences import ENGINE

import trio_bridge
from trio_bridge import _private, aio2trio, current_loop, open_loop, trio2aio
from trio_bridge._doze import Doze, Found

DOZES = sys.version_info >= (3, 13) and sys.platform == "linux" and ENGINE != "portable"
NUMBER = 200
WHILE = 0.02
"""Seconds after which the main task surely waits, and who gives turns dozes."""


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


def talk(address, number=NUMBER):
    """In a thread, as a server's client is elsewhere: one message after the other."""
    with socket.create_connection(address) as client:
        for _ in range(number):
            client.sendall(b"x")
            assert client.recv(1) == b"x"


async def serve():
    server = await current_loop().create_server(Echo, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()


def later(fn, *args):
    """Call it in a thread, when the caller waits."""

    def call():
        time.sleep(WHILE)
        fn(*args)

    thread = threading.Thread(target=call)
    thread.start()
    return thread


@trio2aio
async def wait_in_asyncio():
    await asyncio.sleep(3600)


async def let_the_pump_wait():
    """From here on the main task dozes if it crosses: the pump's tasks have begun, and wait."""
    for _ in range(3):
        await trio2aio(asyncio.sleep)(0.001)


# ---- it dozes


async def test_messages_to_a_server_need_no_passes(monkeypatch):
    passes = count_passes(monkeypatch)

    async def main():
        server, address = await serve()
        talking = asyncio.to_thread(talk, address)
        await talking
        server.close()

    with trio.fail_after(HANG):
        await trio2aio(main)()
    if DOZES:
        assert len(passes) < NUMBER / 2


async def test_timers_need_no_passes(monkeypatch):
    passes = count_passes(monkeypatch)

    async def main():
        for _ in range(NUMBER):
            await asyncio.sleep(0.0005)

    await trio2aio(main)()
    if DOZES:
        assert len(passes) < NUMBER / 2


async def test_crossings_that_wait_for_messages_need_no_passes(monkeypatch):
    """The host dozes, in which the turns are made that end its guest."""
    passes = count_passes(monkeypatch)

    async def ask():
        writer.write(b"x")
        return await reader.readexactly(1)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=echo, args=(listener,))
    thread.start()
    streams = await trio2aio(asyncio.open_connection)(*listener.getsockname())
    reader, writer = map(trio_bridge.unview, streams)
    with trio.fail_after(HANG):
        for _ in range(NUMBER):
            assert await trio2aio(ask)() == b"x"
    trio2aio(writer.close)()
    await trio2aio(writer.wait_closed)()
    await trio.to_thread.run_sync(thread.join)
    if DOZES:
        assert len(passes) < NUMBER


def echo(listener):
    client, _ = listener.accept()
    with listener, client:
        while data := client.recv(1):
            client.sendall(data)


async def test_an_instrument_sees_each_wait(monkeypatch):
    class Waits(trio.abc.Instrument):
        count = 0

        def before_io_wait(self, timeout):
            self.count += timeout > 0

    async def main():
        for _ in range(20):
            await asyncio.sleep(0.002)

    waits = Waits()
    trio.lowlevel.add_instrument(waits)
    await trio2aio(main)()
    trio.lowlevel.remove_instrument(waits)
    assert waits.count >= 20


# ---- what ends a doze


async def test_a_deadline_of_trios():
    with trio.fail_after(HANG), trio.move_on_after(WHILE) as scope:
        await wait_in_asyncio()
    assert scope.cancelled_caught


async def test_a_trio_task_that_sleeps_beside_asyncios_timers():
    ticks = []

    async def tick():
        for _ in range(10):
            await trio.sleep(0.002)
            ticks.append("trio")

    async def main():
        for _ in range(10):
            await asyncio.sleep(0.002)
            ticks.append("asyncio")

    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            nursery.start_soon(trio2aio(main))
    assert sorted(ticks) == ["asyncio"] * 10 + ["trio"] * 10


async def test_io_of_trios_beside_io_of_the_loops():
    ours, others = socket.socketpair()
    got = []

    async def receive():
        with trio.socket.from_stdlib_socket(ours) as sock:
            while data := await sock.recv(1):
                got.append(data)

    async def main():
        server, address = await serve()
        for _ in range(20):
            await asyncio.to_thread(talk, address, 2)
            others.send(b"x")
        await asyncio.to_thread(time.sleep, WHILE)
        others.close()
        server.close()

    with others, trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(trio2aio(main))
    assert got == [b"x"] * 20


async def test_an_event_that_asyncio_code_sets():
    async def main(event):
        await asyncio.sleep(WHILE)
        event.set()
        await asyncio.sleep(3600)

    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                event = trio.Event()
                nursery.start_soon(trio2aio(main), event)
                await event.wait()
            nursery.cancel_scope.cancel()


async def test_a_trio_call_of_asyncio_code():
    async def main():
        for _ in range(5):
            await asyncio.sleep(0.005)
            await aio2trio(trio.sleep)(0.005)

    with trio.fail_after(HANG):
        await trio2aio(main)()


@pytest.mark.parametrize("of", ["itself", "another task"])
async def test_a_cancellation_by_asyncio_code_comes_at_the_next_wait(of):
    """In the turn in which it comes, although the host doesn't wait in Trio."""
    log = []

    async def cancels(scope):
        await asyncio.sleep(WHILE)
        scope.cancel()
        for number in range(100):
            log.append(number)
            await asyncio.sleep(0)

    async def sleeps():
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("cancelled")

    await let_the_pump_wait()
    with trio.fail_after(HANG), trio.CancelScope() as scope:
        if of == "itself":
            await trio2aio(cancels)(scope)
        else:
            task = trio2aio(lambda: current_loop().create_task(cancels(scope)))()
            await trio2aio(sleeps)()
    assert scope.cancelled_caught
    if of == "itself":
        assert log == [0]
    else:
        assert log.index("cancelled") <= 2
        await trio2aio(lambda: task)()


async def test_clean_up_after_a_cancellation_in_a_doze():
    log = []

    async def main(scope):
        try:
            current_loop().call_later(WHILE, scope.cancel)
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(WHILE)
            log.append(await aio2trio(in_trio)())

    async def in_trio():
        await trio.sleep(0)
        return trio.lowlevel.current_task() is host

    await let_the_pump_wait()
    host = trio.lowlevel.current_task()
    with trio.fail_after(HANG), trio.CancelScope() as scope:
        await trio2aio(main)(scope)
    assert log == []  # trio.sleep() is cancelled, as the scope around it is
    assert scope.cancelled_caught


async def a_message():
    await asyncio.to_thread(time.sleep, WHILE)


async def quick():
    """No checkpoint."""


async def shielded():
    with trio.CancelScope(shield=True):
        await trio.sleep(0.01)


@pytest.mark.parametrize("call", [quick, shielded])
async def test_a_cancellation_beside_a_trio_call_that_does_not_notice(call):
    """The host's doze is over with the call, before the turn is in which the cancellation comes."""

    async def guest():
        await a_message()
        current_loop().call_soon(scope.cancel)
        await aio2trio(call)()
        await asyncio.sleep(HANG)

    await let_the_pump_wait()
    with trio.fail_after(HANG / 2), trio.CancelScope() as scope:
        await trio2aio(guest)()
    assert scope.cancelled_caught


async def test_a_nursery_that_is_cancelled_as_the_guest_leaves_it():
    async def guest():
        async with aio2trio(trio.open_nursery()) as nursery:
            await a_message()
            current_loop().call_soon(nursery.cancel_scope.cancel)
        return asyncio.current_task().cancelling()

    await let_the_pump_wait()
    with trio.fail_after(HANG):
        assert await trio2aio(guest)() == 0


async def test_a_cancellation_as_the_guest_enters_a_shield():
    log = []

    async def guest():
        await a_message()
        current_loop().call_soon(scope.cancel)
        async with aio2trio(trio.CancelScope(shield=True)):
            await asyncio.sleep(WHILE)
            log.append("shielded")
        await asyncio.sleep(HANG)

    await let_the_pump_wait()
    with trio.fail_after(HANG / 2), trio.CancelScope() as scope:
        await trio2aio(guest)()
    assert scope.cancelled_caught
    assert log == ["shielded"]


async def test_other_tasks_do_not_see_the_error_that_a_host_handles():
    seen = []

    async def looks():
        await a_message()
        seen.append(sys.exception())

    task = trio2aio(lambda: current_loop().create_task(looks()))()
    await let_the_pump_wait()
    with trio.fail_after(HANG):
        try:
            raise ValueError("handled")
        except ValueError:
            await trio2aio(asyncio.sleep)(3 * WHILE)
        await trio2aio(asyncio.wait_for)(task, HANG)
    assert seen == [None]


@pytest.mark.parametrize("how", ["run_sync_soon", "from_thread", "call_soon_threadsafe"])
async def test_a_call_from_a_thread(how):
    loop, token = current_loop(), trio.lowlevel.current_trio_token()
    with trio.fail_after(HANG), trio.CancelScope() as scope:
        if how == "run_sync_soon":
            thread = later(token.run_sync_soon, scope.cancel)
        elif how == "from_thread":
            thread = later(lambda: trio.from_thread.run_sync(scope.cancel, trio_token=token))
        else:
            thread = later(loop.call_soon_threadsafe, scope.cancel)
        await wait_in_asyncio()
    thread.join()
    assert scope.cancelled_caught


async def test_a_thread_of_trios():
    async def main():
        assert await aio2trio(trio.to_thread.run_sync)(time.sleep, WHILE) is None

    with trio.fail_after(HANG):
        await trio2aio(main)()


async def test_a_signal_handler_of_asyncios():
    with trio.fail_after(HANG), trio.CancelScope() as scope:
        current_loop().add_signal_handler(signal.SIGUSR1, scope.cancel)
        thread = later(os.kill, os.getpid(), signal.SIGUSR1)
        await wait_in_asyncio()
    thread.join()
    current_loop().remove_signal_handler(signal.SIGUSR1)
    assert scope.cancelled_caught


async def test_a_signal_receiver_of_trios():
    with trio.fail_after(HANG), trio.open_signal_receiver(signal.SIGUSR1) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_in_asyncio)
            thread = later(os.kill, os.getpid(), signal.SIGUSR1)
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()
    thread.join()


@pytest.mark.parametrize("is_waking", ["call_soon", "call_at"])
async def test_a_python_signal_handler_that_calls_the_loop(is_waking):
    """asyncio asks for ``add_signal_handler``; on its own loop this works where it waits."""
    loop = current_loop()
    with trio.fail_after(HANG), trio.CancelScope() as scope:

        def handler(signum, frame):
            if is_waking == "call_soon":
                loop.call_soon(scope.cancel)
            else:
                loop.call_at(loop.time() + 0.001, scope.cancel)

        before = signal.signal(signal.SIGUSR1, handler)
        thread = later(os.kill, os.getpid(), signal.SIGUSR1)
        try:
            await wait_in_asyncio()
        finally:
            signal.signal(signal.SIGUSR1, before)
    thread.join()
    assert scope.cancelled_caught


def test_ctrl_c():
    async def main():
        threads.append(later(os.kill, os.getpid(), signal.SIGINT))
        with trio.fail_after(HANG):
            await wait_in_asyncio()

    threads = []
    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    threads[0].join()


async def test_a_subprocess():
    async def main():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import time; time.sleep(0.05); print('x')", stdout=-1
        )
        out, _ = await process.communicate()
        return out, process.returncode

    with trio.fail_after(HANG):
        assert await trio2aio(main)() == (b"x\n", 0)


async def test_all_tasks_blocked():
    """Who waits for that is not to wait until the loop's next message."""
    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_in_asyncio)
            for _ in range(5):
                await trio.testing.wait_all_tasks_blocked()
                await trio.testing.wait_all_tasks_blocked(0.001)
            nursery.cancel_scope.cancel()


async def test_the_end_of_the_loop():
    with trio.fail_after(HANG):
        for _ in range(5):
            async with open_loop() as loop:
                task = loop.create_task(asyncio.sleep(3600))
                await trio.sleep(0.005)
            assert task.cancelled()


@pytest.mark.parametrize("is_nested", [True, False])
async def test_two_loops_with_messages(is_nested):
    async def main():
        server, address = await serve()
        await asyncio.to_thread(talk, address, 50)
        server.close()

    async def in_a_loop():
        async with open_loop():
            await trio2aio(main)()

    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_a_loop)
            nursery.start_soon(trio2aio(main) if is_nested else in_a_loop)


async def test_a_timer_at_no_time_at_all():
    """The longest wait of the system call is 24 days."""
    loop = current_loop()
    with trio.fail_after(HANG), trio.move_on_after(WHILE):
        timer = loop.call_later(1e9, print)
        await wait_in_asyncio()
    timer.cancel()


@pytest.mark.skipif(not DOZES, reason="nobody dozes")
async def test_a_descriptor_that_was_closed_is_for_trio_to_complain_of():
    tasks = _private.trio_tasks_here()
    read, write = os.pipe()
    doze = Doze(tasks, tasks.descriptor, read)
    await trio.testing.wait_all_tasks_blocked()
    os.write(write, b"x")
    assert doze.wait(HANG) is Found.IO
    os.close(read)
    os.close(write)
    assert doze.wait(HANG) is Found.TRIO


# ---- what a signal handler raises


class Boom(Exception):
    pass


@pytest.mark.skipif(not DOZES, reason="it breaks off Trio's run, which then is never closed")
@pytest.mark.parametrize("exc", [SystemExit(3), KeyboardInterrupt("own"), Boom()], ids=repr)
@pytest.mark.parametrize("thread", ["main", "another"])
@pytest.mark.parametrize("waits", ["host", "pump"])
def test_what_a_signal_handler_raises_leaves_run(exc, thread, waits):
    """As it would leave Trio's own wait; but here asyncio code cleans up."""
    log = []

    def handler(signum, frame):
        raise exc

    def send():
        if thread == "main":
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        else:
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    async def sleeps():
        try:
            for _ in range(3):
                await asyncio.sleep(0.001)  # wakes the pump, which dozes from then on
            await asyncio.sleep(HANG)
        finally:
            await asyncio.sleep(0.001)
            log.append("cleaned up")

    async def main():
        if waits == "host":
            await let_the_pump_wait()
        threads.append(later(send))
        await trio2aio(sleeps)()

    threads = []
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(type(exc)) as caught:
            trio_bridge.run(main)
    finally:
        signal.signal(signal.SIGUSR1, before)
        threads[0].join()
    assert caught.value is exc
    assert log == ["cleaned up"]
