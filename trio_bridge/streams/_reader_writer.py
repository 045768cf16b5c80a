"""A Trio stream as an asyncio reader and writer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .._bridge import current_loop
from .._views import unview
from ._transport import to_transport
from ._wrong_arguments import (
    check_trio_stream,
)

if TYPE_CHECKING:
    import trio


def to_asyncio(
    stream: trio.abc.Stream, *, limit: int = 2**16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Adapt a Trio stream for asyncio code that takes a reader and a writer.

    Args:
      stream: any Trio stream. The writer owns it: closing the writer closes the stream.
      limit: bytes, as for ``asyncio.open_connection``: how long a line may be, and half of what
        the reader buffers before it stops receiving.

    Returns:
      The reader and the writer, for asyncio code.

    Raises:
      TypeError: ``stream`` is something else; the message shows what to write.
      ValueError: ``limit`` is not positive.
      RuntimeError: no loop is open here.

    Not a checkpoint, and callable on both sides, on Trio's where a loop is open. From then on it is
    as with :func:`to_transport`.
    """
    stream = unview(stream)
    check_trio_stream("to_asyncio", stream)
    loop = current_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    transport, protocol = to_transport(
        stream, lambda: asyncio.StreamReaderProtocol(reader, loop=loop)
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
