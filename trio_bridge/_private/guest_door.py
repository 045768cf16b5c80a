"""Names of Trio's guest mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import outcome

if TYPE_CHECKING:
    from collections.abc import Callable


class GuestDoor:
    """What a host loop has to know of its guest, Trio, if it is to do without Trio's thread.

    Raises:
      AttributeError: this Trio, on this platform, has no such door: use the thread.
    """

    __slots__ = ("_descriptor", "_get_events", "_idle_waiters", "_runner", "_state")

    def __init__(self, tick: Callable[[], object]) -> None:
        state: Any = tick.__self__  # type: ignore[attr-defined]
        self._state = state
        self._runner = runner = state.runner
        manager = runner.io_manager
        self._get_events = manager.get_events
        selector = manager._epoll if hasattr(manager, "_epoll") else manager._kqueue
        self._descriptor: int = selector.fileno()
        self._idle_waiters = runner.waiting_for_idle
        # All that the methods use must be there.
        _ = state.unrolled_run_next_send.value, runner.guest_tick_scheduled

    def fileno(self) -> int:
        """The descriptor that becomes readable when Trio has I/O to handle, or is called."""
        return self._descriptor

    def poll(self) -> None:
        """Look for I/O once more before the next tick."""
        self._state.unrolled_run_next_send = outcome.capture(self._get_events, 0)

    def has_events(self) -> bool:
        """Whether the last poll found I/O, or failed."""
        found: outcome.Outcome[object] = self._state.unrolled_run_next_send
        return not isinstance(found, outcome.Value) or bool(found.value)

    def waits_for_idle(self) -> bool:
        """Whether a task is in ``wait_all_tasks_blocked``."""
        return bool(self._idle_waiters)

    def expect_tick(self, is_expected: bool) -> None:
        """Say whether a tick is to come soon. If not, Trio calls for one by its descriptor."""
        self._runner.guest_tick_scheduled = is_expected
