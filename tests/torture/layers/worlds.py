"""Runs a program in Trio alone, in asyncio alone, and on the bridge, each on a virtual clock."""

from __future__ import annotations

import asyncio
import selectors
from contextvars import Context
from typing import TYPE_CHECKING

import trio
import trio.testing

import trio_bridge
from trio_bridge import trio2aio

from .running import Runner

if TYPE_CHECKING:
    from .program import Node
    from .running import Side

Log = list[tuple[float, str, str]]
LONGEST = 10_000
"""Seconds of virtual time. No program waits for so long."""


def in_trio(program: Node) -> Log:
    async def main() -> Log:
        return sorted((await _in_trio_run(program, "trio", crosses=False)).log)

    return Context().run(trio.run, main, clock=trio.testing.MockClock(autojump_threshold=0))


def in_asyncio(program: Node) -> Log:
    selector = _VirtualTime()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    runner = Runner(loop.time, crosses=False)

    def run() -> None:
        loop.run_until_complete(runner.program(program, "asyncio"))
        loop.run_until_complete(loop.shutdown_asyncgens())

    try:
        Context().run(run)
    finally:
        loop.close()
    return sorted(runner.log)


def on_the_bridge(program: Node, first: Side, engine: str) -> Log | None:
    """Begun on the side ``first``. None: it need not end as in one library."""

    async def main() -> Runner:
        return await _in_trio_run(program, first, crosses=True)

    clock = trio.testing.MockClock(autojump_threshold=0)
    runner = Context().run(
        lambda: trio_bridge.run(main, clock=clock, engine=engine, cancel_warn_after=None)
    )
    return None if runner.has_used_a_cancellation_up else sorted(runner.log)


async def _in_trio_run(program: Node, first: Side, *, crosses: bool) -> Runner:
    begin = trio.current_time()
    runner = Runner(lambda: trio.current_time() - begin, crosses=crosses)
    with trio.move_on_after(LONGEST) as scope:
        run = runner.program if first == "trio" else trio2aio(runner.program)
        await run(program, first)
    if scope.cancel_called:
        runner.note("hangs")
    return runner


class _VirtualTime(selectors.SelectSelector):
    """Waits in no time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("it hangs")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready
