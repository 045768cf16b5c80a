"""FastAPI on uvicorn, in a Trio program: its endpoints, and its lifespan, are Trio code."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import trio
from conftest import HANG, PYTHONPATH

from trio_bridge import aio2trio, trio2aio

LIBRARIES = ("uvicorn", "fastapi")

uvicorn = pytest.importorskip("uvicorn")
fastapi = pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")
websockets = pytest.importorskip("websockets")
from ecosystem import uvicorn_in_trio  # noqa: E402 -- it needs uvicorn

HTTPException, Request, WebSocket = fastapi.HTTPException, fastapi.Request, fastapi.WebSocket
StreamingResponse = fastapi.responses.StreamingResponse


class Site:
    """An application, and what its Trio code has seen."""

    def __init__(self):
        self.log = []
        self.waits = trio.Event()
        self.answer = trio.Event()
        self.stream_ended = trio.Event()
        self.app = fastapi.FastAPI(lifespan=aio2trio(self.lifespan))
        for path in ("double", "wait", "late", "fail", "later", "stream"):
            self.app.get(f"/{path}")(getattr(self, path))
        self.app.post("/body")(self.body)
        self.app.get("/thread")(self.in_a_thread)
        self.app.websocket("/shout")(self.shout)

    @asynccontextmanager
    async def lifespan(self, app):
        async with trio.open_nursery() as self.nursery:
            self.log.append("startup")
            yield
            self.log.append("shutdown")
            self.nursery.cancel_scope.cancel()

    @aio2trio
    async def double(self, n: int):
        await trio.sleep(0)
        return {"double": 2 * n}

    @aio2trio
    async def body(self, request: Request):
        return await trio2aio(request).json()

    @aio2trio
    async def wait(self):
        self.waits.set()
        await self.answer.wait()
        return "answered"

    @aio2trio
    async def late(self):
        try:
            with trio.fail_after(0.01):
                await trio.sleep_forever()
        except trio.TooSlowError:
            raise HTTPException(504) from None

    @aio2trio
    async def fail(self):
        raise KeyError("no")

    async def later(self):  # asyncio code, which starts a Trio task in the lifespan's nursery
        self.nursery.start_soon(trio.sleep_forever)
        return len(self.nursery.child_tasks)

    def in_a_thread(self):
        return {"task": trio.lowlevel.in_trio_task()}

    async def stream(self):
        return StreamingResponse(self.numbers())

    @aio2trio
    async def numbers(self):
        try:
            for number in range(10**9):
                yield f"{number}\n"
                await trio.sleep(0.001)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0)
            self.stream_ended.set()

    @aio2trio
    async def shout(self, websocket: WebSocket):
        websocket = trio2aio(websocket)
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())


@asynccontextmanager
async def running(site):
    """A client of the site, which is served meanwhile, and the server."""
    async with uvicorn_in_trio.serving(site.app) as (url, server):
        async with trio2aio(httpx).AsyncClient(base_url=url, timeout=HANG) as client:
            yield client, server


async def test_endpoints_are_trio_code():
    site = Site()
    async with running(site) as (client, _):
        response = await client.get("/double", params={"n": 21})
        assert (response.status_code, response.json()) == (200, {"double": 42})
        response = await client.get("/double", params={"n": "riri"})
        assert (response.status_code, response.json()["detail"][0]["type"]) == (422, "int_parsing")
        assert (await client.post("/body", json=["riri"])).json() == ["riri"]
        assert (await client.get("/thread")).json() == {"task": False}
    assert site.log == ["startup", "shutdown"]


async def test_a_websocket_is_trio_code():
    async with running(Site()) as (client, _):
        url = f"ws://{client.base_url.netloc.decode()}/shout"
        async with trio2aio(websockets.connect)(url) as socket:
            await socket.send("riri")
            assert await socket.recv() == "RIRI"


async def test_tasks_share_a_server_and_endpoints_the_nursery_of_the_lifespan():
    doubles = []

    async def ask(client, number):
        doubles.append((await client.get("/double", params={"n": number})).json()["double"])

    async with running(Site()) as (client, _):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, client, number)
        assert [(await client.get("/later")).json() for _ in range(3)] == [1, 2, 3]
    assert sorted(doubles) == [2 * number for number in range(20)]


async def test_a_deadline_in_an_endpoint_is_an_answer():
    async with running(Site()) as (client, _):
        assert (await client.get("/late")).status_code == 504
        assert (await client.get("/double?n=1")).json() == {"double": 2}


async def test_a_deadline_of_a_client_cuts_the_stream_in_the_trio_code_too():
    site = Site()
    async with running(site) as (client, _):
        async with client.stream("GET", "/stream") as response:
            with trio.move_on_after(0.1) as deadline:
                lines = [line async for line in response.aiter_lines() if line == "2"]
                raise AssertionError(f"the stream has an end: {lines}")
        assert deadline.cancelled_caught
        with trio.fail_after(HANG):
            await site.stream_ended.wait()
        assert (await client.get("/double?n=1")).json() == {"double": 2}


async def test_a_scope_that_is_cancelled_stops_the_server_after_its_last_answer():
    site = Site()
    answers = []

    async def ask(url):
        async with httpx.AsyncClient(timeout=HANG) as client:
            answers.append((await client.get(f"{url}/wait")).json())

    server = uvicorn.Server(uvicorn.Config(site.app, log_config=None))
    async with uvicorn_in_trio.listening() as (listener, url), trio.open_nursery() as clients:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(uvicorn_in_trio.serve, server, [listener])
                clients.start_soon(ask, url)
                await site.waits.wait()
                scope.cancel()
                clients.start_soon(refused_and_answered, url, site)
    assert answers == ["answered"]
    assert site.log == ["startup", "shutdown"]


async def refused_and_answered(url, site):
    """Once the server takes no connections any more, let it give its last answer."""
    with trio.fail_after(HANG), pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient() as client:
            while True:
                await client.get(f"{url}/double?n=1")
                await trio.sleep(0.01)
    site.answer.set()


async def test_an_error_in_trio_code_is_answered_and_logged(caplog):
    async with running(Site()) as (client, _):
        assert (await client.get("/fail")).status_code == 500
        assert (await client.get("/double?n=1")).json() == {"double": 2}
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is KeyError


async def test_a_lifespan_that_fails_ends_the_call_with_uvicorns_exit(caplog):
    @aio2trio
    @asynccontextmanager
    async def lifespan(app):
        raise KeyError("no")
        yield

    server = uvicorn.Server(uvicorn.Config(fastapi.FastAPI(lifespan=lifespan), log_config=None))
    with pytest.raises(SystemExit):
        await trio2aio(server.serve)()
    assert "KeyError: 'no'" in caplog.text


async def test_nothing_is_left_of_a_server_that_ends_by_itself():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with running(Site()) as (client, server):
        assert (await client.get("/double?n=1")).json() == {"double": 2}
        server.should_exit = True
    assert {number: signal.getsignal(number) for number in before} == before
    assert trio2aio(asyncio.all_tasks)() == set()


IN_TRIO = """
import trio, trio_bridge, uvicorn
from contextlib import asynccontextmanager
from fastapi import FastAPI

@trio_bridge.aio2trio
@asynccontextmanager
async def lifespan(app):
    async with trio.open_nursery() as nursery:
        print("up", flush=True)
        yield
        print("down")
        nursery.cancel_scope.cancel()

async def main():
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio_bridge.trio2aio(server.serve))
            await trio.sleep_forever()
    finally:
        print("cancelled")

server = uvicorn.Server(uvicorn.Config(FastAPI(lifespan=lifespan), port=0, log_level="error"))
if __name__ == "__main__":
    try:
        trio_bridge.run(main)
    except KeyboardInterrupt:
        print("Ctrl-C")
"""


def test_ctrl_c_ends_uvicorn_first_and_then_the_trio_program(run_script):
    result = run_script(IN_TRIO, interrupt_at="up")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == ["up", "down", "cancelled", "Ctrl-C"]


APP = """
import asyncio, trio
from fastapi import FastAPI
from trio_bridge import aio2trio

app = FastAPI()

@app.get("/")
async def root():
    await aio2trio(trio.sleep)(0.001)
    return [kind.__module__.split(".")[0] for kind in type(asyncio.get_running_loop()).__mro__]
"""
OPTIONS = ("--port", "0", "--no-access-log")


@pytest.mark.parametrize(
    "command",
    [
        ("uvicorn", "--loop", "trio_bridge:new_event_loop"),
        ("trio_bridge", "-m", "uvicorn", "--loop", "none"),
    ],
    ids=["factory", "launcher"],
)
def test_the_command_line_runs_it_on_our_loop(command, engine, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", *command, *OPTIONS, "app:app"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    ) as process:
        try:
            running = next(line for line in process.stderr if "Uvicorn running" in line)
            url = re.search(r"http://\S+", running)[0]
            modules = httpx.get(url, timeout=HANG).json()
            assert (modules[0], "uvloop" in modules) == ("trio_bridge", engine == "uvloop")
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=HANG)
        finally:
            process.kill()
    assert log.splitlines()[-1].startswith("INFO:     Finished server process")
    assert "Traceback" not in log
