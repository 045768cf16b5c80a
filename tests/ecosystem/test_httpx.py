"""httpx on asyncio, through the bridge, and on Trio itself, in one program."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from functools import partial

import pytest
import trio

from trio_bridge import trio2aio

LIBRARIES = ("httpx",)

httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
from ecosystem import uvicorn_in_trio  # noqa: E402 -- it needs uvicorn

HANG = uvicorn_in_trio.HANG
CLIENTS = {
    "bridge": partial(trio2aio(httpx).AsyncClient, timeout=HANG),
    "trio": partial(httpx.AsyncClient, timeout=HANG),
}


@pytest.fixture(params=CLIENTS)
def open_client(request):
    return CLIENTS[request.param]


class Site:
    """An application without a framework; it counts its requests."""

    def __init__(self):
        self.active = 0
        self.waits = asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.active += 1
        try:
            await send({"type": "http.response.start", "status": 200})
            await self.answer(scope["path"], receive, send)
        finally:
            self.active -= 1

    async def answer(self, path, receive, send):
        if path == "/wait":
            self.waits.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        body, message = b"", {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        for line in body.upper().splitlines(keepends=True):
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body"})


@asynccontextmanager
async def serving(site):
    async with uvicorn_in_trio.serving(site, lifespan="off") as (url, server):
        yield url, server.server_state.connections


async def test_requests_and_streams(open_client):
    async with serving(Site()) as (url, _), open_client(base_url=url) as client:
        response = await client.post("/", content="riri\nfifi\n")
        assert (response.status_code, response.text) == (200, "RIRI\nFIFI\n")
        async with client.stream("POST", "/", content="riri\nfifi\n") as response:
            assert [line async for line in response.aiter_lines()] == ["RIRI", "FIFI"]


async def test_both_sides_in_one_program():
    async with serving(Site()) as (url, connections):
        async with CLIENTS["bridge"]() as asyncios, CLIENTS["trio"]() as trios:
            answers = []

            async def ask(client, text):
                answers.append((await client.post(url, content=text)).text)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, asyncios, "riri")
                nursery.start_soon(ask, trios, "fifi")
            assert len(connections) == 2
    assert sorted(answers) == ["FIFI", "RIRI"]


async def test_tasks_share_a_client(open_client):
    answers = set()

    async def ask(client, number):
        answers.add((await client.post("/", content=f"n{number}")).text)

    limits = httpx.Limits(max_connections=3)
    async with serving(Site()) as (url, connections):
        async with open_client(base_url=url, limits=limits) as client:
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(ask, client, number)
            assert 0 < len(connections) <= 3
    assert answers == {f"N{number}" for number in range(20)}


async def test_a_deadline_cancels_a_request_and_the_client_goes_on(open_client):
    site = Site()
    async with serving(site) as (url, connections):
        async with open_client(base_url=url, limits=httpx.Limits(max_connections=1)) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.get, "/wait")
                await trio2aio(site.waits.wait)()
                nursery.cancel_scope.deadline = trio.current_time() + 0.01
            assert nursery.cancel_scope.cancelled_caught
            with trio.fail_after(HANG):
                while site.active:
                    await trio.sleep(0.01)
            assert (await client.post("/", content="riri")).text == "RIRI"
            assert len(connections) == 1


async def test_a_stream_is_left_in_its_middle():
    # On Trio itself httpx leaves its inner generators to the collector, and Trio warns of each.
    async with serving(Site()) as (url, _), CLIENTS["bridge"](base_url=url) as client:
        async with client.stream("POST", "/", content="riri\n" * 10_000) as response:
            async with aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    assert chunk.startswith(b"RIRI")
                    break
        assert (await client.post("/", content="riri")).text == "RIRI"


async def test_errors_are_httpxs_own(open_client):
    async with serving(Site()) as (url, _), open_client(base_url=url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/wait", timeout=httpx.Timeout(HANG, read=0.01))
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("gopher://127.0.0.1")
        assert (await client.post("/", content="riri")).text == "RIRI"
    async with open_client() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_nothing_is_left_when_the_client_is_closed(open_client):
    async with serving(Site()) as (url, connections):
        async with open_client() as client:
            assert (await client.post(url, content="riri")).text == "RIRI"
            assert len(connections) == 1
        with trio.fail_after(HANG):
            while connections:
                await trio.sleep(0.01)
