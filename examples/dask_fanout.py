"""Work that outgrows one machine: a job mapped over a Dask cluster from a Trio nursery.

    python examples/dask_fanout.py                       # a cluster of its own: two workers
    python examples/dask_fanout.py tcp://10.0.0.5:8786   # a real one: its scheduler's address
    python examples/dask_fanout.py --deadline 1 --up-to 20000000

It counts the primes below a number, in 200 blocks. The address of a real cluster is what ``dask
scheduler`` prints when it starts; the job is sent there, and its workers need Dask and the same
Python, but neither this file nor trio_bridge.

What cancels the Trio scope (the deadline, a block that fails, Ctrl-C) cancels the futures on the
cluster. A block that a worker has begun is computed to its end, as a thread can't be stopped.
"""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING

import distributed
import trio
from dask_cluster import cluster
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import trio_bridge
from trio_bridge import trio2aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

dask = trio2aio(distributed)


# ---- plain Python, for the workers
def count_primes(block: range) -> int:
    """How many primes there are in a block of numbers: the job."""
    return sum(map(is_prime, block))


def is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


# ---- Trio code
@asynccontextmanager
async def submitted(
    client: distributed.Client, job: Callable[[range], int], items: list[range]
) -> AsyncIterator[list[distributed.Future[int]]]:
    """Futures on the cluster that live no longer than the block."""
    futures = client.map(job, items)
    try:
        yield futures
    finally:
        with trio.CancelScope(shield=True):
            await client.cancel(futures)


async def count_in_blocks(client: distributed.Client, blocks: list[range]) -> int:
    """A Trio task for each block, all of them in one nursery."""
    counts: list[int] = []

    async def collect(future: distributed.Future[int]) -> None:
        counts.append(await future)
        progress.advance(bar)

    with progress_bar() as progress:
        bar = progress.add_task("blocks", total=len(blocks))
        async with (
            submitted(client, count_primes, blocks) as futures,
            trio.open_nursery() as nursery,
        ):
            for future in futures:
                nursery.start_soon(collect, future)
    return sum(counts)


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )


async def wait_until_gone(client: distributed.Client, job: Callable[[range], int]) -> None:
    """Until no worker has a task of the job's, in the scheduler's eyes; there may be others."""

    async def is_there() -> bool:
        keys = chain.from_iterable((await client.processing()).values())
        return any(str(key).startswith(job.__name__) for key in keys)

    while await is_there():
        await trio.sleep(0.01)


async def main(address: str, options: argparse.Namespace) -> None:
    """Trio all the way, but for the client."""
    async with dask.Client(address, asynchronous=True) as client:
        await client.wait_for_workers(1)  # others may come later
        size = math.ceil(options.up_to / options.tasks)
        blocks = [range(start, start + size) for start in range(0, size * options.tasks, size)]
        with trio.move_on_after(options.deadline) as deadline:
            primes = await count_in_blocks(client, blocks)
            print(f"There are {primes} primes below {blocks[-1].stop}.")
        if deadline.cancelled_caught:
            print(f"Gave up after {options.deadline} s.")
        await wait_until_gone(client, count_primes)
        print("No task of ours is left on the cluster.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Counts primes on a Dask cluster.")
    parser.add_argument("address", nargs="?", help="the scheduler's, as in tcp://10.0.0.5:8786")
    parser.add_argument("--tasks", type=int, default=200, help="how many blocks")
    parser.add_argument("--up-to", type=int, default=1_000_000, help="of which numbers")
    parser.add_argument("--deadline", type=float, default=60, help="in seconds")
    return parser.parse_args()


if __name__ == "__main__":
    options = parse_arguments()
    try:
        with cluster(options.address) as address:
            trio_bridge.run(main, address, options)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
