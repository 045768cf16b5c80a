"""nats-py on a real NATS server."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ecosystem import servers
from trio_bridge import aio2trio, trio2aio

LIBRARIES = ("nats-py",)

nats = pytest.importorskip("nats")
broker = trio2aio(nats)

LONG = 60
"""For the library's own timeouts, where Trio's deadline is what ends a call."""


@pytest.fixture
def connect(nats_url):
    return partial(broker.connect, nats_url)


async def doubled(message):
    """An answer, by Trio code."""
    message = trio2aio(message)
    await trio.sleep(0)
    await message.respond(2 * message.data)


async def test_messages_are_an_async_iterator(connect):
    async with await connect() as client:
        subscription = await client.subscribe("ducks.*")
        for name in (b"Riri", b"Fifi", b"Loulou"):
            await client.publish("ducks.names", name, headers={"kind": "duck"})
        await subscription.unsubscribe(limit=3)
        heard = [message async for message in subscription.messages]
    assert [message.data for message in heard] == [b"Riri", b"Fifi", b"Loulou"]
    assert (heard[0].subject, heard[0].headers) == ("ducks.names", {"kind": "duck"})


async def test_a_request_is_answered_by_trio_code(connect):
    async with await connect() as client:
        await client.subscribe("double", cb=aio2trio(doubled))
        reply = await client.request("double", b"quack", timeout=LONG)
        assert reply.data == b"quackquack"


async def test_a_request_is_answered_by_a_trio_task(connect):
    async def answer(client, *, task_status):
        subscription = await client.subscribe("double")
        task_status.started()
        async for message in subscription.messages:
            await doubled(message)

    async with await connect() as client:
        async with trio.open_nursery() as nursery:
            await nursery.start(answer, client)
            for word in (b"a", b"b"):
                assert (await client.request("double", word, timeout=LONG)).data == word * 2
            nursery.cancel_scope.cancel()


async def test_tasks_share_a_connection(connect):
    replies = {}

    async def ask(client, word):
        replies[word] = (await client.request("double", word, timeout=LONG)).data

    async with await connect() as client, await connect() as other:
        await other.subscribe("double", cb=aio2trio(doubled))
        # The server knows it then. (flush() may overtake it: nats-py writes its PING at once.)
        await other.request("double", b"", timeout=LONG)
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, client, b"%d " % number)
    assert replies == {b"%d " % n: b"%d %d " % (n, n) for n in range(20)}


async def test_a_deadline_cancels_a_request_and_the_connection_goes_on(connect):
    async with await connect() as client:
        asked = await client.subscribe("nobody.answers")
        for _ in range(2):
            with trio.move_on_after(0.1) as deadline:
                await client.request("nobody.answers", b"?", timeout=LONG)
            assert deadline.cancelled_caught
        # An answer that comes too late goes nowhere.
        await (await asked.next_msg(timeout=LONG)).respond(b"late")
        await client.subscribe("double", cb=aio2trio(doubled))
        assert (await client.request("double", b"x", timeout=LONG)).data == b"xx"


async def test_a_deadline_ends_the_wait_for_a_message(connect):
    async with await connect() as client:
        subscription = await client.subscribe("news")
        with trio.move_on_after(0.1) as deadline:
            async for message in subscription.messages:
                pytest.fail(f"{message} came")
        assert deadline.cancelled_caught
        with trio.move_on_after(0.1) as deadline:
            await subscription.next_msg(timeout=LONG)
        assert deadline.cancelled_caught
        # Neither takes what comes later.
        await client.publish("news", b"after")
        assert (await subscription.next_msg(timeout=LONG)).data == b"after"


async def test_an_error_is_natss_own(connect):
    async with await connect() as client:
        with pytest.raises(nats.errors.NoRespondersError):
            await client.request("nobody.listens", b"?", timeout=LONG)
        await client.subscribe("slow")
        with pytest.raises(nats.errors.TimeoutError):
            await client.request("slow", b"?", timeout=0.05)


async def test_no_server_is_an_error():
    failed = []

    async def error_cb(error):
        failed.append(type(error))

    with pytest.raises(nats.errors.NoServersError):
        await broker.connect(
            f"nats://127.0.0.1:{servers.free_port()}",
            max_reconnect_attempts=1,
            reconnect_time_wait=0.01,
            error_cb=error_cb,
        )
    assert failed == [ConnectionRefusedError] * 2


async def test_a_deadline_ends_the_search_for_a_server():
    async def error_cb(error):
        tried.set()

    tried = trio.Event()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            where = f"nats://127.0.0.1:{servers.free_port()}"
            nursery.start_soon(partial(broker.connect, where, error_cb=aio2trio(error_cb)))
            await tried.wait()
            scope.cancel()
    assert scope.cancelled_caught


async def test_the_error_of_a_handler_goes_to_the_error_callback(connect):
    errors, failed = [], trio.Event()

    async def handler(message):
        raise ValueError(message.data)

    async def error_cb(error):
        errors.append(error)
        failed.set()

    async with await connect(error_cb=aio2trio(error_cb)) as client:
        await client.subscribe("work", cb=aio2trio(handler))
        await client.publish("work", b"bad")
        with trio.fail_after(30):
            await failed.wait()
    assert [str(error) for error in errors] == ["b'bad'"]


async def test_drain_waits_for_what_has_come_and_closes(connect):
    handled, closed = [], trio.Event()
    may_go_on = trio.Event()

    async def handler(message):
        await may_go_on.wait()
        handled.append(message.data)

    async def closed_cb():
        closed.set()

    client = await connect(closed_cb=aio2trio(closed_cb))
    await client.subscribe("work", cb=aio2trio(handler))
    for number in range(3):
        await client.publish("work", b"%d" % number)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.drain)
        await wait_all_tasks_blocked()
        assert client.is_draining
        may_go_on.set()
    assert handled == [b"0", b"1", b"2"]
    assert closed.is_set()
    assert client.is_closed
    with pytest.raises(nats.errors.ConnectionClosedError):
        await client.publish("work", b"3")


async def test_nothing_is_left_on_the_server_of_a_cancelled_block(connect):
    closed = []

    async def closed_cb():
        closed.append(True)

    with trio.CancelScope() as scope:
        async with await connect(closed_cb=closed_cb) as client:
            await client.subscribe("never", cb=aio2trio(doubled))
            await client.flush()
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert closed == [True]
    assert client.is_closed
    async with await connect() as other:
        with trio.fail_after(30):
            while await is_listened_to(other, "never"):
                await trio.sleep(0.01)


async def is_listened_to(client, subject):
    try:
        await client.request(subject, b"?", timeout=LONG)
    except nats.errors.NoRespondersError:
        return False
    return True
