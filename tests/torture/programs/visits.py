"""What a client does on one connection, by streams or by a protocol: all of it asyncio code."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress

from .ledger import HEAD, Wrong, check, piece

POLITE, HALF_CLOSE, RESET, STALL, BY_SERVER, SILENT, CANCELLED = range(7)
KINDS = ("polite", "half-close", "reset", "stall", "by server", "silent", "cancelled")
CHUNK = 8192


def reset(transport):
    """Let the peer get a reset: what was sent and has not arrived is dropped."""
    descriptor = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Streams:
    """A connection by streams."""

    _writer = None

    async def open(self, host, port):
        self._reader, self._writer = await asyncio.open_connection(host, port)
        return self

    @property
    def transport(self):
        return self._writer.transport

    async def send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self):
        return await self._reader.read(65536)

    async def close(self):
        if self._writer is None:  # cancelled while it connected
            return
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Protocol(asyncio.Protocol):
    """A connection by a protocol, with the flow control that it has to do itself."""

    transport = None
    made = lost = 0
    """Of all."""

    def __init__(self):
        self._is_open = False
        self._data = bytearray()
        self._is_at_end = False
        self._error = None
        self._something = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._lost = asyncio.Event()

    async def open(self, host, port):
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        self._is_open = True
        return self

    def connection_made(self, transport):
        self.transport = transport
        Protocol.made += 1

    def data_received(self, data):
        self._data += data
        self._something.set()
        if len(self._data) >= 4 * 65536:
            self.transport.pause_reading()

    def eof_received(self):
        self._is_at_end = True
        self._something.set()
        return True

    def pause_writing(self):
        self._may_write.clear()

    def resume_writing(self):
        self._may_write.set()

    def connection_lost(self, exc):
        self._error, self._is_at_end = exc, True
        self._something.set()
        self._may_write.set()
        if self._lost.is_set():
            raise Wrong("a connection was lost twice")
        self._lost.set()
        Protocol.lost += 1

    async def send(self, data):
        self.transport.write(data)
        await self._may_write.wait()
        if self._error is not None:
            raise self._error

    async def receive(self):
        await self._something.wait()
        if not self._data and self._error is not None:
            raise self._error
        data = bytes(self._data)
        self._data.clear()
        if not self._is_at_end:
            self._something.clear()
            self.transport.resume_reading()
        return data

    async def close(self):
        if not self._is_open:  # cancelled while it connected: the loop closes it
            return
        self.transport.close()
        await self._lost.wait()


async def visit(ledger, number, kind, way, where, size, held=None):
    """One connection, from its opening to its end.

    Args:
      ledger: gets how many bytes came back, and how the connection ended.
      way: ``Streams`` or ``Protocol``.
      held: if given, wait for this event in the middle, and tell it first.
    """
    ledger.begin()
    came_back, ending = 0, "failed"
    connection = way()
    try:
        await connection.open(*where)
        if kind == SILENT:
            ending = KINDS[SILENT]
            if number % 2:
                reset(connection.transport)
            return
        await connection.send(HEAD.pack(kind, number, size))
        if held is not None:
            await connection.send(piece(number, 0, 1))
            came_back = await receive(connection, number, 0, 1)
            held.arrived()
            await held.wait()
        try:
            came_back, ending = await _talk(connection, number, kind, size, came_back)
        except OSError:
            if kind != BY_SERVER:
                raise
            ending = KINDS[BY_SERVER]
    except asyncio.CancelledError:
        ending = KINDS[CANCELLED]
        raise
    finally:
        try:
            await connection.close()
        finally:  # it may be cancelled only here
            ledger.end(number, came_back, ending)


async def _talk(connection, number, kind, size, done):
    """The rest of a visit; how much came back, and how it ended."""
    if kind in (STALL, HALF_CLOSE):
        sending = asyncio.create_task(_send(connection, number, done, size, kind == HALF_CLOSE))
        try:
            if kind == STALL:
                await asyncio.sleep(0.02)  # the buffers fill, on both sides
            done = await receive(connection, number, done, size)
            await sending
        finally:
            sending.cancel()
        if kind == HALF_CLOSE and await connection.receive():
            raise Wrong(f"connection {number}: more came back than was sent")
    end = size // 2 if kind == RESET else size
    while done < end:
        goal = min(done + CHUNK, end)
        await connection.send(piece(number, done, goal - done))
        done = await receive(connection, number, done, goal)
        if done < goal:
            break
    if done < end and kind != BY_SERVER:
        raise Wrong(f"connection {number}: {done} bytes of {end} came back")
    if kind == RESET:
        await connection.send(piece(number, done, size - done))
        reset(connection.transport)
    return done, KINDS[POLITE if kind == STALL else kind]


async def _send(connection, number, start, end, then_eof):
    for place in range(start, end, CHUNK):
        await connection.send(piece(number, place, min(CHUNK, end - place)))
    if then_eof:
        connection.transport.write_eof()


async def receive(connection, number, start, end):
    """Take what comes back up to this place, or to the end of the connection; how far it came."""
    while start < end:
        data = await connection.receive()
        if not data:
            break
        check(number, start, data)
        start += len(data)
    return start
