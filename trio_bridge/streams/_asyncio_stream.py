"""An asyncio reader and writer as a Trio stream."""

from __future__ import annotations

import asyncio
import contextlib
import operator
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from .._untrusted import shown
from .._views import trio2aio, unview
from ._transport import CHUNK
from ._wrong_arguments import (
    check_asyncio_streams,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_ABORT_TIMEOUT: Final = 1.0
"""Seconds to wait for an aborted connection's end; one or two turns of the loop, in fact."""


def to_trio(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> trio.abc.HalfCloseableStream:
    """Adapt an asyncio stream, which is a reader and a writer, for Trio code to use.

    Args:
      reader, writer: what ``asyncio.open_connection`` gives, or a server's handler gets; or the
        ``stdout`` and ``stdin`` of an asyncio subprocess. The Trio stream owns them.

    Returns:
      A Trio stream, to be used where the loop of the reader and the writer is open.

    Raises:
      TypeError: the arguments are something else; the message shows what to write.

    Not a checkpoint, and callable on both sides. The methods of the stream are Trio-side,
    checkpoints unless they raise, and keep to Trio's rules:

    - ``send_all`` has backpressure: while the other end doesn't read it blocks, with at most one
      byte more than the high-water mark of ``writer.transport`` in its buffer (asyncio's TLS has a
      second one below). When it returns, up to that much is still there; ``aclose`` sends it. If it
      is cancelled, a part of the data may have been sent.
    - ``receive_some`` loses no data when it is cancelled.
    - ``send_eof`` sends what asyncio has buffered, then the end, and doesn't wait for that. Where
      the transport can't (asyncio's TLS), it raises :exc:`NotImplementedError`.
    - ``aclose`` sends what asyncio has buffered, then closes, and waits for that. If it is
      cancelled it throws away what is buffered, and closes at once (``transport.abort()``).
      A connection that fails meanwhile is closed too, so that is no error.
    - A lost connection is a :exc:`trio.BrokenResourceError` whose cause is the :exc:`OSError`; a
      stream that is closed, by this task or by another, a :exc:`trio.ClosedResourceError`; two
      tasks that send, or two that receive, a :exc:`trio.BusyResourceError`.

    Closing the stream of a subprocess closes its ``stdin``. The other pipe is the process's to
    close: asyncio gives no access to it.
    """
    reader, writer = unview(reader), unview(writer)
    check_asyncio_streams(reader, writer)
    return AsyncioStream(reader, writer)


class AsyncioStream(trio.abc.HalfCloseableStream):
    """An asyncio reader and writer, for Trio code. See :func:`to_trio`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader: Final = reader
        self._writer: Final = writer
        # What ended the connection, if asyncio knows: drain() often only knows that it ended.
        reason = reader.exception
        self._sending: Final = _Direction("sending on", reason)
        self._receiving: Final = _Direction("receiving from", reason)
        self._has_sent_eof = False
        self._closer: asyncio.Task[None] | None = None
        self._has_ended = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._writer.transport!r}>"

    # ---- Trio-side: the methods of a Trio stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of ``data``; return when at most the high-water mark of it waits in a buffer.

        A checkpoint. When cancelled, a part of the data may have been sent.

        Raises:
          trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: see
            :func:`to_trio`; closed is also what follows on ``send_eof``.
          TypeError: ``data`` is not bytes-like.
        """
        self._check_eof()
        await self._sending.run(self._write, data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the buffer has room. A checkpoint; cancelling it does nothing else.

        Raises:
          trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: as
            ``send_all``.
        """
        self._check_eof()
        await self._sending.run(self._drain)

    async def send_eof(self) -> None:
        """Send what is buffered and then the end, later: this doesn't wait. A checkpoint.

        When it is cancelled, nothing has been done. A second call does nothing.

        Raises:
          NotImplementedError: the transport can't close one direction (asyncio's TLS).
          trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: see
            :func:`to_trio`.
        """
        await self._sending.run(self._write_eof)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for data: at least one byte, at most ``max_bytes`` of them; ``b""`` at the end.

        A checkpoint. Cancelling it loses no data.

        Raises:
          trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: see
            :func:`to_trio`.
          TypeError, ValueError: ``max_bytes`` is neither ``None`` nor a positive integer.
        """
        size = CHUNK if max_bytes is None else operator.index(max_bytes)
        if size < 1:
            raise ValueError(f"max_bytes is {shown(max_bytes)}, and must be at least 1")
        return await self._receiving.run(self._read, size)

    async def aclose(self) -> None:
        """Send what is buffered, close, and wait until the connection has ended. A checkpoint.

        When cancelled it closes all the same, at once, and what is buffered is lost. Tasks that
        wait in other methods get :exc:`trio.ClosedResourceError`. A second call does no harm.
        """
        self._sending.close()
        self._receiving.close()
        if self._has_ended:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._close()
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._abort()
            raise

    # ---- asyncio-side: what they do there

    @trio2aio
    async def _read(self, size: int) -> bytes:
        return await self._reader.read(size)

    @trio2aio
    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as original, original.cast("B") as view:
            position = 0
            while True:
                await self._drain()
                if position == len(view):
                    return
                # A copy, as transports keep what they can't send at once, and the caller's buffer
                # is the caller's again when this returns. (bytes() of bytes makes none.)
                room = self._room()
                is_whole = position == 0 and len(view) <= room
                piece = bytes(data if is_whole else view[position : position + room])
                self._writer.write(piece)
                position += len(piece)
                if position < len(view):
                    # drain() doesn't let others run when there is room, and there may always be.
                    await asyncio.sleep(0)

    def _room(self) -> int:
        """How many bytes to write at once: one more than the buffer may hold.

        That one is needed: drain() waits when the buffer is *above* the high-water mark.
        """
        transport = self._writer.transport
        _low, high = transport.get_write_buffer_limits()
        return max(high + 1 - transport.get_write_buffer_size(), 1)

    @trio2aio
    async def _drain(self) -> None:
        """Wait until the buffer is not above its limit; and find out whether one can write."""
        await self._writer.drain()
        if self._writer.transport.is_closing():
            # Transports ignore what is written to them in this state.
            raise BrokenPipeError("the connection was closed by asyncio code, or by the other end")

    @trio2aio
    async def _write_eof(self) -> None:
        if self._has_sent_eof:
            return
        if not self._writer.can_write_eof():
            raise NotImplementedError(
                f"{shown(self._writer.transport)} can't close one direction only: asyncio's TLS "
                "has no half-close. Mark the end in your protocol, or close the stream with "
                "aclose()"
            )
        if self._writer.transport.is_closing():
            await self._drain()
        self._writer.write_eof()
        self._has_sent_eof = True

    @trio2aio
    async def _close(self) -> None:
        if not self._writer.transport.is_closing():
            self._writer.close()  # once only: a TLS transport can't be aborted after a second time
        closer = self._wait_closed_task()
        await asyncio.wait([closer])
        closer.result()

    @trio2aio
    async def _abort(self) -> None:
        closer = self._wait_closed_task()
        if not self._is_past_aborting():
            self._writer.transport.abort()
        await asyncio.wait([closer], timeout=_ABORT_TIMEOUT)

    def _is_past_aborting(self) -> bool:
        """Whether the end has come, or is certain; asyncio's transports then fail if aborted.

        A socket's does before gh-156512 was fixed, if it was closed with data left to send; a
        pipe's also when it only waits for its turn to end.
        """
        transport = self._writer.transport
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.fileno() == -1:
            return True
        if transport.get_extra_info("pipe") is not None:
            return transport.is_closing() and not transport.get_write_buffer_size()
        return self._has_ended

    def _wait_closed_task(self) -> asyncio.Task[None]:
        # In a task of its own, which is never cancelled from here: wait_closed() awaits asyncio's
        # own future as it is, and that must not be cancelled (a subprocess's stdin insists).
        if self._closer is None:
            self._closer = asyncio.get_running_loop().create_task(self._wait_closed())
        return self._closer

    async def _wait_closed(self) -> None:
        with contextlib.suppress(OSError):  # it is closed, however it came to that
            await self._writer.wait_closed()
        self._has_ended = True

    # ---- errors

    def _check_eof(self) -> None:
        if self._has_sent_eof:
            raise trio.ClosedResourceError("send_eof() was called on this stream")


class _Direction:
    """Sending, or receiving: lets one task in at a time, and turns it out when the stream closes.

    Args:
      doing: what a task does that is in, for messages.
      reason: what ended the connection, if that is known; a better cause than the error at hand.
    """

    def __init__(self, doing: str, reason: Callable[[], BaseException | None]) -> None:
        self._doing: Final = doing
        self._reason: Final = reason
        self._scope: trio.CancelScope | None = None
        self._is_closed = False

    def close(self) -> None:
        """Let nobody in any more."""
        self._is_closed = True
        if self._scope is not None:
            self._scope.cancel()

    async def run(self, fn: Callable[..., Awaitable[T]], *args: object) -> T:
        """Call ``fn``, Trio-side, and give its result; its :exc:`OSError` as Trio's error."""
        if self._is_closed:
            raise trio.ClosedResourceError("this stream has been closed")
        if self._scope is not None:
            raise trio.BusyResourceError(f"another task is {self._doing} this stream")
        self._scope = scope = trio.CancelScope()
        try:
            with scope:
                return await fn(*args)
        except OSError as exc:
            if not self._is_closed:
                cause = self._reason()
                raise trio.BrokenResourceError(f"the connection is lost: {cause or exc}") from (
                    cause or exc
                )
        finally:
            self._scope = None
        raise trio.ClosedResourceError("another task closed this stream")
