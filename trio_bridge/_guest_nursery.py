"""Who owns the Trio calls of asyncio's own tasks where Trio is the guest of their loop.

Errors and exits are asyncio's to report there: there is no block of Trio's around the loop for them
to leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ._call_nursery import CallNursery

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._crossing.to_trio import TrioCall


class GuestNursery(CallNursery):
    """Owns the Trio calls of asyncio's own tasks, on a loop that has Trio as its guest."""

    lets_managers_outlive_tasks = True

    def __init__(
        self, loop: asyncio.AbstractEventLoop, call_for_tick: Callable[[], object]
    ) -> None:
        super().__init__(loop)
        self._call_for_tick: Final = call_for_tick

    def start_trio_task(self, *args: Any, **kwargs: Any) -> None:
        """Start a Trio task. Called on the asyncio side.

        Raises:
          RuntimeError: the loop is being closed, and Trio finalizes its last generators.
        """
        self._call_for_tick()
        try:
            super().start_trio_task(*args, **kwargs)
        except RuntimeError:  # Trio speaks of a nursery, which the caller has never seen
            raise RuntimeError(
                "Trio code can't be called any more: loop.close() was called, and Trio, which runs "
                "in this loop, has ended all its tasks. Await the asyncio task that calls Trio "
                "before the loop is closed"
            ) from None

    def interrupt(self, call: TrioCall, interruption: BaseException | None) -> None:
        """Ctrl-C leaves by the task that made the call, as it would if it came in asyncio code."""
        if isinstance(interruption, KeyboardInterrupt):
            call.fail(interruption)
        else:
            super().interrupt(call, interruption)

    def fail(self, exc: BaseException) -> None:
        """As asyncio does with an error that nobody awaits."""
        self.loop.call_exception_handler(
            {"message": "an error that nobody awaits, in Trio code", "exception": exc}
        )

    def exit(self, exc: BaseException) -> None:
        """As asyncio does: it leaves ``run_forever``."""
        self.loop.call_soon(_raise, exc)


def _raise(exc: BaseException) -> None:
    raise exc
