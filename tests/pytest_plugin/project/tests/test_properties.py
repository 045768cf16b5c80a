"""Hypothesis: each example has a loop of its own."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers, lists
from weather.client import Client
from weather.report import report
from weather.station import Station

from trio_bridge import trio2aio

few = settings(max_examples=5, deadline=None, database=None)


@pytest.mark.bridge_asyncio
@few
@given(temperature=integers(-100, 100))
async def test_any_temperature(temperature):
    async with Station(temperature) as station, Client(station.port) as client:
        assert await asyncio.wait_for(client.ask(), 30) == temperature


@pytest.mark.trio
@few
@given(temperatures=lists(integers(), max_size=3))
async def test_any_number(temperatures):
    assert await report([]) == {}
    for temperature in temperatures:
        async with trio2aio(Station)(temperature) as station:
            assert await report([station.port]) == {station.port: temperature}
