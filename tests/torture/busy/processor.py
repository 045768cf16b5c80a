"""How long a process has waited for a processor: on a busy machine most of a second is others'."""

from __future__ import annotations

import contextlib
from pathlib import Path


def waited_for_processor(pid: int) -> float:
    """The seconds for which its main thread could have run, and others did; 0.0 but on Linux."""
    with contextlib.suppress(OSError, ValueError):
        _, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
        return int(waited) / 1e9
    return 0.0
