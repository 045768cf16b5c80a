"""What other threads ask of a loop is done, or refused: nothing in between.

asyncio looks whether a loop is closed, then schedules. A loop that closes in between drops the
call, as it does all that it has accepted since its last turn: the thread's future never ends. So
here a loop refuses first, then does what it has accepted, then closes.
"""

from __future__ import annotations

import threading
from typing import Final


class ThreadCalls:
    """Whether a loop takes calls from other threads."""

    __slots__ = ("gate", "is_shut")

    def __init__(self) -> None:
        # Held from the question to the scheduling. A signal handler may call, and the garbage
        # collector may, while their own thread does.
        self.gate: Final = threading.RLock()
        self.is_shut = False

    def shut(self) -> None:
        """Refuse from here on. What was accepted is in the loop's queue."""
        with self.gate:
            self.is_shut = True

    def open(self) -> None:
        """Accept again."""
        self.is_shut = False
