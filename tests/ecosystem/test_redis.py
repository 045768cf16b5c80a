"""redis-py's ``redis.asyncio`` on a real Redis."""

from __future__ import annotations

from contextlib import aclosing

import pytest
import trio

from ecosystem import servers
from trio_bridge import trio2aio

LIBRARIES = ("redis",)

redis = pytest.importorskip("redis.asyncio")
aioredis = trio2aio(redis)


@pytest.fixture
def connect(redis_url):
    """A client that says who it is, so that what is left on the server can be seen.

    Its own timeout for what it reads (5 seconds since redis-py 8) would end a blocking call too.
    """
    return lambda **options: aioredis.from_url(
        redis_url,
        client_name="ecosystem",
        decode_responses=True,
        socket_timeout=None,
        **options,
    )


async def until_blocked(client, count):
    """Wait until the server knows of so many clients that wait in a blocking call."""
    with trio.fail_after(30):
        while (await client.info("clients"))["blocked_clients"] != count:
            await trio.sleep(0.01)


async def test_keys_are_written_and_read(connect):
    async with connect() as client:
        await client.delete("ducks")
        assert await client.rpush("ducks", "Riri", "Fifi", "Loulou") == 3
        assert await client.lrange("ducks", 0, -1) == ["Riri", "Fifi", "Loulou"]
        await client.delete("ducks")


async def test_a_pipeline_is_one_transaction(connect):
    async with connect() as client:
        async with client.pipeline(transaction=True) as pipe:
            pipe.set("counter", 1).incr("counter")
            pipe.incrby("counter", 40)
            assert await pipe.execute() == [True, 2, 42]
        assert await client.getdel("counter") == "42"


async def test_a_watched_key_that_changes_refuses_the_transaction(connect):
    async with connect() as client, client.pipeline() as pipe:
        await pipe.watch("watched")
        await client.set("watched", "by another")
        pipe.multi()
        pipe.set("watched", "by us")
        with pytest.raises(redis.WatchError):
            await pipe.execute()
        assert await client.getdel("watched") == "by another"


async def test_messages_are_an_async_iterator(connect):
    heard = []

    async def listen(pubsub):
        async with aclosing(pubsub.listen()) as messages:
            async for message in messages:
                if message["data"] == "end":
                    return
                heard.append(message["data"])

    async with connect() as client, client.pubsub() as pubsub:
        await pubsub.subscribe("news")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, pubsub)
            for word in ("one", "two", "end"):
                assert await client.publish("news", word) == 1
    assert heard == [1, "one", "two"]  # first: how many subscriptions there are


async def test_a_deadline_ends_the_wait_for_messages(connect):
    async with connect() as client, client.pubsub() as pubsub:
        await pubsub.subscribe("news")
        with trio.move_on_after(0.2) as deadline:
            async for message in pubsub.listen():
                assert message["type"] == "subscribe"
        assert deadline.cancelled_caught
        # The subscription is still there, on the same connection.
        assert await client.publish("news", "after") == 1
        message = await pubsub.get_message(timeout=30)
        assert message["data"] == "after"


async def test_tasks_share_a_client(connect):
    squares = set()

    async def square(client, number):
        squares.add(await client.eval("return ARGV[1] * ARGV[1]", 0, number))

    async with connect() as client:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(square, client, number)
    assert squares == {number * number for number in range(20)}


async def test_tasks_share_a_pool_and_wait_for_its_connections(redis_url):
    ids = []

    async def say_which(client):
        ids.append(await client.client_id())

    pool = aioredis.BlockingConnectionPool.from_url(redis_url, max_connections=3)
    async with aioredis.Redis.from_pool(pool) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(say_which, client)
    assert len(ids) == 20
    assert 1 <= len(set(ids)) <= 3


async def test_a_deadline_cancels_a_blocking_call_and_the_client_goes_on(connect):
    async with connect(max_connections=2) as client, connect() as other:
        for _ in range(3):  # each time a connection of the pool's
            with trio.move_on_after(0.1) as deadline:
                await client.blpop("nothing-comes", timeout=0)
            assert deadline.cancelled_caught
        assert await client.set("answer", 42)
        assert await client.getdel("answer") == "42"
        await until_blocked(other, 0)
        # The call that was cancelled takes nothing that comes later.
        await other.rpush("nothing-comes", "late")
        assert await client.blpop("nothing-comes", timeout=30) == ("nothing-comes", "late")


async def test_deadlines_of_some_tasks_leave_the_others_alone(connect):
    got = []

    async def give_up(client, key):
        with trio.move_on_after(0.1) as deadline:
            await client.blpop(key, timeout=0)
        assert deadline.cancelled_caught

    async def wait(client, key):
        got.append(await client.blpop(key, timeout=0))

    async with connect() as client:
        async with trio.open_nursery() as waiting:
            for number in range(3):
                waiting.start_soon(wait, client, f"wait-{number}")
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(give_up, client, f"give-up-{number}")
            for number in range(3):
                await client.rpush(f"wait-{number}", number)
    assert sorted(got) == [(f"wait-{number}", str(number)) for number in range(3)]


async def test_an_error_is_rediss_own(connect):
    async with connect() as client:
        await client.set("text", "duck")
        with pytest.raises(redis.ResponseError, match="not an integer"):
            await client.incr("text")
        assert await client.getdel("text") == "duck"


async def test_no_server_is_an_error():
    async with aioredis.Redis(port=servers.free_port(), retry=None) as client:
        with pytest.raises(redis.ConnectionError):
            await client.ping()


async def test_nothing_is_left_on_the_server(connect, redis_url):
    async with connect() as client:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(client.ping)  # no async function, but what it returns is awaited
        async with client.pubsub() as pubsub:
            await pubsub.subscribe("news")

    async with aioredis.from_url(redis_url) as other:
        with trio.fail_after(30):
            while [found for found in await other.client_list() if found["name"] == "ecosystem"]:
                await trio.sleep(0.01)
