"""asyncio code, tested by asyncio code: as it was for pytest-asyncio, with another marker."""

from __future__ import annotations

import asyncio

import pytest
from weather.client import Client, patiently
from weather.station import Station

pytestmark = pytest.mark.bridge_asyncio


@pytest.fixture
async def client(station):
    async with Client(station.port) as client:
        yield client


@pytest.fixture(autouse=True)
async def the_loop_runs():
    loop = asyncio.get_running_loop()
    yield
    assert loop.is_running()


async def test_asks(client, station, place):
    assert await client.ask() == 21, place
    assert station.asked == 1


async def test_clients_together(station):
    async def ask():
        async with Client(station.port) as client:
            return await client.ask()

    async with asyncio.timeout(30):
        assert await asyncio.gather(*[ask() for _ in range(5)]) == [21] * 5


@pytest.mark.parametrize("failures", [0, 3])
async def test_an_hour_passes_at_once(autojump_clock, failures):
    errors = [ConnectionResetError] * failures

    async def ask():
        if errors:
            raise errors.pop()
        return 5

    assert await patiently(ask, wait=600) == 5


class TestNobodyAnswers:
    @pytest.fixture
    async def ask(self):
        async def ask():
            raise ConnectionRefusedError

        return ask

    @pytest.mark.usefixtures("autojump_clock")
    async def test_gives_up(self, ask):
        with pytest.raises(TimeoutError, match="no answer to 3 questions"):
            await patiently(ask, tries=3, wait=3600)

    @pytest.mark.xfail(raises=ConnectionRefusedError, strict=True)
    async def test_fails_bare(self, ask):
        await ask()


@pytest.mark.xfail(raises=ExceptionGroup, strict=True)
async def test_a_handler_that_crashes_fails_the_test(client):
    await client.ask("humidity")
    await asyncio.Event().wait()


@pytest.mark.bridge_asyncio(on_error="log")
async def test_unless_it_is_to_be_logged(client, caplog):
    with pytest.raises(ValueError, match="invalid literal"):  # the server hangs up
        await client.ask("humidity")
    assert "what is b'humidity" in caplog.text


async def test_a_station_that_is_trio_code(log):
    log("plain functions of Trio's can be called")
    async with Station(3) as station, Client(station.port) as client:
        assert await client.ask() == 3
