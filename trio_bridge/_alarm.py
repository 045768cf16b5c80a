"""Wakes who gives a loop its turns when the loop's next timer is due.

Any alarm may be set again before it rings, for an earlier or a later time. Who watches an alarm is
told to stop by cancellation.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio
from trio.lowlevel import Abort

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


_LONGEST: Final = 1e6
"""Seconds. An early ring does no harm: the loop sees that nothing is due, and sets it again."""


class Alarm(Protocol):
    """What the pump asks of one."""

    def set(self, delay: float) -> None:
        """Ring in ``delay`` seconds, of Trio's clock. At once if that is not more than 0."""

    async def watch(self, ring: Callable[[], Awaitable[object]]) -> None:
        """Await ``ring()`` each time, until cancelled."""

    def close(self) -> None:
        """Nobody watches any more."""


def make_alarm(*, is_virtual: bool) -> Alarm:
    """The cheapest that there is here.

    Args:
      is_virtual: whether Trio's clock is not the system's.
    """
    if sys.platform == "linux" and sys.version_info >= (3, 13) and not is_virtual:
        with suppress(OSError):  # no descriptor is left, or an old kernel
            return TimerAlarm()
    return DeadlineAlarm()


class DeadlineAlarm:
    """The deadline of a cancel scope: on every platform, and every clock of Trio's."""

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


if sys.platform == "linux" and sys.version_info >= (3, 13):

    class TimerAlarm:
        """A timer of the kernel's: Linux, real time, Python 3.13 and later.

        It becomes readable as a socket does. A deadline costs a scope that is made, cancelled and
        left: together a fifth of the time that a sleeping task takes.

        Raises:
          OSError: there is none to be had.
        """

        def __init__(self) -> None:
            flags = os.TFD_NONBLOCK | os.TFD_CLOEXEC
            self._descriptor: Final = os.timerfd_create(time.CLOCK_MONOTONIC, flags=flags)
            self._has_rung = False

        def set(self, delay: float) -> None:
            """See :class:`Alarm`."""
            # 0 would unset it, and what the kernel's integer can't hold is an error.
            os.timerfd_settime(self._descriptor, initial=min(max(delay, 1e-9), _LONGEST))
            self._has_rung = False

        async def watch(self, ring: Callable[[], Awaitable[object]]) -> None:
            """See :class:`Alarm`."""
            while True:
                await trio.lowlevel.wait_readable(self._descriptor)
                self._has_rung = True
                await ring()
                if self._has_rung:  # it wasn't set again, which makes it unreadable as well
                    os.timerfd_settime(self._descriptor, initial=0)

        def close(self) -> None:
            """See :class:`Alarm`."""
            os.close(self._descriptor)
