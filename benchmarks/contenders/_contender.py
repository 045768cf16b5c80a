"""What a contender can do."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import workloads
from timing import timed
from workloads import crossings, elsewhere, plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from timing import AsyncFn, Workload

    Cells = dict[str, Callable[[int], Any]]
    Measure = Callable[[Workload, int], Awaitable[Any]]


class Unavailable(Exception):
    """This contender can't run here; the message says why."""


class Contender:
    """Runs asyncio code."""

    measure: Measure = staticmethod(timed)
    """What is awaited with a workload and a scale, on the workload's side, and gives the result."""

    def run_asyncio(self, async_fn: AsyncFn, *args: Any) -> Any:
        """Run an asyncio program's main function; its result."""
        raise NotImplementedError

    def cells(self) -> Cells:
        """What it has of the workloads; each runs one round of a given scale."""
        return self._on_asyncio(workloads.ASYNCIO)

    def _on_asyncio(self, some: dict[str, Workload]) -> Cells:
        return {name: self._cell(self.run_asyncio, workload) for name, workload in some.items()}

    def _cell(self, run: Callable[..., Any], workload: Workload) -> Callable[[int], Any]:
        return functools.partial(run, self.measure, workload)


class Bridging(Contender):
    """Runs Trio code too, and has ways between the two."""

    def run_trio(self, async_fn: AsyncFn, *args: Any) -> Any:
        """Run a Trio program's main function, with an asyncio loop at hand; its result."""
        raise NotImplementedError

    def to_asyncio(self, async_fn: AsyncFn) -> AsyncFn:
        """An asyncio function, for Trio code to call."""
        raise NotImplementedError

    def to_trio(self, async_fn: AsyncFn) -> AsyncFn:
        """A Trio function, for asyncio code to call."""
        raise NotImplementedError

    def iterate(self, steps: AsyncIterator[int]) -> AsyncIterator[int]:
        """An asyncio generator, for Trio code."""
        raise NotImplementedError

    def cells(self) -> Cells:
        at_once = crossings.calls(self.to_asyncio, crossings.at_once)
        suspending = crossings.calls(self.to_asyncio, crossings.after_a_turn)
        to_trio = crossings.calls(self.to_trio, crossings.at_once)
        return {
            **super().cells(),
            workloads.CROSSING: self._cell(self.run_trio, plain(at_once)),
            workloads.SUSPENDING: self._cell(self.run_trio, plain(suspending)),
            workloads.TO_TRIO: self._cell(self.run_asyncio, plain(to_trio)),
            workloads.STEP: self._cell(self.run_trio, plain(crossings.steps(self.iterate))),
            workloads.ASKING: self._cell(self.run_trio, elsewhere.asks(self.to_asyncio)),
        }
