"""What type checkers must accept, and (the ignored lines) must reject. Checked, never run."""

from __future__ import annotations

import asyncio
from typing import assert_type

import trio_bridge
from trio_bridge import aio2trio, trio2aio


async def fetch(url: str, *, retries: int = 3) -> bytes:
    return url.encode() * retries


class Client:
    async def get(self, key: int) -> str:
        return str(key)

    @trio2aio
    async def decorated(self, key: int) -> str:
        return str(key)

    @staticmethod
    @trio2aio
    async def static(key: int) -> str:
        return str(key)

    @classmethod
    @trio2aio
    async def of_class(cls, key: int) -> str:
        return str(key)


async def functions_keep_their_types() -> None:
    assert_type(await trio2aio(fetch)("u", retries=1), bytes)
    assert_type(await aio2trio(fetch)("u", retries=1), bytes)
    client = Client()
    assert_type(await trio2aio(client.get)(1), str)
    assert_type(await client.decorated(1), str)
    assert_type(await Client.static(1), str)
    assert_type(await Client.of_class(1), str)


async def awaitables_keep_their_types(task: asyncio.Task[int]) -> None:
    assert_type(trio2aio(task), asyncio.Task[int])
    assert_type(await trio2aio(task), int)
    assert_type(await trio2aio(fetch("u")), bytes)


async def wrong_arguments_are_rejected() -> None:
    await trio2aio(fetch)(1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await aio2trio(fetch)("u", tries=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await Client().decorated("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def main(name: str) -> int:
    async with trio_bridge.open_loop(on_error="log", cancel_warn_after=None) as loop:
        assert_type(loop, asyncio.AbstractEventLoop)
    assert_type(trio_bridge.current_loop(), asyncio.AbstractEventLoop)
    return len(name)


def running() -> None:
    assert_type(trio_bridge.run(main, "name"), int)
    trio_bridge.run(main, 1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    trio_bridge.run(main)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    trio_bridge.run(main, "n", on_error="x")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
