"""What people write by hand: a thread that runs asyncio beside Trio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

import trio

from ._contender import Bridging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from timing import AsyncFn


class AsyncioThread(Bridging):
    """Each call goes to the other thread and comes back from there."""

    def run_trio(self, async_fn: AsyncFn, *args: Any) -> Any:
        async def main() -> Any:
            self._token = trio.lowlevel.current_trio_token()
            async with trio.open_nursery() as self._nursery:
                return await async_fn(*args)

        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            return trio.run(main)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def run_asyncio(self, async_fn: AsyncFn, *args: Any) -> Any:
        return self.run_trio(self.to_asyncio(async_fn), *args)

    def to_asyncio(self, async_fn: AsyncFn) -> AsyncFn:
        async def in_asyncio(*args: Any) -> Any:
            ended = trio.Event()

            async def task() -> Any:
                return await async_fn(*args)

            future = asyncio.run_coroutine_threadsafe(task(), self._loop)
            future.add_done_callback(lambda _: self._token.run_sync_soon(ended.set))
            await ended.wait()
            return future.result()

        return in_asyncio

    def to_trio(self, async_fn: AsyncFn) -> AsyncFn:
        async def task(future: concurrent.futures.Future[Any], args: tuple[Any, ...]) -> None:
            try:
                future.set_result(await async_fn(*args))
            except BaseException as exc:
                future.set_exception(exc)

        async def in_trio(*args: Any) -> Any:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            self._token.run_sync_soon(self._nursery.start_soon, task, future, args)
            return await asyncio.wrap_future(future)

        return in_trio

    async def _steps(self, steps: AsyncIterator[int]) -> AsyncIterator[int]:
        step = self.to_asyncio(steps.__anext__)
        while True:
            try:
                value = await step()
            except StopAsyncIteration:
                return
            yield value

    def iterate(self, steps: AsyncIterator[int]) -> AsyncIterator[int]:
        return self._steps(steps)
