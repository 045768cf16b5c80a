"""Whose Trio run a thread has, where Trio is a guest.

Trio keeps that in a dictionary of the thread's (its run context), and takes a thread that has one
for a thread in which Trio runs.

1. While its loop runs, a guest's run is the thread's, so that asyncio code may call Trio's plain
   functions. What the thread had before, mostly nothing, comes back when the guest gives it back.
2. No more than one thread has it. A loop that says when it stops (the bridge's own) gives it back
   then. One that doesn't keeps it until it goes on in another thread, or is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import _private
from ._guest_ctrl_c import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable


class RunContext:
    """Made where the guest has just been started: its run is the thread's."""

    def __init__(self) -> None:
        self._here: dict[str, Any] = _private.trio_run_vars()
        """The part of the thread that has the run, or had it last."""
        self._run: Final = dict(self._here)
        self._runner: Final[object] = self._run["runner"]
        self._outer: dict[str, Any] = {}

    def is_of(self, runner: object) -> bool:
        """Whether it is the context of this Trio run."""
        return self._runner is runner

    def take(self) -> bool:
        """Make the run this thread's. Whether it wasn't."""
        here = _private.trio_run_vars()
        if here.get("runner") is self._runner:
            return False
        self.give_back()
        self._here, self._outer = here, dict(here)
        here.clear()
        here.update(self._run)
        return True

    def give_back(self) -> bool:
        """Give the thread that has the run what it had before. Whether there was one."""
        if self._here.get("runner") is not self._runner:
            return False
        self._restore()
        return True

    def end(self) -> None:
        """Trio has ended, and has cleared the context of the thread that it ran in."""
        self._restore()

    def _restore(self) -> None:
        here, outer = self._here, self._outer
        self._outer = {}
        here.clear()
        here.update(outer)


class TrioToCome:
    """Stands for Trio in the thread's run context until a plain function of Trio's needs it.

    ``aio2trio(trio.open_nursery())`` calls Trio before it calls us.

    Args:
      start: starts Trio in this thread.
    """

    def __init__(self, start: Callable[[], object]) -> None:
        self._start: Final = start

    @uninterrupted
    def stand_in(self) -> None:
        """The loop runs."""
        here = _private.trio_run_vars()
        if "runner" not in here:
            here["runner"] = self

    def __getattr__(self, name: str) -> Any:
        self._start()
        return getattr(_private.trio_run_vars()["runner"], name)

    @uninterrupted
    def withdraw(self) -> None:
        """The loop stops, or Trio has come."""
        here = _private.trio_run_vars()
        if here.get("runner") is self:
            del here["runner"]
