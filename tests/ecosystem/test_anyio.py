"""anyio code on both sides of one program: on Trio natively, on asyncio through the bridge.

What is written for anyio needs no view on either side; it asks sniffio where it is. A view of anyio
itself is for Trio code that uses what anyio opens on asyncio.
"""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import sniffio
import trio
from anyio.abc import SocketAttribute
from conftest import HANG

import trio_bridge
from trio_bridge import aio2trio, trio2aio

LIBRARIES = ("anyio",)

aio_anyio = trio2aio(anyio)


async def natively(fn, *args):
    return await fn(*args)


async def on_asyncio(fn, *args):
    return await trio2aio(fn)(*args)


async def on_trio_from_asyncio(fn, *args):
    @trio2aio
    async def asyncio_code():
        assert sniffio.current_async_library() == "asyncio"
        return await aio2trio(fn)(*args)

    return await asyncio_code()


wherever = pytest.mark.parametrize("call", [natively, on_asyncio, on_trio_from_asyncio])


def side_of(call):
    return "asyncio" if call is on_asyncio else "trio"


# ---- typical uses


@wherever
async def test_anyio_finds_the_side_it_is_on(call):
    async def side():
        await anyio.sleep(0)
        return sniffio.current_async_library(), anyio.get_current_task().name

    library, task = await call(side)
    assert library == side_of(call)
    assert task.startswith("Task-") == (library == "asyncio")


@wherever
async def test_task_groups_channels_and_threads(call):
    async def squares(count):
        send, receive = anyio.create_memory_object_stream(2)
        found = set()

        async def produce():
            async with send:
                for number in range(count):
                    await send.send(number)

        async def consume(receive):
            async with receive:
                async for number in receive:
                    found.add(await anyio.to_thread.run_sync(pow, number, 2))

        async with anyio.create_task_group() as group, receive:
            group.start_soon(produce)
            for _ in range(3):
                group.start_soon(consume, receive.clone())
        return found

    assert await call(squares, 20) == {number * number for number in range(20)}


@wherever
async def test_a_thread_calls_back(call):
    async def side():
        await anyio.sleep(0)
        return sniffio.current_async_library()

    async def ask_from_a_thread():
        return await anyio.to_thread.run_sync(anyio.from_thread.run, side)

    assert await call(ask_from_a_thread) == side_of(call)


@wherever
async def test_cancel_scopes(call):
    async def give_up():
        with anyio.move_on_after(0.01) as outer:
            try:
                with anyio.fail_after(3600):
                    await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.01)
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.01):
                await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        return outer.cancelled_caught

    assert await call(give_up)


# ---- what lives long, shared by Trio tasks


async def echo(stream):
    async with stream:
        async for data in stream:
            await stream.send(sniffio.current_async_library().encode() + b" says " + data)


async def ask(connect, port, number):
    async with await connect("127.0.0.1", port) as stream:
        await stream.send(b"%d" % number)
        assert await stream.receive() == b"asyncio says %d" % number


async def test_a_listener_on_asyncio_serves_both_sides():
    async with await aio_anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with trio.open_nursery() as servers:
            servers.start_soon(listener.serve, echo)
            async with trio.open_nursery() as clients:
                for number in range(10):
                    clients.start_soon(ask, anyio.connect_tcp, port, number)
                    clients.start_soon(ask, aio_anyio.connect_tcp, port, number)
            servers.cancel_scope.cancel()


async def test_tasks_share_a_stream():
    received = bytearray()

    async def receive(stream):
        async for data in stream:
            received.extend(data)

    async def send(stream, lock, number):
        async with lock:
            await stream.send(b"%d " % number)

    async def connected(client):
        async with trio2aio(client) as stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive, stream)
                lock = trio.Lock()
                async with trio.open_nursery() as senders:
                    for number in range(20):
                        senders.start_soon(send, stream, lock, number)
                await stream.send_eof()
        servers.cancel_scope.cancel()

    async with await aio_anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with trio.open_nursery() as servers:
            servers.start_soon(listener.serve, aio2trio(connected))
            async with await anyio.connect_tcp("127.0.0.1", port) as peer:
                async for data in peer:
                    await peer.send(data)
    assert sorted(map(int, received.split())) == list(range(20))


# ---- deadlines


async def test_a_deadline_cuts_through_a_task_group_on_asyncio():
    ended = []

    async def child(number, *, task_status):
        try:
            task_status.started()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01)
            ended.append(number)

    async def asyncio_code():
        async with anyio.create_task_group() as group:
            for number in range(3):
                await group.start(child, number)
            deadline.deadline = trio.current_time() + 0.01
            await anyio.sleep_forever()

    with trio.CancelScope() as deadline:
        await trio2aio(asyncio_code)()
    assert deadline.cancelled_caught
    assert sorted(ended) == [0, 1, 2]
    assert trio2aio(asyncio.all_tasks)() == set()


async def test_a_deadline_is_level_triggered_inside_of_anyios_scopes(autojump_clock):
    # Trio's cancellation comes to asyncio as one Task.cancel(). anyio's own scopes cancel again,
    # for as long as a task in them goes on.
    cancelled = []

    async def stubborn():
        for attempt in range(3):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.append(attempt)
        await anyio.sleep_forever()

    async def asyncio_code():
        async with anyio.create_task_group() as group:
            group.start_soon(stubborn)

    with trio.move_on_after(0.1) as deadline:
        await trio2aio(asyncio_code)()
    assert deadline.cancelled_caught
    assert cancelled == [0, 1, 2]


async def test_anyios_scope_cancels_trio_code_that_cleans_up():
    # anyio calls Task.cancel() in each turn of the loop until the task has left its scope.
    events = []

    async def trio_code(scope):
        try:
            trio2aio(scope.cancel)()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.05)
            events.append("cleaned up")

    @trio2aio
    async def asyncio_code():
        with anyio.CancelScope() as scope:
            await aio2trio(trio_code)(scope)
        assert scope.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        await aio2trio(trio.sleep)(0)
        await asyncio.sleep(0)
        events.append("goes on")

    with trio.fail_after(HANG):
        await asyncio_code()
    assert events == ["cleaned up", "goes on"]


async def test_a_stream_goes_on_after_a_deadline():
    async with await aio_anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.serve, echo)
            async with await aio_anyio.connect_tcp("127.0.0.1", port) as stream:
                with trio.move_on_after(0.1) as deadline:
                    await stream.receive()
                assert deadline.cancelled_caught
                await stream.send(b"hello")
                assert await stream.receive() == b"asyncio says hello"
            nursery.cancel_scope.cancel()


async def test_an_anyio_task_group_on_trio_around_asyncio_code():
    events = []

    async def fail():
        raise ConnectionError

    @trio2aio
    async def asyncio_code():
        try:
            async with aio2trio(anyio.create_task_group)() as group:
                group.start_soon(fail)
                try:
                    await asyncio.sleep(3600)
                finally:
                    events.append("body cancelled")
        except* ConnectionError:
            events.append("error")
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)

    await asyncio_code()
    assert events == ["body cancelled", "error"]


# ---- errors, and the end


@wherever
async def test_the_errors_of_a_task_group_come_as_they_are(call):
    async def fail_when_cancelled():
        try:
            await anyio.sleep_forever()
        finally:
            raise KeyError("second")

    async def both():
        async with anyio.create_task_group() as group:
            group.start_soon(fail_when_cancelled)
            await anyio.sleep(0.01)
            raise ValueError("first")

    with pytest.raises(ExceptionGroup) as caught:
        await call(both)
    assert {*map(type, caught.value.exceptions)} == {KeyError, ValueError}


async def test_the_errors_of_a_stream_are_anyios_own():
    async with await aio_anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        stream = await aio_anyio.connect_tcp("127.0.0.1", port)
        await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()
    with pytest.raises(OSError, match="connect"):
        await aio_anyio.connect_tcp("127.0.0.1", port)


async def test_nothing_is_left():
    async def use_a_thread():
        await anyio.to_thread.run_sync(threading.get_ident)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.01)

    async with trio_bridge.open_loop():
        async with await aio_anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(SocketAttribute.local_port)
        await trio2aio(use_a_thread)()
        assert trio2aio(asyncio.all_tasks)() == set()
    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp("127.0.0.1", port)
    with trio.fail_after(HANG):  # a thread ends some time after its loop
        while any("AnyIO" in thread.name for thread in threading.enumerate()):
            await trio.sleep(0.01)
