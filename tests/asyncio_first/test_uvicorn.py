"""uvicorn with our loop: handlers call Trio, and signals end it as they do on stock asyncio."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import HANG

import trio_bridge

pytest.importorskip("uvicorn")

PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)
OURS = "trio_bridge:new_event_loop"
STOCK = "asyncio"

# The same app runs on both loops: on a stock one, Trio becomes its guest.
APP = """
import asyncio, trio
from trio_bridge import aio2trio

async def double(x, results):
    await trio.sleep(0.001)
    results.append(2 * x)

async def both():
    results = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(double, 1, results)
        nursery.start_soon(double, 2, results)
    return sorted(results)

async def fail():
    raise KeyError("no")

async def wait_for_word(port):
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            return (await stream.receive_some()).decode()
        finally:
            print("the Trio code has ended")

async def answer(path):
    if path == "/loop":
        return type(asyncio.get_running_loop()).__module__
    if path == "/both":
        return str(await aio2trio(both)())
    if path == "/nursery":
        results = []
        async with aio2trio(trio.open_nursery)() as nursery:
            nursery.start_soon(double, 1, results)
            nursery.start_soon(double, 2, results)
            await asyncio.sleep(0)
        return str(sorted(results))
    if path == "/fail":
        await aio2trio(fail)()
    if path.startswith("/word/"):
        return await aio2trio(wait_for_word)(int(path.rpartition("/")[2]))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            print(kind, await aio2trio(both)())
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    body = (await answer(scope["path"])).encode()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body})
"""


class Server:
    """A uvicorn process. What it logs is read as it comes."""

    def __init__(self, loop, cwd):
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "--loop",
                loop,
                "--port",
                "0",
                "--no-access-log",
                "app:app",
            ],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONUNBUFFERED": "1"},
            # A shell's background job ignores SIGINT, and its children inherit that.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler),
        )
        self.log = ""
        self._alarm = threading.Timer(HANG, self.process.kill)
        self._alarm.start()
        self.port = int(self.wait_for(r"running on http://127\.0\.0\.1:(\d+)")[1])

    def wait_for(self, pattern):
        for line in self.process.stderr:
            self.log += line
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"{pattern} was never logged:\n{self.log}")

    def get(self, path):
        with self.request(path) as connection:
            response = connection.getresponse()
            return response.status, response.read().decode()

    @contextlib.contextmanager
    def request(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Connection": "close"})
            yield connection

    def end(self):
        """Its exit status, what it wrote and what it logged, without what differs by chance."""
        out, rest = self.process.communicate(timeout=HANG)
        log = re.sub(r"127\.0\.0\.1:\d+", "address", self.log + rest)
        log = re.sub(r"/word/\d+", "/word", log)
        return self.process.returncode, out, re.sub(r"process \[\d+\]", "process", log)

    def kill(self):
        self._alarm.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def serve(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    with contextlib.ExitStack() as stack:

        def serve(loop):
            server = Server(loop, tmp_path)
            stack.callback(server.kill)
            return server

        yield serve


@contextlib.contextmanager
def in_flight(server):
    """A request whose Trio code waits for a word; yields its connection and who says the word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HANG)
        with server.request(f"/word/{listener.getsockname()[1]}") as connection:
            speaker, _ = listener.accept()
            with speaker:
                yield connection, speaker


def test_handlers_run_on_our_loop_and_call_trio(serve):
    server = serve(OURS)
    assert server.get("/loop") == (200, "trio_bridge._asyncio_first")
    for _ in range(3):
        assert server.get("/both") == (200, "[2, 4]")
        assert server.get("/nursery") == (200, "[2, 4]")


def test_requests_that_call_trio_run_side_by_side(serve):
    server = serve(OURS)
    with in_flight(server) as (first, speaker), in_flight(server) as (second, other_speaker):
        assert server.get("/both") == (200, "[2, 4]")
        other_speaker.sendall(b"two")
        assert second.getresponse().read() == b"two"
        speaker.sendall(b"one")
        assert first.getresponse().read() == b"one"


def test_an_error_in_trio_code_is_answered_and_logged_as_an_error_of_the_handler(serve):
    server = serve(OURS)
    assert server.get("/fail") == (500, "Internal Server Error")
    server.wait_for("KeyError: 'no'")
    assert server.get("/both") == (200, "[2, 4]")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_shuts_an_idle_server_down_as_on_stock_asyncio(serve, signum):
    results = []
    for loop in (STOCK, OURS):
        server = serve(loop)
        assert server.get("/both")[0] == 200
        server.process.send_signal(signum)
        results.append(server.end())
    assert results[1] == results[0]
    assert results[0][1] == "lifespan.startup [2, 4]\nlifespan.shutdown [2, 4]\n"
    assert "Traceback" not in results[0][2]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_trio_code_is_finished_before_the_server_ends(serve, signum):
    results = []
    for loop in (STOCK, OURS):
        server = serve(loop)
        with in_flight(server) as (connection, speaker):
            server.process.send_signal(signum)
            server.wait_for("Waiting for connections to close")
            assert server.process.poll() is None
            speaker.sendall(b"word")
            assert connection.getresponse().read() == b"word"
        results.append(server.end())
    assert results[1] == results[0]
    status, out, log = results[0]
    assert status == {signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 0}[signum]
    assert out.splitlines()[1:] == ["the Trio code has ended", "lifespan.shutdown [2, 4]"]
    assert log.endswith("Finished server process\n")


def test_a_second_ctrl_c_ends_a_request_in_trio_code_as_on_stock_asyncio(serve):
    results = []
    for loop in (STOCK, OURS):
        server = serve(loop)
        with in_flight(server) as (connection, _):
            server.process.send_signal(signal.SIGINT)
            server.wait_for("Waiting for connections to close")
            server.process.send_signal(signal.SIGINT)
            connection.close()  # asyncio's Server.wait_closed waits for it, since Python 3.12
            status, out, _ = server.end()
        results.append((status, out))
    assert results[1] == results[0]
    assert results[0] == (0, "lifespan.startup [2, 4]\nthe Trio code has ended\n")
