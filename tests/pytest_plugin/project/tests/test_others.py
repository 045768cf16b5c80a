"""What other plugins run stays theirs."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
import sniffio
from weather.client import Client
from weather.station import Station


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def for_the_module():
    async with Station(7) as station:
        yield station


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("asked", [1, 2])
async def test_pytest_asyncio(for_the_module, asked):
    async with Client(for_the_module.port) as client:
        assert await client.ask() == 7
    assert for_the_module.asked == asked
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio")


@pytest.mark.anyio
async def test_anyio(anyio_backend_name):
    assert sniffio.current_async_library() == anyio_backend_name


def test_a_plain_function(place):
    assert place == "Duckburg"
