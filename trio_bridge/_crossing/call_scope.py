"""The cancel scope around the Trio calls that a host runs, one after the other.

1. It is there for asyncio only, which cancels it when it cancels a guest that waits for a call.
2. It stays open from one call to the next: to open and to leave one costs Trio more than a whole
   task costs asyncio.
3. A call for which it was cancelled is its last; the next call gets another one.
4. Who opens or leaves other scopes in the host's task that last (a manager's) closes it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from types import TracebackType


class CallScope:
    """One for each host. ``with`` is around a call, and leaves the scope open behind it."""

    __slots__ = ("scope",)

    def __init__(self) -> None:
        self.scope: trio.CancelScope | None = None
        """The scope, while one is open."""

    def open(self) -> trio.CancelScope:
        """The scope for the call that is next."""
        if self.scope is None:
            self.scope = trio.CancelScope()
            self.scope.__enter__()
        return self.scope

    def close(self, exc: BaseException | None = None) -> bool:
        """Leave the scope with what came out of it, if it is open; whether it took that in."""
        scope, self.scope = self.scope, None
        if scope is None:
            return False
        try:
            if exc is None:
                return scope.__exit__(None, None, None)
            return scope.__exit__(type(exc), exc, exc.__traceback__)
        finally:
            del exc  # it leads to this frame: no cycles

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if exc is None or self.scope is None or not self.scope.cancel_called:
            return False
        try:
            return self.close(exc)
        finally:
            del exc, traceback  # they lead to this frame: no cycles
