"""Who runs the workloads. A process makes one contender only: see ``worker.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import anyio_backends, asyncio_loops, bare_trio, bridges, by_hand, cramped_stock
from ._contender import Bridging, Contender, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTENDERS", "OURS", "Bridging", "Contender", "Unavailable"]

CONTENDERS: Final[dict[str, Callable[[], Contender]]] = {
    "stock": asyncio_loops.Stock,
    "stock-cramped": cramped_stock.CrampedStock,
    "uvloop": asyncio_loops.Uvloop,
    "bridge-selector": lambda: bridges.Ours("selector"),
    "bridge-uvloop": lambda: bridges.Ours("uvloop"),
    "bridge-portable": lambda: bridges.Ours("portable"),
    "asyncio-first": bridges.AsyncioFirst,
    "trio-asyncio": bridges.TrioAsyncio,
    "bare-trio": bare_trio.BareTrio,
    "thread": by_hand.AsyncioThread,
    "anyio-asyncio": lambda: anyio_backends.Anyio("asyncio"),
    "anyio-trio": lambda: anyio_backends.Anyio("trio"),
}

OURS: Final = ("bridge-selector", "bridge-uvloop", "bridge-portable", "asyncio-first")
