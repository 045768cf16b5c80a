"""The asyncio tasks that the loop's own nursery owns, however many there are.

All tasks of the loop are cancelled when it ends, and asyncio knows those (``all_tasks``). What
asyncio doesn't know is which tasks have failed, are held by somebody, and were not awaited. A weak
reference finds them, but weighs a fifth of a waiting task, and takes a tenth of a short one's time.
So the first thousand are known like that. If there were more, the garbage collector is asked at the
end who refers to the loop, as each task does: that takes a look at all objects of the process.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Any, Final

from ._owned_tasks import OwnedTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_KNOWN: Final = 1000


class LoopTasks(OwnedTasks):
    """See above."""

    __slots__ = ("left",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.left = MOST_KNOWN
        """How many more are to be known."""

    def add(self, task: asyncio.Task[Any]) -> None:
        """A task was started."""
        if self.left:
            self.left -= 1
            super().add(task)

    def known(self) -> Iterator[asyncio.Task[Any]]:
        """Those of the loop that live, at least."""
        if self.left:
            yield from super().known()
            return
        loop = self.loop
        # On Python 3.11 the collector doesn't get to see which loop a task refers to.
        found = gc.get_referrers(loop) if sys.version_info >= (3, 12) else gc.get_objects()
        for thing in found:
            # By its type, as a proxy would say what it likes.
            if issubclass(type(thing), asyncio.Task) and thing.get_loop() is loop:
                yield thing
