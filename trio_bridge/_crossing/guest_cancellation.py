"""What a host knows of cancellations around its wait, and how it cancels its guest for them.

1. A ``trio.Cancelled`` or Ctrl-C that reaches the wait is one ``Task.cancel()`` for the guest,
   where it waits: not in the middle of a step, and not while an outcome is on its way to it.
2. It comes once. Who cancels the guest for the same tells the host.
3. What is cancelled in the guest's clean-up is another matter: see ``enter_shelter``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import trio

from .._private import get_running_loop
from .cancellation import CancelReminder

if TYPE_CHECKING:
    from .._bridge import Bridge
    from .host import End
    from .to_trio import TrioCall

Shelter = tuple[BaseException | None, bool, CancelReminder | None]
"""What a host knows of the cancellation outside, and its reminder."""


class GuestCancellation:
    """The part of a host that cancels its guest.

    A base of the host, not a member: a host is made for each crossing, and one more object for each
    would cost a short one some per cent.
    """

    __slots__ = (
        "_bridge",
        "_call",
        "_delivering",
        "_end",
        "_guest",
        "_has_cancelled",
        "_interruption",
        "_is_told",
        "_reminder",
    )

    def __init__(
        self, bridge: Bridge, guest: asyncio.Task[Any], end: End, call: TrioCall | None
    ) -> None:
        self._bridge = bridge
        self._guest = guest
        self._end = end
        self._call = call
        self._delivering = False
        self._has_cancelled = False
        self._is_told = False
        self._interruption: BaseException | None = None
        self._reminder: CancelReminder | None = None

    # ---- what it knows

    @property
    def owes_cancellation(self) -> bool:
        """Whether the guest has still to be told of a cancellation."""
        return self._interruption is not None and not self._has_cancelled

    @property
    def cancelled_by(self) -> BaseException | None:
        """The ``trio.Cancelled`` or ``KeyboardInterrupt`` for which the guest was cancelled."""
        return self._interruption if self._has_cancelled else None

    @property
    def cancellation(self) -> BaseException | None:
        """The ``trio.Cancelled`` of the wait, whether the guest knows or not."""
        return self._interruption if self.is_cancelled else None

    @property
    def is_cancelled(self) -> bool:
        """Whether a Trio scope was cancelled around the wait, whether the guest knows or not."""
        return isinstance(self._interruption, trio.Cancelled)

    @property
    def is_told(self) -> bool:
        """Whether the guest's cancellation is not its own, but that of :meth:`tell`."""
        return self._is_told

    # ---- what it is told

    def has_cancelled(self, interruption: BaseException) -> None:
        """The guest was cancelled already, before the host came: not to be done once more."""
        self._interruption = interruption
        self._now_cancelled()

    def tell(self) -> None:
        """Who cancels the guest just now is about to cancel a scope around the wait as well."""
        if not self._has_cancelled:
            self._has_cancelled = self._is_told = True

    def cancel_again(self) -> bool:
        """The guest's ``Task.cancel()`` came while it waited for Trio code that didn't notice.

        Returns:
          Whether it was ours.
        """
        if self._interruption is None or not self._has_cancelled:
            return False
        self._guest.uncancel()
        self._has_cancelled = False
        self._cancel_guest_soon()
        return True

    def forget_cancellation(self) -> None:
        """The scope that was cancelled has been left: the next cancellation is a new one."""
        self._interruption = None
        self._has_cancelled = self._is_told = False
        if self._reminder is not None:
            self._reminder.stop()
            self._reminder = None

    # ---- the guest's clean-up

    def enter_shelter(self) -> Shelter | None:
        """The guest has entered a Trio manager which what it was cancelled for doesn't reach into.

        It cleans up below a shield, or after Ctrl-C. What is cancelled in there is to reach it:
        the deadline of the shield, a nursery whose child fails. So that is as if it were the first.

        Returns:
          For :meth:`leave_shelter`. None: there is no such cancellation.
        """
        if not self._has_cancelled:
            return None
        outside = self._interruption, self._is_told, self._reminder
        self._interruption = self._reminder = None
        self._has_cancelled = self._is_told = False
        return outside

    def leave_shelter(self, outside: Shelter) -> None:
        """It has left that manager."""
        within = self._interruption
        if self._reminder is not None:
            self._reminder.stop()
        self._interruption, self._is_told, self._reminder = outside
        self._has_cancelled = True
        if isinstance(within, KeyboardInterrupt):
            self._interruption = within

    # ---- to cancel the guest

    def _interrupted(self, exc: BaseException) -> None:
        is_ctrl_c = isinstance(exc, KeyboardInterrupt)
        if self._interruption is None or is_ctrl_c:
            self._interruption = exc
        if self._is_told and not self._bridge.cancelled_once.stands(self._guest):
            self._has_cancelled = self._is_told = False  # the guest has taken that one back
        if self._delivering or (self._has_cancelled and not is_ctrl_c):
            return
        if self._guest_runs():
            # The guest itself cancels the scope. This may be its last step: see delivered().
            self._cancel_guest_soon()
        else:
            self._cancel_guest(self._guest, self._end)

    def _guest_runs(self) -> bool:
        bridge = self._bridge
        if get_running_loop() is bridge.loop:
            return asyncio.current_task() is self._guest
        return bridge.calls_plainly is self._guest

    def _cancel_guest_soon(self) -> None:
        # With what it needs as arguments: if the end comes first, the host has let go of it.
        self._bridge.loop.call_soon(self._cancel_guest_now, self._guest, self._end)

    def _cancel_guest_now(self, guest: asyncio.Task[Any], end: End) -> None:
        if self._call is not None:
            return  # Trio cancels that by itself; delivered() looks what is left to do
        if self.owes_cancellation or isinstance(self._interruption, KeyboardInterrupt):
            self._cancel_guest(guest, end)

    def _cancel_guest(self, guest: asyncio.Task[Any], end: End) -> None:
        if not end.done() and not guest.done():
            with self._bridge.side:
                self._bridge.cancels = guest
                guest.cancel()
                self._bridge.cancels = None
            self._now_cancelled()
        # Other Trio code that this cancels has a Cancelled whose frames lead here by their callers.
        del guest, end

    def _now_cancelled(self) -> None:
        if not self._has_cancelled:
            self._has_cancelled = True
            self._reminder = CancelReminder(
                self._guest,
                _why(self._interruption),
                warn_after=self._bridge.cancel_warn_after,
                redeliver_after=self._bridge.redeliver_cancel_after,
            )


def _why(interruption: BaseException | None) -> str:
    """Who cancelled the guest, for the reminder."""
    if isinstance(interruption, KeyboardInterrupt):
        return "by Ctrl-C"
    # Trio says why ("cancelled due to deadline") since its version 0.31.
    _, is_told, reason = str(interruption).partition("cancelled due to ")
    if reason == "explicit" or reason.startswith("explicit "):
        reason = reason.replace("explicit", "cancel()", 1)
    return f"by its Trio scope ({reason})" if is_told else "by its Trio scope"
