"""The callbacks of the standard library's weak collections."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def weakref_callbacks() -> Iterator[Callable[..., Any]]:
    """Functions that have the code of all of them.

    Python calls them whenever something goes, and drops what they raise: a Ctrl-C that comes there
    is lost, if it isn't held back. A loop has a ``WeakSet`` of its async generators.
    """
    collections: tuple[object, ...] = (WeakSet(), WeakKeyDictionary(), WeakValueDictionary())
    for collection in collections:
        callback = getattr(collection, "_remove", None)
        if inspect.isfunction(callback):
            yield callback
