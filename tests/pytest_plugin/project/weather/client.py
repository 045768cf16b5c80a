"""Who asks, asyncio-side."""

from __future__ import annotations

import asyncio


class Client:
    def __init__(self, port):
        self._port = port

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc_info):
        self._writer.close()

    async def ask(self, question="temperature"):
        self._writer.write(f"{question}\n".encode())
        return int(await self._reader.readline())


async def patiently(ask, *, tries=5, wait=60):
    """Ask until there is an answer, each time after twice the wait."""
    for attempt in range(tries):
        try:
            return await ask()
        except ConnectionError:
            await asyncio.sleep(wait * 2**attempt)
    raise TimeoutError(f"no answer to {tries} questions")
