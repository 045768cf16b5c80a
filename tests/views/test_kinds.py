"""What needs a view and what crosses as it is: plain data, containers, classes of data."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import io
import ipaddress
import itertools
import json
import pathlib
import re
import time
import types
import typing
import uuid
import weakref
import zoneinfo
from collections.abc import Awaitable

import pytest
import sniffio
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio, unview
from trio_bridge._views import kinds, objects

adapters = pytest.mark.parametrize("adapt", [trio2aio, aio2trio], ids=["trio2aio", "aio2trio"])


def both(test):
    """In both directions; the test is code of the side that uses what ``adapt`` gives."""

    @adapters
    @functools.wraps(test)
    async def run(adapt, **kwargs):
        await (test if adapt is trio2aio else trio2aio(test))(adapt, **kwargs)

    return run


def is_view(value):
    return unview(value) is not value


REPEATED = "BUG: inspect.getattr_static runs twice at each access to an attribute"


class Colour(enum.Enum):
    RED = 1


class Flags(enum.IntFlag):
    A = 1


class Text(str):
    """A string with a method of its own."""

    __slots__ = ()

    def shout(self):
        return self.upper()


class Thing:
    """Neither plain data nor a container."""

    def __init__(self, value=0):
        self.value = value

    async def get(self):
        return self.value


class Pair(typing.NamedTuple):
    first: object
    second: object


SCALARS = [
    *(None, True, 5, 1.5, 2j, "text", b"bytes", bytearray(b"x"), memoryview(b"x"), range(3)),
    *(slice(1), ..., NotImplemented, Text("text"), Colour.RED, Flags.A),
    *(datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), datetime.time(1)),
    *(datetime.timedelta(1), datetime.UTC, zoneinfo.ZoneInfo("UTC"), decimal.Decimal("1.5")),
    *(fractions.Fraction(1, 3), uuid.UUID(int=1), pathlib.Path("a"), pathlib.PurePosixPath("a")),
    *(re.compile("a"), re.match("a", "a"), ipaddress.ip_address("127.0.0.1"), array.array("i")),
    *(ValueError("x"), ExceptionGroup("x", [ValueError()]), KeyboardInterrupt()),
    *(list[int], int | None, typing.Any, time.localtime(), io.BytesIO(b"x")),
    *((lambda: 0).__code__, types.MappingProxyType({"a": 1})),
]


@adapters
@pytest.mark.parametrize("value", SCALARS, ids=lambda value: type(value).__name__)
def test_plain_data_is_the_same_object(adapt, value):
    assert adapt(value) is value


@adapters
@pytest.mark.parametrize(
    "cls",
    [
        *(int, str, object, type, list, dict, datetime.datetime, uuid.UUID, pathlib.Path, Colour),
        *(Text, ValueError, TimeoutError, ExceptionGroup, Pair, collections.OrderedDict),
    ],
    ids=lambda cls: cls.__name__,
)
def test_a_class_of_plain_data_is_the_same_object(adapt, cls):
    assert adapt(cls) is cls


@adapters
@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        (),
        set(),
        [1, "a", None],
        {"a": [1, {"b": (2, 3)}]},
        {1, 2},
        frozenset({1}),
        (1, [2]),
        Pair(1, "a"),
        collections.deque([1]),
        collections.Counter("aab"),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]),
        [Colour.RED, datetime.date(2020, 1, 1)],
        [int, ValueError],
        [ValueError("x")],
    ],
    ids=repr,
)
def test_a_container_of_plain_data_is_the_same_object(adapt, value):
    assert adapt(value) is value


@adapters
@pytest.mark.parametrize("levels", [3, 4, 5, 8, 50])
def test_a_deep_json_document_is_the_same_object(adapt, levels):
    document = json.loads('{"a": [' * levels + "1" + "]}" * levels)
    assert adapt(document) is document


@adapters
def test_large_lists_are_decided_quickly(adapt):
    rows = [(n, "name", None, 1.5) for n in range(100_000)]
    numbers = list(range(1_000_000))
    began = time.process_time()
    assert adapt(numbers) is numbers
    assert adapt(rows) is rows
    assert time.process_time() - began < 2  # 0.1 on a slow machine


@adapters
def test_a_large_list_with_one_object_is_a_view(adapt):
    values = [*range(1000), Thing()]
    assert is_view(adapt(values))


@adapters
def test_subclasses_of_plain_data_are_plain_data(adapt):
    class Date(datetime.date):
        """As pendulum's."""

        def tomorrow(self):
            return self + datetime.timedelta(1)

    class Money(decimal.Decimal):
        def double(self):
            return self * 2

    class Path(type(pathlib.Path())):
        def twice(self):
            return self / self

    for value in (Date(2020, 1, 1), Money("1.5"), Path("a")):
        assert adapt(value) is value


@adapters
def test_asyncpg_rows_and_values_are_plain_data(adapt):
    asyncpg = pytest.importorskip("asyncpg")
    from asyncpg.pgproto import pgproto

    assert kinds.is_data_type(asyncpg.Record)
    assert adapt(asyncpg.Record) is asyncpg.Record
    value = pgproto.UUID("00000000-0000-0000-0000-000000000001")
    assert isinstance(value, uuid.UUID)
    assert adapt(value) is value


# ---- containers of objects


@both
async def test_containers_of_objects_are_views_or_tuples_of_views(adapt):
    one, two = Thing(1), Thing(2)

    for container in ([one, two], collections.deque([one, two])):
        view = adapt(container)
        assert unview(view) is container
        assert isinstance(view, type(container))
        assert len(view) == 2
        assert is_view(view[0])
        assert unview(view[1]) is two
        assert [unview(item) for item in view] == [one, two]
        assert [unview(item) for item in reversed(view)] == [two, one]
        assert one in view
        assert adapt(one) in view
        assert view

    view = adapt({one, two})
    assert {unview(item) for item in view} == {one, two}
    assert adapt(one) in view

    made = adapt((one, 2))
    assert type(made) is tuple
    assert unview(made[0]) is one
    assert made[1] == 2

    made = adapt(Pair(one, 2))
    assert type(made) is Pair
    assert unview(made.first) is one
    assert made.second == 2


@both
async def test_views_of_lists_can_be_changed(adapt):
    one, two = Thing(1), Thing(2)
    original = [one]
    view = adapt(original)
    view.append(adapt(two))
    assert original == [one, two]
    assert type(original[1]) is Thing
    view[0] = adapt(two)
    assert original == [two, two]
    assert type(original[0]) is Thing
    del view[0]
    view += [adapt(one)]
    assert unview(view) is original
    assert list(map(type, original)) == [Thing, Thing]
    assert is_view(view.pop())
    view.extend([adapt(one)])
    assert original == [two, one]
    assert type(original[1]) is Thing
    assert unview(view[:1][0]) is two
    assert view.index(adapt(one)) == 1
    view.clear()
    assert original == []


@both
async def test_views_of_dicts(adapt):
    one, two = Thing(1), Thing(2)
    original = {"one": one}
    view = adapt(original)
    assert unview(view["one"]) is one
    assert is_view(view["one"])
    view["two"] = adapt(two)
    assert original == {"one": one, "two": two}
    assert type(original["two"]) is Thing
    assert is_view(view.get("one"))
    assert view.get("three") is None
    assert list(view) == ["one", "two"]
    assert "one" in view
    assert sorted(view.keys()) == ["one", "two"]
    assert set(dict(view)) == {"one", "two"}
    assert is_view(dict(**view)["one"])
    assert is_view(view.pop("one"))
    with pytest.raises(KeyError):
        view["one"]
    assert len(view) == 1


@pytest.mark.parametrize("method", ["values", "items"])
@both
async def test_values_and_items_of_a_view_of_a_dict_are_views(adapt, method):
    view = adapt({"one": Thing(1)})
    for found in getattr(view, method)():
        assert is_view(found[1] if method == "items" else found)


@both
@pytest.mark.parametrize("method", ["generated", "iterated", "mapped", "chained"])
async def test_plain_iterators_and_generators_give_views(adapt, method):
    class Pool:
        def __init__(self):
            self.things = [Thing(1)]

        def generated(self):
            yield from self.things

        def iterated(self):
            return iter(self.things)

        def mapped(self):
            return map(Thing, [1])

        def chained(self):
            return itertools.chain(self.things)

    for found in getattr(adapt(Pool()), method)():
        assert is_view(found)


async def test_the_body_of_a_plain_generator_runs_on_its_own_side():
    class Code:
        def sides(self):
            yield sniffio.current_async_library()
            yield sniffio.current_async_library()

    assert list(trio2aio(Code()).sides()) == ["asyncio"] * 2


async def test_what_types_coroutine_makes_can_be_awaited():
    import asyncio

    class Code:
        @types.coroutine
        def wait(self):
            yield from asyncio.sleep(0).__await__()
            return 5

    assert await trio2aio(Code()).wait() == 5


@both
async def test_exceptions_with_async_methods_can_be_raised_and_caught(adapt):
    class Library:
        class Refused(Exception):
            async def explain(self):
                pass

    view = adapt(Library)
    assert view.Refused is Library.Refused
    with pytest.raises(Library.Refused):
        raise view.Refused
    error = Library.Refused()
    assert adapt(error) is error


@both
async def test_nested_containers(adapt):
    one = Thing(1)
    view = adapt({"a": [(one, {"b": one})]})
    inner = view["a"][0]
    assert type(inner) is tuple
    assert unview(inner[0]) is one
    assert unview(inner[1]["b"]) is one


@both
async def test_cyclic_containers(adapt):
    items = [1]
    items.append(items)
    assert unview(adapt(items)) is items
    assert unview(adapt(items)[1]) is items
    mapping = {}
    mapping["self"] = mapping
    assert unview(adapt(mapping)) is mapping
    through_tuple = ([],)
    through_tuple[0].append(through_tuple)
    made = adapt(through_tuple)
    assert unview(made[0]) is through_tuple[0]
    assert repr(adapt(items))


@adapters
def test_views_in_containers_are_left_alone(adapt):
    view = adapt(Thing(1))
    made = adapt((view, 1))
    assert made[0] is view


@adapters
def test_a_container_with_async_methods_is_a_view(adapt):
    class Awaiting(list):
        def __await__(self):
            return (yield from ())

    class Managed(dict):
        async def __aenter__(self):
            return self

        async def __aexit__(self, *details):
            pass

    for container in (Awaiting(), Managed()):
        assert unview(adapt(container)) is container
        assert is_view(adapt(container))
    assert isinstance(adapt(Awaiting()), Awaitable)


@adapters
def test_an_awaitable_tuple_is_awaitable(adapt):
    class Result(tuple):
        __slots__ = ()

        def __await__(self):
            return (yield from ())

    assert isinstance(adapt(Result((1,))), Awaitable)


@adapters
@pytest.mark.parametrize("base", [list, dict], ids=["list", "dict"])
def test_a_container_with_an_async_function_is_a_view(adapt, base):
    class Session(base):
        async def save(self):
            pass

    assert is_view(adapt(Session()))


@adapters
def test_a_named_tuple_with_an_async_function_runs_it_on_its_side(adapt):
    class Ends(typing.NamedTuple):
        left: Thing
        right: Thing

        def total(self):
            return type(self.left), type(self.right)

    ends = adapt(Ends(Thing(1), Thing(2)))
    assert unview(ends.left).value == 1
    assert isinstance(ends, Ends)


@adapters
@pytest.mark.parametrize(
    "value",
    [
        *(types.SimpleNamespace(a=Thing()), collections.UserDict(), collections.ChainMap({})),
        *(functools.lru_cache(Thing), dataclasses.make_dataclass("Data", ["a"])(Thing())),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_hold_objects_is_a_view(adapt, value):
    assert is_view(adapt(value))
    assert isinstance(adapt(value), type(value))


# ---- one decision for each type


@both
async def test_one_decision_for_each_type(adapt, monkeypatch):
    calls = collections.Counter()

    def counted(module, name):
        function = getattr(module, name)

        def count(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, count)

    counted(kinds, "_decide")
    counted(kinds, "_is_written_in_c")
    counted(objects.Views, "_maker")

    class Fresh:
        def __init__(self):
            self.number = 1
            self.thing = Thing()

        def method(self):
            return Thing()

    adapt(Thing())
    views = [adapt(Fresh()) for _ in range(10)]
    for view in views:
        assert view.number == 1
        assert is_view(view.thing)
        assert is_view(view.method())
    assert calls["_maker"] <= 4
    assert calls["_decide"] <= 4
    assert len({type(view) for view in views}) == 1


@pytest.mark.parametrize("name", ["plain", "number", "prop", "method", "missing"])
@both
async def test_repeated_access_does_not_decide_again(adapt, monkeypatch, name):
    class Fresh:
        number = 1

        def __init__(self):
            self.plain = 1

        @property
        def prop(self):
            return 1

        def method(self):
            return 1

    view = adapt(Fresh())
    getattr(view, name, None)
    count = 0
    getattr_static = objects.inspect.getattr_static

    def counted(*args):
        nonlocal count
        count += 1
        return getattr_static(*args)

    monkeypatch.setattr(objects.inspect, "getattr_static", counted)
    for _ in range(10):
        getattr(view, name, None)
    assert count == 0


def test_types_that_are_gone_are_forgotten():
    class Fresh:
        def method(self):
            return 1

    view = trio2aio(Fresh())
    assert view.method() == 1
    gone = weakref.ref(Fresh)
    del view, Fresh
    gc.collect()
    assert gone() is None


def test_methods_of_objects_that_are_gone_are_forgotten():
    thing = Thing(1)
    view = trio2aio(thing)
    view.get  # noqa: B018
    gone = weakref.ref(thing)
    del view, thing
    gc.collect()
    assert gone() is None


async def test_results_of_calls_are_data_or_views():
    class Code:
        def give(self, value):
            return value

        async def give_later(self, value):
            return value

    view = trio2aio(Code())
    for value in (1, [1, 2], {"a": 1}, Colour.RED, ValueError, ValueError("x"), datetime.UTC):
        assert view.give(value) is value
        assert await view.give_later(value) is value
    thing = Thing()
    assert unview(view.give(thing)) is thing
    assert is_view(view.give(thing))
    assert is_view(await view.give_later(thing))
    assert is_view(view.give([thing])[0])
    assert trio_bridge.current_loop()
    await trio.lowlevel.checkpoint()
