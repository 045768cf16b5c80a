"""What a read of the standard library's transports costs, however little the heap has free."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries have rules of their own"
)

READS = """
import asyncio, resource, socket, sys
import trio_bridge

# Nothing of a quarter of a MiB is left in one piece: as in a small program, but for certain.
kept = [bytes(100_000) for _ in range(200)]


def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


async def main():
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)

        async def read():
            theirs.send(b"message")
            assert await reader.read(100) == b"message"

        for _ in range(100):
            await read()
        before = page_faults()
        for _ in range(1000):
            await read()
        print((page_faults() - before) / 1000)
        writer.close()


"""
STARTS = {
    "stock": "asyncio.run(main())",
    "selector": "trio_bridge.run(trio_bridge.trio2aio(main), engine='selector')",
    "portable": "trio_bridge.run(trio_bridge.trio2aio(main), engine='portable')",
    "asyncio first": "asyncio.Runner(loop_factory=trio_bridge.new_event_loop).run(main())",
}


def page_faults_per_read(start):
    program = [sys.executable, "-W", "error", "-c", READS + STARTS[start]]
    # Not measured: coverage frees what stock asyncio's reads then have for room.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    if start == "stock":
        # As it is at first. What imports free may have raised it, on one Python or another.
        env["MALLOC_MMAP_THRESHOLD_"] = str(128 * 1024)
    result = subprocess.run(program, check=True, timeout=60, stdout=subprocess.PIPE, env=env)
    return float(result.stdout)


def test_on_stock_asyncio_each_maps_memory():
    """Else ``_read_memory`` isn't needed any more."""
    assert page_faults_per_read("stock") >= 1


@pytest.mark.parametrize("start", [start for start in STARTS if start != "stock"])
def test_on_ours_it_does_not(start):
    assert page_faults_per_read(start) < 0.1
