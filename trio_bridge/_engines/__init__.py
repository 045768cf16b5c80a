"""The asyncio loops that the bridge can turn: one file per engine, behind one small interface."""

from __future__ import annotations

import os
import selectors
from importlib import import_module
from typing import Final

from ._interface import NOW, Engine
from ._windows import StdlibLoop

__all__ = ["NOW", "Engine", "StdlibLoop", "engine_name", "make_engine"]

ENGINE_VARIABLE: Final = "TRIO_BRIDGE_ENGINE"

ENGINES: Final = {
    "portable": "PortableEngine",
    "selector": "SelectorEngine",
}
"""The module of each engine, and its class there."""


def engine_name(name: str | None) -> str:
    """The engine that is meant; ``None`` means ``TRIO_BRIDGE_ENGINE``, else the default.

    Raises:
      ValueError: there is no engine of that name.
    """
    if name is None:
        name = os.environ.get(ENGINE_VARIABLE) or _default()
    if name in ENGINES:
        return name
    raise ValueError(
        f"unknown engine {name!r}: this version has {', '.join(map(repr, ENGINES))}. "
        f"Write engine={_default()!r}, or leave it out (and see the {ENGINE_VARIABLE} variable)"
    )


def make_engine(name: str | None) -> Engine:
    """A new engine, to be turned by Trio. See :func:`engine_name`.

    Raises:
      ValueError: there is no engine of that name.
      RuntimeError: this platform doesn't have what the engine needs.
    """
    name = engine_name(name)
    if name == "selector" and not _selector_can_be_watched():
        raise RuntimeError(
            "engine='selector' needs a selector that can itself be waited for (epoll, kqueue), "
            "which this platform doesn't have. Write engine='portable', or leave it out"
        )
    # Imported on use: an engine costs an import of asyncio's transports, and may be an extra.
    module = import_module(f".{name}", __package__)
    engine: Engine = getattr(module, ENGINES[name])()
    return engine


def _default() -> str:
    return "selector" if _selector_can_be_watched() else "portable"


def _selector_can_be_watched() -> bool:
    """Whether it has a descriptor of its own: Windows' ``select`` has none, nor has ``poll``."""
    return hasattr(selectors.DefaultSelector, "fileno")
