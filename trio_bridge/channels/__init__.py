"""Items across the bridge: asyncio's queues and callbacks, and Trio's channels.

- :func:`to_trio`: an ``asyncio.Queue`` as a send and a receive channel, for Trio code.
- :func:`to_asyncio`: Trio channels as an object with ``asyncio.Queue``'s interface.
- :func:`from_callback`: the calls of an asyncio library's callback as a bounded receive channel.

The rules that all of them keep:

1. An operation either took place or raised, never both. Cancelling ``receive`` or ``get`` loses no
   item, and what a cancelled ``send`` or ``put`` was to send has not been sent.
2. What the Trio side calls fails as Trio's channels fail, and is a checkpoint if it is async. What
   the asyncio side calls fails as ``asyncio.Queue`` fails, and suspends only if it has to wait.
3. Items come through as they are. Only what an asyncio library passes to a callback is adapted, as
   what it passes to any callback of a view is.
4. An end is not an error, and an error is not an end: what may have been lost is never reported as
   the end of a channel.

Rule 1 comes from the crossings: a call that was cancelled and has got its value all the same
returns the value. So nothing here may await between a crossing and its own ``return``.
"""

from ._callback import (
    CallbackReceiveChannel,
    CallbackStatistics,
    ChannelCallback,
    ReceiverTooSlowError,
    WhenFull,
    from_callback,
)
from ._channel_queue import ChannelQueue, to_asyncio
from ._queue_channels import QueueReceiveChannel, QueueSendChannel, to_trio
from ._waits import QueueShutDown

__all__ = [
    "CallbackReceiveChannel",
    "CallbackStatistics",
    "ChannelCallback",
    "ChannelQueue",
    "QueueReceiveChannel",
    "QueueSendChannel",
    "QueueShutDown",
    "ReceiverTooSlowError",
    "WhenFull",
    "from_callback",
    "to_asyncio",
    "to_trio",
]
