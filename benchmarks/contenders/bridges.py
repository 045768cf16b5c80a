"""This project's engines, and trio-asyncio."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

import workloads
from workloads import crossings, plain

import trio_bridge
from trio_bridge import aio2trio, trio2aio

from ._contender import Bridging, Contender, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timing import AsyncFn

    from ._contender import Cells


class Ours(Bridging):
    """One of the bridge's engines, turned by Trio."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        try:
            self.run_trio(crossings.at_once)
        except (ValueError, ImportError, NotImplementedError, RuntimeError) as exc:
            raise Unavailable(f"engine {engine!r}: {exc}") from exc

    def run_trio(self, async_fn: AsyncFn, *args: Any) -> Any:
        return trio_bridge.run(async_fn, *args, engine=self._engine)

    def run_asyncio(self, async_fn: AsyncFn, *args: Any) -> Any:
        return self.run_trio(trio2aio(async_fn), *args)

    def to_asyncio(self, async_fn: AsyncFn) -> AsyncFn:
        return trio2aio(async_fn)

    def to_trio(self, async_fn: AsyncFn) -> AsyncFn:
        return aio2trio(async_fn)

    def iterate(self, steps: AsyncIterator[int]) -> AsyncIterator[int]:
        return trio2aio(steps)

    def cells(self) -> Cells:
        view_calls = plain(crossings.attribute_calls(trio2aio))
        return {**super().cells(), workloads.VIEW_CALL: self._cell(self.run_trio, view_calls)}


class AsyncioFirst(Contender):
    """An asyncio program on ``new_event_loop()``, with Trio as its guest."""

    def run_asyncio(self, async_fn: AsyncFn, *args: Any) -> Any:
        async def main() -> Any:
            await aio2trio(crossings.at_once)()  # Trio starts with the first call
            return await async_fn(*args)

        with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
            return runner.run(main())

    def cells(self) -> Cells:
        to_trio = crossings.calls(aio2trio, crossings.at_once)
        return {
            **super().cells(),
            workloads.TO_TRIO: self._cell(self.run_asyncio, plain(to_trio)),
        }


class TrioAsyncio(Bridging):
    """trio-asyncio, which has no release that imports on Python 3.14."""

    def __init__(self) -> None:
        try:
            self._module: Any = importlib.import_module("trio_asyncio")
        except Exception as exc:  # on 3.14: AttributeError
            raise Unavailable(f"trio-asyncio: {exc}") from exc

    def run_trio(self, async_fn: AsyncFn, *args: Any) -> Any:
        return self._module.run(async_fn, *args)

    def run_asyncio(self, async_fn: AsyncFn, *args: Any) -> Any:
        return self.run_trio(self.to_asyncio(async_fn), *args)

    def to_asyncio(self, async_fn: AsyncFn) -> AsyncFn:
        adapted: AsyncFn = self._module.aio_as_trio(async_fn)
        return adapted

    def to_trio(self, async_fn: AsyncFn) -> AsyncFn:
        adapted: AsyncFn = self._module.trio_as_aio(async_fn)
        return adapted

    def iterate(self, steps: AsyncIterator[int]) -> AsyncIterator[int]:
        adapted: AsyncIterator[int] = self._module.aio_as_trio(steps)
        return adapted
