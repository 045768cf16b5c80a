"""What a transport can tell about its Trio stream."""

from __future__ import annotations

from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

TLS_METHODS: Final = {"peercert": "getpeercert", "cipher": "cipher", "compression": "compression"}


def extra_info(stream: trio.abc.Stream) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if isinstance(stream, trio.SSLStream):
        info["sslcontext"] = stream.context
    below: Any = stream
    while isinstance(below, trio.SSLStream):
        below = below.transport_stream
    if isinstance(below, trio.SocketStream):
        # Trio's sockets have the methods that this class lets through.
        sock: Any = below.socket
        info["socket"] = TransportSocket(sock)
        info["sockname"] = _name(sock.getsockname)
        info["peername"] = _name(sock.getpeername)
    return info


def _name(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except OSError:  # lost already
        return None
