"""Lets other threads run while this one doesn't wait for anything.

A thread that wants the interpreter waits five milliseconds before it asks for it
(``sys.setswitchinterval``), and begins anew whenever the interpreter has been free for a moment. If
it is free for a microsecond now and then, as where a row of turns passes one of Trio's checkpoints
each millisecond, the thread hardly ever comes in time, and never asks: it was kept waiting for
seconds. On average it waits as long as there are moments to go until it hits one; so it needs many
of them. asyncio has one in each of its polls.
"""

from __future__ import annotations

import select
import time
from functools import partial
from typing import Final

# A moment takes 0.4 µs: one per cent. A thread then waits two milliseconds in the middle, less than
# the five of its own; twice as long would make that four times as much.
SECONDS_BETWEEN: Final = 5e-5


class OtherThreads:
    """When they had the last moment to run in."""

    __slots__ = ("_moment", "due_at")

    def __init__(self) -> None:
        self.due_at = 0.0
        """When they should have the next, by ``time.perf_counter()``."""
        # The cheapest system call that sets the interpreter free. time.sleep(0) takes 80 µs on
        # Linux.
        self._moment = partial(select.poll().poll, 0) if hasattr(select, "poll") else _yield

    def let_run(self, now: float) -> None:
        """Give them a moment: it is due."""
        self.have_run(now)
        self._moment()

    def have_run(self, now: float) -> None:
        """They had one otherwise."""
        self.due_at = now + SECONDS_BETWEEN


def _yield() -> None:
    time.sleep(0)
