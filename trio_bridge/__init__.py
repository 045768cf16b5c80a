"""Asyncio libraries inside Trio's task tree: an asyncio event loop on top of Trio's scheduler.

Importing this package changes nothing in asyncio and starts nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._asyncio_first import new_event_loop
from ._bridge import current_loop
from ._nursery import AsyncioNursery, open_asyncio_nursery
from ._run import open_loop, run
from ._views import aio2trio, aio_as_trio, trio2aio, trio_as_aio, unview

if TYPE_CHECKING:
    from . import inspect as inspect
    from ._policy import EventLoopPolicy, install

__all__ = [
    "AsyncioNursery",
    "EventLoopPolicy",
    "aio2trio",
    "aio_as_trio",
    "current_loop",
    "install",
    "new_event_loop",
    "open_asyncio_nursery",
    "open_loop",
    "run",
    "trio2aio",
    "trio_as_aio",
    "unview",
]


def __getattr__(name: str) -> Any:
    # Policies are deprecated from Python 3.14 on, and will be gone: only who asks imports them.
    if name in ("EventLoopPolicy", "install"):
        from . import _policy

        return getattr(_policy, name)
    if name == "inspect":  # only who looks pays for it
        return importlib.import_module(".inspect", __name__)
    from ._moved_names import hint

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint(name)}")
