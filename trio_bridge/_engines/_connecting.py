"""uvloop's connecting, when it is cancelled while the connection is made, or just has been.

uvloop then closes the descriptor, and nothing else. A protocol that has been told of the connection
is not told of its end; a TLS handshake that has begun goes on without a connection, fails, and is
reported as an error of nobody's. asyncio closes the transport, and so does this.
"""

from __future__ import annotations

import asyncio
import types
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

Made: TypeAlias = tuple[asyncio.BaseTransport, Any]
"""A transport and its protocol."""


@types.coroutine
def connecting(
    making: Coroutine[Any, Any, Made], *, waits_shortly: Callable[[], bool] = bool
) -> Generator[Any, Any, Made]:
    """Await what makes a connection; close its transport if it is cancelled too late for uvloop.

    That is when the future that it waits for has its result: then the protocol may have been told.
    ``making`` gets it, and the cancellation where it waits next, or at its end.

    Args:
      waits_shortly: whether to wait for the future's result before anything is cancelled.
    """
    late: asyncio.CancelledError | None = None
    try:
        future = making.send(None)
        while True:
            try:
                # For a Unix socket uvloop calls one such method of the loop in another.
                yield future if isinstance(future, _Wait) else _Wait(future)
            except BaseException as exc:
                can_be_late = future.done() or waits_shortly()
                if can_be_late and isinstance(exc, asyncio.CancelledError):
                    late = exc
                else:
                    future.cancel()  # nobody waits for it any more, and it may fail
                    future = making.throw(exc)
                    continue
            if not future.done():
                continue
            future = making.send(None)
            if late is not None and not waits_shortly():
                future.cancel()
                future = making.throw(late)
                late = None
    except StopIteration as end:
        made: Made = end.value
    if late is not None:
        made[0].close()
        try:
            raise late
        finally:
            del late  # no cycles
    return made


class _Wait:
    """What a task waits for instead of a future, which is not cancelled together with the task.

    That is known of a cancellation only where it is delivered: whether it comes too late.
    """

    # The names are those of asyncio's futures, of which a task uses no more than these.
    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_future", "_message")

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._asyncio_future_blocking = True
        self._future: Final = future
        self._callback: Callable[[Any], object] | None = None
        self._context: Context | None = None
        self._message: object = None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._future.get_loop()

    def done(self) -> bool:
        return self._future.done()

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context) -> None:
        """Wake the task with the future."""
        self._callback, self._context = callback, context
        self._future.add_done_callback(callback, context=context)

    def cancel(self, msg: object = None) -> bool:
        """Wake the task with this, to cancel it; whether that can be done."""
        callback, self._callback = self._callback, None
        if callback is None or self._future.done():
            return False
        self._message = msg
        self._future.remove_done_callback(callback)
        self.get_loop().call_soon(callback, self, context=self._context)
        return True

    def result(self) -> None:
        """The cancellation."""
        raise asyncio.CancelledError(*(() if self._message is None else (self._message,)))
