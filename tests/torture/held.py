"""What this process holds: memory, descriptors, tasks of both sides, threads."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE = 30
"""Seconds within which what is ending has to end: a closed connection's other end, a thread."""


class Counts(NamedTuple):
    """What must be equal at equal load."""

    descriptors: int
    asyncio_tasks: int
    trio_tasks: int
    threads: int


class Memory(NamedTuple):
    """What must be about equal."""

    resident: int  # bytes
    blocks: int  # of Python's own allocator


def counts(loop: asyncio.AbstractEventLoop) -> Counts:
    """At this moment.

    Without what is kept to be used again, by time or by the highest load that was: the threads
    that Trio keeps for ten seconds (at work they have other names), and the portable engine's
    watchers, of which there are a hundred too many at the most.
    """
    return Counts(
        descriptors=len(os.listdir("/dev/fd")),
        asyncio_tasks=len(asyncio.all_tasks(loop)),
        trio_tasks=sum("_Watcher.run" not in task.name for task in trio_tasks()),
        threads=sum(not t.name.startswith("Trio thread ") for t in threading.enumerate()),
    )


def memory() -> Memory:
    """At this moment, without what the garbage collector would take anyway."""
    gc.collect()
    return Memory(resident=_resident(), blocks=sys.getallocatedblocks())


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # not on Linux: Python's own figure has to do
        return sys.getallocatedblocks()


def trio_tasks() -> Iterator[trio.lowlevel.Task]:
    """All of this run, from the root."""
    root = trio.lowlevel.current_root_task()
    todo = [root] if root else []
    while todo:
        task = todo.pop()
        yield task
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]


async def settled(loop: asyncio.AbstractEventLoop, expected: Counts | None) -> Counts:
    """The counts as soon as they are ``expected``, or what they are after ``SETTLE`` seconds.

    Without any, the counts that stay for a while.
    """
    found = counts(loop)
    if expected is None:
        for _ in range(20):
            await trio.sleep(0.02)
            found = min(found, counts(loop), key=sum)
        return found
    with trio.move_on_after(SETTLE):
        while found != expected:
            await trio.sleep(0.02)
            found = counts(loop)
    return found
