"""What the queues of both directions share: how those who wait are woken, and the end."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.version_info >= (3, 13):
    from asyncio import QueueShutDown
else:

    class QueueShutDown(Exception):
        """A :class:`ChannelQueue` is shut down. On Python 3.13+ it is ``asyncio.QueueShutDown``."""


__all__ = ["QueueShutDown", "Waits"]


class Waits:
    """The operations of one kind that wait now, so that closing can wake them."""

    def __init__(self) -> None:
        self._scopes: Final[set[trio.CancelScope]] = set()

    @contextmanager
    def listed(self) -> Iterator[trio.CancelScope]:
        """A scope, to be entered around the wait, that :meth:`wake` cancels."""
        scope = trio.CancelScope()
        self._scopes.add(scope)
        try:
            yield scope
        finally:
            self._scopes.discard(scope)

    def wake(self) -> None:
        for scope in tuple(self._scopes):
            scope.cancel()
