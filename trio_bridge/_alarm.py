"""Wakes who gives a loop its turns when the loop's next timer is due.

Any alarm may be set again before it rings, for an earlier or a later time. Who watches an alarm is
told to stop by cancellation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import trio
from trio.lowlevel import Abort

from . import _private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Alarm(Protocol):
    """What the pump asks of one."""

    def set(self, delay: float) -> None:
        """Ring in ``delay`` seconds, of Trio's clock. At once if that is not more than 0."""

    async def watch(self, ring: Callable[[], Awaitable[object]]) -> None:
        """Await ``ring()`` each time, until cancelled."""

    def close(self) -> None:
        """Nobody watches any more."""


def make_alarm() -> Alarm:
    """The cheapest that there is in this Trio run."""
    alarm = DeadlineAlarm()
    return alarm if alarm.is_usable else ScopeAlarm()


class DeadlineAlarm:
    """A deadline among those of Trio's cancel scopes, which makes a task go on instead.

    A ring costs nothing but to wake that task. A scope would have to be made, cancelled and left
    for each; a timer of the kernel's costs two system calls, and a descriptor.
    """

    def __init__(self) -> None:
        self._deadline = _private.make_trio_deadline(self._fall_due)
        self.is_usable = self._deadline is not None
        self._waiter: trio.lowlevel.Task | None = None
        self._is_due = False  # and nobody has been woken for it yet

    def set(self, delay: float) -> None:
        """See :class:`Alarm`."""
        assert self._deadline is not None
        self._deadline.set(trio.current_time() + delay)

    def _fall_due(self) -> None:
        if self._waiter is None:
            self._is_due = True
        else:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None

    async def watch(self, ring: Callable[[], Awaitable[object]]) -> None:
        """See :class:`Alarm`."""
        task = trio.lowlevel.current_task()
        while True:
            if self._is_due:  # since it rang last: there is nothing to wait for, but an end
                await trio.lowlevel.checkpoint_if_cancelled()
            else:
                self._waiter = task
                await trio.lowlevel.wait_task_rescheduled(self._abort_wait)
            self._is_due = False
            await ring()

    def _abort_wait(self, raise_cancel: object) -> Abort:
        self._waiter = None
        return Abort.SUCCEEDED

    def close(self) -> None:
        """See :class:`Alarm`."""
        self.set(math.inf)


class ScopeAlarm:
    """The deadline of a cancel scope: in every Trio, by its public names."""

    def __init__(self) -> None:
        self._scope = trio.CancelScope()

    def set(self, delay: float) -> None:
        """See :class:`Alarm`."""
        self._scope.deadline = trio.current_time() + delay

    async def watch(self, ring: Callable[[], Awaitable[object]]) -> None:
        """See :class:`Alarm`."""
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()  # the deadline may have passed as well
            with self._scope:
                await self._wait()
            self._scope = trio.CancelScope()
            await ring()

    async def _wait(self) -> None:
        task = trio.lowlevel.current_task()

        def abort(raise_cancel: Callable[[], Any]) -> Abort:
            if not self._scope.cancel_called:
                return Abort.SUCCEEDED
            # To wake up is ten times cheaper than to be raised out of the wait.
            trio.lowlevel.reschedule(task)
            return Abort.FAILED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def close(self) -> None:
        """See :class:`Alarm`."""
