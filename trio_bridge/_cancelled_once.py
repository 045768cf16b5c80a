"""What ends an asyncio task cancels it once, however many things end.

1. Ctrl-C ends the task in whose Trio code it comes, then the nursery that owns it, then the loop.
   Had each of them its own ``Task.cancel()``, the second would cut the task's clean-up short.
2. So a task that one of them has cancelled is spared by the others, until it takes that back by
   ``uncancel()``; and so is a guest that its host has cancelled for what is around the crossing.
3. One that was cancelled in Trio code which didn't notice is cancelled where it waits next: else
   one that calls such code in a loop would never end.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._crossing.host import Host
    from ._crossing.trio_manager import TrioManager

# Seconds; twice as many each time, as a virtual clock jumps from one to the next.
_FIRST_LOOK: Final = 0.05


class CancelledOnce:
    """Of one loop. The arguments are those attributes of its ``Bridge``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hosts: Mapping[asyncio.Task[Any], Host],
        adopters: Mapping[asyncio.Task[Any], Host],
        open_managers: Mapping[asyncio.Task[Any], list[TrioManager]],
    ) -> None:
        self._loop: Final = loop
        self._hosts: Final = hosts
        self._adopters: Final = adopters
        self._open_managers: Final = open_managers
        self._counts: Final[WeakKeyDictionary[asyncio.Task[Any], int]] = WeakKeyDictionary()
        """``cancelling()`` of those that were cancelled, as it was then."""
        self.cancels: asyncio.Task[Any] | None = None
        """The task that is being cancelled just now."""
        self.owing: Final[set[asyncio.Task[Any]]] = set()
        """Those that have not noticed, and are about to be cancelled once more (rule 3)."""

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task, as what owns it ends, together with the Trio scopes that it has open.

        By ``Task.cancel()`` alone the Trio code in these scopes would learn of it only when the
        task leaves them, and the guests in there would be cancelled by nobody that their hosts know
        of.
        """
        if self._is_spared(task):
            self._look_again(task, _FIRST_LOOK)
            return
        adopter, managers = self._adopters.get(task), self._open_managers.get(task)
        if adopter is not None and managers:
            adopter.tell()  # else it would cancel the task's clean-up
        if (host := self._hosts.get(task)) is not None:
            host.tell()
        self._cancel(task)
        self._counts[task] = _count(task)
        if adopter is not None and managers:
            managers[0].scope.cancel()

    def has_cancelled(self, task: asyncio.Task[Any]) -> bool:
        """Whether the task was cancelled as what owns it ended, whatever it has made of that."""
        return task in self._counts

    def stands(self, task: asyncio.Task[Any]) -> bool:
        """Whether it was, and has not taken that back."""
        least = self._counts.get(task)
        return least is not None and (_count(task) >= least or task in self.owing)

    def is_cancelling(self, task: asyncio.Task[Any]) -> bool:
        """Whether the ``cancel()`` that has just come to what the task waits for is of its owner.

        If the task has ended its owner itself, asyncio hands it on as the step ends.
        """
        if self.cancels is task:
            return True
        return asyncio.current_task(self._loop) is task and self.stands(task)

    def cancel_again(self, task: asyncio.Task[Any]) -> bool:
        """The task was cancelled while it waited for Trio code that didn't notice (rule 3).

        Trio code that it calls until it waits is not run.

        Returns:
          Whether that cancellation stands.
        """
        if not self.stands(task):
            return False
        task.uncancel()
        self.owing.add(task)
        # Not cancel() itself: asyncio drops the value of a task that was cancelled in its last
        # step.
        self._loop.call_soon(self._cancel_owing, task)
        return True

    def deliver_again(self, task: asyncio.Task[Any], message: str | None = None) -> None:
        """Cancel a task where it waits next by a ``cancel()`` that was counted when it came."""
        if self.stands(task):
            self._cancel(task, message)
        else:
            task.cancel(message)
        task.uncancel()

    def _cancel_owing(self, task: asyncio.Task[Any]) -> None:
        self.owing.discard(task)
        if not task.done():  # else asyncio would forget that nobody has retrieved its error
            self._cancel(task)

    def _cancel(self, task: asyncio.Task[Any], message: str | None = None) -> None:
        outer, self.cancels = self.cancels, task
        try:
            task.cancel(message)
        finally:
            self.cancels = outer

    def _is_spared(self, task: asyncio.Task[Any]) -> bool:
        return self.stands(task) or self._is_cancelled_by_surroundings(task)

    def _is_cancelled_by_surroundings(self, task: asyncio.Task[Any]) -> bool:
        host, managers = self._hosts.get(task), self._open_managers.get(task)
        if host is None or not _count(task):
            return False
        if managers:  # else it may be the cancellation of one of these, after which it goes on
            return managers[0].is_shelter
        return host.cancelled_by is not None

    def _look_again(self, task: asyncio.Task[Any], seconds: float) -> None:
        """It was spared. By ``cancelling()`` alone one can't tell whose the cancellation is.

        It may be one of its own (``asyncio.timeout``), which it takes back in the end.
        """

        def look() -> None:
            if task.done():
                return
            if self._is_spared(task):
                self._look_again(task, 2 * seconds)
            else:
                self.cancel(task)

        self._loop.call_later(seconds, look, context=Context())


def _count(task: asyncio.Task[Any]) -> int:
    """``cancelling()``; a task of somebody else's class may have none."""
    return int(getattr(task, "cancelling", int)())
