"""aiohttp: a server and a client, with four requests at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timing import Body


@asynccontextmanager
async def requests(scale: int) -> AsyncIterator[Body]:
    from aiohttp import ClientSession, web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="Riri, Fifi and Loulou")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]

    async with ClientSession(f"http://{host}:{port}") as session:

        async def client() -> None:
            for _ in range(4 * scale):
                async with session.get("/") as response:
                    await response.text()

        async def body() -> None:
            await asyncio.gather(*(client() for _ in range(4)))

        yield body
    await runner.cleanup()
