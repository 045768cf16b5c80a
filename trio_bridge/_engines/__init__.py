"""The asyncio loops that the bridge can turn: one file per engine, behind one small interface."""

from __future__ import annotations

import os
from typing import Final

from ._interface import NOW, Engine

__all__ = ["NOW", "Engine", "engine_name", "make_engine"]

ENGINE_VARIABLE: Final = "TRIO_BRIDGE_ENGINE"
DEFAULT_ENGINE: Final = "selector"


def engine_name(name: str | None) -> str:
    """The engine that is meant; ``None`` means ``TRIO_BRIDGE_ENGINE``, else the default.

    Raises:
      ValueError: there is no engine of that name.
    """
    if name is None:
        name = os.environ.get(ENGINE_VARIABLE) or DEFAULT_ENGINE
    if name == "selector":
        return name
    raise ValueError(
        f"unknown engine {name!r}: this version has 'selector'. "
        f"Write engine='selector', or leave it out (and see the {ENGINE_VARIABLE} variable)"
    )


def make_engine(name: str | None) -> Engine:
    """A new engine, to be turned by Trio. See :func:`engine_name`."""
    engine_name(name)
    # Imported on use: an engine costs an import of asyncio's transports, and may be an extra.
    from .selector import SelectorEngine

    return SelectorEngine()
