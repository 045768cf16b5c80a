"""Which side a piece of code is on: makes the current thread asyncio-side for one loop.

Between :meth:`AsyncioSide.enter` and :meth:`AsyncioSide.leave`, ``asyncio.get_running_loop()`` is
the loop, sniffio says "asyncio", new async generators belong to the loop (by the running loop, see
:mod:`._generator_hooks`), and there is no current Trio task. Outside all is as Trio left it.

Where Trio is the guest of asyncio the thread begins on the asyncio side, and it is the other way
around: a tick of Trio's leaves it and enters it again (:class:`HostSide`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio
from sniffio import thread_local as sniffio_thread_local

from ._private import get_running_loop, set_running_loop, trio_run_vars

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    AsyncgenHook = Callable[[Any], None] | None

T = TypeVar("T")


class AsyncioSide:
    """Made on the Trio side, for its thread.

    Args:
      hooks: the hooks for async generators, while this side is entered.
      library: what sniffio is told on the asyncio side. ``None``: look for yourself, as on a loop
        that isn't run by Trio.

    ``enter`` and ``leave`` are for Trio's side only. As a context manager it may be used from
    wherever code runs in the thread, a turn of another loop included.

    It is around every crossing and every batch of turns, so it counts instructions: methods called
    in ``try: ... finally:`` cost half of a ``with``, and the thread's own dictionary behind a
    ``threading.local`` a fifth of its attributes.
    """

    __slots__ = (
        "_hooks",
        "_library",
        "_loop",
        "_outer_sides",
        "_sniffio_vars",
        "_trio_task",
        "trio_vars",
        "visits",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hooks: tuple[AsyncgenHook, AsyncgenHook],
        *,
        library: str | None = "asyncio",
    ) -> None:
        self._loop: Final = loop
        self._library: Final = library
        self._hooks: Final = hooks
        self._trio_task: trio.lowlevel.Task | None = None
        self._outer_sides: Final[list[tuple[Any, ...] | None]] = []
        self.visits = 0
        """How often asyncio code may have run."""
        self.use_this_thread()

    def use_this_thread(self) -> None:
        """Both sides are in the current thread from now on."""
        self.trio_vars = trio_run_vars()
        self._sniffio_vars = vars(sniffio_thread_local)

    def enter(self) -> None:
        """From Trio's side become asyncio-side."""
        # With the Trio task out of sight, Trio's functions can't act on whichever task gives the
        # loop its turn: they say that there is none.
        self._trio_task = self.trio_vars.pop("task", None)
        set_running_loop(self._loop)
        self._sniffio_vars["name"] = self._library

    def leave(self) -> None:
        """Become Trio-side again."""
        self.visits += 1
        set_running_loop(None)
        self._sniffio_vars["name"] = "trio"
        if self._trio_task is not None:
            self.trio_vars["task"] = self._trio_task

    def call_asyncio(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """From Trio's side call a plain function asyncio-side."""
        self.enter()
        try:
            return fn(*args, **kwargs)
        finally:
            self.leave()

    def call_trio(self, task: trio.lowlevel.Task | None, fn: Callable[[], T]) -> T:
        """From the asyncio side call a plain function Trio-side, with ``task`` as current task."""
        turns_task = self._trio_task  # lest a way back to asyncio in there forgets it
        try:  # from here on, as Ctrl-C may come at any line where asyncio starts
            self.leave()
            if task is None:
                self.trio_vars.pop("task", None)
            else:
                self.trio_vars["task"] = task
            return fn()
        finally:
            self.enter()
            self._trio_task = turns_task

    @property
    def hidden_task(self) -> trio.lowlevel.Task | None:
        """The Trio task that became asyncio-side last, and is out of sight if that is so still."""
        return self._trio_task

    def trio_task(self) -> trio.lowlevel.Task:
        """The Trio task that became asyncio-side."""
        return self._trio_task or trio.lowlevel.current_task()

    def __enter__(self) -> None:
        outer_loop = get_running_loop()
        if outer_loop is None:
            self._outer_sides.append(None)
            self.enter()
        else:
            self._outer_sides.append((outer_loop, sys.get_asyncgen_hooks()))
            set_running_loop(self._loop)
            sys.set_asyncgen_hooks(*self._hooks)

    def __exit__(self, *exc_info: object) -> None:
        outer = self._outer_sides.pop()
        if outer is None:
            self.leave()
            self.visits -= 1  # who runs asyncio code in here counts it (Pump.release)
        else:
            loop, hooks = outer
            set_running_loop(loop)
            sys.set_asyncgen_hooks(*hooks)


class HostSide(AsyncioSide):
    """That of a loop which has Trio as its guest.

    Such a loop sets hooks of its own when it begins to run, and takes them away when it stops: so
    they are exchanged in each tick.
    """

    __slots__ = ("_trios_hooks",)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hooks: tuple[AsyncgenHook, AsyncgenHook],
        *,
        library: str | None,
    ) -> None:
        super().__init__(loop, hooks, library=library)
        self._trios_hooks = sys.get_asyncgen_hooks()

    def enter(self) -> None:
        """From Trio's side become asyncio-side."""
        super().enter()
        self._trios_hooks = sys.get_asyncgen_hooks()  # there may be a loop open in the guest
        sys.set_asyncgen_hooks(*self._hooks)

    def call_asyncio(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """From Trio's side call a plain function asyncio-side."""
        self.enter()
        try:
            self._sniffio_vars["name"] = "asyncio"  # no asyncio task runs, by which it would know
            return fn(*args, **kwargs)
        finally:
            self.leave()

    def leave(self) -> None:
        """Become Trio-side again."""
        super().leave()
        sys.set_asyncgen_hooks(*self._trios_hooks)
