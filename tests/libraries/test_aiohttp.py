"""aiohttp's client and server from Trio code, through the views ``http`` and ``web`` alone.

Handlers are asyncio code. Each server listens on a free port of the loopback interface.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import itertools
import json
import re
from contextlib import aclosing, asynccontextmanager

import pytest
import sniffio
import trio
from trio.testing import wait_all_tasks_blocked

import trio_bridge
from trio_bridge import aio2trio, trio2aio

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("aiohttp.web")

http = trio2aio(aiohttp)
web = trio2aio(aiohttp.web)
NAME = web.AppKey("name", str)


@asynccontextmanager
async def serve(*routes, ssl_context=None, **options):
    """An application with ``routes``, at the address that this yields."""
    app = web.Application()
    app.router.add_routes([web.route("*", path, handler) for path, handler in routes])
    async with running(app, ssl_context=ssl_context, **options) as url:
        yield url


@asynccontextmanager
async def running(app, *, ssl_context=None, **options):
    runner = web.AppRunner(app, access_log=None, **{"shutdown_timeout": 1, **options})
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        yield f"{'https' if ssl_context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        with trio.CancelScope(shield=True):
            await runner.cleanup()


async def hello(request):
    assert sniffio.current_async_library() == "asyncio"
    return aiohttp.web.Response(text=f"hello {request.query.get('name', 'you')}")


async def echo(request):
    return aiohttp.web.Response(
        body=await request.read(),
        headers={"X-Method": request.method, "X-Was": request.content_type},
    )


async def stream(request):
    """Ten lines, each when the one before is out; then wait as long as is asked for."""
    response = aiohttp.web.StreamResponse()
    await response.prepare(request)
    for number in range(10):
        await response.write(b"line %d\n" % number)
        await asyncio.sleep(0)
    await asyncio.sleep(float(request.query.get("wait", 0)))
    await response.write_eof()
    return response


class Waiting:
    """A handler that never answers, and who waits for it."""

    def __init__(self):
        self.requests = 0
        self.active = 0

    async def handle(self, request):
        self.requests += 1
        self.active += 1
        try:
            await asyncio.sleep(3600)
        finally:
            self.active -= 1

    async def until(self, *, active):
        with trio.fail_after(30):
            while self.active != active:
                await trio.sleep(0.002)


# ---- the client


async def test_get(monkeypatch):
    async with serve(("/", hello)) as url, http.ClientSession() as session:
        async with session.get(url, params={"name": "Riri"}) as response:
            assert response.status == 200
            assert response.ok
            assert response.reason == "OK"
            assert await response.text() == "hello Riri"
            assert response.headers["content-type"].startswith("text/plain")
            assert response.content_type == "text/plain"
            assert response.method == "GET"
            assert str(response.url) == f"{url}/?name=Riri"
            assert response.url.query["name"] == "Riri"
            assert isinstance(response, aiohttp.ClientResponse)
            assert isinstance(response, http.ClientResponse)
            assert response.closed
        async with session.get(response.url) as response:  # a view, as an argument
            assert await response.read() == b"hello Riri"
        async with session.get(response.url.with_query(name="Fifi")) as response:
            assert await response.text() == "hello Fifi"
        response = await session.get(url)
        assert await response.text() == "hello you"
        async with session.request("HEAD", url) as response:
            assert response.content_length == 9
        response = await session.get(url)
        response.release()
        response = await session.get(url)
        response.close()
        responses = [await session.get(url) for _ in range(3)]
        assert [await response.text() for response in responses] == ["hello you"] * 3
        async with http.request("GET", url) as response:
            assert await response.text() == "hello you"
    assert session.closed
    with pytest.raises(RuntimeError, match="Session is closed"):
        await session.get(url)


async def test_session_by_hand():
    async with serve(("/", hello)) as url:
        session = http.ClientSession(base_url=url, headers={"X-A": "b"})
        async with session.get("/") as response:
            assert response.request_info.headers["X-A"] == "b"
            assert await response.text() == "hello you"
        await session.close()
        assert session.closed


async def test_post():
    data = {"riri": [1, 2.5, None], "é": {"fifi": True}}
    async with serve(("/", echo)) as url, http.ClientSession() as session:
        async with session.post(url, data=b"bytes") as response:
            assert await response.read() == b"bytes"
        async with session.put(url, json=data) as response:
            assert response.headers["X-Was"] == "application/json"
            assert response.headers["X-Method"] == "PUT"
            decoded = await response.json(content_type=None)
            assert decoded == data
            assert type(decoded) is dict
        async with session.post(url, json=data) as response:
            assert await response.json(content_type=None, loads=json.loads) == data
        async with session.post(url, data=io.BytesIO(b"file")) as response:
            assert await response.read() == b"file"
        async with session.post(url, data={"a": "1"}) as response:
            assert await response.text() == "a=1"
        for method in ("delete", "patch", "options"):
            async with getattr(session, method)(url) as response:
                assert response.headers["X-Method"] == method.upper()
    async with (
        http.ClientSession(json_serialize=lambda value: "made") as session,
        serve(("/", echo)) as url,
        session.post(url, json=data) as response,
    ):
        assert await response.text() == "made"


async def test_json_of_many_levels():
    data = {"a": [{"b": [{"c": [{"d": [1]}]}]}]}
    async with serve(("/", echo)) as url, http.ClientSession() as session:
        async with session.post(url, json=data) as response:
            decoded = await response.json(content_type=None)
        assert decoded == data
        assert json.dumps(decoded) == json.dumps(data)
        assert type(decoded) is dict


async def test_multipart():
    async def parts(request):
        writer = aiohttp.MultipartWriter("mixed")
        async for part in await request.multipart():
            writer.append(f"{part.headers['Content-Type']}: {await part.text()}")
        return aiohttp.web.Response(body=writer)

    async with serve(("/", parts)) as url, http.ClientSession() as session:
        with http.MultipartWriter("mixed") as writer:
            writer.append("riri")
            writer.append_json({"fifi": 1})
        assert len(writer) == 2
        async with session.post(url, data=writer) as response:
            reader = http.MultipartReader.from_response(response)
            texts = [await part.text() async for part in reader]
        assert texts == ["text/plain; charset=utf-8: riri", 'application/json: {"fifi": 1}']


async def test_form(tmp_path):
    async def form(request):
        fields = await request.post()
        upload = fields["upload"]
        return aiohttp.web.json_response(
            {"text": fields["text"], "name": upload.filename, "file": upload.file.read().decode()}
        )

    path = tmp_path / "notes.txt"
    path.write_text("from disk")
    async with serve(("/", form)) as url, http.ClientSession() as session:
        with path.open("rb") as file:
            data = http.FormData()
            data.add_field("text", "hi")
            data.add_field("upload", file, filename="notes.txt", content_type="text/plain")
            async with session.post(url, data=data) as response:
                assert await response.json() == {
                    "text": "hi", "name": "notes.txt", "file": "from disk",
                }  # fmt: skip


async def test_streaming_body():
    lines = [b"line %d\n" % number for number in range(10)]
    async with serve(("/", stream)) as url, http.ClientSession() as session:
        async with session.get(url) as response:
            chunks = [chunk async for chunk in response.content.iter_chunked(7)]
            assert b"".join(chunks) == b"".join(lines)
            assert max(map(len, chunks)) <= 7
        async with session.get(url) as response:
            assert b"".join([chunk async for chunk in response.content.iter_any()]) == b"".join(
                lines
            )
        async with session.get(url) as response:
            chunks = [(chunk, end) async for chunk, end in response.content.iter_chunks()]
            assert [chunk for chunk, end in chunks if end] == lines
        async with session.get(url) as response:
            assert [line async for line in response.content] == lines
        async with session.get(url) as response:
            content = response.content
            assert await content.readline() == lines[0]
            assert await content.readexactly(4) == b"line"
            assert await content.read(2) == b" 1"
            assert await content.readuntil(b"2") == b"\nline 2"
            assert not content.at_eof()
            assert await content.read() == b"\n" + b"".join(lines[3:])
            assert content.at_eof()
            assert await content.readline() == b""
        async with session.get(url) as response:
            async for line in response.content:
                if line == lines[3]:
                    break
            assert await response.content.readline() == lines[4]


async def test_upload_from_generators():
    async def asyncio_side():
        for number in range(5):
            await asyncio.sleep(0)
            yield b"%d," % number

    async def trio_side():
        for number in range(5):
            await trio.sleep(0)
            yield b"%d," % number

    async with serve(("/", echo)) as url, http.ClientSession() as session:
        for data in (asyncio_side(), aio2trio(trio_side)()):
            async with session.post(url, data=data) as response:
                assert await response.read() == b"0,1,2,3,4,"


async def test_upload_from_a_trio_generator_object():
    async def trio_side():
        await trio.sleep(0)
        yield b"trio"

    async with (
        serve(("/", echo)) as url,
        http.ClientSession() as session,
        session.post(url, data=aio2trio(trio_side())) as response,
    ):
        assert await response.read() == b"trio"


async def test_errors_of_an_upload_come_out():
    async def trio_side():
        yield b"x"
        await trio.sleep(0)
        raise LookupError("upload")

    async with serve(("/", echo)) as url, http.ClientSession() as session:
        with pytest.raises((LookupError, http.ClientError)):
            await session.post(url, data=aio2trio(trio_side)())
        async with session.post(url, data=b"x") as response:
            assert await response.read() == b"x"


async def test_exceptions():
    async def not_found(request):
        raise aiohttp.web.HTTPNotFound(text="no")

    async def disconnect(request):
        request.transport.abort()
        await asyncio.sleep(0.01)

    async def circle(request):
        raise aiohttp.web.HTTPFound("/circle")

    assert http.ClientConnectorError is aiohttp.ClientConnectorError
    routes = [("/", hello), ("/404", not_found), ("/cut", disconnect), ("/circle", circle)]
    async with serve(*routes) as url, http.ClientSession() as session:
        error = None
        try:
            async with session.get("http://127.0.0.1:1/"):
                pytest.fail("connected")
        except http.ClientConnectorError as exc:
            error = exc
        assert error.port == 1
        assert isinstance(error.os_error, OSError)
        with pytest.raises(http.ClientResponseError) as caught:
            async with session.get(f"{url}/404", raise_for_status=True):
                pytest.fail("entered")
        assert caught.value.status == 404
        async with session.get(f"{url}/404") as response:
            assert await response.text() == "no"
            with pytest.raises(http.ClientResponseError):
                response.raise_for_status()
        with pytest.raises(http.ContentTypeError):
            async with session.get(url) as response:
                await response.json()
        with pytest.raises(http.ServerDisconnectedError):
            await session.get(f"{url}/cut")
        with pytest.raises(http.InvalidURL):
            await session.get("http://:80/")
        with pytest.raises(http.TooManyRedirects):
            await session.get(f"{url}/circle")
        error = LookupError("body")
        with pytest.raises(LookupError) as caught:
            async with session.get(url):
                raise error
        assert caught.value is error


async def test_cookies():
    async def visit(request):
        visits = int(request.cookies.get("visits", 0)) + 1
        response = aiohttp.web.Response(text=str(visits))
        response.set_cookie("visits", str(visits))
        return response

    jar = http.CookieJar(unsafe=True)
    async with serve(("/", visit)) as url, http.ClientSession(cookie_jar=jar) as session:
        for number in (1, 2, 3):
            async with session.get(url) as response:
                assert await response.text() == str(number)
                assert response.cookies["visits"].value == str(number)
        assert {cookie.key: cookie.value for cookie in session.cookie_jar} == {"visits": "3"}
        assert session.cookie_jar.filter_cookies(response.url)["visits"].value == "3"
        session.cookie_jar.update_cookies({"visits": "41"}, response.url)
        async with session.get(url) as response:
            assert await response.text() == "42"
        assert len(jar) == 1
        jar.clear()
        assert len(jar) == 0


async def test_redirects_and_traces():
    async def redirect(request):
        raise aiohttp.web.HTTPFound("/to")

    async def to(request):
        return aiohttp.web.Response(text="here")

    started = []

    async def on_request_start(session, context, params):
        started.append(params.url.path)

    trace = http.TraceConfig()
    trace.on_request_start.append(on_request_start)
    async with (
        serve(("/", redirect), ("/to", to)) as url,
        http.ClientSession(trace_configs=[trace]) as session,
        session.get(url) as response,
    ):
        assert await response.text() == "here"
        assert [redirected.status for redirected in response.history] == [302]
    assert started == ["/"]


async def test_tls(certificates):
    server_context, client_context = certificates
    body = b"x" * 1_000_000
    async with serve(("/", echo), ssl_context=server_context) as url:
        connector = http.TCPConnector(ssl=client_context)
        async with (
            http.ClientSession(connector=connector) as session,
            session.post(url, data=body) as response,
        ):
            assert await response.read() == body
        async with (
            http.ClientSession() as session,
            session.get(url, ssl=client_context) as response,
        ):
            assert response.status == 200


@pytest.mark.parametrize("debug", [False, True])
async def test_tls_with_a_client_that_trusts_nobody(certificates, debug):
    server_context, client_context = certificates
    trio2aio(asyncio.get_running_loop)().set_debug(debug)
    async with (
        serve(("/", echo), ssl_context=server_context) as url,
        http.ClientSession() as session,
    ):
        with pytest.raises(http.ClientConnectorCertificateError):
            await session.get(url)
        async with session.get(url, ssl=client_context) as response:
            assert response.status == 200


# ---- timeouts and cancellation


async def test_aiohttps_own_timeouts():
    waiting = Waiting()
    async with serve(("/", waiting.handle), ("/stream", stream), handler_cancellation=True) as url:
        timeout = http.ClientTimeout(total=0.05)
        async with http.ClientSession(timeout=timeout) as session:
            with pytest.raises(TimeoutError):
                await session.get(url)
            with pytest.raises(TimeoutError):
                async with session.get(f"{url}/stream", params={"wait": "30"}) as response:
                    await response.read()
            with pytest.raises(http.SocketTimeoutError):
                await session.get(url, timeout=http.ClientTimeout(sock_read=0.02))
            async with session.get(f"{url}/stream", timeout=http.ClientTimeout()) as response:
                assert len(await response.read()) == 70
        await waiting.until(active=0)


async def test_trios_timeout():
    waiting = Waiting()
    async with (
        serve(("/", waiting.handle), ("/stream", stream), handler_cancellation=True) as url,
        http.ClientSession() as session,
    ):
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.02):
            await session.get(url)
        # Not one between packets, which each packet would start anew.
        lines = []
        with trio.move_on_after(60) as scope:
            async with session.get(f"{url}/stream", params={"wait": "60"}) as response:
                lines.extend([await response.content.readline() for _ in range(10)])
                scope.deadline = trio.current_time() + 0.02
                await response.content.readline()
        assert scope.cancelled_caught
        assert len(lines) == 10
        await waiting.until(active=0)


@pytest.mark.parametrize("reading", ["nothing", "text", "line", "chunk", "own loop"])
async def test_cancelled_in_a_response_frees_the_connection(reading):
    connector = http.TCPConnector(limit=1)
    async with (
        serve(("/", hello), ("/stream", stream), handler_cancellation=True) as url,
        http.ClientSession(connector=connector) as session,
    ):
        with trio.CancelScope() as scope:
            async with session.get(f"{url}/stream", params={"wait": "30"}) as response:
                if reading == "text":
                    scope.deadline = trio.current_time() + 0.02
                    await response.text()
                elif reading == "line":
                    await response.content.readexactly(70)
                    scope.deadline = trio.current_time() + 0.02
                    await response.content.readline()
                elif reading == "chunk":
                    async for _ in response.content.iter_chunked(1000):
                        scope.deadline = trio.current_time() + 0.02
                elif reading == "own loop":
                    async for _ in response.content:
                        scope.cancel()
                        await trio.sleep_forever()
                scope.cancel()
        assert scope.cancelled_caught
        assert response.closed
        with trio.fail_after(30):
            async with session.get(url) as response:
                assert await response.text() == "hello you"
        assert not connector._acquired


async def test_cancelled_waiting_for_a_connection():
    waiting = Waiting()
    async with (
        serve(("/", waiting.handle), ("/hello", hello), handler_cancellation=True) as url,
        http.ClientSession(connector=http.TCPConnector(limit=1)) as session,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.get, url)
            await waiting.until(active=1)
            with trio.move_on_after(0.02) as scope:
                await session.get(url)
            assert scope.cancelled_caught
            nursery.cancel_scope.cancel()
        await waiting.until(active=0)
        assert waiting.requests == 1
        with trio.fail_after(30):
            async with session.get(f"{url}/hello") as response:
                assert response.status == 200


async def test_cancelled_in_an_upload():
    ended = trio.Event()

    async def trio_side():
        try:
            for number in itertools.count():
                yield b"x" * 1000
                await trio.sleep(0.001)
                if number == 10:
                    scope.cancel()
        finally:
            ended.set()

    async def swallow(request):
        async for _ in request.content.iter_any():
            pass

    async with serve(("/", swallow), ("/hello", hello)) as url, http.ClientSession() as session:
        with trio.CancelScope() as scope:
            await session.post(url, data=aio2trio(trio_side)())
        assert scope.cancelled_caught
        with trio.fail_after(30):
            while not ended.is_set():
                gc.collect()  # aiohttp may drop the generator, and not close it
                await trio.sleep(0.002)
        async with session.get(f"{url}/hello") as response:
            assert response.status == 200


async def test_a_failing_sibling():
    waiting = Waiting()

    async def fail():
        await waiting.until(active=3)
        raise LookupError("sibling")

    async with serve(("/", waiting.handle), handler_cancellation=True) as url:
        with pytest.raises(ExceptionGroup) as caught:
            async with http.ClientSession() as session, trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(session.get, url)
                nursery.start_soon(fail)
        (error,) = caught.value.exceptions
        assert type(error) is LookupError
        assert session.closed
        await waiting.until(active=0)


@pytest.mark.parametrize("how", ["entered", "awaited"])
async def test_cancelled_before_a_request_begins(how):
    """Python warns of a coroutine that was never awaited, unless it is closed."""
    async with http.ClientSession() as session:
        request = session.get("http://127.0.0.1:1/")
        coroutine = trio_bridge.unview(request)._coro
        with trio.CancelScope() as scope:
            scope.cancel()
            if how == "awaited":
                await request
            async with request:
                pytest.fail("entered")
        state = inspect.getcoroutinestate(coroutine)
        coroutine.close()
    assert scope.cancelled_caught
    assert state == inspect.CORO_CLOSED


async def test_cancelled_at_each_step(cancelled_at_each_step):
    """No hang, and the one connection that there may be is free afterwards."""

    async def story(_):
        async with session.post(url, data=b"0123456789" * 10) as response:
            await response.content.readexactly(10)
            async for _ in response.content.iter_chunked(40):
                await trio.lowlevel.checkpoint()
        async with session.ws_connect(f"{url}/ws") as socket:
            await socket.send_str("a")
            await socket.receive_str()

    connector = http.TCPConnector(limit=1)
    async with (
        serve(("/", echo), ("/ws", websocket_echo)) as url,
        http.ClientSession(connector=connector) as session,
    ):
        async for _ in cancelled_at_each_step(story):
            with trio.fail_after(30):
                async with session.post(url, data=b"again") as response:
                    assert await response.text() == "again"
            assert not connector._acquired


async def test_sessions_cancelled_at_each_step(cancelled_at_each_step):
    sessions = []

    async def story(_):
        async with http.ClientSession() as session:
            sessions.append(session)
            async with session.get(url) as response:
                await response.text()

    async with serve(("/", hello)) as url:
        async for _ in cancelled_at_each_step(story):
            assert all(session.closed for session in sessions)


# ---- websockets


async def websocket_echo(request):
    socket = aiohttp.web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data == "close":
            await socket.close(code=4000, message=b"bye")
        elif message.data == "many":
            for number in range(5):
                await socket.send_str(str(number))
            await socket.close()
        else:
            await socket.send_str(f"echo {message.data}")
    return socket


async def test_websocket():
    async with serve(("/", websocket_echo)) as url, http.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            await socket.send_str("a")
            assert await socket.receive_str() == "echo a"
            await socket.send_bytes(b"b")
            assert await socket.receive_bytes() == b"b"
            await socket.send_json([1, {"a": None}])
            message = await socket.receive()
            assert message.type is http.WSMsgType.TEXT
            assert message.data == 'echo [1, {"a": null}]'
            with pytest.raises(ValueError, match="Expecting value"):
                message.json()
            await socket.send_str("many")
            assert [message.data async for message in socket] == list("01234")
            assert socket.closed
        socket = await session.ws_connect(url, autoping=True, heartbeat=30)
        await socket.ping()
        await socket.send_str("close")
        message = await socket.receive()
        assert (message.type, message.data, message.extra) == (http.WSMsgType.CLOSE, 4000, "bye")
        assert socket.close_code == 4000
        assert (await socket.receive()).type is http.WSMsgType.CLOSED
        with pytest.raises(http.WSServerHandshakeError):
            async with serve(("/", hello)) as other:
                await session.ws_connect(other)


async def test_websocket_between_tasks():
    """One Trio task sends, another receives."""
    received = []

    async def receive(task_status):
        async for message in socket:
            received.append(message.data)
            if len(received) == 20:
                break

    async with serve(("/", websocket_echo)) as url, http.ClientSession() as session:
        async with session.ws_connect(url) as socket, trio.open_nursery() as nursery:
            nursery.start_soon(receive, None)
            for number in range(20):
                await socket.send_str(str(number))
        assert received == [f"echo {number}" for number in range(20)]
        assert socket.closed


async def test_websocket_cancelled():
    async with serve(("/", websocket_echo)) as url, http.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=0.02)
        async with session.ws_connect(url) as socket:
            with trio.move_on_after(0.02) as scope:
                await socket.receive()
            assert scope.cancelled_caught
            await socket.send_str("a")
            assert await socket.receive_str() == "echo a"
            with trio.move_on_after(0.02) as scope:
                async for _ in socket:
                    pass
            assert scope.cancelled_caught
            await socket.send_str("b")
            assert await socket.receive_str() == "echo b"
        with trio.move_on_after(0.02) as scope:
            async with session.ws_connect(url) as socket:
                async for _ in socket:
                    pass
        assert scope.cancelled_caught
        assert socket.closed


async def test_concurrent_receive_is_refused():
    async with (
        serve(("/", websocket_echo)) as url,
        http.ClientSession() as session,
        session.ws_connect(url) as socket,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(socket.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="Concurrent call to receive"):
            await socket.receive()
        nursery.cancel_scope.cancel()


# ---- the server


async def test_an_application():
    events = []
    routes = web.RouteTableDef()

    @routes.get("/user/{name}", name="user")
    async def user(request):
        return aiohttp.web.json_response(
            {"name": request.match_info["name"], "app": request.app[NAME]}
        )

    @routes.view("/view")
    class View(aiohttp.web.View):
        async def get(self):
            return aiohttp.web.Response(text="view")

    @web.middleware
    async def middleware(request, handler):
        response = await handler(request)
        response.headers["X-Middleware"] = "yes"
        return response

    async def on_startup(app):
        events.append("startup")

    async def resource(app):
        events.append("open")
        await asyncio.sleep(0)
        yield
        await asyncio.sleep(0)
        events.append("close")

    async def crash(request):
        raise LookupError("handler")

    app = web.Application(middlewares=[middleware])
    app[NAME] = "the app"
    app.add_routes(routes)
    app.add_routes([web.get("/crash", crash)])
    app.on_startup.append(on_startup)
    app.cleanup_ctx.append(resource)
    assert app[NAME] == "the app"
    assert str(app.router["user"].url_for(name="Riri")) == "/user/Riri"
    async with running(app) as url, http.ClientSession() as session:
        async with session.get(f"{url}/user/Riri") as response:
            assert await response.json() == {"name": "Riri", "app": "the app"}
            assert response.headers["X-Middleware"] == "yes"
        async with session.get(f"{url}/view") as response:
            assert await response.text() == "view"
        async with session.get(f"{url}/nonesuch") as response:
            assert response.status == 404
        async with session.get(f"{url}/crash") as response:
            assert response.status == 500
        assert sorted(events) == ["open", "startup"]
    assert events[-1] == "close"


async def test_graceful_cleanup():
    """A handler that runs may end; connections that idle are closed; nothing is left."""
    started = trio.Event()
    release = asyncio.Event()

    async def slow(request):
        started.set()
        await release.wait()
        return aiohttp.web.Response(text="done")

    texts = []

    async def fetch(session, url):
        async with session.get(url) as response:
            texts.append(await response.text())

    async with (
        http.ClientSession() as session,
        trio.open_nursery() as nursery,
        serve(("/", slow), ("/hello", hello), shutdown_timeout=30) as url,
    ):
        async with session.get(f"{url}/hello") as response:
            assert response.status == 200
        nursery.start_soon(fetch, session, url)
        with trio.fail_after(30):
            await started.wait()
        nursery.start_soon(trio2aio(_set_later), release)
    assert texts == ["done"]


async def _set_later(event):
    await asyncio.sleep(0.02)
    event.set()


async def test_cleanup_cancels_what_does_not_end():
    waiting = Waiting()
    async with trio.open_nursery() as nursery, http.ClientSession() as session:
        async with serve(("/", waiting.handle), shutdown_timeout=0.02) as url:

            @nursery.start_soon
            async def fetch():
                with pytest.raises(http.ClientConnectionError):
                    await session.get(url)

            await waiting.until(active=1)
        await waiting.until(active=0)


@pytest.mark.parametrize("handler_cancellation", [True, False])
async def test_the_server_is_cancelled(handler_cancellation):
    """A handler whose client has gone goes on, by default; it ends with its loop at the latest."""
    waiting = Waiting()
    with trio.CancelScope() as scope:
        async with (
            trio_bridge.open_loop(),
            serve(
                ("/", waiting.handle),
                shutdown_timeout=0.02,
                handler_cancellation=handler_cancellation,
            ) as url,
            http.ClientSession() as session,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(session.get, url)
            await waiting.until(active=1)
            scope.cancel()
    assert waiting.active == 0
    async with http.ClientSession() as session:
        with pytest.raises(http.ClientConnectorError):
            await session.get(url)


async def test_a_trio_side_handler():
    async def raw(request):
        assert sniffio.current_async_library() == "trio"
        await trio.sleep(0)
        text = await trio2aio(request).text()
        return aiohttp.web.Response(text=f"trio {text}")

    async def with_views(request):
        await trio.sleep(0)
        return web.Response(text="view")

    async def streaming(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"x")
            await trio.sleep(0)
        return response

    routes = [("/raw", raw), ("/view", with_views), ("/stream", streaming)]
    async with (
        serve(*((path, aio2trio(handler)) for path, handler in routes)) as url,
        http.ClientSession() as session,
    ):
        async with session.post(f"{url}/raw", data="x") as response:
            assert await response.text() == "trio x"
        async with session.get(f"{url}/view") as response:
            assert await response.text() == "view"
        async with session.get(f"{url}/stream") as response:
            assert await response.text() == "xxx"


# ---- story 3: the crawler


class Site:
    """Pages that link to pages, some of which never answer; one has the word."""

    SIZE = 60
    WORD_AT = 47

    def __init__(self):
        self.asked = []
        self.active = self.most = 0

    async def page(self, request):
        number = int(request.match_info["number"])
        self.asked.append(number)
        self.active += 1
        self.most = max(self.most, self.active)
        try:
            await asyncio.sleep(3600 if number % 10 == 9 else 0.001)
            links = [
                f'<a href="/{link}">'
                for link in (2 * number + 1, 2 * number + 2)
                if link < self.SIZE
            ]
            word = "Eureka" if number == self.WORD_AT else ""
            return aiohttp.web.Response(text=f"<p>{number} {word}</p>{links}")
        finally:
            self.active -= 1


async def crawl(url, word, *, at_once, seconds):
    """The address of a page with ``word``, or ``None``: follow the links from ``url``."""
    found = None
    seen = set()
    limiter = trio.CapacityLimiter(at_once)

    async def visit(path):
        nonlocal found
        async with limiter, session.get(f"{url}{path}") as response:
            text = await response.text()
        if word in text:
            found = path
            nursery.cancel_scope.cancel()
        for link in re.findall(r'href="(.*?)"', text):
            if link not in seen:
                seen.add(link)
                nursery.start_soon(visit, link)

    with trio.move_on_after(seconds):
        async with http.ClientSession() as session, trio.open_nursery() as nursery:
            nursery.start_soon(visit, "/0")
    return found


@pytest.mark.parametrize(
    ("word", "seconds", "path"), [("Eureka", 10, "/47"), ("nonesuch", 2, None)]
)
async def test_crawler(word, seconds, path):
    site = Site()
    async with serve(("/{number}", site.page), handler_cancellation=True) as url:
        started = trio.current_time()
        assert await crawl(url, word, at_once=8, seconds=seconds) == path
        assert trio.current_time() - started < 10
        asked = len(site.asked)
        assert site.most <= 8
        with trio.fail_after(30):
            while site.active:
                await trio.sleep(0.002)
        assert len(site.asked) == asked  # no fetch survives
        if path is None:
            assert set(range(30)) - set(range(19, 30)) <= set(site.asked)
        assert len(set(site.asked)) == asked


async def test_many_at_once():
    texts = []

    async def fetch(number):
        async with session.get(url, params={"name": str(number)}) as response:
            texts.append(await response.text())

    async with (
        serve(("/", hello)) as url,
        http.ClientSession() as session,
        trio.open_nursery() as nursery,
    ):
        for number in range(100):
            nursery.start_soon(fetch, number)
    assert sorted(texts) == sorted(f"hello {number}" for number in range(100))


async def test_a_trio_generator_over_a_response():
    async def lines(path):
        async with session.get(f"{url}{path}") as response:
            async for line in response.content:
                yield line.decode().strip()

    async with (
        serve(("/", stream), handler_cancellation=True) as url,
        http.ClientSession() as session,
    ):
        async with aclosing(lines("/?wait=30")) as generator:
            async for line in generator:
                if line == "line 4":
                    break
        assert not session.connector._acquired
        assert [line async for line in lines("/")][-1] == "line 9"


def test_the_loop_is_named_where_there_is_none():
    async def main():
        with pytest.raises(RuntimeError, match=r"open_loop|trio_bridge\.run"):
            http.ClientSession()

    trio.run(main)
    assert trio_bridge.unview(http) is aiohttp
