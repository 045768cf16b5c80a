"""The server alone: the client is another process, and each message, or few of them, wakes us."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import echo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timing import Body, Workload

_CLIENT: Final = Path(__file__).parents[1] / "client.py"


class _Server(echo.Echo):
    def __init__(self, left: list[asyncio.Future[None]]) -> None:
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left.append(self._lost)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(None)


def wakes(connections: int, messages: int) -> Workload:
    """So many connections at once, each with so many messages times the scale."""

    @asynccontextmanager
    async def prepared(scale: int) -> AsyncIterator[Body]:
        left: list[asyncio.Future[None]] = []
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Server(left), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        command = [sys.executable, str(_CLIENT), str(port), str(connections), str(messages * scale)]
        # Not asyncio's own: its watchers differ from loop to loop.
        with subprocess.Popen(command, stdin=subprocess.PIPE) as client:  # noqa: ASYNC220
            while len(left) < connections:
                await asyncio.sleep(0.01)

            async def body() -> None:
                assert client.stdin is not None
                client.stdin.close()
                await asyncio.wait(left)

            yield body
        assert client.returncode == 0
        server.close()
        await server.wait_closed()

    return prepared
