"""The Trio program, tested by Trio code: the ini file opens a loop for each test."""

from __future__ import annotations

import asyncio

import pytest
import trio
from weather.client import Client
from weather.report import report
from weather.station import Station

from trio_bridge import current_loop, trio2aio

pytestmark = pytest.mark.trio


@pytest.fixture
async def client(station):
    async with trio2aio(Client)(station.port) as client:
        yield client


async def test_a_view_from_a_fixture(client):
    assert await client.ask() == 21


async def test_one(station):
    assert await report([station.port]) == {station.port: 21}


async def test_many(new_station):
    stations = [await trio2aio(new_station)(degrees) for degrees in range(5)]
    assert await report([station.port for station in stations]) == {
        station.port: station.temperature for station in stations
    }


async def test_a_slow_one_is_left_out(station, new_station, mock_clock):
    mock_clock.autojump_threshold = 0.05  # after what is on its way through the sockets
    slow = await trio2aio(new_station)(40, 3600)
    assert await report([station.port, slow.port]) == {station.port: 21}


async def test_the_loop_is_there(bridge_loop, log, bridge_engine):
    assert current_loop() is bridge_loop
    assert bridge_engine in ("selector", "uvloop")
    log("the log is Trio code")
    await trio2aio(asyncio.sleep)(0)


@pytest.mark.bridge_loop(engine="portable", cancel_warn_after=None)
async def test_options(bridge_engine):
    assert bridge_engine == "portable"
    with trio.move_on_after(60):
        async with trio2aio(Station)(1) as station:
            assert await report([station.port]) == {station.port: 1}
