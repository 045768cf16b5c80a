"""The portable engine: a Trio task for each direction of each descriptor that asyncio waits for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import socket

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, trio2aio
from trio_bridge._engines import NOW, make_engine
from trio_bridge._engines.portable import MAX_IDLE
from trio_bridge._pump import TURNS_PER_BATCH

pytestmark = pytest.mark.bridge(engine="portable")


class CountSpawned(trio.abc.Instrument):
    """How many Trio tasks have been made."""

    count = 0

    def task_spawned(self, task):
        self.count += 1


@pytest.fixture
def pair():
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def watchers():
    """The Trio tasks of the engine that wait for descriptors, or are ready to."""
    found, nurseries = [], list(trio.lowlevel.current_root_task().child_nurseries)
    while nurseries:
        for task in nurseries.pop().child_tasks:
            nurseries += task.child_nurseries
            if task.name.endswith("_Watcher.run"):
                found.append(task)
    return found


def waits():
    """How many waits for reading and for writing Trio knows of."""
    statistics = trio.lowlevel.current_statistics().io_statistics
    return statistics.tasks_waiting_read, statistics.tasks_waiting_write


@pytest.fixture
def count_turns(monkeypatch):
    """Call it in a loop: the result's ``len`` is the number of turns since."""

    def start():
        selector = current_loop()._selector
        turns, select = [], selector.select

        def counting_select(timeout=None):
            turns.append(timeout)
            return select(timeout)

        monkeypatch.setattr(selector, "select", counting_select)
        return turns

    return start


async def blocked():
    await trio.testing.wait_all_tasks_blocked()


# ---- watchers


async def test_a_connection_keeps_its_watcher(pair):
    here, there = pair
    received = []
    current_loop().add_reader(here, lambda: received.append(here.recv(9)))
    await blocked()
    before, spawned = watchers(), CountSpawned()
    assert len(before) == 2  # and the loop's own
    trio.lowlevel.add_instrument(spawned)
    for number in range(50):
        there.send(b"%d" % number)
        await blocked()
    assert received == [b"%d" % number for number in range(50)]
    assert spawned.count == 0
    assert set(watchers()) == set(before)
    trio.lowlevel.remove_instrument(spawned)
    current_loop().remove_reader(here)


async def test_a_wait_that_is_made_anew_each_time_makes_no_tasks(pair):
    here, there = pair
    spawned = CountSpawned()

    @trio2aio
    async def ping_pong(count):
        loop = asyncio.get_running_loop()

        async def answer():
            for _ in range(count):
                await loop.sock_sendall(there, await loop.sock_recv(there, 9))

        answering = asyncio.create_task(answer())
        for number in range(count):
            await loop.sock_sendall(here, b"%d" % number)
            assert await loop.sock_recv(here, 9) == b"%d" % number
        await answering

    await ping_pong(2)
    trio.lowlevel.add_instrument(spawned)
    await ping_pong(50)
    assert spawned.count == 0
    assert len(watchers()) == 3  # one for each end, and the loop's own
    trio.lowlevel.remove_instrument(spawned)


async def test_watchers_are_reused_and_few_idle_ones_are_kept():
    loop = current_loop()
    with contextlib.ExitStack() as stack:
        ends = []
        for _ in range(MAX_IDLE + 50):
            pair = socket.socketpair()
            ends += [stack.enter_context(end) for end in pair][:1]
        await blocked()
        before = waits()
        for end in ends:
            loop.add_reader(end, lambda: None)
        await blocked()
        assert waits() == (before[0] + len(ends), before[1])
        assert len(watchers()) == len(ends) + 1
        for end in ends:
            loop.remove_reader(end)
        assert waits() == before  # at once: the descriptor may be closed in the next line
        await blocked()
        assert len(watchers()) == MAX_IDLE + 1
        spawned = CountSpawned()
        trio.lowlevel.add_instrument(spawned)
        for end in ends[:MAX_IDLE]:
            loop.add_writer(end, lambda end=end: loop.remove_writer(end))
        await blocked()
        assert spawned.count == 0
        trio.lowlevel.remove_instrument(spawned)


async def test_watchers_keep_no_context_of_the_code_that_registers(pair):
    variable = contextvars.ContextVar("variable")

    @trio2aio
    async def register():
        variable.set("the code's")
        asyncio.get_running_loop().add_reader(pair[0], print)

    await blocked()
    assert len(watchers()) == 1
    await register()
    await blocked()
    assert len(watchers()) == 2
    assert not any(variable in task.context for task in watchers())
    current_loop().remove_reader(pair[0])


def test_no_watcher_and_no_wait_is_left_when_the_loop_has_ended():
    async def main():
        await blocked()
        before = waits()
        async with trio_bridge.open_loop(engine="portable") as loop:
            with contextlib.ExitStack() as stack:
                for _ in range(5):
                    for end in socket.socketpair():
                        loop.add_reader(stack.enter_context(end), print)
                        loop.add_writer(end, print)
                        loop.remove_writer(end)
                await blocked()
                assert len(watchers()) >= 11
        assert watchers() == []
        assert waits() == before

    trio.run(main)


def test_watching_ends_when_drive_says_so():
    calls = []

    async def drive():
        calls.append(engine.turn())
        return False

    async def main():
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.watch, drive)
                await blocked()
                assert calls == []  # nothing to handle yet
                engine.loop.call_soon_threadsafe(calls.append, "called")  # by the loop's socket
        assert watchers() == []

    engine = make_engine("portable")
    trio.run(main)
    assert "called" in calls
    engine.loop.close()


# ---- level-triggered


async def test_what_is_still_readable_is_reported_again(pair):
    here, there = pair
    received = []
    current_loop().add_reader(here, lambda: received.append(here.recv(1)))
    there.send(b"abc")
    await blocked()
    assert received == [b"a", b"b", b"c"]  # a report too many is a BlockingIOError
    current_loop().remove_reader(here)


async def test_one_report_for_one_callback_while_the_loop_is_busy(pair):
    here, there = pair
    received = []
    is_busy = True
    loop = current_loop()

    def be_busy():
        if is_busy:
            loop.call_soon(be_busy)

    loop.call_soon(be_busy)
    loop.add_reader(here, lambda: received.append(here.recv(1)))
    for number in range(1, 30):  # Trio's order of tasks is random
        there.send(b"a")
        while len(received) < number:
            await trio.lowlevel.checkpoint()
    for _ in range(5):  # a report too many is a BlockingIOError
        await trio.lowlevel.checkpoint()
    is_busy = False
    loop.remove_reader(here)


def test_what_a_busy_loop_was_told_of_is_found_again_when_it_rests(pair):
    """Its callback was the last thing that the loop had to do, and schedules nothing."""
    here, there = pair
    received = []

    async def drive():
        while engine.turn() == NOW:
            pass
        return True

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.watch, drive)
            engine.loop.add_reader(here, lambda: received.append(here.recv(1)))
            await blocked()
            engine.loop.call_soon(engine.loop.call_soon, int)
            assert engine.turn() == NOW  # it is busy, as when a batch of turns is over
            there.send(b"ab")
            await blocked()
            assert received == []
            await drive()
            assert received == [b"a"]
            await blocked()
            assert received == [b"a", b"b"]
            nursery.cancel_scope.cancel()

    engine = make_engine("portable")
    trio.run(main)
    engine.loop.remove_reader(here)
    engine.loop.close()


async def test_a_callback_that_keeps_the_loop_busy_is_called_again(pair):
    """Its watcher gives the turns, for as long as there is work."""
    here, there = pair
    received, turns = [], 0
    loop = current_loop()

    def be_busy():
        nonlocal turns
        turns += 1
        if len(received) < 5:
            loop.call_soon(be_busy)

    def read():
        received.append(here.recv(1))
        if len(received) == 1:
            be_busy()
        there.send(b"x")

    await blocked()
    loop.add_reader(here, read)
    there.send(b"x")
    with trio.fail_after(20):
        while turns == 0 or len(received) < 5:
            await trio.lowlevel.checkpoint()
    loop.remove_reader(here)
    await blocked()
    assert len(received) in (5, 6)
    assert len(watchers()) <= 3  # the loop's own, and two that took turns


async def test_a_busy_loop_gets_no_more_turns_for_many_readable_descriptors(count_turns):
    loop = current_loop()
    is_busy = True

    def be_busy():
        if is_busy:
            loop.call_soon(be_busy)

    with contextlib.ExitStack() as stack:
        ends = []
        for _ in range(30):
            pair = socket.socketpair()
            ends += [stack.enter_context(end) for end in pair][:1]
            pair[1].send(b"x")
        for end in ends:
            loop.add_reader(end, int)
        loop.call_soon(be_busy)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        turns = count_turns()
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        assert 20 <= len(turns) <= 21 * TURNS_PER_BATCH
        is_busy = False
        for end in ends:
            loop.remove_reader(end)


async def test_no_turns_for_a_readable_descriptor_whose_callback_was_removed(pair, count_turns):
    here, there = pair
    loop = current_loop()
    calls = []

    def remove():
        calls.append(True)
        loop.remove_reader(here)

    loop.add_reader(here, remove)
    await blocked()
    there.send(b"x")
    await blocked()
    assert calls == [True]
    turns = count_turns()
    for _ in range(100):
        await trio.lowlevel.checkpoint()
    assert turns == []
    loop.add_reader(here, remove)
    await blocked()
    assert calls == [True, True]
    assert 1 <= len(turns) < 5


async def test_a_callback_that_leaves_the_data_does_not_starve_others(pair):
    here, there = pair
    loop = current_loop()
    calls = 0

    def look():
        nonlocal calls
        calls += 1

    loop.add_reader(here, look)
    there.send(b"x")
    for _ in range(100):
        await trio.lowlevel.checkpoint()
    await trio2aio(asyncio.sleep)(0.001)
    assert calls > 10
    loop.remove_reader(here)
    calls = 0
    await blocked()
    assert calls == 0


async def test_what_was_found_of_an_old_registration_is_not_told_to_the_new(pair):
    """Trio has found the old file readable; before its watcher's next step all has changed."""
    here, there = pair
    loop = current_loop()
    others = socket.socketpair()
    calls = []

    def replace():
        if calls:
            return
        for first, second in ((here, others[0]), (others[0], here)):
            if first.fileno() in registered:
                registered.discard(first.fileno())
                loop.remove_reader(first)
                calls.append(first)
                other = second.fileno()
                # Both are readable. The other one's number becomes that of an unreadable file.
                loop.remove_reader(other)
                fresh = socket.socketpair()
                os.dup2(fresh[0].fileno(), other)
                loop.add_reader(other, calls.append, "spurious")
                more.extend(fresh)
                return

    more = []
    registered = {here.fileno(), others[0].fileno()}
    loop.add_reader(here, replace)
    loop.add_reader(others[0], replace)
    await blocked()
    there.send(b"x")
    others[1].send(b"x")
    await blocked()
    assert len(calls) == 1
    assert "spurious" not in calls
    more[1].send(b"x")
    await trio2aio(asyncio.sleep)(0)
    await trio.lowlevel.checkpoint()
    for end in (here, others[0]):
        loop.remove_reader(end)
    assert "spurious" in calls
    for end in (*others, *more):
        end.close()


# ---- descriptors that are closed, and their numbers


async def test_a_number_is_free_at_once_for_trio_and_for_asyncio(pair):
    here, _ = pair
    loop = current_loop()
    loop.add_reader(here, print)
    await blocked()
    number = here.fileno()
    loop.remove_reader(here)
    here.close()
    a, b = trio.socket.socketpair()
    assert number in (a.fileno(), b.fileno())
    with a, b:
        async with trio.open_nursery() as nursery:
            for end in (a, b):
                nursery.start_soon(trio.lowlevel.wait_readable, end)
            await blocked()
            await a.send(b"x")
            await b.send(b"x")
    assert number not in loop._selector.get_map()


async def test_closed_without_being_unregistered(pair):
    """As with epoll, nothing is said; and as not with epoll, the number may be used again."""
    here, there = pair
    loop = current_loop()
    loop.add_reader(here, print, "never called")
    await blocked()
    number = here.detach()
    os.close(number)
    there.close()
    await blocked()
    a, b = socket.socketpair()
    with a, b:
        assert a.fileno() == number
        received = []
        loop.add_reader(a, lambda: received.append(a.recv(1)))
        b.send(b"x")
        await blocked()
        assert received == [b"x"]
        loop.remove_reader(a)


async def test_closed_in_its_callback_and_unregistered_later(pair):
    here, there = pair
    loop = current_loop()
    number = here.fileno()
    called = []

    def close():
        here.close()
        called.append(True)

    loop.add_reader(here, close)
    there.send(b"x")
    await blocked()
    assert called == [True]
    assert loop.remove_reader(number) is True
    assert loop.remove_reader(number) is False


async def test_trio_is_told_that_a_descriptor_closes(pair):
    here, _ = pair
    loop = current_loop()
    loop.add_reader(here, print, "never called")
    await blocked()
    trio.lowlevel.notify_closing(here)
    await blocked()
    assert loop.remove_reader(here) is True


async def test_other_waits_for_the_descriptor_go_on(pair):
    """Trio code may wait for what asyncio has stopped to wait for."""
    here, there = pair
    loop = current_loop()
    with contextlib.suppress(BlockingIOError):
        while True:
            here.send(b"x" * 65536)
    loop.add_reader(here, print, "never called")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.lowlevel.wait_writable, here)
        await blocked()
        loop.remove_reader(here)
        await blocked()
        assert nursery.child_tasks
        while nursery.child_tasks:
            there.recv(65536)
            await blocked()


# ---- two directions, and many descriptors


async def test_two_directions_of_one_descriptor(pair):
    here, there = pair
    loop = current_loop()
    received, writable = [], []

    def on_writable():
        writable.append(True)
        if len(writable) == 3:
            loop.remove_writer(here)

    loop.add_reader(here, lambda: received.append(here.recv(1)))
    await blocked()
    before = waits()
    loop.add_writer(here, on_writable)
    await blocked()
    assert len(writable) == 3
    assert waits() == before
    there.send(b"a")
    await blocked()
    loop.add_writer(here, on_writable)
    loop.remove_reader(here)
    there.send(b"b")
    with trio.fail_after(20):
        while len(writable) < 10:
            await trio.lowlevel.checkpoint()
    assert received == [b"a"]
    loop.add_reader(here, lambda: received.append(here.recv(1)))
    loop.remove_writer(here)
    await blocked()
    assert received == [b"a", b"b"]
    loop.remove_reader(here)


async def test_another_callback_for_the_same_descriptor(pair):
    here, there = pair
    loop = current_loop()
    received = []
    for name in ("first", "second", "third"):
        loop.add_reader(here, lambda name=name: received.append((name, here.recv(1))))
        await blocked()
    there.send(b"x")
    await blocked()
    assert received == [("third", b"x")]
    loop.remove_reader(here)


async def test_a_thousand_connections():
    count = 1000

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    @trio2aio
    async def echo():
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=count)
        limit = asyncio.Semaphore(100)

        async def client(number):
            async with limit:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            connected.append(number)
            if len(connected) == count:
                all_connected.set()
            await all_connected.wait()
            for _ in range(3):
                writer.write(b"%04d" % number)
                assert await reader.readexactly(4) == b"%04d" % number
            writer.close()
            await writer.wait_closed()

        connected, all_connected = [], asyncio.Event()
        await asyncio.gather(*map(client, range(count)))
        server.close()
        await server.wait_closed()

    await blocked()
    before = waits()
    await echo()
    await trio2aio(asyncio.sleep)(0)
    await blocked()
    assert waits() == before
    assert len(watchers()) <= MAX_IDLE + 1


# ---- what can't be waited for


async def test_a_regular_file_is_refused_as_the_standard_library_does(tmp_path):
    loop = current_loop()
    with open(tmp_path / "file", "w") as file:
        for add in (loop.add_reader, loop.add_writer):
            with pytest.raises(PermissionError):
                add(file, print)
        assert file.fileno() not in loop._selector.get_map()
        number = file.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_reader(number, print)
    for wrong in (-1, "x"):
        with pytest.raises(ValueError, match=r"nvalid file"):
            loop.add_reader(wrong, print)


@pytest.mark.parametrize("reason", ["no polling", "busy"])
def test_what_trio_refuses_goes_to_who_owns_the_loop(pair, reason):
    async def main():
        loop = current_loop()
        with open(os.devnull, "rb") as devnull:
            if reason == "busy":
                nursery.start_soon(trio.lowlevel.wait_readable, pair[0])
                await blocked()
            loop.add_reader(devnull if reason == "no polling" else pair[0], print)
            await trio.sleep_forever()

    async def with_nursery():
        nonlocal nursery
        async with trio.open_nursery() as nursery:
            with pytest.RaisesGroup(
                PermissionError if reason == "no polling" else trio.BusyResourceError
            ):
                async with trio_bridge.open_loop(engine="portable"):
                    await main()
            nursery.cancel_scope.cancel()

    nursery = None
    trio.run(with_nursery)


# ---- programs that start from asyncio


def test_asyncio_first_the_loop_waits_for_itself():
    @aio2trio
    async def in_trio():
        await trio.lowlevel.checkpoint()
        return watchers()

    async def main():
        return await in_trio()

    make_loop = functools.partial(trio_bridge.new_event_loop, engine="portable")
    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(main()) == []
