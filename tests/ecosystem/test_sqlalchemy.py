"""SQLAlchemy's asyncio extension: on PostgreSQL by asyncpg, on SQLite by aiosqlite."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager

import pytest
import trio

from trio_bridge import trio2aio

LIBRARIES = ("sqlalchemy", "asyncpg", "aiosqlite", "greenlet")

sa = pytest.importorskip("sqlalchemy")
sqlalchemy_asyncio = pytest.importorskip("sqlalchemy.ext.asyncio")
orm = pytest.importorskip("sqlalchemy.orm")
pytest.importorskip("aiosqlite")
pytest.importorskip("asyncpg")
asa = trio2aio(sqlalchemy_asyncio)

LONG = {
    "postgresql": "SELECT pg_sleep(60)",
    # aiosqlite can't interrupt a statement: its thread ends it. So it mustn't take too long.
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
    "SELECT count(*) FROM n",
}
ONE = {"pool_size": 1, "max_overflow": 0}
TWO = {"pool_size": 2, "max_overflow": 0}


class Base(orm.DeclarativeBase):
    pass


class Nest(Base):
    __tablename__ = "nests"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    ducks = orm.relationship("Duck", back_populates="nest", order_by="Duck.id")


class Duck(sqlalchemy_asyncio.AsyncAttrs, Base):
    __tablename__ = "ducks"
    id = orm.mapped_column(sa.Integer, primary_key=True)
    name = orm.mapped_column(sa.String(20), unique=True)
    nest_id = orm.mapped_column(sa.ForeignKey("nests.id"))
    nest = orm.relationship("Nest", back_populates="ducks")


@pytest.fixture(params=["asyncpg", "aiosqlite"])
def url(request, tmp_path):
    if request.param == "aiosqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/ducks.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def postgres_url(postgres):
    return sa.make_url(postgres).set(drivername="postgresql+asyncpg")


@asynccontextmanager
async def open_engine(url, **options):
    """An engine whose database has empty tables, and that is left with all connections returned."""
    engine = asa.create_async_engine(url, **options)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        yield engine
        gc.collect()  # SQLAlchemy warns of a connection that wasn't returned, and is garbage
        assert engine.pool.checkedout() == 0
    finally:
        with trio.CancelScope(shield=True):
            await engine.dispose()


async def count(engine):
    async with engine.connect() as connection:
        return await connection.scalar(sa.select(sa.func.count()).select_from(Duck))


async def test_rows_are_written_and_read(url):
    async with open_engine(url) as engine:
        async with engine.begin() as connection:
            names = [{"name": name} for name in ("Riri", "Fifi", "Loulou")]
            await connection.execute(sa.insert(Duck), names)
        async with engine.connect() as connection:
            result = await connection.execute(sa.select(Duck.id, Duck.name).order_by(Duck.id))
            rows = result.all()
            assert [(row.id, row.name) for row in rows] == [(1, "Riri"), (2, "Fifi"), (3, "Loulou")]
            number, name = rows[0]
            assert rows[0] == (number, name) == (1, "Riri")


async def test_objects_are_the_programs_own(url):
    async with open_engine(url) as engine:
        session_of = asa.async_sessionmaker(engine, expire_on_commit=False)
        nest = Nest(ducks=[Duck(name="Riri"), Duck(name="Fifi")])
        async with session_of() as session, session.begin():
            session.add(nest)
        async with session_of() as session, session.begin():
            query = sa.select(Nest).options(orm.selectinload(Nest.ducks))
            found = (await session.scalars(query)).one()
            assert type(found) is Nest
            assert found is await session.get(Nest, 1)
            assert type(found.ducks[0]) is Duck
            found.ducks.append(Duck(name="Loulou"))
            session.add(Duck(name="Donald", nest=found))
            found.ducks[0].name = "Huey"
        async with session_of() as session:
            ducks = (await session.scalars(sa.select(Duck).order_by(Duck.id))).all()
            assert [duck.name for duck in ducks] == ["Huey", "Fifi", "Loulou", "Donald"]
            # What isn't loaded yet has to be awaited, as in asyncio.
            assert (await trio2aio(ducks[0].awaitable_attrs).nest).id == nest.id


async def test_plain_code_of_the_session_runs_where_it_may_wait(url):
    seen = []

    def rename(session, name):
        assert type(session) is orm.Session
        duck = session.scalars(sa.select(Duck)).one()
        duck.name = name
        session.flush()
        seen.append(duck.nest)  # loaded when it is looked at
        return duck

    async with open_engine(url) as engine:
        async with asa.AsyncSession(engine) as session, session.begin():
            session.add(Duck(name="Riri", nest=Nest()))
            await session.flush()
            session.expire_all()
            duck = await session.run_sync(rename, "Huey")
            assert type(duck) is Duck
            assert seen == [duck.nest]
            with pytest.raises(ValueError, match="boom"):
                await session.run_sync(fail)


def fail(session):
    session.execute(sa.text("SELECT 1"))
    raise ValueError("boom")


async def test_results_are_streamed(url):
    async with open_engine(url) as engine:
        async with engine.begin() as connection:
            rows = [{"name": f"duck {number}"} for number in range(500)]
            await connection.execute(sa.insert(Duck), rows)
        async with engine.connect() as connection:
            query = sa.select(Duck.name).order_by(Duck.id)
            async with connection.stream(query) as result:
                assert [row.name async for row in result] == [row["name"] for row in rows]
            async with connection.stream(query) as result:
                async for row in result.scalars():  # left at the first one
                    assert row == "duck 0"
                    break
            assert await connection.scalar(sa.text("SELECT 6 * 7")) == 42
        async with asa.AsyncSession(engine) as session:
            ducks = [duck async for duck in await session.stream_scalars(sa.select(Duck))]
            assert {type(duck) for duck in ducks} == {Duck}
            assert len(ducks) == 500


async def test_tasks_share_the_pool(url):
    async def add(session_of, number):
        async with session_of() as session, session.begin():
            session.add(Duck(name=f"duck {number}"))

    async with open_engine(url, **TWO) as engine:
        session_of = asa.async_sessionmaker(engine)
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(add, session_of, number)
        assert await count(engine) == 20
        assert engine.pool.checkedin() == 2


async def test_a_deadline_rolls_a_transaction_back_and_the_engine_goes_on(url):
    async with open_engine(url, **ONE) as engine:
        with trio.move_on_after(0.2) as deadline:
            async with engine.begin() as connection:
                await connection.execute(sa.insert(Duck), {"name": "Riri"})
                await trio.sleep_forever()
        assert deadline.cancelled_caught
        assert await count(engine) == 0

        with trio.move_on_after(0.2) as deadline:
            async with asa.AsyncSession(engine) as session, session.begin():
                session.add(Duck(name="Riri"))
                await session.flush()
                await trio.sleep_forever()
        assert deadline.cancelled_caught
        assert await count(engine) == 0


async def test_a_deadline_cancels_a_statement_and_the_engine_goes_on(url):
    async with open_engine(url, **ONE) as engine:
        with trio.move_on_after(0.1) as deadline:
            async with engine.begin() as connection:
                await connection.execute(sa.insert(Duck), {"name": "Riri"})
                while True:
                    await connection.execute(sa.text(LONG[engine.dialect.name]))
        assert deadline.cancelled_caught
        assert await count(engine) == 0

        # In the wait for the only connection.
        async with engine.connect():
            with trio.move_on_after(0.1) as deadline:
                async with engine.connect():
                    pytest.fail("there was another connection")
            assert deadline.cancelled_caught
        assert await count(engine) == 0


async def test_a_cancellation_at_any_moment_loses_no_connection(postgres_url):
    # Not with aiosqlite: it forgets a connection that it was opening, in plain asyncio too.
    async def work(engine, number):
        async with asa.AsyncSession(engine) as session, session.begin():
            session.add(Duck(name=f"duck {number}"))
            await session.flush()
            async for _ in await session.stream(sa.select(Duck)):
                pass

    async with open_engine(postgres_url, **TWO) as engine:
        for number in range(40):
            with trio.move_on_after(number * 0.0005):
                async with trio.open_nursery() as nursery:
                    for part in range(4):
                        nursery.start_soon(work, engine, f"{number} {part}")
            gc.collect()
            assert engine.pool.checkedout() == 0
        await work(engine, "last")


async def test_an_error_is_sqlalchemys_own(url):
    async with open_engine(url) as engine:
        async with asa.AsyncSession(engine) as session:
            session.add_all([Duck(name="Riri"), Duck(name="Riri")])
            with pytest.raises(sa.exc.IntegrityError):
                await session.commit()
            await session.rollback()
            session.add(Duck(name="Riri"))
            await session.commit()
        assert await count(engine) == 1


async def test_nothing_is_left_on_the_server(postgres_url):
    named = {"server_settings": {"application_name": "ecosystem-sa"}}
    here = sa.text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ecosystem-sa'")

    async def ask(engine):
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT pg_sleep(0.1)"))

    async with open_engine(postgres_url, connect_args=named) as engine:
        with trio.move_on_after(0.05):
            await ask(engine)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, engine)
    async with open_engine(postgres_url) as engine, engine.connect() as connection:
        with trio.fail_after(30):
            while await connection.scalar(here):
                await trio.sleep(0.01)
