"""What SQLAlchemy does that no other library does: plain functions wait, classes are the user's.

It on real databases is in ``tests/ecosystem/test_sqlalchemy.py``.
"""

from __future__ import annotations

import asyncio

import pytest
import sniffio
import trio

from trio_bridge import _private, aio2trio, trio2aio

sa = pytest.importorskip("sqlalchemy")
concurrency = pytest.importorskip("sqlalchemy.util.concurrency")
orm = pytest.importorskip("sqlalchemy.orm")
pytest.importorskip("greenlet")

adapters = pytest.mark.parametrize("adapt", [trio2aio, aio2trio], ids=["trio2aio", "aio2trio"])


class Library:
    """Runs plain functions as SQLAlchemy does."""

    async def run_sync(self, fn):
        return await concurrency.greenlet_spawn(fn, self)

    def wait(self, seconds=0.0):
        return concurrency.await_only(asyncio.sleep(seconds, "waited"))

    async def call(self, fn):
        await asyncio.sleep(0)
        return fn(self)


def side():
    return sniffio.current_async_library()


async def test_a_plain_function_that_may_wait_runs_on_the_librarys_side():
    def use(library):
        assert type(library) is Library
        assert side() == "asyncio"
        assert _private.may_wait_in_greenlet()
        return [library.wait(), library.wait(0.001), side()]

    library = trio2aio(Library())
    assert await library.run_sync(use) == ["waited", "waited", "asyncio"]
    assert side() == "trio"
    assert not _private.may_wait_in_greenlet()


async def test_many_such_functions_wait_at_the_same_time():
    ended = []

    async def task(library, number):
        def use(library):
            for _ in range(number):
                library.wait(0.001)
            return number

        ended.append(await library.run_sync(use))
        await trio.sleep(0)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(task, trio2aio(Library()), number)
    assert sorted(ended) == list(range(10))


async def test_a_deadline_cancels_one_where_it_waits():
    seen = []

    def use(library):
        try:
            library.wait(3600)
        except asyncio.CancelledError:
            seen.append(library.wait())  # it may clean up
            raise

    with trio.move_on_after(0.01) as deadline:
        await trio2aio(Library()).run_sync(use)
    assert deadline.cancelled_caught
    assert seen == ["waited"]


async def test_the_error_of_one_is_bare():
    def use(library):
        library.wait()
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await trio2aio(Library()).run_sync(use)


async def test_elsewhere_a_plain_function_is_a_callback_of_the_trio_side():
    def use(library):
        assert type(library) is not Library
        return side()

    assert await trio2aio(Library()).call(use) == "trio"


@adapters
def test_objects_that_are_kept_in_tables_cross_as_they_are(adapt):
    class Base(orm.DeclarativeBase):
        pass

    class Duck(Base):
        __tablename__ = "ducks"
        id = orm.mapped_column(sa.Integer, primary_key=True)

        async def quack(self):
            """An async function of the program's own."""

    class Unmapped:
        pass

    duck = Duck()
    assert adapt(duck) is duck
    assert adapt(Duck) is Duck
    assert adapt([duck])[0] is duck
    assert _private.is_mapped(Duck)
    assert not _private.is_mapped(Base)
    assert type(adapt(Unmapped())) is not Unmapped
