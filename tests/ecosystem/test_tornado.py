"""Tornado: its HTTP server, client, websockets and timers, on the bridge's loop."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import asynccontextmanager

import pytest
import trio
from conftest import HANG

from trio_bridge import aio2trio, current_loop, trio2aio, unview

LIBRARIES = ("tornado",)

tornado = pytest.importorskip("tornado")
for name in ("httpclient", "httpserver", "netutil", "web", "websocket"):
    importlib.import_module(f"tornado.{name}")

t = trio2aio(tornado)


async def double(number):
    await trio.sleep(0.001)
    return 2 * number


class Double(tornado.web.RequestHandler):
    """The answer is made by Trio code."""

    async def get(self, number):
        await asyncio.sleep(0.001)
        self.write(str(await aio2trio(double)(int(number))))


class Gate(tornado.web.RequestHandler):
    """It says that it has a request, and answers when it is told to."""

    def initialize(self, has_begun, may_end):
        self.has_begun, self.may_end = has_begun, may_end

    async def get(self):
        self.has_begun.set()
        await self.may_end.wait()
        self.write("late")


class Crash(tornado.web.RequestHandler):
    async def get(self):
        raise KeyError("Loulou")


class Echo(tornado.websocket.WebSocketHandler):
    async def on_message(self, message):
        await self.write_message(f"you said {message}")


@asynccontextmanager
async def serving(*handlers):
    """The address of a server, which is stopped cleanly."""
    server = t.httpserver.HTTPServer(tornado.web.Application(handlers))
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield f"//127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        with trio.CancelScope(shield=True):
            server.stop()
            await server.close_all_connections()


async def test_its_loop_is_the_bridges():
    io_loop = t.ioloop.IOLoop.current()
    assert unview(io_loop).asyncio_loop is current_loop()
    assert await io_loop.run_in_executor(None, lambda: 42) == 42

    called = trio.Event()
    io_loop.add_callback(called.set)
    await called.wait()


async def test_a_handler_calls_trio():
    async with serving((r"/double/(\d+)", Double)) as address:
        response = await t.httpclient.AsyncHTTPClient().fetch(f"http:{address}/double/21")
    assert (response.code, response.body) == (200, b"42")


async def test_tasks_share_a_client():
    doubles = {}

    async def fetch(url, number):
        doubles[number] = int((await client.fetch(f"{url}/{number}")).body)

    client = t.httpclient.AsyncHTTPClient(force_instance=True, max_clients=3)
    async with serving((r"/double/(\d+)", Double)) as address:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(fetch, f"http:{address}/double", number)
    client.close()
    assert doubles == {number: 2 * number for number in range(20)}


async def test_a_deadline_ends_a_fetch_and_the_client_goes_on():
    has_begun, may_end = trio.Event(), asyncio.Event()
    client = t.httpclient.AsyncHTTPClient(force_instance=True, max_clients=1)
    gate = (r"/gate", Gate, {"has_begun": has_begun, "may_end": may_end})

    async def fetch(url):
        await client.fetch(url)

    async with serving(gate, (r"/double/(\d+)", Double)) as address:
        with trio.move_on_after(HANG) as deadline:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fetch, f"http:{address}/gate")
                await has_begun.wait()
                deadline.deadline = trio.current_time()
        assert deadline.cancelled_caught
        # Tornado keeps the connection until the answer has come, or ``request_timeout``.
        trio2aio(may_end).set()
        assert (await client.fetch(f"http:{address}/double/4")).body == b"8"
    client.close()


async def test_a_timeout_of_tornados_own_closes_the_connection():
    has_begun, may_end = trio.Event(), asyncio.Event()
    gate = (r"/gate", Gate, {"has_begun": has_begun, "may_end": may_end})
    client = t.httpclient.AsyncHTTPClient()
    async with serving(gate) as address:
        with pytest.raises(tornado.httpclient.HTTPError, match="Timeout during request"):
            await client.fetch(f"http:{address}/gate", request_timeout=0.3)
        trio2aio(may_end).set()


async def test_a_status_is_an_error_of_tornados():
    async with serving((r"/double/(\d+)", Double)) as address:
        with pytest.raises(tornado.httpclient.HTTPClientError) as caught:
            await t.httpclient.AsyncHTTPClient().fetch(f"http:{address}/nothing")
    assert caught.value.code == 404


async def test_a_handlers_error_is_answered_and_logged_by_tornado(caplog):
    async with serving((r"/crash", Crash)) as address:
        with pytest.raises(tornado.httpclient.HTTPClientError) as caught:
            await t.httpclient.AsyncHTTPClient().fetch(f"http:{address}/crash")
    assert caught.value.code == 500
    logged = [record for record in caplog.records if record.name == "tornado.application"]
    assert [record.exc_info[0] for record in logged] == [KeyError]


async def test_a_websocket_talks_and_a_deadline_loses_no_message():
    async with serving((r"/echo", Echo)) as address:
        socket = await t.websocket.websocket_connect(f"ws:{address}/echo")
        with trio.move_on_after(0.1) as deadline:
            await socket.read_message()
        assert deadline.cancelled_caught
        for word in ("Riri", "Fifi"):
            await socket.write_message(word)
        assert await socket.read_message() == "you said Riri"
        assert await socket.read_message() == "you said Fifi"
        socket.close()
        assert await socket.read_message() is None


async def test_a_periodic_callback_calls_the_trio_side():
    send, receive = trio.open_memory_channel(10)
    ticks = t.ioloop.PeriodicCallback(lambda: send.send_nowait("tick"), 1)
    ticks.start()
    with trio.fail_after(HANG):
        assert [await receive.receive() for _ in range(3)] == ["tick"] * 3
    ticks.stop()
    assert not ticks.is_running()


async def test_a_stopped_server_listens_no_more():
    async with serving((r"/double/(\d+)", Double)) as address:
        host, port = address.removeprefix("//").split(":")
        client = await trio.open_tcp_stream(host, int(port))
    with trio.fail_after(HANG):
        assert await client.receive_some() == b""
    await client.aclose()
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream(host, int(port))
