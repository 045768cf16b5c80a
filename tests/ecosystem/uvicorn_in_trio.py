"""A uvicorn that lives in a Trio scope, as ``docs/recipes/fastapi.md`` shows it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import trio
import uvicorn

from trio_bridge import open_asyncio_nursery, trio2aio

HANG = 30
"""Seconds after which what is waited for has hung."""


@trio2aio
async def serve(server, sockets):
    """Until the scope around it is cancelled: then what has begun is still answered."""
    try:
        await server.serve(sockets)
    except asyncio.CancelledError:
        if server.started:
            await server.shutdown(sockets)
        raise


@asynccontextmanager
async def serving(app, **options):
    """The address of the application, and its server; afterwards no task of it is left."""
    server = uvicorn.Server(uvicorn.Config(app, **{"log_config": None, **options}))
    async with listening() as (listener, url):
        with trio.fail_after(HANG):
            async with open_asyncio_nursery(), trio.open_nursery() as nursery:
                nursery.start_soon(serve, server, [listener])
                yield url, server
                nursery.cancel_scope.cancel()
    assert not server.server_state.connections
    assert not server.server_state.tasks


@asynccontextmanager
async def listening():
    """A socket that takes connections before its server has started, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"
