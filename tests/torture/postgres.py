"""A database that dies under a pool: every Trio task gets its result or an error in time.

Fifty Trio tasks use one pool of asyncpg's: single inserts, transactions, cursors, slow queries,
some of them cut short by a scope of their own. Meanwhile the server is killed, again and again, in
different ways, and started again. Promised is that

1. each call ends, with its value or an error, within its deadline and a moment: none hangs;
2. after each restart every task comes through again, with the same pool;
3. what a task knows to be committed is there in the end, once; of what it doesn't know, a
   transaction's rows are all there or none;
4. nothing fails that nobody awaits, but in asyncpg's own protocol (:func:`is_asyncpgs_own`), and
   what asyncpg goes on with when its caller has gone (:func:`was_let_go`).
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import trio

import trio_bridge
from trio_bridge import trio2aio

from .killable_postgres import WAYS, KillablePostgres, killable_postgres

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

SHORT: Final = {"tasks": 50, "kills": 1}
LONG: Final = {"tasks": 50, "kills": 60}

DEADLINE: Final = 30.0
"""Of each call, in seconds. A server that isn't there answers at once, one that starts soon."""
MOMENT: Final = 5.0
"""In which a call whose deadline has come must have ended."""
CONNECTIONS: Final = 12

LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What says that the server, or the way to it, has gone."""

pg = trio2aio(asyncpg)


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    tasks: int,
    kills: int,
) -> dict[str, int | float | str]:
    """Attack; see the module."""
    with killable_postgres() as server:
        attack = Attack(server, seed, tasks, kills, progress)
        try:
            trio_bridge.run(attack.main, engine=engine, on_error=attack.on_error)
        except BaseException as exc:
            raise AssertionError(
                f"seed {seed}: python -m tests.torture postgres --engine {engine} --seed {seed}"
                f" --set tasks={tasks} --set kills={kills}"
            ) from exc
    return attack.figures


class Attack:
    """One run."""

    def __init__(
        self,
        server: KillablePostgres,
        seed: int,
        tasks: int,
        kills: int,
        progress: Callable[[int, int], None],
    ) -> None:
        self.server: Final = server
        self.random: Final = random.Random(seed)
        self.tasks: Final = [Client(self, number) for number in range(tasks)]
        self.kills: Final = kills
        self.progress: Final = progress
        self.figures: Final[dict[str, int | float | str]] = {
            "tasks": tasks,
            "kills": 0,
            "calls": 0,
            "calls that failed": 0,
            "calls cut short": 0,
            "slowest call, s": 0.0,
            "longest until all came through again, s": 0.0,
            "rows known to be committed": 0,
            "rows missing": 0,
            "errors of asyncpg's protocol": 0,
            "connections lost while they were given back": 0,
        }
        self.has_ended = False
        self.pool: Any = None

    def count(self, name: str, number: int = 1) -> None:
        """Add to a figure."""
        self.figures[name] += number  # type: ignore[operator]

    def longest(self, name: str, seconds: float) -> None:
        """Keep the largest."""
        self.figures[name] = max(round(seconds, 2), self.figures[name])  # type: ignore[type-var]

    def on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would log: promise 4."""
        if is_asyncpgs_own(context):
            self.count("errors of asyncpg's protocol")
        elif was_let_go(context):
            self.count("connections lost while they were given back")
        else:
            raise context.get("exception") or RuntimeError(context["message"])

    async def main(self) -> None:
        """Trio all the way."""
        pool = pg.create_pool(self.server.uri, min_size=0, max_size=CONNECTIONS)
        async with pool as self.pool:
            await self.pool.execute("CREATE TABLE ledger (client int, entry int, line int)")
            async with trio.open_nursery() as nursery:
                for client in self.tasks:
                    nursery.start_soon(client.work)
                for kill in range(self.kills):
                    await self.kill()
                    self.progress(kill + 1, self.kills)
                self.has_ended = True
            await self.compare()

    async def kill(self) -> None:
        """Once: in a way, after a time and for a time that the seed says."""
        way = self.random.choice([*WAYS, "backend killed"])
        await trio.sleep(self.random.uniform(0, 0.3))
        if way == "backend killed":
            self.server.kill_backend(await self.any_backend())
        else:
            await trio.to_thread.run_sync(self.server.kill, way)
            await trio.sleep(self.random.choice([0, 0.1, 0.5]))
            await trio.to_thread.run_sync(self.server.start)
        self.count("kills")
        began = time.monotonic()
        for client in self.tasks:
            client.came_through = trio.Event()
        with trio.fail_after(DEADLINE + MOMENT):  # promise 2
            for client in self.tasks:
                await client.came_through.wait()
        self.longest("longest until all came through again, s", time.monotonic() - began)

    async def any_backend(self) -> int:
        """The process of a connection; the pool may be waiting for a server that has just died."""
        with trio.fail_after(DEADLINE):
            return await self.pool.fetchval(  # type: ignore[no-any-return]
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid != pg_backend_pid() LIMIT 1"
            ) or await self.pool.fetchval("SELECT pg_backend_pid()")

    async def compare(self) -> None:
        """What is there with what must be (promise 3)."""
        there: dict[tuple[int, int], list[int]] = {}
        for client, entry, line in await self.pool.fetch("SELECT * FROM ledger"):
            there.setdefault((client, entry), []).append(line)
        for client in self.tasks:
            for entry, lines in client.attempted.items():
                found = sorted(there.pop((client.number, entry), []))
                is_known = entry in client.committed
                self.count("rows known to be committed", lines if is_known else 0)
                whole = list(range(lines))
                assert found in ([whole] if is_known else [[], whole]), (
                    client.number,
                    entry,
                    found,
                )
        assert not there, f"nobody wrote {there}"


class Client:
    """One Trio task: a ledger of what it has tried and what it knows."""

    def __init__(self, attack: Attack, number: int) -> None:
        self.attack: Final = attack
        self.number: Final = number
        self.random: Final = random.Random(f"{attack.random.random()}")
        self.attempted: Final[dict[int, int]] = {}
        self.committed: Final[set[int]] = set()
        self.came_through = trio.Event()

    async def work(self) -> None:
        """Calls without end, each with its deadline."""
        ways = [self.insert, self.transaction, self.read, self.sleep]
        while not self.attack.has_ended:
            await self.call(self.random.choice(ways))

    async def call(self, way: Callable[[], Any]) -> None:
        """One, with its result or error (promise 1)."""
        seconds = self.random.choice([DEADLINE, DEADLINE, self.random.uniform(0, 0.02)])
        is_whole = seconds == DEADLINE
        came_through, began, failed = self.came_through, time.monotonic(), False
        with trio.move_on_after(seconds) as deadline:
            try:
                await way()
            except LOST:
                failed = True
            except asyncpg.InternalClientError:  # see is_asyncpgs_own()
                self.attack.count("errors of asyncpg's protocol")
                failed = True
        took = time.monotonic() - began
        assert took < seconds + MOMENT, f"{way.__name__} took {took} s, with {seconds} s to do it"
        assert not (is_whole and deadline.cancelled_caught), f"{way.__name__} took {seconds} s"
        self.attack.longest("slowest call, s", took)
        self.attack.count("calls")
        self.attack.count("calls cut short", deadline.cancelled_caught)
        self.attack.count("calls that failed", failed)
        if failed:
            await trio.sleep(0.02)  # the server isn't there: no need to ask without a pause
        elif not deadline.cancelled_caught:
            came_through.set()

    def entry(self, lines: int) -> int:
        """A new one, which may come to be or not."""
        entry = len(self.attempted)
        self.attempted[entry] = lines
        return entry

    async def insert(self) -> None:
        entry = self.entry(1)
        await self.attack.pool.execute(INSERT, self.number, entry, 0)
        self.committed.add(entry)

    async def transaction(self) -> None:
        entry = self.entry(3)
        async with self.attack.pool.acquire() as connection, connection.transaction():
            for line in range(3):
                await connection.execute(INSERT, self.number, entry, line)
                await trio.sleep(0)
        self.committed.add(entry)

    async def read(self) -> None:
        async with self.attack.pool.acquire() as connection, connection.transaction():
            lines = [
                line
                async for line in connection.cursor("SELECT generate_series(1, 50)", prefetch=10)
            ]
        assert len(lines) == 50

    async def sleep(self) -> None:
        await self.attack.pool.execute("SELECT pg_sleep($1)", self.random.uniform(0, 0.05))


INSERT: Final = "INSERT INTO ledger VALUES ($1, $2, $3)"


def is_asyncpgs_own(context: dict[str, Any]) -> bool:
    """Whether asyncpg's protocol has lost its way.

    It does so on plain asyncio too, under the same attack: a query is cut short while its
    connection dies, and the next has ``cannot switch to state 15; another operation (2) is in
    progress``.
    """
    return isinstance(context.get("exception"), asyncpg.InternalClientError)


def was_let_go(context: dict[str, Any]) -> bool:
    """Whether it is the end of what was awaited by somebody who was cut short.

    asyncpg's pool shields the giving back of a connection. If that fails when nobody waits for it
    any more, asyncio tells the exception handler (``asyncio.shield``, from Python 3.14 on).
    """
    is_shielded = context["message"].endswith("exception in shielded future")
    return is_shielded and isinstance(context.get("exception"), LOST)
