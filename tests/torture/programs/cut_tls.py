"""TLS over a plain blocking socket, which stops at any byte that it is told, and ends rudely."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from contextlib import suppress

PATIENCE = 60.0
"""Seconds; what the other end does at once, or within a limit of its own, it has done by then."""

CLOSE, RESET, HALF_CLOSE, GARBAGE, STALL = range(5)
ENDINGS = ("closed", "reset", "half-closed", "garbage", "stalled")


class Cut(Exception):
    """The place has come."""


class Peer:
    """One end of a connection.

    Args:
      cut: stop in this *flight*, what is sent between two receipts, after this fraction of it.
    """

    def __init__(self, sock, context, *, server_side=False, cut=None):
        self.socket = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=None if server_side else "localhost",
        )
        self._cut = cut
        self._flight = 0

    def handshake(self):
        self._do(self.tls.do_handshake)

    def say_hello(self):
        """The first flight only; what is answered is not read."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self._flush()

    def send(self, data):
        self.tls.write(data)
        self._flush()

    def receive(self):
        """What has come; nothing at the end of the connection."""
        try:
            return self._do(self.tls.read, 65536)
        except ssl.SSLZeroReturnError:
            return b""

    def send_part(self, fraction):
        """Of what TLS has to send just now."""
        data = self._outgoing.read()
        self.socket.sendall(data[: int(fraction * len(data))])

    def say_good_bye(self):
        """Send what closes TLS, and wait for the same of the other end."""
        self._do(self.tls.unwrap)

    def begin_good_bye(self):
        """Make what closes TLS, without sending it."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()

    def _do(self, step, *args):
        while True:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                self._flush()
                data = self.socket.recv(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                self._flush()  # it has an alert for the other end
                raise
            else:
                self._flush()
                return result

    def _flush(self):
        data = self._outgoing.read()
        if not data:
            return
        if self._cut is not None and self._flight == self._cut[0]:
            self.socket.sendall(data[: int(self._cut[1] * len(data))])
            raise Cut
        self._flight += 1
        self.socket.sendall(data)


def end(sock, ending, chance):
    """End a connection in this way; in how many seconds the other end did, if this one waits."""
    if ending == RESET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif ending != CLOSE:
        began = time.monotonic()
        with suppress(ConnectionError):  # it may have ended by itself
            if ending == HALF_CLOSE:
                with suppress(OSError):  # not connected any more
                    sock.shutdown(socket.SHUT_WR)
            elif ending == GARBAGE:
                sock.sendall(chance.randbytes(chance.randrange(1, 2000)))
            while sock.recv(65536):
                pass
        sock.close()
        return time.monotonic() - began
    sock.close()
    return None
