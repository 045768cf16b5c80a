"""Stations: asyncio code that tests of both sides use."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio
from pytest_trio import trio_fixture
from weather.station import Station

from trio_bridge.pytest_plugin import asyncio_fixture


@asyncio_fixture
async def station():
    async with Station(21) as station:
        yield station


@asyncio_fixture
async def new_station():
    async with AsyncExitStack() as stack:

        async def new(*args):
            return await stack.enter_async_context(Station(*args))

        yield new


@trio_fixture
async def log(nursery):
    send, receive = trio.open_memory_channel(100)

    async def show():
        async for line in receive:
            print(line)

    nursery.start_soon(show)
    yield send.send_nowait
    send.close()


@pytest.fixture(scope="session")
def place():
    return "Duckburg"
