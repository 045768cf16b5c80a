"""What type checkers must know of views, and (the ignored lines) must reject. Checked, never run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, assert_type

import asyncpg
import trio

from trio_bridge import aio2trio, channels, streams, trio2aio, unview

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator


@trio2aio
async def countdown(start: int) -> AsyncIterator[int]:
    while start:
        yield start
        start -= 1


@trio2aio
@asynccontextmanager
async def opened(name: str) -> AsyncIterator[bytes]:
    yield name.encode()


async def generators_and_managers_keep_their_types() -> None:
    async for number in countdown(3):
        assert_type(number, int)
    async with opened("name") as data:
        assert_type(data, bytes)
    async with trio2aio(asyncio.timeout)(1) as timeout:
        assert_type(timeout, asyncio.Timeout)
    countdown("3")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    opened(3)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def a_generator_object(numbers: AsyncGenerator[int, str]) -> None:
    view = trio2aio(numbers)
    assert_type(await view.asend("next"), int)
    await view.asend(1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def a_view_of_a_pool_is_a_pool(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    view = trio2aio(pool)
    assert_type(view, asyncpg.Pool[asyncpg.Record])
    assert_type(await view.execute("SELECT 1"), str)
    assert_type(unview(pool), asyncpg.Pool[asyncpg.Record])
    await view.execute(1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await view.executes("SELECT 1")  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


async def a_view_of_a_class_is_the_class() -> None:
    queue = trio2aio(asyncio.Queue[int])(3)
    assert_type(queue, asyncio.Queue[int])
    assert_type(await queue.get(), int)
    await queue.put("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def asyncio_code_enters_trios_managers() -> None:
    async with aio2trio(trio.open_nursery()) as nursery:
        assert_type(nursery, trio.Nursery)
    async with aio2trio(trio.move_on_after(1)) as scope:
        assert_type(scope, trio.CancelScope)
    async with aio2trio(trio.fail_after(1)) as scope:
        assert_type(scope, trio.CancelScope)


@contextmanager
def locked(name: str) -> Iterator[int]:
    yield len(name)


async def functions_that_make_plain_managers() -> None:
    async with aio2trio(trio.move_on_after)(1) as scope:
        assert_type(scope, trio.CancelScope)
    async with aio2trio(trio.fail_after)(1) as scope:
        assert_type(scope, trio.CancelScope)
    async with trio2aio(locked)("name") as number:
        assert_type(number, int)
    with trio2aio(locked)("name") as number:
        assert_type(number, int)
    trio2aio(locked)(1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def streams_and_channels(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, queue: asyncio.Queue[int]
) -> None:
    stream = streams.to_trio(reader, writer)
    assert_type(await stream.receive_some(), bytes | bytearray)
    streams.to_trio(writer, reader)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    send, receive = channels.to_trio(queue)
    assert_type(await receive.receive(), int)
    await send.send("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
