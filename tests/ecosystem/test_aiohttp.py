"""aiohttp's client, server and websockets. All of it is in ``tests/libraries/test_aiohttp.py``."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from trio_bridge import aio2trio, open_asyncio_nursery, trio2aio

LIBRARIES = ("aiohttp",)

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("aiohttp.web")
http = trio2aio(aiohttp)
web = trio2aio(aiohttp.web)


class Site:
    """Handlers that are Trio code, and what they have seen."""

    def __init__(self):
        self.waits = trio.Event()
        self.gone = trio.Event()
        self.upgraded = self.closed = 0

    def app(self):
        app = web.Application()
        for path, handler in (
            ("/", self.greet),
            ("/wait", self.wait),
            ("/fail", self.fail),
            ("/websocket", self.echo),
        ):
            app.router.add_get(path, aio2trio(handler))
        return app

    async def greet(self, request):
        await trio.sleep(0)
        return aiohttp.web.Response(text=f"hello {request.query['name']}")

    async def wait(self, request):
        self.waits.set()
        try:
            await trio.sleep_forever()
        finally:
            self.gone.set()

    async def fail(self, request):
        raise KeyError("no")

    async def echo(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.upgraded += 1
        try:
            async for message in socket:
                await socket.send_str(message.data.upper())
        finally:
            self.closed += 1
        return socket


@asynccontextmanager
async def serving(site):
    """The address of the site, whose handlers are cancelled when their client is gone."""
    runner = web.AppRunner(
        site.app(), access_log=None, shutdown_timeout=1, handler_cancellation=True
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        with trio.CancelScope(shield=True):
            await runner.cleanup()


async def test_a_request_is_answered_by_trio_code():
    async with serving(Site()) as url, http.ClientSession(url) as session:
        async with session.get("/", params={"name": "Riri"}) as response:
            assert (response.status, await response.text()) == (200, "hello Riri")


async def test_tasks_share_a_session():
    greetings = set()

    async def greet(session, number):
        async with session.get("/", params={"name": number}) as response:
            greetings.add(await response.text())

    async with serving(Site()) as url, http.ClientSession(url) as session:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(greet, session, number)
    assert greetings == {f"hello {number}" for number in range(20)}


async def test_tasks_share_a_websocket():
    async with serving(Site()) as url, http.ClientSession() as session:
        async with session.ws_connect(f"{url}/websocket") as socket:
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(socket.send_str, f"n{number}")
                answers = {await socket.receive_str() for _ in range(20)}
    assert answers == {f"N{number}" for number in range(20)}


async def test_a_deadline_cancels_a_request_on_both_ends_and_the_session_goes_on():
    site = Site()
    async with serving(site) as url, http.ClientSession(url) as session:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.get, "/wait")
            await site.waits.wait()
            nursery.cancel_scope.deadline = trio.current_time() + 0.01
        assert nursery.cancel_scope.cancelled_caught
        with trio.fail_after(30):
            await site.gone.wait()
        async with session.get("/", params={"name": "Fifi"}) as response:
            assert await response.text() == "hello Fifi"


async def test_a_deadline_cancels_a_websockets_receive_and_it_goes_on():
    async with serving(Site()) as url, http.ClientSession() as session:
        async with session.ws_connect(f"{url}/websocket") as socket:
            with trio.move_on_after(0.05) as deadline:
                await socket.receive()
            assert deadline.cancelled_caught
            await socket.send_str("still here")
            assert await socket.receive_str() == "STILL HERE"


async def test_an_error_of_a_handler_is_an_answer_and_that_of_a_connection_aiohttps_own(caplog):
    async with serving(Site()) as url, http.ClientSession() as session:
        with pytest.raises(aiohttp.ClientResponseError, match="500"):
            await session.get(f"{url}/fail", raise_for_status=True)
        async with session.get(f"{url}/", params={"name": "Loulou"}) as response:
            assert response.status == 200
    [record] = caplog.records
    assert record.exc_info[0] is KeyError
    async with http.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)


async def test_nothing_is_left_when_server_and_client_are_closed():
    site = Site()
    with trio.fail_after(30):
        async with open_asyncio_nursery():  # waits for every task that aiohttp has started
            async with serving(site) as url, http.ClientSession() as session:
                await session.ws_connect(f"{url}/websocket")  # the server closes what is open
                while not site.upgraded:
                    await trio.sleep(0.01)
    assert (site.upgraded, site.closed) == (1, 1)
