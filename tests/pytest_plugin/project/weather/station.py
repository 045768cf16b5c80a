"""A station, asyncio-side: answers each line ``temperature`` with a number."""

from __future__ import annotations

import asyncio


class Station:
    def __init__(self, temperature, seconds=0):
        self.temperature = temperature
        self.seconds = seconds
        self.asked = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info):
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            while line := await reader.readline():
                self.asked += 1
                if line != b"temperature\n":
                    raise ValueError(f"what is {line!r}?")
                await asyncio.sleep(self.seconds)
                writer.write(b"%d\n" % self.temperature)
                await writer.drain()
        finally:
            writer.close()
