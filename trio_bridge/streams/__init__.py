"""Byte streams for the other side: asyncio's for Trio code, Trio's for asyncio code.

1. :func:`to_trio`: an asyncio reader and writer as a Trio stream, with Trio's backpressure, errors
   and cancellation.
2. :func:`to_transport`: a Trio stream as a transport for an asyncio protocol.
3. :func:`to_asyncio`: a Trio stream as an asyncio reader and writer, on such a transport.
"""

from ._asyncio_stream import AsyncioStream, to_trio
from ._reader_writer import to_asyncio
from ._transport import StreamTransport, to_transport

__all__ = ["AsyncioStream", "StreamTransport", "to_asyncio", "to_transport", "to_trio"]
