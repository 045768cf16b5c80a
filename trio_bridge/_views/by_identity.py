"""A table with weak keys, which are told apart by identity alone.

A type is no good key of a dictionary: its metaclass may define ``__eq__``, and with that take
``__hash__`` away.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from .._guest_ctrl_c import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")


class ByIdentity(Generic[V]):
    """What is kept for a type or a module, as long as that lives."""

    def __init__(self) -> None:
        # An id is its object's own as long as the object lives: the entry goes with it.
        self._values: Final[dict[int, V]] = {}
        self._keys: Final[dict[int, weakref.ref[Any]]] = {}
        values = self._values
        self.value_of: Final[Callable[[int], V | None]] = values.get
        """By the key's id."""

    def __setitem__(self, key: Any, value: V) -> None:
        number, values, keys = id(key), self._values, self._keys

        @uninterrupted  # Python drops what it raises: a Ctrl-C was lost
        def forget(dead: object) -> None:
            if keys.get(number) is dead:
                del keys[number]
                values.pop(number, None)  # none after a Ctrl-C between the two lines below

        keys[number] = weakref.ref(key, forget)
        values[number] = value
