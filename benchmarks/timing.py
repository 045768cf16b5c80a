"""What one round measures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Body = Callable[[], Awaitable[object]]
    Workload = Callable[[int], AbstractAsyncContextManager[Body]]
    """Prepares so much work (connections, say), and gives what is timed."""
    AsyncFn = Callable[..., Awaitable[Any]]


class Times(NamedTuple):
    """Seconds: of the processor, by this process with all its threads; and on the clock."""

    cpu: float
    wall: float


async def timed(workload: Workload, scale: int) -> Times:
    """Run a workload of either side, on that side; the times of its body."""
    async with workload(scale) as body:
        cpu, wall = time.process_time(), time.perf_counter()
        await body()
        return Times(time.process_time() - cpu, time.perf_counter() - wall)
