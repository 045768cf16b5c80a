"""Loops of asyncio's own kind: what the others are measured against."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import workloads

from ._contender import Contender, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from timing import AsyncFn

    from ._contender import Cells


class Loop(Contender):
    """An event loop, by its factory."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._factory = factory

    def run_asyncio(self, async_fn: AsyncFn, *args: Any) -> Any:
        async def main() -> Any:
            return await async_fn(*args)

        with asyncio.Runner(loop_factory=self._factory) as runner:
            return runner.run(main())

    def cells(self) -> Cells:
        return {**super().cells(), **self._on_asyncio(workloads.YARDSTICKS)}


class Stock(Loop):
    """The standard library's."""

    def __init__(self) -> None:
        super().__init__(asyncio.SelectorEventLoop)


class Uvloop(Loop):
    """uvloop's."""

    def __init__(self) -> None:
        try:
            import uvloop
        except ImportError as exc:
            raise Unavailable(f"uvloop: {exc}") from exc
        super().__init__(uvloop.new_event_loop)
