"""grpc.aio: a server and channels on loopback. Generic handlers carry bytes, without protoc."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import trio
from conftest import HANG
from trio.testing import wait_all_tasks_blocked

from trio_bridge import aio2trio, current_loop, open_loop, trio2aio

LIBRARIES = ("grpcio",)

grpc = pytest.importorskip("grpc")
g = trio2aio(grpc).aio


async def double(request, context):
    await asyncio.sleep(0.0001)
    return b"%d" % (2 * int(request))


async def double_on_trio(request, context):
    async def double():
        await trio.sleep(0.0001)
        return 2 * int(request)

    return b"%d" % await aio2trio(double)()


async def count(request, context):
    for number in range(int(request)):
        yield b"%d" % number


async def shout(requests, context):
    async for request in requests:
        yield request.upper()


async def refuse(request, context):
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such duck")


async def crash(request, context):
    raise KeyError("Loulou")


class Waiting:
    """Calls that never answer, and what becomes of them."""

    def __init__(self):
        self.has_begun, self.was_cancelled = trio.Event(), trio.Event()

    async def unary(self, request, context):
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise

    async def stream(self, request, context):
        yield b"the first"
        await self.unary(request, context)


@asynccontextmanager
async def serving(waiting=None):
    """The address of a server, which is stopped cleanly."""
    waiting = waiting or Waiting()
    handlers = {
        "Double": grpc.unary_unary_rpc_method_handler(double),
        "DoubleOnTrio": grpc.unary_unary_rpc_method_handler(double_on_trio),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Shout": grpc.stream_stream_rpc_method_handler(shout),
        "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
        "Crash": grpc.unary_unary_rpc_method_handler(crash),
        "Wait": grpc.unary_unary_rpc_method_handler(waiting.unary),
        "WaitInStream": grpc.unary_stream_rpc_method_handler(waiting.stream),
    }
    server = g.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Ducks", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        with trio.CancelScope(shield=True):
            await server.stop(grace=None)


@asynccontextmanager
async def connected(waiting=None):
    async with serving(waiting) as address, g.insecure_channel(address) as channel:
        yield channel


async def test_a_unary_call():
    async with connected() as channel:
        assert await channel.unary_unary("/Ducks/Double")(b"21") == b"42"


async def test_a_handler_calls_trio():
    async with connected() as channel:
        assert await channel.unary_unary("/Ducks/DoubleOnTrio")(b"21") == b"42"


async def test_a_server_streams():
    async with connected() as channel:
        numbers = [number async for number in channel.unary_stream("/Ducks/Count")(b"5")]
    assert numbers == [b"0", b"1", b"2", b"3", b"4"]


async def test_both_stream():
    async with connected() as channel:
        call = channel.stream_stream("/Ducks/Shout")()
        for word in (b"riri", b"fifi"):
            await call.write(word)
            assert await call.read() == word.upper()
        await call.done_writing()
        assert await call.read() == grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK


async def test_a_trio_generator_is_what_a_client_sends():
    async def words():
        for word in (b"riri", b"fifi", b"loulou"):
            await trio.sleep(0.0001)
            yield word

    async with connected() as channel:
        call = channel.stream_stream("/Ducks/Shout")(aio2trio(words)())
        assert [word async for word in call] == [b"RIRI", b"FIFI", b"LOULOU"]


class DucksStub:
    """As protoc's plugin writes it."""

    def __init__(self, channel):
        self.Double = channel.unary_unary(
            "/Ducks/Double",
            request_serializer=lambda number: b"%d" % number,
            response_deserializer=int,
            _registered_method=True,
        )


@pytest.mark.parametrize("stub_class", [DucksStub, trio2aio(DucksStub)], ids=["plain", "adapted"])
async def test_a_generated_stub(stub_class):
    async with connected() as channel:
        assert await stub_class(channel).Double(21) == 42


async def test_tasks_share_a_channel():
    doubles = {}

    async def ask(method, number):
        doubles[number] = int(await method(b"%d" % number))

    async with connected() as channel:
        method = channel.unary_unary("/Ducks/Double")
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ask, method, number)
            nursery.start_soon(method, b"1")  # a call can be awaited, and is no coroutine
    assert doubles == {number: 2 * number for number in range(50)}


@pytest.mark.parametrize("method", ["Wait", "WaitInStream"])
async def test_a_deadline_cancels_a_call_on_the_server_and_the_channel_goes_on(method):
    waiting, has_answer = Waiting(), trio.Event()

    async def wait(channel):
        if method == "Wait":
            has_answer.set()
            await channel.unary_unary("/Ducks/Wait")(b"")
        else:
            async for answer in channel.unary_stream("/Ducks/WaitInStream")(b""):
                assert answer == b"the first"
                has_answer.set()

    async with connected(waiting) as channel:
        with trio.move_on_after(HANG) as deadline:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, channel)
                await waiting.has_begun.wait()
                await has_answer.wait()
                await wait_all_tasks_blocked()  # it waits in grpc, not between two answers
                deadline.deadline = trio.current_time()
        assert deadline.cancelled_caught
        with trio.fail_after(HANG):
            await waiting.was_cancelled.wait()
        assert await channel.unary_unary("/Ducks/Double")(b"21") == b"42"


async def test_a_timeout_of_grpcs_own():
    waiting = Waiting()
    async with connected(waiting) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/Ducks/Wait")(b"", timeout=0.1)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_status_is_an_error_of_grpcs():
    async with connected() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/Ducks/Refuse")(b"")
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.NOT_FOUND,
            "no such duck",
        )
        assert await channel.unary_unary("/Ducks/Double")(b"21") == b"42"


async def test_a_handlers_error_is_answered_and_logged_by_grpc(caplog):
    async with connected() as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="Loulou") as caught:
            await channel.unary_unary("/Ducks/Crash")(b"")
    assert caught.value.code() == grpc.StatusCode.UNKNOWN
    assert [record.exc_info[0] for record in caplog.records] == [KeyError]


async def test_several_loops_of_one_process_at_the_same_time():
    done = []

    async def ask(address):
        async with open_loop(), g.insecure_channel(address) as channel:
            for number in range(50):
                assert int(await channel.unary_unary("/Ducks/Double")(b"%d" % number)) == 2 * number
            done.append(current_loop())

    async def ask_on_stock_asyncio(address):
        async with grpc.aio.insecure_channel(address) as channel:
            for number in range(50):
                assert int(await channel.unary_unary("/Ducks/Double")(b"%d" % number)) == 2 * number
            done.append(asyncio.get_running_loop())

    async with serving() as address:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, address)
            nursery.start_soon(ask, address)
            nursery.start_soon(trio.to_thread.run_sync, asyncio.run, ask_on_stock_asyncio(address))
    assert len(set(done)) == 3


async def test_a_stopped_server_leaves_nothing():
    async with serving() as address:
        host, port = address.split(":")
        async with g.insecure_channel(address) as channel:
            assert await channel.unary_unary("/Ducks/Double")(b"21") == b"42"
    assert asyncio.all_tasks(current_loop()) == set()
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream(host, int(port))
