"""anyio, where it has the same thing: code that is written for it runs on either backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads import plain

from ._contender import Contender, Unavailable

if TYPE_CHECKING:
    from timing import AsyncFn

    from ._contender import Cells


class Anyio(Contender):
    """anyio on one of its backends. It has no way to call asyncio code from Trio."""

    def __init__(self, backend: str) -> None:
        try:
            import anyio
        except ImportError as exc:
            raise Unavailable(f"anyio: {exc}") from exc
        self._run = anyio.run
        self._backend = backend

    def run_anyio(self, async_fn: AsyncFn, *args: Any) -> Any:
        """Run the main function of a program that is written for anyio."""
        return self._run(async_fn, *args, backend=self._backend)

    def cells(self) -> Cells:
        from workloads.anyio_code import CODE

        return {name: self._cell(self.run_anyio, plain(fn)) for name, fn in CODE.items()}
