"""The asyncio loops that the bridge can turn: one file per engine, behind one small interface."""

from __future__ import annotations

import os
import selectors
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from ._interface import NOW, Engine
from ._other_threads import OtherThreads
from ._stdlib_loop import StdlibLoop

__all__ = ["NOW", "Engine", "OtherThreads", "StdlibLoop", "engine_name", "make_engine"]

ENGINE_VARIABLE: Final = "TRIO_BRIDGE_ENGINE"

# An engine's name is that of its module.
_CLASSES: Final = {
    "portable": "PortableEngine",
    "selector": "SelectorEngine",
    "uvloop": "UvloopEngine",
}


def engine_name(name: str | None, *, written: str = "engine={!r}") -> str:
    """The engine that is meant; ``None`` means ``TRIO_BRIDGE_ENGINE``, else the default.

    Args:
      written: how one writes it where the name comes from.

    Raises:
      TypeError: it is no string.
      ValueError: there is no engine of that name.
      ImportError: uvloop is meant, and is not installed.
    """
    said = os.environ.get(ENGINE_VARIABLE) if name is None else None  # by the variable
    if name is None:
        name = said or _default()
    line = f"{ENGINE_VARIABLE}={{}}" if said else written
    default = line.format(_default())
    if not isinstance(name, str):
        raise TypeError(
            "engine= is the name of an engine, a string, and this is of type "
            f"{type(name).__name__!r}. Write {default}, or leave it out"
        )
    if name not in _CLASSES:
        where = f" in the variable {ENGINE_VARIABLE}" if said else ""
        raise ValueError(
            f"unknown engine {name!r}{where}: this version has {', '.join(map(repr, _CLASSES))}. "
            f"Write {default}, or "
            + ("unset it" if said else f"leave it out (and see the {ENGINE_VARIABLE} variable)")
        )
    if name == "uvloop" and find_spec("uvloop") is None:
        see = "" if said else f" (and see the {ENGINE_VARIABLE} variable)"
        raise ImportError(
            f"{line.format('uvloop')} needs uvloop, which is not installed. Write\n"
            "    pip install 'trio-bridge[uvloop]'\n"
            f"or {default}{see}"
        )
    return name


def make_engine(name: str | None) -> Engine:
    """A new engine, to be turned by Trio. See :func:`engine_name`.

    Raises:
      RuntimeError: this platform doesn't have what the engine needs.
    """
    name = engine_name(name)
    if name == "selector" and not _selector_can_be_watched():
        raise RuntimeError(
            "engine='selector' needs a selector that can itself be waited for (epoll, kqueue), "
            "which this platform doesn't have. Write engine='portable', or leave it out"
        )
    # Imported on use: an engine costs an import of asyncio's transports, and may be an extra.
    engine: Engine = getattr(import_module(f".{name}", __package__), _CLASSES[name])()
    return engine


def _default() -> str:
    return "selector" if _selector_can_be_watched() else "portable"


def _selector_can_be_watched() -> bool:
    """Whether it has a descriptor of its own: Windows' ``select`` has none, nor has ``poll``."""
    return hasattr(selectors.DefaultSelector, "fileno")
