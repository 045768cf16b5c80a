"""The names of trio-asyncio that this package doesn't have: what to write for them here."""

from __future__ import annotations

from typing import Final

HERE: Final = {
    "BaseTrioEventLoop": "asyncio.AbstractEventLoop",
    "TrioEventLoop": "asyncio.AbstractEventLoop",
    "TrioExecutor": "any executor of concurrent.futures",
    "allow_asyncio": "trio2aio(...) around each call of what belongs to asyncio",
    "asyncio_as_trio": "trio2aio(x), or aio_as_trio(x)",
    "run_aio_coroutine": "await trio2aio(async_fn)(*args)",
    "run_aio_future": "await trio2aio(future)",
    "run_aio_generator": "async for item in trio2aio(generator):",
    "run_trio": "await aio2trio(async_fn)(*args)",
    "run_trio_task": "nursery.start_soon(async_fn, *args), in a Trio nursery that you have opened",
    "trio_as_asyncio": "aio2trio(x), or trio_as_aio(x)",
}


def hint(name: str) -> str:
    """What an error that says that there is no such name may add."""
    if name not in HERE:
        return ""
    return f". In a program that moves here from trio-asyncio, write\n    {HERE[name]}"
