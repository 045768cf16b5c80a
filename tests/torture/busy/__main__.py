"""A busy program: ``python busy STARTER ENDING SECONDS``, ended by the ending after so long.

It does all that programs on the bridge do, on both sides at once. On standard output it tells
when it is busy, what it holds and when its end begins (:mod:`ledger`). Its exit status says how it
ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from typing import TYPE_CHECKING, Final

import asyncio_parts
import crossings
import endings
import trio
import trio_parts
from ledger import Readiness

import trio_bridge
from trio_bridge import aio2trio, trio2aio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

ASYNCIO_PARTS: Final = (*asyncio_parts.PARTS, *crossings.ASYNCIO_PARTS)
TRIO_PARTS: Final = (*trio_parts.PARTS, *crossings.TRIO_PARTS)

INTERRUPTED: Final = 130
FAILED: Final = 3


class Busy:
    """Both sides of the program."""

    def __init__(self, ending: str, seconds: float) -> None:
        self._ending: Final = ending
        self._seconds: Final = seconds
        self._through: Final = Readiness(len(ASYNCIO_PARTS) + len(TRIO_PARTS)).has_been_through
        self.cancel: Callable[[], object] = sys.exit

    async def trio_side(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            for part in TRIO_PARTS:
                nursery.start_soon(part, self._through)
            if end := endings.TRIO.get(self._ending):
                await trio.sleep(self._seconds)
                await end(self.cancel)

    async def asyncio_side(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for part in ASYNCIO_PARTS:
                group.create_task(part(self._through))
            if end := endings.ASYNCIO.get(self._ending):
                await asyncio.sleep(self._seconds)
                await end(self.cancel)

    # ---- where Trio starts

    async def trio_first(self) -> None:
        async with trio.open_nursery() as nursery:
            self.cancel = nursery.cancel_scope.cancel
            nursery.start_soon(self.trio_side)
            nursery.start_soon(trio2aio(self.asyncio_side))

    async def with_loop(self, engine: str | None) -> None:
        async with trio_bridge.open_loop(engine=engine):
            await self.trio_first()

    async def leave(self) -> None:
        """Leave the loop's block with everything in flight: tasks of both sides outlive it."""
        over = trio.Event()
        self.cancel = over.set
        async with trio.open_nursery() as nursery:
            with told_of_the_loops_end():
                async with trio_bridge.open_loop():
                    nursery.start_soon(outliving, self.trio_side)
                    await trio2aio(self.start_asyncio_side)()
                    await over.wait()
            nursery.cancel_scope.cancel()

    async def start_asyncio_side(self) -> None:
        self._tasks = [asyncio.get_running_loop().create_task(self.asyncio_side())]

    # ---- where asyncio starts

    async def asyncio_first(self) -> None:
        main = asyncio.current_task()
        assert main is not None
        self.cancel = main.cancel
        async with asyncio.TaskGroup() as group:
            group.create_task(aio2trio(self.trio_side)())
            group.create_task(self.asyncio_side())

    def close(self) -> None:
        """Close the loop with everything in flight."""
        loop = trio_bridge.new_event_loop()
        over = asyncio.Event()
        self.cancel = over.set

        async def main() -> None:
            tasks = [aio2trio(self.trio_side)(), self.asyncio_side()]
            self._tasks = [loop.create_task(task) for task in tasks]
            await over.wait()

        try:
            loop.run_until_complete(main())
        finally:
            loop.close()

    def run_forever(self) -> None:
        """As programs did before ``asyncio.run``."""
        loop = trio_bridge.new_event_loop()
        try:
            loop.create_task(self.asyncio_first())
            loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


TOLD: Final = re.compile("is clos(?:ing|ed already)|was entered and not left before its loop ended")


@contextlib.contextmanager
def told_of_the_loops_end() -> Iterator[None]:
    """What code gets that has something of a loop's when the loop ends."""
    try:
        yield
    except* asyncio.CancelledError:
        pass
    except* RuntimeError as group:
        if not all(TOLD.search(str(error)) for error in leaves(group)):
            raise


async def outliving(trio_fn: Callable[[], Awaitable[None]]) -> None:
    """A Trio task that uses a loop, and is told of its end."""
    with told_of_the_loops_end():
        await trio_fn()


def leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    """The errors in it."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def start(starter: str, busy: Busy) -> None:
    """Run the program."""
    if starter == "run":
        trio_bridge.run(busy.trio_first)
    elif starter == "open_loop":
        trio.run(busy.with_loop, None)
    elif starter == "left":
        trio.run(busy.leave)
    elif starter == "closed":
        busy.close()
    elif starter == "runner":
        with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
            runner.run(busy.asyncio_first())
    elif starter == "launcher":  # python -m trio_bridge
        asyncio.run(busy.asyncio_first())
    else:
        busy.run_forever()


def main() -> None:
    """The exit status says what came out."""
    starter, ending, seconds = sys.argv[1:]
    try:
        start(starter, Busy(ending, float(seconds)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except asyncio.CancelledError:
        pass
    except ExceptionGroup as exc:
        if exc.split(endings.Boom)[1] is not None:
            raise
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
