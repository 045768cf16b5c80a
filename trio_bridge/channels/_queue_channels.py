"""``asyncio.Queue`` as Trio channels."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import trio
from trio.lowlevel import enable_ki_protection

from .._untrusted import shown
from .._views import trio2aio, unview
from ._waits import QueueShutDown, Waits

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
SendT = TypeVar("SendT", contravariant=True)
ReceiveT = TypeVar("ReceiveT", covariant=True)


def to_trio(queue: asyncio.Queue[T]) -> tuple[QueueSendChannel[T], QueueReceiveChannel[T]]:
    """An asyncio queue as Trio channels: one that puts, and one that gets.

    Args:
      queue: an :class:`asyncio.Queue`, or a subclass as ``PriorityQueue`` and ``LifoQueue``.

    Returns:
      The send channel and the receive channel, for Trio code; asyncio code goes on with the queue.
      Either may be left unused. Not a checkpoint, and no loop needs to be open yet. Each call makes
      a pair of its own: what is said below of *the pair* doesn't concern other pairs.

    Raises:
      TypeError: ``queue`` is something else.

    How it ends:

    - Closing the send channel shuts the queue down, on Python 3.13 and later: whoever gets from it,
      on either side, gets what is in it and then the end; nobody can put any more. An asyncio queue
      of Python 3.11 and 3.12 has no end. There the pair's receive channel gets what is in the queue
      and then :exc:`trio.EndOfChannel`; asyncio code doesn't notice.
    - Closing the receive channel leaves the queue and its items alone, as others may get from it.
      The pair's send channel raises :exc:`trio.BrokenResourceError` from then on. If Trio was the
      only consumer, call ``queue.shutdown()`` too (3.13+), or asyncio code that puts may wait
      forever.
    - When asyncio code shuts the queue down, ``receive`` raises :exc:`trio.EndOfChannel` once it is
      empty, and ``send`` raises :exc:`trio.BrokenResourceError`.

    ``queue.join()`` waits for ``queue.task_done()``, which Trio code may call for what it received.
    """
    queue = unview(queue)
    if not isinstance(queue, asyncio.Queue):
        raise TypeError(
            f"to_trio() takes an asyncio.Queue, not {shown(queue)}. Write\n"
            "    send_channel, receive_channel = to_trio(asyncio.Queue(maxsize=10))"
        )
    pair = _Pair(queue)
    return QueueSendChannel(pair), QueueReceiveChannel(pair)


class _Pair(Generic[T]):
    """What the two channels of a queue know of each other."""

    def __init__(self, queue: asyncio.Queue[T]) -> None:
        self.queue: Final = queue
        self.is_send_closed = False
        self.is_receive_closed = False
        self.sends: Final = Waits()
        self.receives: Final = Waits()


@trio2aio
async def _put(queue: asyncio.Queue[T], value: T) -> None:
    await queue.put(value)


@trio2aio
async def _get(queue: asyncio.Queue[T]) -> T:
    return await queue.get()


# put_nowait, get_nowait and shutdown are called on the Trio side, not through trio2aio: asyncio's
# queue needs no running loop for them, as whom they wake has a future that knows its loop. So they
# work wherever Trio code runs, and cost no crossing.


class QueueSendChannel(trio.abc.SendChannel[SendT]):
    """Puts into an asyncio queue, for Trio code. Made by :func:`to_trio`.

    Several tasks may send at a time. Also a context manager: ``with`` closes it.
    """

    def __init__(self, pair: _Pair[Any]) -> None:
        self._pair: Final = pair

    @enable_ki_protection
    def send_nowait(self, value: SendT) -> None:
        """Put an item, if there is room. Not a checkpoint.

        Raises:
          trio.WouldBlock: the queue is full.
          trio.ClosedResourceError: this channel is closed.
          trio.BrokenResourceError: the queue was shut down, or the receive channel closed.
        """
        self._check_can_send()
        try:
            self._pair.queue.put_nowait(value)
        except asyncio.QueueFull:
            raise trio.WouldBlock from None
        except QueueShutDown:
            raise trio.BrokenResourceError("the asyncio queue was shut down") from None

    @enable_ki_protection
    async def send(self, value: SendT) -> None:
        """Put an item, and wait for room if need be.

        A checkpoint, always. If it is cancelled the item has not been put, and will not be.

        Raises:
          trio.ClosedResourceError: this channel is closed, or was while we waited.
          trio.BrokenResourceError: the queue was shut down, or the receive channel closed.
          RuntimeError: it has to wait, and no asyncio loop is open.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self.send_nowait(value)
        except trio.WouldBlock:
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        with self._pair.sends.listed() as scope, scope, suppress(QueueShutDown):
            await _put(self._pair.queue, value)
            return
        self._check_can_send()
        raise trio.BrokenResourceError("the asyncio queue was shut down")

    def _check_can_send(self) -> None:
        if self._pair.is_send_closed:
            raise trio.ClosedResourceError
        if self._pair.is_receive_closed:
            raise trio.BrokenResourceError("the receive channel of the queue was closed")

    @enable_ki_protection
    def close(self) -> None:
        """Close this end, and shut the queue down where it can be: see :func:`to_trio`.

        Not a checkpoint. To close it again does nothing.
        """
        if self._pair.is_send_closed:
            return
        self._pair.is_send_closed = True
        self._pair.sends.wake()
        if sys.version_info >= (3, 13):
            self._pair.queue.shutdown()
        self._pair.receives.wake()  # they wait, so there is nothing left to receive

    async def aclose(self) -> None:
        """The same as :meth:`close`, and a checkpoint. If it is cancelled, it is closed too."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._pair.queue!r}>"


class QueueReceiveChannel(trio.abc.ReceiveChannel[ReceiveT]):
    """Gets from an asyncio queue, for Trio code. Made by :func:`to_trio`.

    Several tasks may receive at a time. Also a context manager (``with`` closes it), and an async
    iterator.
    """

    def __init__(self, pair: _Pair[Any]) -> None:
        self._pair: Final = pair

    @enable_ki_protection
    def receive_nowait(self) -> ReceiveT:
        """Get an item, if there is one. Not a checkpoint.

        Raises:
          trio.WouldBlock: the queue is empty.
          trio.EndOfChannel: it is, and it was shut down, or the send channel closed.
          trio.ClosedResourceError: this channel is closed.
        """
        if self._pair.is_receive_closed:
            raise trio.ClosedResourceError
        try:
            item: ReceiveT = self._pair.queue.get_nowait()
        except asyncio.QueueEmpty:
            if self._pair.is_send_closed:
                raise trio.EndOfChannel from None
            raise trio.WouldBlock from None
        except QueueShutDown:
            raise trio.EndOfChannel from None
        return item

    @enable_ki_protection
    async def receive(self) -> ReceiveT:
        """Get an item, and wait for one if need be.

        A checkpoint, always. If it is cancelled, no item has been taken from the queue.

        Raises:
          trio.EndOfChannel: the queue is empty, and was shut down, or the send channel closed.
          trio.ClosedResourceError: this channel is closed, or was while we waited.
          RuntimeError: it has to wait, and no asyncio loop is open.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            item = self.receive_nowait()
        except trio.WouldBlock:
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return item
        with self._pair.receives.listed() as scope, scope, suppress(QueueShutDown):
            item = await _get(self._pair.queue)
            return item
        return self.receive_nowait()  # one of the two is closed, and this says which

    @enable_ki_protection
    def close(self) -> None:
        """Close this end. The queue and its items stay as they are: see :func:`to_trio`.

        Not a checkpoint. To close it again does nothing.
        """
        self._pair.is_receive_closed = True
        self._pair.receives.wake()
        self._pair.sends.wake()

    async def aclose(self) -> None:
        """The same as :meth:`close`, and a checkpoint. If it is cancelled, it is closed too."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._pair.queue!r}>"
