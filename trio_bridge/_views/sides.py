"""What is special to one side: how its objects are called, entered and iterated from the other.

Everything else about views is the same in both directions, and takes a :class:`Side`.
"""

from __future__ import annotations

import threading
from threading import get_ident
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from .._bridge import below, by_loop
from .._crossing import (
    AsyncioManager,
    AsyncioOwner,
    TrioManager,
    TrioOwner,
    call_plain,
    call_trio_plain,
    crossing_to_asyncio,
    crossing_to_trio,
    entered_manager,
    open_manager,
)
from .._crossing.errors import NO_LOOP
from .._guest import bridge_of
from .._private import get_running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from .._bridge import Bridge
    from .._crossing import Changes

    AnyOwner = AsyncioOwner | TrioOwner

Fn = TypeVar("Fn", bound="Callable[..., Any]")


class AsyncioObjects:
    """Objects of asyncio's, seen from Trio code: ``trio2aio``."""

    adapter: Final = "trio2aio"

    def is_own(self) -> bool:
        """Whether the code that asks is on the objects' own side: it gets the original."""
        return get_running_loop() is not None

    def crossing(
        self, fn: Callable[..., Awaitable[Any]], changes: Changes | None = None
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """``fn`` for the other side; on its own side it is itself."""
        return crossing_to_asyncio(fn, changes)

    def holding_ctrl_c_back(self, fn: Fn) -> Fn:
        """``fn``, for code of ours around a crossing: Ctrl-C waits until it is over.

        Else it could come between the call that makes a coroutine and the ``await`` (on Python 3.11
        in every ``await f(*args)``), or what has crossed would be lost. In asyncio code it is held
        back anyway, for the turn.
        """
        held_back: Fn = _with_own_code(fn)
        return held_back

    def call(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a plain function on its side. Where nothing runs at all there is none to be on."""
        if get_running_loop() is not None:
            return fn(*args, **kwargs)
        if not trio.lowlevel.in_trio_run():
            return _call_without_loop(fn, args, kwargs)
        if below.get() is None and (bridge := _only_bridge()) is not None:
            # A callback of asyncio code that Trio calls from a task of its own (run_sync_soon).
            return bridge.call_asyncio(fn, *args, **kwargs)
        return call_plain(fn, *args, **kwargs)

    def can_call(self) -> bool:
        """Whether :meth:`call` has a loop to be had."""
        bridge = below.get()
        if bridge is None:
            return False
        return bridge.open_in == get_ident() or bridge.admits_caller()

    def enter_plainly(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Call ``__enter__``."""
        return self.call(fn, *args)

    def manager(self, manager: Any) -> AsyncioManager:
        """For one ``async with`` that begins."""
        return AsyncioManager(manager)

    def entered(self, manager: Any) -> AsyncioManager:
        """The ``async with`` that ends."""
        return entered_manager(manager)

    def owner(self, at_end: Callable[[], Awaitable[object]], *, is_generator: bool) -> AsyncioOwner:
        """For an iteration that begins."""
        return AsyncioOwner(at_end=at_end)


class TrioObjects:
    """Objects of Trio's, seen from asyncio code: ``aio2trio``."""

    adapter: Final = "aio2trio"

    def is_own(self) -> bool:
        """Whether the code that asks is on the objects' own side: it gets the original."""
        return get_running_loop() is None and trio.lowlevel.in_trio_run()

    def crossing(
        self, fn: Callable[..., Awaitable[Any]], changes: Changes | None = None
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """``fn`` for the other side; on its own side it is itself."""
        return crossing_to_trio(fn, changes)

    def holding_ctrl_c_back(self, fn: Fn) -> Fn:
        """``fn`` as it is: in Trio code it runs the user's, which Ctrl-C is to interrupt."""
        return fn

    def call(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a plain function on its side, with the host as the current task."""
        return call_trio_plain(fn, *args, **kwargs)

    def can_call(self) -> bool:
        """Whether :meth:`call` will do."""
        return True

    def enter_plainly(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Call ``__enter__``, where a cancel scope can't be entered: that takes an ``await``."""
        loop = get_running_loop()
        if loop is None:
            return fn(*args)
        try:
            return bridge_of(loop).side.call_trio(None, lambda: fn(*args))
        except RuntimeError as exc:
            if str(exc) == "must be called from async context":
                raise RuntimeError(
                    "a Trio cancel scope can't be entered by a plain `with` in asyncio code. "
                    "Write\n    async with aio2trio(scope):"
                ) from None
            raise

    def manager(self, manager: Any) -> TrioManager:
        """For one ``async with`` that begins."""
        return TrioManager(manager)

    def entered(self, manager: Any) -> TrioManager:
        """The ``async with`` that ends."""
        return open_manager(manager)

    def owner(self, at_end: Callable[[], Awaitable[object]], *, is_generator: bool) -> TrioOwner:
        """For an iteration that begins."""
        return TrioOwner(at_end=at_end, is_generator=is_generator)


_held_back: Final[dict[CodeType, CodeType]] = {}


def _with_own_code(fn: Any) -> Any:
    # Trio looks for the code object of a frame. That of a function in a function is one for all,
    # on both sides: here it gets a copy, one for all functions that are held back.
    code = _held_back.get(fn.__code__)
    if code is None:
        code = _held_back[fn.__code__] = fn.__code__.replace()
    twin = FunctionType(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
    twin.__kwdefaults__ = fn.__kwdefaults__
    return trio.lowlevel.enable_ki_protection(twin)


def _call_without_loop(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        return fn(*args, **kwargs)
    except RuntimeError as exc:
        if "event loop" in str(exc):
            thread = "" if threading.current_thread() is threading.main_thread() else _IN_A_THREAD
            exc.add_note(f"this was called {NO_LOOP}. {_IN_A_PROGRAM}{thread}")
        raise


_IN_A_PROGRAM: Final = "Call it in a function that trio_bridge.run(main) runs"
_IN_A_THREAD: Final = ", in a thread of trio.to_thread by trio.from_thread.run_sync(fn)"


def _only_bridge() -> Bridge | None:
    here = [bridge for bridge in by_loop.values() if bridge.thread == get_ident()]
    return here[0] if len(here) == 1 else None


Side = AsyncioObjects | TrioObjects

ASYNCIO: Final = AsyncioObjects()
TRIO: Final = TrioObjects()


def other(side: Side) -> Side:
    """The side that looks at it."""
    return TRIO if side is ASYNCIO else ASYNCIO
