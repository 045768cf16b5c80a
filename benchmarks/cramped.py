"""One round on stock asyncio, where the heap has no quarter of a MiB free in one piece.

``python cramped.py WORKLOAD SCALE`` prints the times as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

import workloads
from reads import reads
from timing import timed


def fill_gaps() -> list[bytes]:
    """Take what is free in pieces that a read might fit into, to be kept."""
    return [bytes(100_000) for _ in range(200)]


async def main(workload: str, scale: int) -> None:
    """The first round warms up."""
    kept = fill_gaps()
    await timed(workloads.ASYNCIO[workload], scale)
    kept += fill_gaps()
    times = await timed(workloads.ASYNCIO[workload], scale)
    faults = (await reads())["faults"]
    if faults < 1:
        sys.exit(f"A read mapped no memory: {faults} page faults each. So this was no such round")
    print(json.dumps(times._asdict()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
