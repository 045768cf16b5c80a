"""Dask's asynchronous client on a real cluster: a scheduler and two workers, each a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest
import trio
from conftest import HANG, PYTHONPATH, ROOT

import trio_bridge
from trio_bridge import trio2aio, unview

LIBRARIES = ("distributed", "dask")

distributed = pytest.importorskip("distributed")
dask = trio2aio(distributed)

# The jobs are functions inside of functions: Dask sends those, where it would import others.


@pytest.fixture
def connect(dask_address):
    @contextlib.asynccontextmanager
    async def connect():
        async with dask.Client(dask_address, asynchronous=True) as client:
            await client.wait_for_workers(2)
            yield client

    return connect


async def wait_until_nothing_runs(client):
    """Neither in the scheduler's books, nor in a thread of a worker's."""

    def threads(dask_worker):
        return len(dask_worker.active_threads)

    with trio.fail_after(HANG):
        while any((await client.processing()).values()) or any(
            (await client.run(threads)).values()
        ):
            await trio.sleep(0.01)


async def test_a_job_is_mapped_over_two_processes(connect):
    def square(number):
        import os
        import time

        time.sleep(0.005)  # so that one worker can't do it all
        return number * number, os.getpid()

    results = {}

    async def collect(number, future):
        results[number] = await future

    async with connect() as client, trio.open_nursery() as nursery:
        for number, future in enumerate(client.map(square, range(200), pure=False)):
            nursery.start_soon(collect, number, future)
    assert {number: result for number, (result, _) in results.items()} == {
        number: number * number for number in range(200)
    }
    assert len({process for _, process in results.values()} - {os.getpid()}) == 2


async def test_workers_need_no_trio_bridge(connect):
    def modules(number):
        import sys

        return "trio" in sys.modules

    async with connect() as client:
        assert await client.gather(client.map(modules, range(10), pure=False)) == 10 * [False]


async def test_tasks_share_a_client(connect):
    totals = set()

    async def add_up(client, number):
        numbers = await client.scatter([number, number + 1])
        totals.add(await client.submit(sum, numbers))

    async with connect() as client:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(add_up, client, number)
    assert totals == {2 * number + 1 for number in range(20)}


async def test_results_come_as_they_are_ready(connect):
    def square(number):
        return number * number

    async with connect() as client:
        futures = client.map(square, range(10))
        completed = dask.as_completed(futures, with_results=True)
        assert {result async for _, result in completed} == {n * n for n in range(10)}


async def test_a_deadline_cancels_the_futures_on_the_cluster(connect):
    def work(number):
        import time

        time.sleep(0.6)  # a minute for all

    async with connect() as client:
        futures = client.map(work, range(200), pure=False)

        async def wait(future):
            await future

        with trio.move_on_after(0.5) as deadline:
            try:
                async with trio.open_nursery() as nursery:
                    for future in futures:
                        nursery.start_soon(wait, future)
            finally:
                with trio.CancelScope(shield=True):
                    await client.cancel(futures)
        assert deadline.cancelled_caught
        assert "cancelled" in {future.status for future in futures}
        await wait_until_nothing_runs(client)
        assert await client.submit(sum, [6, 7, 29]) == 42


async def test_a_cancelled_gather_leaves_no_task_behind(connect):
    # Dask's gather forgets the tasks that it waits with, in asyncio too. The nursery owns them.
    def work(number):
        import time

        time.sleep(0.6)  # a minute for all

    async with connect() as client:
        futures = client.map(work, range(200), pure=False)
        with trio.move_on_after(0.5) as deadline:
            async with trio_bridge.open_asyncio_nursery():
                await client.gather(futures)
        assert deadline.cancelled_caught
        await client.cancel(futures)
        await wait_until_nothing_runs(client)


async def test_an_error_is_the_jobs_own(connect):
    def divide(number):
        return 1 / number

    async with connect() as client:
        with pytest.raises(ZeroDivisionError):
            await client.submit(divide, 0)
        future = client.submit(divide, 0)
        assert isinstance(await future.exception(), ZeroDivisionError)
        assert await client.submit(divide, 1) == 1


async def test_a_cluster_that_is_not_there():
    with pytest.raises(OSError, match="Timed out"):
        async with dask.Client("tcp://127.0.0.1:1", asynchronous=True, timeout=0.2):
            raise AssertionError("connected")


async def test_nothing_is_left_on_the_cluster(connect):
    def clients_and_tasks(dask_scheduler):
        return set(dask_scheduler.clients), len(dask_scheduler.tasks)

    async with connect() as client:
        futures = client.map(str, range(10))
        await client.gather(futures)
    assert client.status == "closed"
    del futures
    async with connect() as client:
        with trio.fail_after(HANG):
            own = {unview(client).id, "fire-and-forget"}
            while await client.run_on_scheduler(clients_and_tasks) != (own, 0):
                await trio.sleep(0.01)


# ---- the example


def start_example(*args):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "examples/dask_fanout.py", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


ENDLESS = ("--tasks", "2000", "--up-to", "100000000")  # a quarter of an hour at the least


def test_the_example_on_a_cluster_of_its_own():
    out, err = start_example().communicate(timeout=HANG)
    assert err == ""
    assert "200/200" in out
    assert out.endswith(
        "There are 78498 primes below 1000000.\nNo task of ours is left on the cluster.\n"
    )


def test_the_example_gives_up_at_its_deadline(dask_address):
    out, err = start_example(dask_address, "--deadline", "1", *ENDLESS).communicate(timeout=HANG)
    assert err == ""
    assert out.endswith("Gave up after 1.0 s.\nNo task of ours is left on the cluster.\n")


async def test_the_example_is_interrupted(dask_address, connect):
    def tasks(dask_scheduler):
        return len(dask_scheduler.tasks)

    example = start_example(dask_address, *ENDLESS)
    async with connect() as client:
        with trio.fail_after(HANG):
            while not await client.run_on_scheduler(tasks):
                await trio.sleep(0.01)
        example.send_signal(signal.SIGINT)
        _, err = await trio.to_thread.run_sync(example.communicate)
        assert err == "Interrupted.\n"
        await wait_until_nothing_runs(client)
