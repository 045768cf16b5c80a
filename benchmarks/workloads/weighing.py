"""What idle things weigh, each.

Two scales: what Python's allocators have given (tracemalloc: exact, and uvloop's memory is in it),
and the resident memory of the process (which depends on what was free before). A process weighs one
kind of thing, once: memory that was given back would hide what comes next.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timing import AsyncFn

CONNECTION: Final = "memory: idle connection"
TASK: Final = "memory: waiting task"
CROSSING: Final = "memory: waiting crossing"
LEFT: Final = "memory: timers, cancelled"
RESIDENT: Final = ", resident"
"""Behind a name: by the process's memory, not by tracemalloc."""
LINUX: Final = sys.platform == "linux"
# In a process of their own, so that one process needs one descriptor for a connection, not two.
_CLIENTS: Final = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
port, count = int(sys.argv[1]), int(sys.argv[2])
sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
sys.stdin.read()
"""


class Weight(NamedTuple):
    """Bytes for each: by tracemalloc; or else of resident memory."""

    each: float


class Left(NamedTuple):
    """What timers that were set and cancelled have left behind."""

    tasks: int
    seconds_to_next_deadline: float


class Scale:
    """Weighs what has come since it was made."""

    def __init__(self, *, traced: bool) -> None:
        self._traced = traced
        if traced:
            tracemalloc.start()
        self._before = self._weight()

    def each(self, count: int) -> Weight:
        """Of so many things."""
        return Weight((self._weight() - self._before) / count)

    def _weight(self) -> int:
        gc.collect()
        if self._traced:
            return tracemalloc.get_traced_memory()[0]
        if LINUX:
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class _Accepting(asyncio.Protocol):
    def __init__(self, accepted: Callable[[], None]) -> None:
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._accepted()


@contextmanager
def _clients(port: int, count: int) -> Iterator[None]:
    command = [sys.executable, "-c", _CLIENTS, str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield
        assert process.stdin is not None
        process.stdin.close()


async def connections(traced: bool, count: int) -> Weight:
    """The server's ends of connections that say nothing."""
    loop = asyncio.get_running_loop()
    left = 0
    all_there = asyncio.Event()

    def accepted() -> None:
        nonlocal left
        left -= 1
        if not left:
            all_there.set()

    server = await loop.create_server(lambda: _Accepting(accepted), "127.0.0.1", 0, backlog=8192)
    port = server.sockets[0].getsockname()[1]
    left = 100
    with _clients(port, left):  # what the first ones cost beyond themselves doesn't count
        await all_there.wait()
        all_there.clear()
        scale = Scale(traced=traced)
        left = count
        with _clients(port, left):
            await all_there.wait()
            await asyncio.sleep(0.1)  # the last ones' reading starts a turn later
            weight = scale.each(count)
    server.close()
    return weight


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def tasks(traced: bool, count: int) -> Weight:
    """Asyncio tasks that wait for something."""
    event = asyncio.Event()
    first = [asyncio.create_task(event.wait()) for _ in range(100)]
    await _settle()
    scale = Scale(traced=traced)
    others = [asyncio.create_task(event.wait()) for _ in range(count)]
    await _settle()
    weight = scale.each(count)
    event.set()
    await asyncio.gather(*first, *others)
    return weight


async def tasks_of_tasks(traced: bool, count: int) -> Weight:
    """What asyncio has in the place of crossings: tasks that await others, which wait."""
    event = asyncio.Event()

    async def host() -> None:
        await asyncio.create_task(event.wait())

    scale = Scale(traced=traced)
    hosts = [asyncio.create_task(host()) for _ in range(count)]
    await _settle()
    weight = scale.each(count)
    event.set()
    await asyncio.gather(*hosts)
    return weight


async def crossings(to_asyncio: Callable[[AsyncFn], AsyncFn], traced: bool, count: int) -> Weight:
    """Trio tasks in asyncio code that waits."""
    waiting = 0

    async def wait() -> None:
        nonlocal waiting
        waiting += 1
        await asyncio.get_running_loop().create_future()

    crossing = to_asyncio(wait)
    scale = Scale(traced=traced)
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(crossing)
        while waiting < count:
            await trio.sleep(0)
        await trio.sleep(0.1)
        weight = scale.each(count)
        nursery.cancel_scope.cancel()
    return weight


async def timers_left(to_asyncio: Callable[[AsyncFn], AsyncFn], count: int) -> Left:
    """Set and cancel timers; what Trio has more to do than before."""

    async def set_and_cancel() -> None:
        loop = asyncio.get_running_loop()
        for number in range(count):
            loop.call_later(60, int).cancel()
            if number % 100 == 0:  # the loop parks, with a timer set
                handle = loop.call_later(60, int)
                await asyncio.sleep(1e-4)
                handle.cancel()

    await to_asyncio(asyncio.sleep)(0.01)
    before = trio.lowlevel.current_statistics()
    await to_asyncio(set_and_cancel)()
    await trio.sleep(0.01)
    after = trio.lowlevel.current_statistics()
    return Left(after.tasks_living - before.tasks_living, after.seconds_to_next_deadline)
