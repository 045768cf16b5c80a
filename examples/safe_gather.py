"""``asyncio.gather`` in library code, of whose calls one times out.

What becomes of the others? In asyncio they are left running behind: ``gather`` passes the error on
and lets go of its children. ``open_asyncio_nursery`` owns them, however deep in library code they
were started: when its block is left they have ended. It needs nothing but ``trio_bridge``::

    python examples/safe_gather.py
"""

from __future__ import annotations

import asyncio

import trio

import trio_bridge
from trio_bridge import open_asyncio_nursery, trio2aio

# ---- a library, written for asyncio


async def fetch(name: str, seconds: float) -> str:
    """Fetch something slow, and say how it went."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print(f"    {name}: cancelled")
        raise
    print(f"    {name}: sent, though nobody wants it any more")
    return name


async def fetch_all() -> tuple[str, str, str]:
    """What the library offers: three calls at once, one of them with a timeout."""
    return await asyncio.gather(
        asyncio.wait_for(fetch("the impatient one", 60), timeout=0.1),
        fetch("a letter", 0.3),
        fetch("a telegram", 0.4),
    )


def still_running() -> int:
    """How many asyncio tasks there are. Called from Trio code."""
    return len(trio2aio(asyncio.all_tasks)())


# ---- a program, written for Trio


async def without_a_nursery() -> None:
    """As in asyncio: the error comes out, and the rest goes on."""
    print("gather, as in asyncio:")
    try:
        await trio2aio(fetch_all)()
    except TimeoutError:
        print(f"  a call timed out; still running: {still_running()}")
    await trio.sleep(0.5)


async def with_a_nursery() -> None:
    """The same call in a nursery: nothing of it is alive on the next line."""
    print("gather, in an asyncio nursery:")
    try:
        async with open_asyncio_nursery():
            await trio2aio(fetch_all)()
    except* TimeoutError:
        print(f"  a call timed out; still running: {still_running()}")
    await trio.sleep(0.5)


async def main() -> None:
    """One after the other."""
    await without_a_nursery()
    await with_a_nursery()
    print("Done.")


if __name__ == "__main__":
    trio_bridge.run(main)
