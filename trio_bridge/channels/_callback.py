"""The calls of a callback as a bounded Trio channel."""

from __future__ import annotations

import inspect
import math
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import trio
from trio.lowlevel import enable_ki_protection

from .._private import get_running_loop
from .._untrusted import shown
from .._views import trio2aio

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
SendT = TypeVar("SendT", contravariant=True)
ReceiveT = TypeVar("ReceiveT", covariant=True)

WhenFull: TypeAlias = Literal["raise", "drop_newest", "drop_oldest"] | Callable[[Any], object]
"""What :func:`from_callback` does with a call that does not fit into the buffer."""


class ReceiverTooSlowError(trio.BrokenResourceError):
    """Calls of a callback were lost, as its buffer was full (``when_full="raise"``).

    Not :exc:`trio.TooSlowError`: that one means a deadline, and code around a ``fail_after`` would
    take the loss of items for a timeout.
    """


def from_callback(
    max_buffer_size: int | float,
    *,
    when_full: WhenFull = "raise",
) -> tuple[ChannelCallback, CallbackReceiveChannel[Any]]:
    """A callback for an asyncio library, whose calls Trio code receives.

    ::

        callback, notifications = from_callback(100)
        await connection.add_listener("orders", callback)  # through trio2aio(asyncpg)
        async for connection, pid, channel, payload in notifications:
            ...

    Args:
      max_buffer_size: how many calls may wait to be received: 1 or more, or ``math.inf``. All that
        arrive in one turn of the loop have to fit.
      when_full: what becomes of a call that does not fit. The callback's caller can't wait, so

        - ``"raise"``: the receiver gets :exc:`ReceiverTooSlowError` after the items that are in the
          buffer; from there on there are no more. Not the caller, since that is a library that did
          nothing wrong, and may well swallow an error; the receiver is who is too slow, and the
          code to decide what a gap means;
        - ``"drop_newest"``: the call is dropped;
        - ``"drop_oldest"``: the call is buffered, and the oldest one dropped;
        - a plain function: the call is dropped, and the function called with its item, where and
          when the callback was called (perhaps in another thread). What it raises goes to the
          callback's caller.

    Returns:
      The callback and the receive channel. Not a checkpoint; to be called inside of a Trio run, on
      either side.

    Raises:
      TypeError, ValueError: an argument is something else.
      RuntimeError: it was called outside of a Trio run.
    """
    _check_size(max_buffer_size)
    _check_when_full(when_full)
    if not trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "from_callback() was called outside of a Trio run, or in another thread than its. Call "
            "it inside of `async def main()`, and start that with trio_bridge.run(main)"
        )
    buffer = _Buffer(max_buffer_size, when_full)
    return ChannelCallback(buffer), CallbackReceiveChannel(buffer)


def _check_size(size: Any) -> None:
    if size != math.inf and not isinstance(size, int):
        raise TypeError(
            f"from_callback(): max_buffer_size must be an int or math.inf, not {shown(size)}. "
            "Write\n    callback, receive_channel = from_callback(100)"
        )
    if size < 1:
        raise ValueError(
            f"from_callback(): max_buffer_size must be 1 or more, not {size}: a callback can't "
            "wait until its item is received. Write\n"
            "    callback, receive_channel = from_callback(100)"
        )


def _check_when_full(when_full: object) -> None:
    if inspect.iscoroutinefunction(when_full):
        raise TypeError(
            "from_callback(): when_full must be a plain function, not the async "
            f"{shown(when_full)}, as a callback can't wait for it. Write\n"
            "    def when_full(item): ..."
        )
    if when_full not in ("raise", "drop_newest", "drop_oldest") and not callable(when_full):
        raise ValueError(
            f"from_callback(): when_full={shown(when_full)}: write when_full='raise', "
            "when_full='drop_newest', when_full='drop_oldest', or a function that takes the item"
        )


@dataclass(frozen=True)
class CallbackStatistics:
    """How full a callback's channel is: the names are those of Trio's memory channels."""

    current_buffer_used: int
    """How many calls wait to be received."""
    max_buffer_size: int | float
    """How many may."""
    tasks_waiting_receive: int
    """How many Trio tasks wait in ``receive``."""
    dropped: int
    """How many calls were lost so far, as the buffer was full."""
    tasks_waiting_send: int = 0
    """Always 0, as a callback does not wait."""


class _Buffer:
    """What the callback fills and the channel empties.

    1. The buffer is bounded at all times, also when threads fill it: they append themselves, and
       ask the Trio thread only to look.
    2. ``_lock`` guards the data; it is reentrant, since the garbage collector or a signal handler
       may call the callback in the middle of anything. No user code runs inside of it.
    3. Tasks are woken in the Trio thread only. One that is woken and finds nothing waits again.
    """

    def __init__(self, size: int | float, when_full: WhenFull) -> None:
        self._size: Final = size
        self._when_full: Final = when_full
        self._items: Final[deque[Any]] = deque()
        self._lock: Final = threading.RLock()
        self._lot: Final = trio.lowlevel.ParkingLot()
        self._trio_token: Final = trio.lowlevel.current_trio_token()
        self._thread: Final = threading.get_ident()
        self._dropped = 0
        self._has_gap = False
        self._has_ended = False
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether the callback still does anything."""
        return not (self._has_ended or self._is_closed)

    def put(self, item: Any) -> None:
        """Take an item of the callback's. In any thread."""
        if not self._fits(item) and callable(self._when_full):
            self._when_full(item)
        self._wake_soon()

    def _fits(self, item: Any) -> bool:
        with self._lock:
            if not self.is_open:
                return True
            if len(self._items) < self._size and not self._has_gap:
                self._items.append(item)
                return True
            self._dropped += 1
            if self._when_full == "drop_oldest":
                self._items.popleft()
                self._items.append(item)
            # After a gap nothing is taken any more, even if there is room: who gets the items would
            # learn of the gap too late, or not at all.
            self._has_gap = self._when_full == "raise"
            return False

    def take(self) -> Any:
        """The next item, or why there is none: an exception of Trio's channels."""
        with self._lock:
            if self._is_closed:
                raise trio.ClosedResourceError
            if self._items:
                return self._items.popleft()
            if self._has_gap:
                raise ReceiverTooSlowError(
                    f"the callback was called {self._dropped} times too often: its buffer of "
                    f"{self._size} items was full. Receive faster, pass a larger max_buffer_size, "
                    "or when_full='drop_oldest' to from_callback()"
                )
            if self._has_ended:
                raise trio.EndOfChannel
            raise trio.WouldBlock

    async def wait(self) -> None:
        """Wait until something has changed. A checkpoint; cancelling it changes nothing."""
        await self._lot.park()

    def end(self) -> None:
        """No more items. In any thread."""
        with self._lock:
            self._has_ended = True
        self._wake_soon()

    def close(self) -> None:
        """Nobody wants the items. In the Trio thread."""
        with self._lock:
            self._is_closed = True
            self._items.clear()
        self._wake()

    def _wake_soon(self) -> None:
        if threading.get_ident() == self._thread:
            self._wake()
        else:
            with suppress(trio.RunFinishedError):  # then nobody receives
                self._trio_token.run_sync_soon(self._wake, idempotent=True)

    def _wake(self) -> None:
        if self.is_open and not self._has_gap:
            self._lot.unpark(count=len(self._items))
        else:
            self._lot.unpark_all()

    def statistics(self) -> CallbackStatistics:
        with self._lock:
            return CallbackStatistics(
                current_buffer_used=len(self._items),
                max_buffer_size=self._size,
                tasks_waiting_receive=self._lot.statistics().tasks_waiting,
                dropped=self._dropped,
            )


class ChannelCallback:
    """A callback whose calls a Trio channel receives. Made by :func:`from_callback`.

    It may be called on the asyncio side, on the Trio side, and in any other thread, also after the
    run has ended (when it does nothing). It returns None. What is called in one thread is received
    in that order. It is equal to itself only, and hashable, so that a library finds it again when
    it is to be removed.
    """

    def __init__(self, buffer: _Buffer) -> None:
        self._buffer: Final = buffer

    @enable_ki_protection
    def __call__(self, /, *args: Any, **kwargs: Any) -> None:
        """Let the channel receive ``args``: one argument as itself, none or several as a tuple.

        What asyncio code passes is adapted for Trio as by ``trio2aio``: plain data is unchanged.

        Raises:
          TypeError: there are keyword arguments. An item would have another shape then.
        """
        if kwargs:
            raise TypeError(
                f"the callback was called with keyword arguments: {', '.join(kwargs)}. Register a "
                "function that makes one item of them:\n"
                "    lambda *args, **kwargs: callback((args, kwargs))"
            )
        item = args[0] if len(args) == 1 else args
        self._buffer.put(item if get_running_loop() is None else trio2aio(item))

    def close(self) -> None:
        """There will be no more calls: the channel ends after the items that are in the buffer.

        In any thread; not a checkpoint. To close it again does nothing. Calls that come all the
        same do nothing.
        """
        self._buffer.end()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}, {self._buffer.statistics()}>"


class CallbackReceiveChannel(trio.abc.ReceiveChannel[ReceiveT]):
    """Receives the calls of a callback. Made by :func:`from_callback`.

    Several tasks may receive at a time. Also a context manager (``with`` closes it), and an async
    iterator, which ends when the callback is closed.
    """

    def __init__(self, buffer: _Buffer) -> None:
        self._buffer: Final = buffer

    @enable_ki_protection
    def receive_nowait(self) -> ReceiveT:
        """Receive an item, if there is one. Not a checkpoint.

        Raises:
          trio.WouldBlock: there is none.
          trio.EndOfChannel: there is none, and the callback was closed.
          ReceiverTooSlowError: calls were lost here (``when_full="raise"``). It is raised from then
            on, each time.
          trio.ClosedResourceError: this channel is closed.
        """
        item: ReceiveT = self._buffer.take()
        return item

    @enable_ki_protection
    async def receive(self) -> ReceiveT:
        """Receive an item, and wait for one if need be.

        A checkpoint, always. If it is cancelled, no item has been taken.

        Raises:
          trio.EndOfChannel: there is none left, and the callback was closed.
          ReceiverTooSlowError: calls were lost here (``when_full="raise"``). It is raised from then
            on, each time.
          trio.ClosedResourceError: this channel is closed, or was while we waited.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        with suppress(trio.WouldBlock):
            item = self.receive_nowait()
            await trio.lowlevel.cancel_shielded_checkpoint()
            return item
        while True:
            await self._buffer.wait()
            with suppress(trio.WouldBlock):
                return self.receive_nowait()

    def statistics(self) -> CallbackStatistics:
        """How full the buffer is, and how many calls were lost so far. Not a checkpoint."""
        return self._buffer.statistics()

    @enable_ki_protection
    def close(self) -> None:
        """Close the channel: items that are left are dropped, and the callback does nothing more.

        Not a checkpoint. To close it again does nothing. It does not take the callback from where
        it is registered.
        """
        self._buffer.close()

    async def aclose(self) -> None:
        """The same as :meth:`close`, and a checkpoint. If it is cancelled, it is closed too."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}, {self._buffer.statistics()}>"
