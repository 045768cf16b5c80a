"""Async generators of both sides in one thread: each gets the hooks of the side that began it.

Python has one pair of hooks in a thread: one is called when a generator is first iterated, the
other when it is dropped before its end. To exchange them whenever the thread changes sides would
cost a fifteenth of a short crossing, so one pair stands for all while a loop is open.

1. A generator that is begun on the asyncio side is its loop's, any other is Trio's.
2. Whose it is that is dropped, on whichever side that happens, is known by its identity.
3. One that has come to its end is never dropped in this sense. What is kept of it is forgotten when
   another one is begun at its address, or in the next sweep.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import trio

from ._private import get_running_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable

    Hook = Callable[[AsyncGenerator[Any, Any]], None]
    Hooks = tuple[Hook | None, Hook | None]


class _Here(threading.local):
    hooks: GeneratorHooks | None = None


_here: Final = _Here()
_SWEEP_FROM: Final = 1000


def hooks_here() -> GeneratorHooks:
    """Those of this thread."""
    return _here.hooks or GeneratorHooks()


class GeneratorHooks:
    """Those of one thread, while it has a loop open."""

    def __init__(self) -> None:
        self._trios: Final[Hooks] = sys.get_asyncgen_hooks()
        self._loops: Final[dict[asyncio.AbstractEventLoop, Hooks]] = {}
        self.begun: dict[int, tuple[ref[AsyncGenerator[Any, Any]], Hook | None]] = {}
        """Those of asyncio's, and what to call when they are dropped."""
        self._sweep_at = _SWEEP_FROM
        self.pair: Final = self._begin, self._drop
        """The hooks themselves."""

    def add(self, loop: asyncio.AbstractEventLoop, hooks: Hooks) -> None:
        """The loop is opened, in this thread, and these are its hooks. Called on the Trio side."""
        if not self._loops:
            _here.hooks = self
            sys.set_asyncgen_hooks(*self.pair)
        self._loops[loop] = hooks

    def remove(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop is closed. Called on the Trio side."""
        del self._loops[loop]
        self._sweep()
        if not self._loops:
            _here.hooks = None
            if sys.get_asyncgen_hooks() == self.pair:
                sys.set_asyncgen_hooks(*self._trios)

    def _begin(self, generator: AsyncGenerator[Any, Any]) -> None:
        loop = get_running_loop()
        hooks = None if loop is None else self._loops.get(loop)
        if hooks is None:
            self.begun.pop(id(generator), None)  # an older one, at the same address
            hooks = self._trios
        else:
            self.begun[id(generator)] = ref(generator), hooks[1]
            if len(self.begun) > self._sweep_at:
                self._sweep()
        if hooks[0] is not None:
            hooks[0](generator)

    @trio.lowlevel.enable_ki_protection  # Python drops what it raises, and the generator with it
    def _drop(self, generator: AsyncGenerator[Any, Any]) -> None:
        _, finalizer = self.begun.pop(id(generator), (None, self._trios[1]))
        if finalizer is not None:
            finalizer(generator)

    def _sweep(self) -> None:
        """Forget those that have come to their end."""
        self.begun = {key: begun for key, begun in self.begun.items() if begun[0]() is not None}
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self.begun))
