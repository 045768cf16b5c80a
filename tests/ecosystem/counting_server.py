"""An HTTP server, on Trio, that does as it is told and knows who is connected."""

from __future__ import annotations

import contextlib
import functools
import time

import trio
from conftest import HANG

GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class Server:
    """Sends ``pages[path]`` after ``delays[path]`` seconds; after ``hangs_up`` it closes."""

    def __init__(self, pages, delays=None, hangs_up=()):
        self.pages, self.delays, self.hangs_up = pages, delays or {}, hangs_up
        self.requests, self.opened, self.open = [], 0, 0
        self.opened_at = None

    async def _serve(self, stream):
        self.opened_at = self.opened_at or time.monotonic()
        self.opened += 1
        self.open += 1
        try:
            async with stream, trio.open_nursery() as nursery:
                await self._receive(stream, nursery)
                nursery.cancel_scope.cancel()  # whoever asked has gone
        finally:
            self.open -= 1

    async def _receive(self, stream, nursery):
        received = b""
        with contextlib.suppress(*GONE):
            async for data in stream:
                received += data
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    nursery.start_soon(self._answer, stream, head.split()[1].decode())

    async def _answer(self, stream, path):
        self.requests.append(path)
        await trio.sleep(self.delays.get(path, 0))
        answer = self.pages.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(*GONE):
            await stream.send_all(answer)
        if path in self.hangs_up:
            await stream.aclose()

    async def until_all_have_gone(self):
        with trio.fail_after(HANG):
            while self.open:
                await trio.sleep(0.01)


def answer(body, *headers, status="200 OK", content_type="text/html"):
    """An HTTP answer, as it is sent."""
    body = body.encode() if isinstance(body, str) else body
    head = (f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers)
    if not any(header.startswith("Content-Length") for header in headers):
        head += (f"Content-Length: {len(body)}",)
    return "\r\n".join([*head, "", ""]).encode() + body


def links(*urls):
    return "<p>" + " ".join(f'<a href="{url}">{number}</a>' for number, url in enumerate(urls))


@contextlib.asynccontextmanager
async def serving(*args, **options):
    """A running server, and its address."""
    server = Server(*args, **options)
    async with trio.open_nursery() as nursery:
        serve = functools.partial(trio.serve_tcp, server._serve, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        yield server, f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
