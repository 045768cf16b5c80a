"""Where the documentation of other projects has what ours refers to."""

from __future__ import annotations

import builtins
from typing import Final

PYTHON: Final = "https://docs.python.org/3/library/"
TRIO: Final = "https://trio.readthedocs.io/en/stable/"

PAGES: Final = {
    "asyncio.BufferedProtocol": f"{PYTHON}asyncio-protocol.html",
    "asyncio.Protocol": f"{PYTHON}asyncio-protocol.html",
    "asyncio.Queue": f"{PYTHON}asyncio-queue.html",
    "asyncio.QueueEmpty": f"{PYTHON}asyncio-queue.html",
    "asyncio.QueueFull": f"{PYTHON}asyncio-queue.html",
    "asyncio.Task": f"{PYTHON}asyncio-task.html",
    "trio.BrokenResourceError": f"{TRIO}reference-core.html",
    "trio.BusyResourceError": f"{TRIO}reference-core.html",
    "trio.Cancelled": f"{TRIO}reference-core.html",
    "trio.ClosedResourceError": f"{TRIO}reference-core.html",
    "trio.EndOfChannel": f"{TRIO}reference-core.html",
    "trio.SSLStream": f"{TRIO}reference-io.html",
    "trio.TooSlowError": f"{TRIO}reference-core.html",
    "trio.WouldBlock": f"{TRIO}reference-core.html",
    "trio.abc.HalfCloseableStream": f"{TRIO}reference-io.html",
    "trio.run": f"{TRIO}reference-core.html",
}
PYTEST: Final = {
    "pytest.fixture": "https://docs.pytest.org/en/stable/reference/reference.html#pytest.fixture"
}


def address(name: str) -> str | None:
    """The address of what is documented elsewhere; ``None`` if it isn't known."""
    if page := PAGES.get(name):
        return f"{page}#{name}"
    found = getattr(builtins, name, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return f"{PYTHON}exceptions.html#{name}"
    return PYTEST.get(name)
