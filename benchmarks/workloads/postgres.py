"""asyncpg: ``select 1``, from four connections at a time."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timing import Body

DSN: Final = "BENCHMARK_POSTGRES"
"""The environment variable that says where the server is, which the benchmark starts."""


@asynccontextmanager
async def selects(scale: int) -> AsyncIterator[Body]:
    import asyncpg

    connections = [await asyncpg.connect(os.environ[DSN]) for _ in range(4)]

    async def client(connection: asyncpg.Connection) -> None:
        for _ in range(10 * scale):
            await connection.fetchval("select 1")

    async def body() -> None:
        await asyncio.gather(*(client(connection) for connection in connections))

    yield body
    for connection in connections:
        await connection.close()
