"""Lets other threads run while this one doesn't wait for anything.

A thread that wants the interpreter waits five milliseconds before it asks for it
(``sys.setswitchinterval``), and begins anew whenever the interpreter has been free for a moment. If
it is free for a microsecond now and then, as where a row of turns passes one of Trio's checkpoints
each millisecond, the thread hardly ever comes in time, and never asks: it was kept waiting for
seconds. On average it waits as long as there are moments to go until it hits one; so it needs many
of them. asyncio has one in each of its polls.
"""

from __future__ import annotations

import time
from typing import Final

# Twice as long makes threads wait four times as long, some milliseconds. A moment takes a third of
# a microsecond: one per cent.
_SECONDS: Final = 3e-5


class OtherThreads:
    """When they had the last moment to run in."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0.0

    def let_run(self, now: float) -> None:
        """Give them a moment, if the last one is some time ago.

        Args:
          now: what ``time.perf_counter()`` says.
        """
        if now >= self._at:
            self._at = now + _SECONDS
            time.sleep(0)
