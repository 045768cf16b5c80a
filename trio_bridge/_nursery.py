"""Who owns what asyncio starts: errors that nobody awaits, and the Trio calls of asyncio's tasks.

So far there is one owner for each loop, the loop's own nursery; ``open_asyncio_nursery`` will make
more of them.

1. An error that asyncio would only log cancels the body of the loop's block at once, and leaves the
   block in an ExceptionGroup.
2. A Trio call made by a task that no Trio call hosts runs in a Trio task here. While the block's
   surroundings are not cancelled it has their scopes and deadline; when they are, it is cancelled
   with them, and so is not what the asyncio task calls afterwards, to clean up.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import trio

from ._private import get_running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ._asyncio_side import AsyncioSide
    from ._crossing.to_trio import TrioCall

ErrorContext: TypeAlias = dict[str, Any]
ErrorHandler: TypeAlias = Callable[[asyncio.AbstractEventLoop, ErrorContext], object]
OnError: TypeAlias = Literal["raise", "log"] | ErrorHandler


# Errors that whoever connects to a server can cause. asyncio itself speaks of them in debug mode
# only.
_OF_PEERS: Final = frozenset({"Error on transport creation for incoming connection"})


class Cancellable(Protocol):
    """Trio code that runs for an asyncio task."""

    task: asyncio.Task[Any]
    cancel_scope: trio.CancelScope


def check_on_error(on_error: OnError) -> None:
    """Refuse what is no ``on_error``, before anything is opened."""
    if on_error not in ("raise", "log") and not callable(on_error):
        raise ValueError(
            f"on_error={on_error!r}: write on_error='raise', on_error='log', "
            "or a function that takes the loop and asyncio's context dict"
        )


class CallNursery(ABC):
    """Owns the Trio calls that asyncio's own tasks make (rule 2)."""

    def __init__(self) -> None:
        self._trio_nursery: trio.Nursery | None = None
        self._side: AsyncioSide | None = None
        self._calls: Final[set[Cancellable]] = set()
        self.is_closing = False
        """Whether the block's body has ended, or its surroundings are cancelled."""

    @abstractmethod
    def fail(self, exc: BaseException) -> None:
        """Take an error that nobody awaits."""

    @abstractmethod
    def exit(self, exc: BaseException) -> None:
        """Take a ``SystemExit`` or ``KeyboardInterrupt`` that ends the program."""

    @trio.lowlevel.enable_ki_protection
    async def _watch(self) -> None:
        """Notice when the surroundings of the block are cancelled."""
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            if not self.is_closing:
                self._cancel_callers()
                self.start_closing()

    def _cancel_callers(self) -> None:
        # Asyncio's way: one cancel(), which ends the Trio code. Before that is shielded: Trio code
        # that sees a cancellation, and then none, breaks (Trio's checkpoint_if_cancelled).
        assert self._side is not None
        with self._side:
            for task in self.callers:
                if not task.cancelling():
                    task.cancel()

    @property
    def trio_nursery(self) -> trio.Nursery | None:
        """Where the Trio calls run, once it is open."""
        return self._trio_nursery

    @property
    def calls(self) -> set[Cancellable]:
        """The Trio code that runs here, a copy."""
        return set(self._calls)

    @property
    def callers(self) -> set[asyncio.Task[Any]]:
        """The asyncio tasks that are in Trio code of this nursery."""
        return {call.task for call in self._calls}

    def open(self, trio_nursery: trio.Nursery, side: AsyncioSide) -> None:
        """Run Trio calls in this Trio nursery."""
        self._trio_nursery = trio_nursery
        self._side = side
        trio_nursery.start_soon(self._watch)

    def start_closing(self) -> None:
        """From now on asyncio's tasks clean up: their Trio calls are shielded from outside."""
        self.is_closing = True
        for call in self._calls:
            call.cancel_scope.shield = True

    def start(self, call: TrioCall) -> None:
        """Run a Trio call in a Trio task of its own. Called on the asyncio side."""
        self.own(call)
        self.start_soon(self._run, call, name=call.name)

    def start_soon(
        self, async_fn: Callable[..., Awaitable[object]], *args: object, name: str
    ) -> None:
        """Start a Trio task. Called on the asyncio side."""
        assert self._trio_nursery is not None
        self._trio_nursery.start_soon(async_fn, *args, name=name)

    def own(self, work: Cancellable) -> None:
        """While the surroundings are not cancelled, their scopes are around it (rule 2)."""
        if self.is_closing:
            work.cancel_scope.shield = True
        self._calls.add(work)

    def disown(self, work: Cancellable) -> None:
        """It has ended."""
        self._calls.discard(work)

    @trio.lowlevel.enable_ki_protection
    async def _run(self, call: TrioCall) -> None:
        await call.run()
        self.disown(call)
        interruption = call.take_interruption()
        if call.has_outcome:
            call.settle()
        else:
            self.interrupt(call, interruption)
        del call, interruption  # an error of the call leads to this frame: no cycles

    def interrupt(self, call: TrioCall, interruption: BaseException | None) -> None:
        """The call has ended by a cancellation from around it, or by Ctrl-C."""
        call.interrupt(cancel_task=not call.task.cancelling())
        if isinstance(interruption, KeyboardInterrupt):
            self.exit(interruption)


class LoopNursery(CallNursery):
    """Owns what asyncio starts on the loop of one block, and its errors (rule 1)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_error: OnError) -> None:
        super().__init__()
        self._loop: Final = loop
        self._on_error: Final = on_error
        self._log: Final = loop.default_exception_handler
        self._trio_token: Final = trio.lowlevel.current_trio_token()
        self.body_scope: Final = trio.CancelScope()
        self.errors: Final[list[BaseException]] = []
        self.exits: Final[list[BaseException]] = []
        # An instance attribute, not a subclass: engines need not know, and a handler set with
        # loop.set_exception_handler wins, as it does in asyncio.
        vars(loop)["default_exception_handler"] = self.handle_error

    def handle_error(self, context: ErrorContext) -> None:
        """Take what asyncio would log (``loop.default_exception_handler``)."""
        exc = context.get("exception")
        if _has_left(exc):
            return
        if exc is None or self._on_error == "log" or context.get("message") in _OF_PEERS:
            self._log(context)
        elif self._on_error == "raise":
            self.fail(exc)
        else:
            assert callable(self._on_error)
            try:
                self._on_error(self._loop, context)
            except (SystemExit, KeyboardInterrupt) as handler_exit:
                self.exit(handler_exit)
            except BaseException as handler_exc:
                self.fail(handler_exc)

    def fail(self, exc: BaseException) -> None:
        """An error ends the block."""
        self.errors.append(exc)
        self._cancel_body()

    def exit(self, exc: BaseException) -> None:
        """``SystemExit`` or ``KeyboardInterrupt`` of asyncio code ends the block."""
        self.exits.append(exc)
        self._cancel_body()

    def _cancel_body(self) -> None:
        if get_running_loop() is self._loop:
            self.body_scope.cancel()
        else:
            # From the garbage collector: in any thread, or in the middle of Trio's scheduler.
            with contextlib.suppress(trio.RunFinishedError):
                self._trio_token.run_sync_soon(self.body_scope.cancel, idempotent=True)

    def close(self) -> None:
        """Let go of the loop: what fails after this (garbage, at most) is logged."""
        loop = weakref.ref(self._loop)

        def log(context: ErrorContext) -> None:
            closed_loop = loop()
            if closed_loop is not None and not _has_left(context.get("exception")):
                type(closed_loop).default_exception_handler(closed_loop, context)

        vars(self._loop)["default_exception_handler"] = log


def _has_left(exc: BaseException | None) -> bool:
    """Whether it is an exit: those leave the turn at once, and nobody needs to retrieve them."""
    return isinstance(exc, SystemExit | KeyboardInterrupt)
