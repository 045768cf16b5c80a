"""The type of view classes, by which a view is known without a look at its attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import weakref


class ViewType(type):
    """The type of view classes."""

    trio_bridge_stands_for: weakref.ref[type] | None = None

    @property
    def __mro__(cls) -> tuple[type, ...]:  # what Python code sees, not C
        # Some metaclasses answer isinstance() by a look at type(x).__mro__: asyncpg's does.
        mro: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)
        stands_for = cls.trio_bridge_stands_for and cls.trio_bridge_stands_for()
        return (*mro[:-1], *stands_for.__mro__) if stands_for else mro


def is_view(x: object) -> bool:
    """Whether ``x`` is a view. Runs no code of its class: ``hasattr()`` might run its own."""
    return issubclass(type(type(x)), ViewType)
