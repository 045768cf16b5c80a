"""The campaigns: the modules of this directory that have a ``run``, a ``SHORT`` and a ``LONG``."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

HERE: Final = Path(__file__).parent
ENGINES: Final = ("selector", "uvloop", "portable")


def names() -> list[str]:
    """Of all campaigns. Their text tells them, so that one is named that can't be imported."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\nLONG" in path.read_text())


def campaign(name: str) -> ModuleType:
    """The module of that name."""
    return importlib.import_module(f".{name}", __package__)


def engines(module: ModuleType) -> Sequence[str]:
    """The engines that a campaign is for, of those that are installed here."""
    found = getattr(module, "ENGINES", ENGINES)
    return [engine for engine in found if engine != "uvloop" or has_uvloop()]


def has_uvloop() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("uvloop") is not None
