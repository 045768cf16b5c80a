"""One call over to the other side and back, and what lives through several calls.

``to_asyncio`` and ``to_trio`` are the two directions of a call, ``host`` is the Trio task that
waits for one and runs the other. ``cancellation``, ``context`` and ``errors`` hold the rules that
both keep. A manager or an iterator lives through several calls: in an owner, and a manager of
Trio's in the host itself.
"""

from .asyncio_manager import AsyncioManager, entered_manager
from .asyncio_owner import AsyncioOwner
from .changes import Changes
from .to_asyncio import call_plain, crossing_to_asyncio
from .to_trio import call_trio_plain, crossing_to_trio
from .trio_manager import TrioManager, open_manager
from .trio_owner import TrioOwner

__all__ = [
    "AsyncioManager",
    "AsyncioOwner",
    "Changes",
    "TrioManager",
    "TrioOwner",
    "call_plain",
    "call_trio_plain",
    "crossing_to_asyncio",
    "crossing_to_trio",
    "entered_manager",
    "open_manager",
]
