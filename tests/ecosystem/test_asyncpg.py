"""asyncpg on a real PostgreSQL. All of its interface is in ``tests/libraries/test_asyncpg.py``."""

from __future__ import annotations

import pytest
import trio

from trio_bridge import trio2aio

LIBRARIES = ("asyncpg",)

asyncpg = pytest.importorskip("asyncpg")
pg = trio2aio(asyncpg)


@pytest.fixture
def connect(postgres):
    """A pool that says who it is, so that what is left on the server can be seen."""
    return lambda **options: pg.create_pool(
        postgres, server_settings={"application_name": "ecosystem"}, **options
    )


async def test_a_table_is_written_and_read(connect):
    async with connect(min_size=1) as pool, pool.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE ducks (name text)")
        async with connection.transaction():
            await connection.executemany(
                "INSERT INTO ducks VALUES ($1)", [("Riri",), ("Fifi",), ("Loulou",)]
            )
            names = [row["name"] async for row in connection.cursor("SELECT name FROM ducks")]
    assert names == ["Riri", "Fifi", "Loulou"]


async def test_tasks_share_a_pool(connect):
    squares = set()

    async def square(pool, number):
        squares.add(await pool.fetchval("SELECT $1::int * $1::int", number))

    async with connect(min_size=1, max_size=3) as pool:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(square, pool, number)
    assert squares == {number * number for number in range(20)}


async def use(pool):
    """Queries without end, in the ways there are."""
    while True:
        await pool.fetchval("SELECT 1")
        async with pool.acquire() as connection, connection.transaction():
            async for _ in connection.cursor("SELECT generate_series(1, 50)", prefetch=10):
                pass


async def test_an_error_ends_the_tasks_of_a_pool_and_comes_out_alone(connect):
    for moment in range(10):
        with pytest.raises(ExceptionGroup) as caught:
            async with connect(min_size=2, max_size=3) as pool, trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(use, pool)
                await trio.sleep(moment * 0.002)
                raise ValueError
        assert [type(error) for error in caught.value.exceptions] == [ValueError]


async def test_a_task_that_fails_cancels_a_pool_in_its_nursery_and_comes_out_alone(connect):
    async def fail(moment):
        await trio.sleep(moment * 0.002)
        raise ValueError

    for moment in range(10):
        with pytest.raises(ExceptionGroup) as caught:
            async with trio.open_nursery() as nursery:
                async with connect(min_size=2, max_size=3) as pool:
                    for _ in range(6):
                        nursery.start_soon(use, pool)
                    nursery.start_soon(fail, moment)
                    await trio.sleep_forever()
        assert [type(error) for error in caught.value.exceptions] == [ValueError]


async def test_a_deadline_rolls_a_transaction_back(connect):
    async with connect(min_size=1, max_size=1) as pool:
        await pool.execute("DROP TABLE IF EXISTS rolled; CREATE TABLE rolled (name text)")
        with trio.move_on_after(0.2) as deadline:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO rolled VALUES ('Riri')")
                await connection.execute("SELECT pg_sleep(60)")
        assert deadline.cancelled_caught
        assert await pool.fetchval("SELECT count(*) FROM rolled") == 0
        await pool.execute("DROP TABLE rolled")


async def test_a_deadline_cancels_a_query_and_the_pool_goes_on(connect):
    async with connect(min_size=1, max_size=1) as pool:
        with trio.move_on_after(0.2) as deadline:
            await pool.execute("SELECT pg_sleep(60)")
        assert deadline.cancelled_caught
        assert await pool.fetchval("SELECT 6 * 7") == 42
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        assert await pool.fetchval(running) == 0


async def test_an_error_is_asyncpgs_own(connect):
    async with connect(min_size=1, max_size=1) as pool:
        with pytest.raises(asyncpg.UndefinedTableError, match="geese"):
            await pool.fetch("SELECT * FROM geese")
        assert await pool.fetchval("SELECT 6 * 7") == 42


async def test_nothing_is_left_on_the_server(connect):
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ecosystem'"
    async with connect(min_size=3) as pool:
        await pool.fetchval("SELECT 1")
    async with connect(min_size=1, max_size=1) as pool:
        # A backend ends some time after its client.
        with trio.fail_after(30):
            while await pool.fetchval(count) > 1:
                await trio.sleep(0.01)
