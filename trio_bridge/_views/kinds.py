"""What needs a view, and what crosses as it is: one decision for each type.

1. Plain data crosses unchanged: numbers, strings, dates, enums, exceptions and the like, and what
   is derived from them; types written in C that hold values and have nothing asynchronous about
   them (``asyncpg.Record``).
2. A list, dict, set or tuple is plain data if all that it holds is.
3. An exception class and a class of plain data cross unchanged.
4. What is async in any way is no plain data, unless it is an exception.
5. Objects that SQLAlchemy keeps in tables cross as they are: their classes are the program's, and
   what refers to them (a relationship's list, ``sqlalchemy.inspect``) looks for the very object.
"""

from __future__ import annotations

import collections
import enum
import inspect
import numbers
import types
import typing
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from .._private import is_mapped
from .by_identity import ByIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable

# In these modules of the standard library all is plain data. By name, as importing some is slow.
_DATA_MODULES: Final = frozenset(
    {
        *("_io", "array", "datetime", "decimal", "fractions", "ipaddress", "numbers", "pathlib"),
        *("pathlib._local", "re", "string.templatelib", "typing", "uuid", "weakref", "zoneinfo"),
    }
)
_DATA: Final = (
    *(str, bytes, bytearray, memoryview, range, slice, enum.Enum),
    *(type(None), type(...), type(NotImplemented), types.CodeType, types.FrameType),
    *(types.TracebackType, types.GenericAlias, types.UnionType, types.MappingProxyType),
)
_CONTAINERS: Final = (
    *(list, dict, set, frozenset, tuple),
    *(collections.deque, collections.OrderedDict, collections.defaultdict, collections.Counter),
)
# By their ids here and below: a metaclass may make types unhashable, and say that they are equal.
SIMPLE: Final = frozenset(map(id, (str, int, float, bool, bytes, type(None))))
"""What needs no second look: the ids of types."""
# What a dict's keys(), values() and items() give decides each time anew.
_LAZY: Final = frozenset(map(id, (type({}.keys()), type({}.values()), type({}.items()))))
_ASYNC: Final = ("__await__", "__aenter__", "__aiter__", "__anext__")
_VALUE: Final = ("__len__", "__getitem__", "__index__", "__float__")

_CONTAINER_IDS: Final = frozenset(map(id, _CONTAINERS))
_SEQUENCE_IDS: Final = frozenset(map(id, (tuple, list)))

_decisions: Final[ByIdentity[bool]] = ByIdentity()


def has_special(cls: type, name: str) -> bool:
    """Whether instances have a special method; ``hasattr`` would look in the metaclass too."""
    return _special(cls, name) is not None


def takes_away(cls: type, name: str) -> bool:
    """Whether the type says that instances have it not: ``__iter__ = None``."""
    return _special(cls, name, _MISSING) is None


_MISSING: Final = object()


def _special(cls: type, name: str, default: object = None) -> object:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), default)


def is_a(cls: type, abc: Any) -> bool:
    """``issubclass()`` for an ABC, which keeps types in a set."""
    try:
        return issubclass(cls, abc)
    except Exception:  # a metaclass has made it unhashable
        return False


def is_container(cls: type) -> bool:
    """Whether what instances hold decides: a builtin container, or a named tuple."""
    if id(cls) in _CONTAINER_IDS:
        return True
    is_named_tuple = issubclass(cls, tuple) and hasattr(cls, "_fields")
    return is_named_tuple and not _has_async_functions(cls)


def is_data_type(cls: type) -> bool:
    """Whether instances of ``cls``, which is no container, cross as they are."""
    decision = _decisions.value_of(id(cls))
    if decision is None:
        decision = _decisions[cls] = _decide(cls)
    return decision


def _decide(cls: type) -> bool:
    if is_mapped(cls):
        return True
    if issubclass(cls, BaseException):
        return True  # else nobody could raise or catch it
    if any(has_special(cls, name) for name in _ASYNC) or _has_async_functions(cls):
        return False
    if issubclass(cls, _DATA) or cls is object or is_a(cls, numbers.Number):
        return True
    if any(_is_from_data_module(base) for base in cls.__mro__):
        return True
    return (
        _is_written_in_c(cls)
        and any(has_special(cls, name) for name in _VALUE)
        and id(cls) not in _LAZY
    )


def _is_from_data_module(cls: type) -> bool:
    is_typings_own = cls is typing.Generic or cls is typing.Protocol
    module: Any = cls.__module__
    return isinstance(module, str) and module in _DATA_MODULES and not is_typings_own


def _has_async_functions(cls: type) -> bool:
    return any(
        inspect.iscoroutinefunction(attribute) or inspect.isasyncgenfunction(attribute)
        for base in cls.__mro__
        for attribute in vars(base).values()
    )


def _is_written_in_c(cls: type) -> bool:
    python = (types.FunctionType, property, staticmethod, classmethod)
    return not any(
        isinstance(attribute, python) or type(attribute).__name__ == "cython_function_or_method"
        for base in cls.__mro__
        for attribute in vars(base).values()
    )


def holds_simple(container: Any) -> bool:
    """A fast look, also at the many rows of a query, whether it holds numbers and strings only."""
    is_dict = isinstance(container, dict)
    values = chain(container, container.values()) if is_dict else container
    kinds = set(map(id, map(type, values)))
    if kinds and not is_dict and kinds <= _SEQUENCE_IDS:
        kinds = set(map(id, map(type, chain.from_iterable(container))))
    return kinds <= SIMPLE


def is_data_class(cls: type) -> bool:
    """Whether the class itself crosses as it is."""
    return is_data_type(cls) or cls is type or is_container(cls)


def is_data(container: Any) -> bool:
    """Whether a container crosses as it is: whether all that it holds does, however deep."""
    seen: set[int] = set()
    found = [container]
    while found:
        value = found.pop()
        if id(value) not in seen:
            seen.add(id(value))
            if not _holds_data(value, found):
                return False
    return True


def _holds_data(container: Any, found: list[Any]) -> bool:
    """Whether there is no object in a container; the containers in it are put into ``found``."""
    if holds_simple(container):
        return True
    if isinstance(container, dict):
        parts: tuple[Iterable[Any], ...] = (container.keys(), container.values())
    else:
        parts = (container,)
    for values in parts:
        for cls in {id(cls): cls for cls in map(type, values)}.values():
            if is_container(cls):
                found += [value for value in values if type(value) is cls]
            elif issubclass(cls, type):
                if not all(is_data_class(value) for value in values if type(value) is cls):
                    return False
            elif not is_data_type(cls):
                return False
    return True
