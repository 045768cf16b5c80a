"""The asyncio loops that the bridge can turn: one file per engine, behind one small interface."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from ._interface import NOW, Engine

__all__ = ["NOW", "Engine", "engine_name", "make_engine"]

ENGINE_VARIABLE: Final = "TRIO_BRIDGE_ENGINE"
DEFAULT_ENGINE: Final = "selector"

_CLASSES: Final = {
    "selector": (".selector", "SelectorEngine"),
    "uvloop": (".uvloop", "UvloopEngine"),
}


def engine_name(name: str | None) -> str:
    """The engine that is meant; ``None`` means ``TRIO_BRIDGE_ENGINE``, else the default.

    Raises:
      ValueError: there is no engine of that name.
      ImportError: uvloop is meant, and is not installed.
    """
    if name is None:
        name = os.environ.get(ENGINE_VARIABLE) or DEFAULT_ENGINE
    if name not in _CLASSES:
        raise ValueError(
            f"unknown engine {name!r}: this version has {', '.join(map(repr, _CLASSES))}. "
            f"Write engine={DEFAULT_ENGINE!r}, or leave it out (and see the {ENGINE_VARIABLE} "
            "variable)"
        )
    if name == "uvloop" and find_spec("uvloop") is None:
        raise ImportError(
            "engine='uvloop' needs uvloop, which is not installed. Write\n"
            "    pip install 'trio-bridge[uvloop]'\n"
            f"or engine={DEFAULT_ENGINE!r} (and see the {ENGINE_VARIABLE} variable)"
        )
    return name


def make_engine(name: str | None) -> Engine:
    """A new engine, to be turned by Trio. See :func:`engine_name`."""
    module, cls = _CLASSES[engine_name(name)]
    # Imported on use: an engine costs an import of asyncio's transports, and may be an extra.
    engine: Engine = getattr(import_module(module, __package__), cls)()
    return engine
