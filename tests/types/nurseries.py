"""What type checkers must accept, and (the ignored lines) must reject. Checked, never run."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import trio

from trio_bridge import aio2trio, inspect, open_asyncio_nursery


async def work(number: int, name: str = "name") -> None: ...


async def returns_something() -> int:
    return 1


async def serve(port: int, *, task_status: Any) -> None: ...


async def trio_code(task: asyncio.Task[int]) -> None:
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(work, 1, "name")
        nursery.start_soon(returns_something, name="a name")
        nursery.start_soon(asyncio.sleep, 1)
        assert_type(await nursery.start(serve, 80), Any)
        assert_type(nursery.cancel_scope, trio.CancelScope)
        nursery.cancel_scope.cancel()
        nursery.start_soon(work, "1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        nursery.start_soon(work)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        nursery.start_soon(work(1))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        nursery.start_soon(task)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        nursery.spawn(work)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


async def asyncio_code() -> None:
    async with aio2trio(open_asyncio_nursery()) as nursery:
        nursery.start_soon(work, 1)


def tree() -> None:
    assert_type(inspect.tree(), inspect.Tree)
    inspect.print_tree(file=1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
