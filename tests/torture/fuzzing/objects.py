"""Random hostile objects: a view does what the object does, and raises what it raises."""

from __future__ import annotations

import copy
import types
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from trio_bridge import trio2aio, unview

from ..bad_inputs.hostile import Mischief, UnhashableMeta
from .outcomes import outcome, plain_outcome
from .sides import on_the_bridge


def _fails(*args: Any, **kwargs: Any) -> Any:
    raise Mischief("of the object's own")


def _lacks(*args: Any, **kwargs: Any) -> Any:
    raise AttributeError("of the object's own")


def _loops(self: Any, *args: Any) -> Any:
    return _loops(self, *args)


def _recurses(self: Any, name: Any = "x") -> Any:
    return getattr(self, f"{name}_"[:1000])


def _generates(*args: Any) -> Any:
    yield 1
    yield 2


async def _awaits(*args: Any) -> Any:
    return 3


async def _generates_async(*args: Any) -> Any:
    yield 1


BEHAVIOURS: dict[str, Any] = {
    "fails": _fails,
    "lacks": _lacks,
    "loops": _loops,
    "is 42": 42,
    "is None": None,
    "gives 42": lambda *args: 42,
    "gives -1": lambda *args: -1,
    "gives 's'": lambda *args: "s",
    "gives None": lambda *args: None,
    "gives True": lambda *args: True,
    "gives itself": lambda self, *args: self,
    "gives NotImplemented": lambda *args: NotImplemented,
    "gives a list": lambda *args: [1, 2],
    "generates": _generates,
    "awaits": _awaits,
    "generates async": _generates_async,
    "a static method": staticmethod(lambda *args: 7),
    "a class method": classmethod(lambda cls, *args: 8),
}
# Special methods that are properties are nobody's.
OF_ATTRIBUTES = {
    **BEHAVIOURS,
    "a property that fails": property(_fails),
    "a property that lacks": property(_lacks),
}
SPECIALS = (
    *("__len__", "__bool__", "__iter__", "__next__", "__contains__", "__getitem__", "__eq__"),
    *("__hash__", "__repr__", "__str__", "__call__", "__getattr__", "__int__", "__index__"),
    *("__lt__", "__add__", "__radd__", "__iadd__", "__neg__", "__float__", "__reversed__"),
    *("__aenter__", "__aexit__", "__enter__", "__exit__", "__await__", "__aiter__", "__anext__"),
    *("__setitem__", "__delitem__", "__setattr__", "__delattr__", "__dir__", "__format__"),
    *("__copy__", "__length_hint__", "__bytes__", "__fspath__"),
)


def _set(x: Any) -> None:
    x.y = 1


def _delete(x: Any) -> None:
    del x.x


def _set_item(x: Any) -> None:
    x[0] = 1


def _delete_item(x: Any) -> None:
    del x[0]


def _add_to(x: Any) -> Any:
    x += 1
    return x


def _with(x: Any) -> Any:
    with x:
        return 9


# bytes(x) is not tried, nor list(x): an iterator may have no end.
def _first_of(x: Any) -> Any:
    iterator = iter(x)
    return next(iterator)


def _contains(x: Any) -> Any:
    # Not by an iterator, which may have no end.
    return getattr(type(x), "__contains__", None) is not None and 1 in x


async def _await(x: Any) -> Any:
    return await x


async def _async_with(x: Any) -> Any:
    async with x:
        return 9


async def _async_for(x: Any) -> Any:
    async for item in x:
        return item
    return None


OPERATIONS: dict[str, Any] = {
    "x": lambda x: x.x,
    "method": lambda x: x.method(),
    "missing": lambda x: x.missing,
    "hasattr": lambda x: hasattr(x, "x"),
    "has __dict__": lambda x: hasattr(x, "__dict__"),
    "set": _set,
    "delete": _delete,
    "call": lambda x: x(),
    "len": len,
    "bool": bool,
    "first": _first_of,
    "next": next,
    "in": _contains,
    "item": lambda x: x[0],
    "set item": _set_item,
    "delete item": _delete_item,
    "equal": lambda x: x == 1,
    "hash": lambda x: type(hash(x)),
    "repr": lambda x: type(repr(x)),
    "str": lambda x: type(str(x)),
    "format": lambda x: type(f"{x}"),
    "less": lambda x: x < 1,
    "add": lambda x: x + 1,
    "add to": lambda x: 1 + x,
    "add in place": _add_to,
    "minus": lambda x: -x,
    "int": int,
    "index": lambda x: [1, 2][x],
    "float": float,
    "reversed": lambda x: next(reversed(x)),
    "dir": lambda x: type(dir(x)),
    "with": _with,
    "callable": callable,
    "copy": lambda x: type(copy.copy(x)) and 1,
    "await": _await,
    "async with": _async_with,
    "async for": _async_for,
}
ASYNC = ("await", "async with", "async for")


def _make(parts: dict[str, str], has_slots: bool, is_unhashable: bool, claims: Any) -> Any:
    attributes: dict[str, Any] = {name: OF_ATTRIBUTES[what] for name, what in parts.items()}
    if has_slots:
        attributes["__slots__"] = ()
    if claims is not None:
        attributes["__class__"] = property(lambda self: claims)
    meta = UnhashableMeta if is_unhashable else type
    return meta("Hostile", (), attributes)()


def check(
    engine: str,
    parts: dict[str, str],
    has_slots: bool,
    is_unhashable: bool,
    claims: Any,
    operations: list[str],
) -> None:
    """Each operation gives the same through the view."""
    try:
        original = _make(parts, has_slots, is_unhashable, claims)
    except Exception:
        assume(False)  # no such class

    async def all_of(x: Any) -> list[Any]:
        outcomes = []
        for name in operations:
            operation = OPERATIONS[name]
            if name in ASYNC:
                outcomes.append((name, await outcome(operation, x)))
            else:
                outcomes.append((name, plain_outcome(operation, x)))
        return outcomes

    async def program(adapt: Any) -> Any:
        expected = await trio2aio(all_of)(original)
        view = adapt(original)
        assert unview(view) is original
        found = await all_of(view)
        assert found == expected, f"\nobject: {expected}\nview:   {found}"

    on_the_bridge(engine, "asyncio", program)


def programs() -> st.SearchStrategy[Any]:
    return st.tuples(
        st.builds(
            lambda specials, attributes: {**specials, **attributes},
            st.dictionaries(
                st.sampled_from(SPECIALS), st.sampled_from(sorted(BEHAVIOURS)), max_size=6
            ),
            st.dictionaries(
                st.sampled_from(["x", "method"]), st.sampled_from(sorted(OF_ATTRIBUTES))
            ),
        ),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, None, None, int, types.FunctionType, types.CoroutineType, type]),
        st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=8),
    )
