"""The same random program by stock asyncio or Trio, and on the bridge from the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio

from ..bad_inputs.probe import HANG, check_goes_on, check_nothing_is_left

Program = Callable[[Callable[[Any], Any]], Awaitable[Any]]
"""Gets an adapter, which it uses for each object of the side that is under attack."""


def as_it_is(x: Any) -> Any:
    return x


def by_stock(side: str, program: Program) -> Any:
    """Run it where it belongs. Nothing is adapted."""
    if side == "asyncio":
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(program(as_it_is))
    return trio.run(program, as_it_is)


def on_the_bridge(engine: str, side: str, program: Program) -> Any:
    """Run it from the other side; and see that the loop goes on."""

    async def main() -> Any:
        tasks = asyncio.all_tasks(trio_bridge.current_loop())
        with trio.fail_after(HANG):
            if side == "asyncio":
                result = await program(trio2aio)
            else:
                result = await trio2aio(program)(aio2trio)
        await check_goes_on()
        await check_nothing_is_left(tasks)
        return result

    return trio_bridge.run(main, engine=engine)


def compare(engine: str, side: str, program: Program) -> None:
    """The bridge does what stock does."""
    expected, found = by_stock(side, program), on_the_bridge(engine, side, program)
    assert found == expected, f"\nstock:  {expected}\nbridge: {found}"
