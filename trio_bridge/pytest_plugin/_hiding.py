"""Keep an async test from plugins that take whatever is async."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def hidden(item: pytest.Function) -> Iterator[None]:
    """In the block the item's test looks like a plain function.

    pytest-asyncio's auto mode asks each item that has just been collected whether it is async, and
    has no way to say no. Later on nobody asks.
    """
    holder, name = item, "obj"
    handle = getattr(item.obj, "hypothesis", None)
    if handle is not None:
        holder, name = handle, "inner_test"
    test = getattr(holder, name)
    setattr(holder, name, _plain)
    try:
        yield
    finally:
        setattr(holder, name, test)


def _plain() -> None:
    """What others see."""
