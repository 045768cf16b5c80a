"""What is run: asyncio code, and ways across beside the same thing in asyncio.

``scale`` is how much work; what each function does with it never changes, so that figures of
different days can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import asyncio_code, echo, elsewhere, http, postgres
from ._preparing import plain

if TYPE_CHECKING:
    from timing import Workload

__all__ = [
    "ASKING",
    "ASYNCIO",
    "CROSSING",
    "NAMES",
    "STEP",
    "SUSPENDING",
    "TO_TRIO",
    "VIEW_CALL",
    "WITHOUT_BAR",
    "YARDSTICKS",
    "plain",
    "round_scale",
]

ASYNCIO: Final[dict[str, Workload]] = {
    "call_soon chain": plain(asyncio_code.call_soon),
    "sleep(0)": plain(asyncio_code.sleep_0),
    "task spawning": plain(asyncio_code.spawn),
    "timers": plain(asyncio_code.timers),
    "timers, cancelled": plain(asyncio_code.cancelled_timers),
    "timeouts": plain(asyncio_code.timeouts),
    "echo, 1 connection": plain(echo.mixed_1),
    "echo, 100 connections": plain(echo.mixed_100),
    "echo, 1000 connections": plain(echo.mixed_1000),
    "echo, streams, 1": echo.streams(1, 40),
    "echo, streams, 100": echo.streams(100, 1),
    "echo, streams, 1000": echo.streams(1000, 0.25),
    "echo, protocols, 1": echo.protocols(1, 40),
    "echo, protocols, 100": echo.protocols(100, 1),
    "echo, protocols, 1000": echo.protocols(1000, 0.25),
    "aiohttp": http.requests,
    "asyncpg": postgres.selects,
    "wakes, 1 connection": elsewhere.wakes(1, 40),
    "wakes, 4 connections": elsewhere.wakes(4, 10),
}
"""Asyncio code, the same on every loop."""

CROSSING: Final = "crossing that doesn't suspend"
SUSPENDING: Final = "crossing that suspends"
TO_TRIO: Final = "crossing to Trio from a guest"
STEP: Final = "step of a generator"
VIEW_CALL: Final = "call of a view (to a function's)"
ASKING: Final = "crossing that waits for a message"

WITHOUT_BAR: Final = ("wakes, 1 connection", "wakes, 4 connections", ASKING)
"""What is measured to be known."""

YARDSTICKS: Final[dict[str, Workload]] = {
    CROSSING: plain(asyncio_code.tasks_at_once),
    SUSPENDING: plain(asyncio_code.tasks_after_a_turn),
    TO_TRIO: plain(asyncio_code.tasks_at_once),
    STEP: plain(asyncio_code.tasks_after_a_turn),
    VIEW_CALL: plain(asyncio_code.tasks_at_once),
    ASKING: elsewhere.asks(lambda async_fn: async_fn),
}
"""What asyncio has in the place of a way across: ``await asyncio.create_task(...)``, or a call."""

NAMES: Final = [*ASYNCIO, *YARDSTICKS]

_LONGER: Final = {
    "call_soon chain": 8,
    "sleep(0)": 8,
    "task spawning": 4,
    "timers": 2,
    "timers, cancelled": 8,
    "timeouts": 4,
    "echo, 1 connection": 2,
    "echo, streams, 1": 2,
    "echo, protocols, 1": 2,
    "wakes, 1 connection": 2,
    "wakes, 4 connections": 2,
    "echo, 1000 connections": 3,
    "echo, streams, 1000": 3,
    "echo, protocols, 1000": 3,
    "aiohttp": 2,
    "asyncpg": 5,
    **dict.fromkeys(YARDSTICKS, 8),
}


def round_scale(name: str, scale: int) -> int:
    """How much work one round of a workload is: a short one would read what the machine did else.

    With the default scale, 40, it takes stock asyncio at least a tenth of a second.
    """
    return scale * _LONGER.get(name, 1)
