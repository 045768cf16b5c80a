"""One end of a connection: the other is another process, so that its messages wake us."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import echo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from timing import AsyncFn, Body, Workload

_CLIENT: Final = Path(__file__).parents[1] / "client.py"
_SERVER: Final = Path(__file__).parents[1] / "server.py"


class _Clients:
    """All that will connect."""

    def __init__(self, count: int) -> None:
        self.lost: list[asyncio.Future[None]] = []
        self.are_here = asyncio.Event()
        self._count = count

    def connected(self) -> asyncio.Future[None]:
        """One more is here; what to resolve when it has gone."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost.append(lost)
        if len(self.lost) == self._count:
            self.are_here.set()
        return lost


class _Server(echo.Echo):
    def __init__(self, clients: _Clients) -> None:
        self._lost = clients.connected()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(None)


def wakes(connections: int, messages: int) -> Workload:
    """So many connections at once, each with so many messages times the scale."""

    @asynccontextmanager
    async def prepared(scale: int) -> AsyncIterator[Body]:
        clients = _Clients(connections)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Server(clients), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        command = [sys.executable, str(_CLIENT), str(port), str(connections), str(messages * scale)]
        # Not asyncio's own: its watchers differ from loop to loop.
        with subprocess.Popen(command, stdin=subprocess.PIPE) as client:  # noqa: ASYNC220
            try:
                await clients.are_here.wait()

                async def body() -> None:
                    assert client.stdin is not None
                    client.stdin.close()
                    await asyncio.wait(clients.lost)

                yield body
            except BaseException:
                client.kill()  # it would wait for answers that don't come, and the block for it
                raise
        assert client.returncode == 0, "the client has not got all its messages back"
        server.close()
        await server.wait_closed()

    return prepared


class _Asker:
    """A client, in asyncio code."""

    async def connect(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(self) -> None:
        self._writer.write(echo.MESSAGE)
        await self._reader.readexactly(len(echo.MESSAGE))

    async def hang_up(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def asks(adapter: Callable[[AsyncFn], AsyncFn]) -> Workload:
    """Questions to another process, by code of either side: a call of asyncio code for each."""

    @asynccontextmanager
    async def prepared(scale: int) -> AsyncIterator[Body]:
        asker = _Asker()
        command = [sys.executable, str(_SERVER)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:  # noqa: ASYNC220
            try:
                assert server.stdout is not None
                await adapter(asker.connect)(int(server.stdout.readline()))
                ask = adapter(asker.ask)

                async def body() -> None:
                    for _ in range(20 * scale):
                        await ask()

                yield body
                await adapter(asker.hang_up)()
            except BaseException:
                server.kill()  # it would wait for questions that don't come, and the block for it
                raise

    return prepared
