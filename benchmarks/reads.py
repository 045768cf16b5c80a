"""What a read of stock asyncio's transports costs: ``python benchmarks/reads.py``.

It depends on what the C library's heap has gone through, so on what was imported: see
``trio_bridge/_engines/_read_memory.py``. On the bridge it doesn't.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Final

READS: Final = 2000
IMPORTS: Final = ("", "trio", "uvloop", "asyncpg", "aiohttp", "tornado", "twisted", "sqlalchemy")


async def reads() -> dict[str, float]:
    """Page faults and microseconds of a read, with the write before it."""
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)

        async def some(count: int) -> None:
            for _ in range(count):
                theirs.send(b"message")
                await reader.read(100)

        await some(READS // 10)
        faults, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
        await some(READS)
        cpu = time.process_time() - cpu
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        writer.close()
        await writer.wait_closed()
    return {"faults": faults / READS, "microseconds": cpu / READS * 1e6}


def measure(module: str, loop: str) -> dict[str, float]:
    """In a fresh process, which has imported the module."""
    command = [sys.executable, __file__, module, loop]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def child(module: str, loop: str) -> None:
    """What such a process does."""
    if module:
        import_module(module)
    if loop == "stock":
        result = asyncio.run(reads())
    else:
        import trio_bridge

        result = trio_bridge.run(trio_bridge.trio2aio(reads), engine="selector")
    print(json.dumps(result))


def main() -> None:
    """A line for each module."""
    import command_line
    import machine
    from rich.table import Table

    table = Table(title="A read: page faults and µs of CPU time")
    for column in ("imported before", "stock asyncio", "", "bridge-selector", ""):
        table.add_column(column, justify="right" if column != "imported before" else "left")
    for module in IMPORTS:
        if not module or find_spec(module):
            cells = [measure(module, loop) for loop in ("stock", "bridge-selector")]
            table.add_row(
                module or "nothing",
                *(f"{cell[what]:.1f}" for cell in cells for what in ("faults", "microseconds")),
            )
    out = command_line.console()
    out.print(machine.headline(machine.describe()))
    out.print(table)


if __name__ == "__main__":
    child(*sys.argv[1:]) if len(sys.argv) > 1 else main()
