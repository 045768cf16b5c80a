"""asyncio code that opens Trio nurseries and cancel scopes.

Run it with ``python examples/nursery_in_asyncio.py``. It needs nothing but ``trio_bridge``.
"""

from __future__ import annotations

import asyncio
import sys

import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio


async def tick(name: str, seconds: float) -> None:
    """Trio code: a child of the nursery."""
    for number in range(3):
        await trio.sleep(seconds)
        print(f"  {name} {number}")


async def fail() -> None:
    """Trio code that goes wrong."""
    await trio.sleep(0.15)
    raise ConnectionError("the server went away")


async def wait_for_children() -> None:
    """The block ends when its children have ended."""
    print("A nursery in asyncio code:")
    async with aio2trio(trio.open_nursery()) as nursery:
        nursery.start_soon(tick, "tick", 0.05)
        nursery.start_soon(tick, "tock", 0.08)
        await asyncio.sleep(0.01)  # the body is asyncio code
    print("  both have ended.")


async def stop_when_a_child_fails() -> None:
    """An error cancels the other children and the asyncio body, and leaves the block."""
    print("A child fails:")
    try:
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(tick, "tick", 0.1)
            nursery.start_soon(fail)
            await asyncio.sleep(60)
    except* ConnectionError as group:
        print(f"  out of the block came {group.exceptions[0]!r}.")
    task = asyncio.current_task()
    assert task is not None
    print(f"  the asyncio task is not left cancelled: cancelling() is {task.cancelling()}.")


async def bound_by_a_scope() -> None:
    """A cancel scope bounds asyncio code and Trio code alike."""
    print("A cancel scope:")
    async with aio2trio(trio.move_on_after(0.2)) as scope:
        await asyncio.sleep(0.1)
        await aio2trio(trio.sleep)(60)
    print(f"  the deadline came in the middle: {scope.cancelled_caught}.")


@trio2aio
async def asyncio_program() -> None:
    """asyncio code, as a library or an older part of the program would be."""
    await wait_for_children()
    await stop_when_a_child_fails()
    await bound_by_a_scope()
    print("Done.")


if __name__ == "__main__":
    try:
        trio_bridge.run(asyncio_program)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
