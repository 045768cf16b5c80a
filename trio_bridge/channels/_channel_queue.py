"""Trio channels as an ``asyncio.Queue``."""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import trio

from .._untrusted import shown
from .._views import aio2trio, unview
from ._waits import QueueShutDown, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
SendT = TypeVar("SendT", contravariant=True)
ReceiveT = TypeVar("ReceiveT", covariant=True)


def to_asyncio(
    send_channel: trio.abc.SendChannel[T] | None = None,
    receive_channel: trio.abc.ReceiveChannel[T] | None = None,
) -> ChannelQueue[T]:
    """Trio channels as an object with the interface of ``asyncio.Queue``, for asyncio code.

    Args:
      send_channel: what ``put`` sends to; without it the queue can only be got from.
      receive_channel: what ``get`` receives from; without it the queue can only be put into.

    Returns:
      The queue. ``to_asyncio(*trio.open_memory_channel(10))`` is one with both ends in asyncio. Not
      a checkpoint, and no loop needs to be open yet.

    Raises:
      TypeError: an argument is something else, or both are missing.
    """
    if isinstance(send_channel, tuple):
        raise TypeError(
            "to_asyncio() takes the two channels as two arguments. Write\n"
            "    to_asyncio(*trio.open_memory_channel(10))"
        )
    send_channel, receive_channel = unview(send_channel), unview(receive_channel)
    if send_channel is None and receive_channel is None:
        raise TypeError(
            "to_asyncio() needs at least one channel. Write\n"
            "    to_asyncio(send_channel), to_asyncio(receive_channel=receive_channel), or\n"
            "    to_asyncio(send_channel, receive_channel)"
        )
    for channel, kind, name in (
        (send_channel, trio.abc.SendChannel, "send_channel"),
        (receive_channel, trio.abc.ReceiveChannel, "receive_channel"),
    ):
        if channel is not None and not isinstance(channel, kind):
            raise TypeError(
                f"to_asyncio(): {name} must be a trio.abc.{kind.__name__}, not {shown(channel)}. "
                "Write\n    to_asyncio(send_channel=..., receive_channel=...)"
            )
    return ChannelQueue(send_channel, receive_channel)


class _Statistics(Protocol):
    """What a memory channel tells of itself."""

    @property
    def current_buffer_used(self) -> int: ...
    @property
    def max_buffer_size(self) -> int | float: ...
    @property
    def tasks_waiting_send(self) -> int: ...
    @property
    def tasks_waiting_receive(self) -> int: ...


@aio2trio
async def _send(channel: trio.abc.SendChannel[T], value: T) -> None:
    await channel.send(value)


@aio2trio
async def _receive(channel: trio.abc.ReceiveChannel[T], wake: trio.CancelScope) -> list[T]:
    """The item, in a list that is empty if ``wake`` was cancelled."""
    with wake:
        return [await channel.receive()]
    return []


class ChannelQueue(Generic[T]):
    """Trio channels with the interface of ``asyncio.Queue``. Made by :func:`to_asyncio`.

    ``put`` and ``get`` suspend only if they have to wait. A task that asyncio cancels meanwhile
    gets its ``CancelledError`` if nothing was sent or received, and else the cancellation comes
    at its next suspension. Tasks that wait at the same time are not served in the order in which
    they came.

    When the channel is closed on the Trio side, ``put`` and ``get`` raise :exc:`QueueShutDown`,
    which is ``asyncio.QueueShutDown`` on Python 3.13 and later, and the same name in this module
    always. Items that are left are got first. Other errors of a channel come through as they are.

    It is no subclass of ``asyncio.Queue``: what a later Python adds there would seem to work, on a
    queue that is always empty. Use it on one loop, from the loop's thread.
    """

    def __init__(
        self,
        send_channel: trio.abc.SendChannel[T] | None,
        receive_channel: trio.abc.ReceiveChannel[T] | None,
    ) -> None:
        self._send_channel: Final = send_channel
        self._receive_channel: Final = receive_channel
        # What is in the queue is known of one channel, if they are two ends of one, as is usual.
        self._source: Final = send_channel if receive_channel is None else receive_channel
        self._sink: Final = receive_channel if send_channel is None else send_channel
        self._is_shut_down = False
        self._gets: Final = Waits()
        self._unfinished = 0
        self._on_the_way = 0
        """How many items were put here and not got here: others come from the Trio side."""
        self._finished: Final = asyncio.Event()
        self._finished.set()

    # ---- put

    async def put(self, item: T) -> None:
        """Send an item, and wait until the channel takes it if need be.

        If it is cancelled, the item has not been sent.

        Raises:
          QueueShutDown: the channel is closed.
          TypeError: the queue has no send channel.
        """
        channel = self._sender()
        if hasattr(channel, "send_nowait"):
            with suppress(asyncio.QueueFull):
                self.put_nowait(item)
                return
        with self._counted_put():
            if self._is_shut_down:
                raise QueueShutDown
            await _send(channel, item)

    def put_nowait(self, item: T) -> None:
        """Send an item, if the channel takes it at once.

        Raises:
          asyncio.QueueFull: it does not.
          QueueShutDown: the channel is closed.
          NotImplementedError: the channel has no ``send_nowait``.
          TypeError: the queue has no send channel.
        """
        send_nowait = _method(self._sender(), "send_nowait", "put_nowait", "await queue.put(item)")
        with self._counted_put():
            if self._is_shut_down:
                raise QueueShutDown
            try:
                send_nowait(item)
            except trio.WouldBlock:
                raise asyncio.QueueFull from None

    def _sender(self) -> trio.abc.SendChannel[T]:
        if self._send_channel is None:
            raise TypeError(
                "this queue can only be got from, as to_asyncio() was given no send channel. Write"
                "\n    to_asyncio(send_channel, receive_channel)"
            )
        return self._send_channel

    @contextmanager
    def _counted_put(self) -> Iterator[None]:
        # Counted beforehand: whoever receives the item may be done with it before put() returns.
        self._add_unfinished()
        self._on_the_way += 1
        try:
            yield
        except BaseException as exc:
            if self._unfinished:  # else somebody was done with it before it was there
                self._on_the_way -= 1
                self._remove_unfinished()
            if isinstance(exc, trio.BrokenResourceError | trio.ClosedResourceError):
                raise QueueShutDown from None
            raise

    # ---- get

    async def get(self) -> T:
        """Receive an item, and wait for one if need be.

        If it is cancelled, no item has been taken from the channel.

        Raises:
          QueueShutDown: the channel is closed, and nothing is left in it.
          TypeError: the queue has no receive channel.
        """
        channel = self._receiver()
        if hasattr(channel, "receive_nowait"):
            with suppress(asyncio.QueueEmpty):
                return self.get_nowait()
        with self._gets.listed() as wake:
            try:
                received = await _receive(channel, wake)
            except (trio.EndOfChannel, trio.ClosedResourceError):
                raise QueueShutDown from None
        return self._got(received[0]) if received else self.get_nowait()

    def get_nowait(self) -> T:
        """Receive an item, if there is one.

        Raises:
          asyncio.QueueEmpty: there is none.
          QueueShutDown: the channel is closed, and nothing is left in it.
          NotImplementedError: the channel has no ``receive_nowait``.
          TypeError: the queue has no receive channel.
        """
        receive_nowait = _method(
            self._receiver(), "receive_nowait", "get_nowait", "await queue.get()"
        )
        try:
            item: T = receive_nowait()
        except trio.WouldBlock:
            if not self._is_shut_down:
                raise asyncio.QueueEmpty from None
            self._close_receiver()
            raise QueueShutDown from None
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise QueueShutDown from None
        return self._got(item)

    def _receiver(self) -> trio.abc.ReceiveChannel[T]:
        if self._receive_channel is None:
            raise TypeError(
                "this queue can only be put into, as to_asyncio() was given no receive channel. "
                "Write\n    to_asyncio(send_channel, receive_channel)"
            )
        return self._receive_channel

    def _got(self, item: T) -> T:
        if self._on_the_way:
            self._on_the_way -= 1
        else:
            self._add_unfinished()  # from the Trio side: this is the first that we know of it
        return item

    # ---- how much is in it

    def qsize(self) -> int:
        """How many items are in the channel's buffer (of a memory channel).

        Raises:
          NotImplementedError: the channel has no ``statistics()``.
        """
        return self._statistics(self._source).current_buffer_used

    def empty(self) -> bool:
        """Whether ``get_nowait`` would find nothing (in a memory channel).

        Raises:
          NotImplementedError: the channel has no ``statistics()``.
        """
        now = self._statistics(self._source)
        # A channel with a buffer of none hands over what a task waits to send.
        return now.current_buffer_used == 0 and now.tasks_waiting_send == 0

    def full(self) -> bool:
        """Whether ``put_nowait`` would find no room (in a memory channel).

        Raises:
          NotImplementedError: the channel has no ``statistics()``.
        """
        now = self._statistics(self._sink)
        return now.current_buffer_used >= now.max_buffer_size and now.tasks_waiting_receive == 0

    @property
    def maxsize(self) -> int:
        """How many items a memory channel buffers; 0 if there is no bound, as in asyncio.

        A channel without a buffer, whose ``put`` waits until the item is received, has a maxsize of
        1: the smallest that asyncio's terms have.

        Raises:
          NotImplementedError: the channel has no ``statistics()``.
        """
        size = self._statistics(self._sink).max_buffer_size
        return 0 if size == math.inf else max(1, int(size))

    def _statistics(self, channel: object) -> _Statistics:
        statistics = getattr(channel, "statistics", None)
        if statistics is None:
            raise NotImplementedError(
                f"how much is in {shown(channel)} is not known: it has no statistics(), as memory "
                "channels have"
            )
        now: _Statistics = statistics()
        return now

    # ---- who is done

    def task_done(self) -> None:
        """Say that the work on an item that was got is complete. For :meth:`join`.

        Raises:
          ValueError: it was called more often than there were items.
        """
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._remove_unfinished()

    async def join(self) -> None:
        """Wait until ``task_done`` was called for each item that was put or got here.

        What Trio code sends counts from when it was got here; what Trio code receives counts until
        it calls ``task_done`` itself. The count is exact if all items are received here, or none.
        Cancelling it does nothing else.
        """
        await self._finished.wait()

    def _add_unfinished(self) -> None:
        self._unfinished += 1
        self._finished.clear()

    def _remove_unfinished(self) -> None:
        self._unfinished -= 1
        self._on_the_way = min(self._on_the_way, self._unfinished)
        if self._unfinished == 0:
            self._finished.set()

    # ---- the end

    def shutdown(self, immediate: bool = False) -> None:
        """End the queue: ``put`` raises :exc:`QueueShutDown`, and ``get`` when nothing is left.

        Args:
          immediate: drop what is left, too.

        The send channel is closed, and the receive channel as soon as it is found empty: Trio code
        that receives gets :exc:`trio.EndOfChannel`, if no clone of the send channel is open, and
        Trio code that sends gets :exc:`trio.BrokenResourceError`. Who waits in ``put`` or ``get``
        is woken. To shut it down again does nothing, but for a first ``immediate``.

        Raises:
          NotImplementedError: a channel has no ``close``, or no ``receive_nowait`` to empty it.
        """
        close = receive_nowait = None
        if self._send_channel is not None:
            instead = "await aio2trio(channel.aclose)()"
            close = _method(self._send_channel, "close", "shutdown", instead)
        if self._receive_channel is not None:
            instead = "await aio2trio(channel.aclose)()"
            receive_nowait = _method(self._receive_channel, "receive_nowait", "shutdown", instead)
            _method(self._receive_channel, "close", "shutdown", instead)
        self._is_shut_down = True
        if close is not None:
            close()  # which wakes those who put
        if receive_nowait is not None:
            self._end_gets(immediate)

    def _end_gets(self, immediate: bool) -> None:
        if immediate:
            with suppress(QueueShutDown):  # which get_nowait raises when it finds nothing
                while True:
                    self.get_nowait()
                    self._remove_unfinished()
        elif hasattr(self._receive_channel, "statistics") and self.empty():
            self._close_receiver()
        self._gets.wake()

    def _close_receiver(self) -> None:
        close: Callable[[], object] = self._receive_channel.close  # type: ignore[union-attr]
        close()

    def __repr__(self) -> str:
        ends = f"send_channel={self._send_channel!r}, receive_channel={self._receive_channel!r}"
        return f"<{type(self).__name__} {ends}{', shut down' if self._is_shut_down else ''}>"


def _method(channel: object, name: str, wanted_for: str, instead: str) -> Callable[..., Any]:
    """A method that a memory channel has, and that Trio's interfaces don't promise."""
    method: Callable[..., Any] | None = getattr(channel, name, None)
    if method is None:
        raise NotImplementedError(
            f"{wanted_for}() needs a channel that has {name}(), as memory channels have, and "
            f"{shown(channel)} has none. Write `{instead}` instead"
        )
    return method
