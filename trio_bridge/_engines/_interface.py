"""What the bridge needs of an event loop implementation, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ._thread_calls import ThreadCalls

NOW = float("-inf")
"""What :meth:`Engine.turn` returns when another turn should follow at once."""


class Engine(Protocol):
    """An asyncio event loop that is turned from outside.

    Rules that every engine keeps:

    1. ``turn()`` never blocks.
    2. When ``turn()`` returns a time, no callback is ready: nothing needs to happen before that
       time unless ``watch()`` finds I/O, or somebody calls the loop.
    3. ``SystemExit`` and ``KeyboardInterrupt`` raised by a callback leave ``turn()``, no other
       exception of a callback does, and the callbacks behind it are kept for the next turn.
    4. An engine imports nothing of the bridge's but ``_private`` and files of this folder.
    """

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; one object for the engine's life."""
        ...

    @property
    def thread_calls(self) -> ThreadCalls:
        """The calls of other threads to the loop: shut before it is closed."""
        ...

    @property
    def descriptor(self) -> int | None:
        """What is readable whenever the loop has I/O to handle, if there is one such descriptor."""
        ...

    @property
    def hides_work(self) -> bool:
        """Whether an idle loop may be given work by more than ``call_soon`` and ``call_at``.

        Then :meth:`due` is asked whenever code outside of a turn may have used the loop.
        """
        ...

    def start(self) -> None:
        """From here on the loop says that it runs, in the current thread."""
        ...

    def end(self) -> None:
        """Undo :meth:`start`, so that the loop may be closed."""
        ...

    def turn(self) -> float:
        """Make an iteration or more; the loop time when the next is due, ``NOW``, or infinity."""
        ...

    def recover(self) -> list[str]:
        """Something else has left :meth:`turn`: see to it that the next one need not fail too.

        Returns:
          The timers that are dropped for that.
        """
        ...

    def due(self) -> float:
        """When the next turn is due, as :meth:`turn` says it."""
        ...

    async def watch(self, drive: Callable[[], Awaitable[bool]]) -> None:
        """Trio side: await ``drive()`` whenever the loop has I/O to handle, until it returns false.

        It gives turns until the loop is idle. Cancelling has effect between two of these calls.
        """
        ...

    def use_clock(self, current_time: Callable[[], float]) -> None:
        """Make ``loop.time()`` follow another clock (Trio's virtual one)."""
        ...
