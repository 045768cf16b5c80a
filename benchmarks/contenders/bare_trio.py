"""Trio by itself: no way across takes less than this, whatever the loop on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from workloads import CROSSING, SUSPENDING, TO_TRIO, plain
from workloads.trio_code import checkpoints, waits, waits_and_checkpoints

from ._contender import Contender

if TYPE_CHECKING:
    from timing import AsyncFn

    from ._contender import Cells


class BareTrio(Contender):
    """What Trio does in a crossing, and nothing else of it."""

    def run_trio(self, async_fn: AsyncFn, *args: Any) -> Any:
        """Run a Trio program's main function; its result."""
        return trio.run(async_fn, *args)

    def cells(self) -> Cells:
        code = {CROSSING: checkpoints, SUSPENDING: waits, TO_TRIO: waits_and_checkpoints}
        return {name: self._cell(self.run_trio, plain(fn)) for name, fn in code.items()}
