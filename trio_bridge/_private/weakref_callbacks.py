"""Ctrl-C in the callbacks of the standard library's weak collections."""

from __future__ import annotations

import inspect
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

import trio


def hold_ctrl_c_in_weakref_callbacks() -> None:
    """Let Trio deliver a Ctrl-C that comes there a little later.

    Python calls them whenever something goes, and drops what they raise: the Ctrl-C was lost. A
    loop has a ``WeakSet`` of its async generators. Trio knows the same of ``__del__``.
    """
    collections: tuple[object, ...] = (WeakSet(), WeakKeyDictionary(), WeakValueDictionary())
    for collection in collections:
        callback = getattr(collection, "_remove", None)
        if inspect.isfunction(callback):
            trio.lowlevel.enable_ki_protection(callback)  # its code: that of all of them
