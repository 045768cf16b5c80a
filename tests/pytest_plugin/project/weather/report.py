"""The program, Trio-side: asks all stations at once, and waits for none too long."""

from __future__ import annotations

import trio

from trio_bridge import trio2aio

from .client import Client


async def report(ports, seconds=5):
    temperatures = {}

    async def ask(port):
        async with trio2aio(Client)(port) as client:
            temperatures[port] = await client.ask()

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for port in ports:
                nursery.start_soon(ask, port)
    return temperatures
