"""A Trio stream as a transport for an asyncio protocol."""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import trio

from .._bridge import current_loop
from .._untrusted import shown
from .._views import aio2trio, trio2aio, unview
from ._extra_info import TLS_METHODS, extra_info
from ._wrong_arguments import (
    check_factory,
    check_protocol,
    check_trio_stream,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

CHUNK: Final = 2**16
"""Bytes that are read, or handed to a Trio stream, at once unless somebody says otherwise."""

_IGNORED_WRITES: Final = 5
"""Writes to a closed transport before the first warning: as many as asyncio's own allow."""

_logger: Final = logging.getLogger(__name__)


def to_transport(
    stream: trio.abc.Stream, protocol_factory: Callable[[], ProtocolT]
) -> tuple[asyncio.Transport, ProtocolT]:
    """Connect a Trio stream with an asyncio protocol.

    Args:
      stream: any Trio stream. The transport owns it: nobody else may use it any more.
      protocol_factory: gives the protocol, an :class:`asyncio.Protocol` or
        :class:`asyncio.BufferedProtocol`; called asyncio-side without arguments, usually the class.

    Returns:
      The transport and the protocol. ``connection_made`` has been called.

    Raises:
      TypeError: an argument is something else; the message shows what to write.
      RuntimeError: no loop is open here.
      Exception: what the factory or ``connection_made`` raises. The stream is the caller's again.

    Not a checkpoint, and callable on both sides, on Trio's where a loop is open. Data moves in
    asyncio tasks of the loop's, outside of the caller's scopes: the transport lives until it is
    closed, or the loop ends.

    ``close()`` sends what is buffered and closes the stream gracefully, ``abort()`` forcefully. A
    :exc:`trio.BrokenResourceError` reaches ``connection_lost`` as the :exc:`OSError` that caused
    it, if one did, else as :exc:`ConnectionResetError` (of receiving) or :exc:`BrokenPipeError` (of
    sending). A stream that other code closed, or a loop that ended first, is a
    :exc:`ConnectionAbortedError`; the second also a :exc:`ResourceWarning`. Any other error goes to
    the loop's exception handler too. ``write_eof()`` needs a :class:`trio.abc.HalfCloseableStream`.
    """
    stream = unview(stream)
    check_trio_stream("to_transport", stream)
    check_factory(protocol_factory)
    transport = StreamTransport(stream, current_loop())
    protocols: list[ProtocolT] = []

    def connect() -> None:
        protocol = protocol_factory()
        check_protocol(protocol, protocol_factory)
        protocols.append(protocol)
        transport.connect(protocol)

    trio2aio(connect)()  # asyncio-side; it returns nothing, as that would be adapted
    return transport, protocols[0]


_open_transports: Final[set[StreamTransport]] = set()
"""Keeps them alive, as asyncio's selector does its own: they may consist of cycles only."""


class StreamTransport(asyncio.Transport):
    """A Trio stream, for an asyncio protocol. See :func:`to_transport`.

    1. The *receiver* is an asyncio task from the start to the end of what comes in.
    2. The *sender* is one until all is sent after ``close()``, or it is cancelled by ``abort()``.
    3. The *finisher* follows on the sender, however that ended: it ends the receiver, closes the
       stream and calls ``connection_lost``.
    """

    _start_tls_compatible = True  # asyncio's name: loop.start_tls() works

    def __init__(self, stream: trio.abc.Stream, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(extra_info(stream))
        self._stream: Final = stream
        self._loop: Final = loop
        self._protocol: Any = None
        self._sender: asyncio.Task[None] | None = None
        self._receiver: asyncio.Task[None] | None = None
        self._finisher: asyncio.Task[None] | None = None
        self._sender_wakeup: Final = asyncio.Event()
        self._reading_resumed: Final = asyncio.Event()
        self._is_paused = False
        self._buffer = bytearray()
        self._protocol_paused = False
        self._low_water, self._high_water = _water_marks(None, None)
        self._is_eof_wanted = False
        self._is_closing = False
        self._takes_writes = True
        self._is_forceful = False
        self._is_closing_stream = False
        self._is_lost = False
        self._is_abandoned = False
        self._ignored_writes = 0
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        state = "closed" if self._is_lost else "closing" if self._is_closing else "open"
        return f"<{type(self).__name__} {state} bufsize={len(self._buffer)} {self._stream!r}>"

    def __del__(self) -> None:
        if getattr(self, "_is_abandoned", False):
            warnings.warn(
                f"unclosed transport {self!r}", ResourceWarning, stacklevel=2, source=self
            )

    # ---- the beginning

    def connect(self, protocol: asyncio.BaseProtocol) -> None:
        """Begin: call ``connection_made``, then let data move. Asyncio-side; not a checkpoint."""
        self._protocol = protocol
        try:
            protocol.connection_made(self)
        except BaseException:
            self._is_closing = self._is_forceful = self._is_lost = True
            self._takes_writes = False
            raise
        _open_transports.add(self)
        self._receiver = self._loop.create_task(self._receive_until_end())
        self._sender = self._loop.create_task(self._send_until_closing())
        self._sender.add_done_callback(self._sender_ended)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have what comes from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol."""
        return self._protocol  # type: ignore[no-any-return]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What asyncio's own transports know by this name, where the Trio stream knows it.

        That is ``socket``, ``peername`` and ``sockname`` of a socket's stream, also below TLS, and
        ``sslcontext``, ``peercert``, ``cipher`` and ``compression`` of :class:`trio.SSLStream`.
        """
        if name in TLS_METHODS and isinstance(self._stream, trio.SSLStream):
            try:
                return getattr(self._stream, TLS_METHODS[name])()
            except trio.NeedHandshakeError:
                return default
        return super().get_extra_info(name, default)

    # ---- receiving

    def is_reading(self) -> bool:
        """Whether the protocol may get data."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Give the protocol nothing. At most one piece more is received, and kept for later."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """End :meth:`pause_reading`."""
        self._is_paused = False
        self._reading_resumed.set()

    async def _receive_until_end(self) -> None:
        receive_some = aio2trio(self._stream.receive_some)
        try:
            while not self._is_closing:
                await self._until_resumed()
                data = await receive_some()
                await self._until_resumed()
                if self.is_closing():
                    return
                if not data:
                    self._received_eof()
                    return
                self._received(data)
        except asyncio.CancelledError:
            if not self._is_closing:  # not by the finisher: see _abandon()
                self._abandon()
            raise
        except Exception as exc:
            self._stream_failed(exc, ConnectionResetError, "receiving from a Trio stream failed")

    async def _until_resumed(self) -> None:
        while self._is_paused and not self._is_closing:
            self._reading_resumed.clear()
            await self._reading_resumed.wait()

    def _received(self, data: bytes | bytearray) -> None:
        protocol = self._protocol
        try:
            if isinstance(protocol, asyncio.BufferedProtocol):
                _fill_buffers(protocol, data)
            else:
                protocol.data_received(bytes(data))
        except Exception as exc:
            self._fatal_error(exc, "Fatal error: protocol.data_received() call failed.")

    def _received_eof(self) -> None:
        try:
            keep_open = self._protocol.eof_received()
        except Exception as exc:
            self._fatal_error(exc, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep_open:
            self.close()

    # ---- sending

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Buffer a copy of the data, and send it as soon as the stream takes it.

        Raises:
          TypeError: ``data`` is not bytes-like.
          RuntimeError: after :meth:`write_eof`.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data argument must be a bytes, bytearray, or memoryview object, "
                f"not {type(data).__name__!r}"
            )
        self.writelines([data])

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write one after the other. See :meth:`write`."""
        if self._is_eof_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        data = b"".join(list_of_data)
        if not self._takes_writes:
            self._ignore_write()
        elif data:
            self._buffer += data
            self._sender_wakeup.set()
            self._control_protocol()

    def _ignore_write(self) -> None:
        self._ignored_writes += 1
        if self._ignored_writes >= _IGNORED_WRITES:
            _logger.warning("%r: write() after the connection was closed or lost", self)

    def can_write_eof(self) -> bool:
        """Whether the stream is a :class:`trio.abc.HalfCloseableStream`."""
        return isinstance(self._stream, trio.abc.HalfCloseableStream)

    def write_eof(self) -> None:
        """Close the sending direction when what is buffered has been sent.

        Raises:
          NotImplementedError: the stream can't do that.
        """
        if not self.can_write_eof():
            raise NotImplementedError(f"{shown(self._stream)} can't close one direction only")
        if not self._is_closing:
            self._is_eof_wanted = True
            self._sender_wakeup.set()

    def get_write_buffer_size(self) -> int:
        """How many bytes were written, and not yet taken by the stream."""
        return len(self._buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._low_water, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks, in bytes: above ``high`` ``pause_writing`` is called, at ``low`` resume.

        Raises:
          ValueError: not ``high >= low >= 0``.
        """
        self._low_water, self._high_water = _water_marks(high, low)
        self._control_protocol()

    def _control_protocol(self) -> None:
        """Tell the protocol to pause or to resume writing, if it is time."""
        size = len(self._buffer)
        if size > self._high_water and not self._protocol_paused:
            self._protocol_paused = True
            self._call_protocol("pause_writing")
        elif size <= self._low_water and self._protocol_paused:
            self._protocol_paused = False
            self._call_protocol("resume_writing")

    async def _send_until_closing(self) -> None:
        send_all = aio2trio(self._stream.send_all)
        has_sent_eof = False
        try:
            while not self._is_forceful:
                if self._buffer:
                    piece = self._buffer[:CHUNK]
                    await send_all(piece)
                    del self._buffer[: len(piece)]
                    self._control_protocol()
                elif self._is_eof_wanted and not has_sent_eof:
                    has_sent_eof = True
                    await aio2trio(cast("trio.abc.HalfCloseableStream", self._stream).send_eof)()
                elif self._is_closing:
                    self._takes_writes = False
                    return
                else:
                    self._sender_wakeup.clear()
                    await self._sender_wakeup.wait()
        except Exception as exc:
            self._stream_failed(exc, BrokenPipeError, "sending on a Trio stream failed")

    # ---- the end

    def is_closing(self) -> bool:
        """Whether the transport is closed, or will be when the buffer is empty."""
        return self._is_closing

    def close(self) -> None:
        """Receive no more, send what is buffered, then close the stream gracefully.

        What is written while there is something in the buffer is sent too, as in asyncio: its TLS
        may have what it couldn't write while it was paused, the good-bye at least.
        """
        self._is_abandoned = False
        self._is_closing = True
        if not self._buffer:
            self._takes_writes = False
        self._sender_wakeup.set()

    def abort(self) -> None:
        """Close the stream forcefully. What is buffered is lost."""
        self._is_abandoned = False
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:  # asyncio's name: its TLS calls it
        if self._is_forceful or self._is_lost:
            return
        self._is_forceful = self._is_closing = True
        self._takes_writes = False
        self._error = exc
        self._buffer.clear()
        if self._sender is not None:
            self._sender.cancel()
        if self._finisher is not None and self._is_closing_stream:
            self._finisher.cancel()

    def _abandon(self) -> None:
        """A task was cancelled that nobody may know but the loop at its end: close forcefully.

        What was not closed before, or had data left, gets a warning when it is garbage: asyncio's
        own transports do so.
        """
        if self._is_forceful:
            return
        if not self._is_closing or self._buffer:
            self._is_abandoned = True
            reason = "the asyncio loop ended, or was cancelled, before the connection was closed"
            self._force_close(ConnectionAbortedError(reason))
        else:
            self._force_close(None)

    def _sender_ended(self, sender: asyncio.Task[None]) -> None:
        if sender.cancelled():
            self._abandon()
        self._start_finisher()

    def _start_finisher(self) -> None:
        self._finisher = self._loop.create_task(self._finish())
        self._finisher.add_done_callback(self._finisher_ended)

    def _finisher_ended(self, finisher: asyncio.Task[None]) -> None:
        if not self._is_lost:  # it was cancelled before its first step
            self._abandon()
            self._start_finisher()

    async def _finish(self) -> None:
        try:
            await self._end_receiver()
            await self._close_stream()
        finally:
            self._is_lost = True
            _open_transports.discard(self)
            self._receiver = self._sender = None  # whose CancelledErrors lead here: no cycles
            self._call_protocol("connection_lost", self._error)

    async def _end_receiver(self) -> None:
        # First, as a Trio stream in use can't be closed gracefully: TLS would say no good-bye.
        receiver = self._receiver
        assert receiver is not None
        receiver.cancel()
        while not receiver.done():
            try:
                await asyncio.wait([receiver])
            except asyncio.CancelledError:
                self._abandon()

    async def _close_stream(self) -> None:
        try:
            if self._is_forceful:
                await aio2trio(trio.aclose_forcefully)(self._stream)
            else:
                self._is_closing_stream = True
                await aio2trio(self._stream.aclose)()
        except asyncio.CancelledError:
            self._abandon()  # or it was abort(). Trio has closed it: a cancelled aclose() does
        except Exception as exc:
            self._stream_failed(exc, BrokenPipeError, "closing a Trio stream failed")
        finally:
            self._is_closing_stream = False

    # ---- errors

    def _stream_failed(self, exc: Exception, kind: type[OSError], message: str) -> None:
        error = _as_os_error(exc, kind)
        if isinstance(error, OSError):
            self._force_close(error)
        else:
            self._fatal_error(error, message)

    def _fatal_error(self, exc: Exception, message: str) -> None:
        self._report(exc, message)
        self._force_close(exc)

    def _call_protocol(self, method: str, *args: object) -> None:
        try:
            getattr(self._protocol, method)(*args)
        except Exception as exc:
            self._report(exc, f"protocol.{method}() failed")

    def _report(self, exc: Exception, message: str) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": exc,
                "transport": self,
                "protocol": self._protocol,
            }
        )


def _water_marks(high: int | None, low: int | None) -> tuple[int, int]:
    """The low- and the high-water mark, as asyncio fills in what isn't given."""
    if high is None:
        high = 2**16 if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return low, high


def _fill_buffers(protocol: asyncio.BufferedProtocol, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        buffer = memoryview(protocol.get_buffer(len(rest))).cast("B")
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = min(len(buffer), len(rest))
        buffer[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]


def _as_os_error(exc: Exception, kind: type[OSError]) -> Exception:
    """The error of a Trio stream as asyncio knows it; what is no stream's error, as it is."""
    if isinstance(exc, trio.ClosedResourceError):
        error: OSError = ConnectionAbortedError("other code closed the Trio stream")
    elif isinstance(exc, trio.BrokenResourceError):
        cause: BaseException | None = exc
        while cause is not None:
            if isinstance(cause, OSError):
                return cause
            cause = cause.__cause__
        error = kind(str(exc) or "the Trio stream is broken")
    else:
        return exc
    error.__cause__ = exc
    return error
