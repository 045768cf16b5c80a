"""Stock asyncio where each read maps memory: a fresh process for each round.

That depends on what the program did before: on whether it has ever freed a block of more than a
quarter of a MiB (to import a large module is enough), or its heap has as much free in one piece.
See ``trio_bridge/_engines/_read_memory.py``. The workers have freed one; here none counts.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import workloads
from timing import Times

from ._contender import Contender

if TYPE_CHECKING:
    from ._contender import Cells

_PROGRAM: Final = Path(__file__).parents[1] / "cramped.py"
_ENVIRONMENT: Final = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
"""glibc's own threshold, but not adapted to what the program has freed."""


class CrampedStock(Contender):
    """Runs what reads from sockets."""

    def cells(self) -> Cells:
        reading = [name for name in workloads.ASYNCIO if name.startswith(("echo", "asyncpg"))]
        return {name: functools.partial(_round, name) for name in reading}


def _round(workload: str, scale: int) -> Times:
    command = [sys.executable, str(_PROGRAM), workload, str(scale)]
    out = subprocess.run(
        command, check=True, env=_ENVIRONMENT, capture_output=True, text=True
    ).stdout
    return Times(**json.loads(out))
