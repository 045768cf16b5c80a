"""Names of the standard library's event loop, and a base of loops of ours."""

from __future__ import annotations

import asyncio
import heapq
import threading
from asyncio import _get_running_loop, _set_running_loop
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    _AnyLoop = asyncio.SelectorEventLoop
else:
    _AnyLoop = object

get_running_loop = _get_running_loop
set_running_loop = _set_running_loop


def run_once(loop: asyncio.BaseEventLoop) -> Callable[[], None]:
    """What polls the loop's selector, then runs the callbacks that are ready."""
    method: Callable[[], None] = loop._run_once  # type: ignore[attr-defined]
    return method


def ready_queue(loop: asyncio.BaseEventLoop) -> deque[asyncio.Handle]:
    """The callbacks that wait for the next turn: one object for the loop's life."""
    queue: deque[asyncio.Handle] = loop._ready  # type: ignore[attr-defined]
    return queue


def next_timer(loop: asyncio.BaseEventLoop) -> float:
    """The loop time of the earliest timer (perhaps a cancelled one), or infinity."""
    scheduled: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]
    return scheduled[0].when() if scheduled else float("inf")


def drop_wrong_timers(loop: asyncio.BaseEventLoop) -> list[str]:
    """Cancel the timers that make each iteration fail, as their time is none: ``call_at("x", f)``.

    asyncio finds them only then. It drops them itself, as the earliest ones that are cancelled.

    Returns:
      What each of them was.
    """
    lp: Any = loop
    dropped: list[str] = []
    for handle in lp._scheduled:
        try:
            max(handle.when() - loop.time(), 0)
        except Exception:
            dropped.append(repr(handle))
            handle.cancel()
            handle._when = float("-inf")
    heapq.heapify(lp._scheduled)
    return dropped


def run_handle(handle: asyncio.Handle) -> Callable[[], None]:
    """What calls its callback, if it is not cancelled by then."""
    method: Callable[[], None] = handle._run
    return method


def was_never_made(loop: asyncio.AbstractEventLoop) -> None:
    """Its constructor has failed: else its ``__del__`` would close what it doesn't have."""
    lp: Any = loop
    lp._closed = True


def begin_running(loop: asyncio.AbstractEventLoop) -> None:
    """Make ``loop.is_running()`` true and bind the loop to this thread."""
    lp: Any = loop
    lp._set_coroutine_origin_tracking(lp.get_debug())
    lp._thread_id = threading.get_ident()


def end_running(loop: asyncio.AbstractEventLoop) -> None:
    """Undo :func:`begin_running`, so that the loop may be closed."""
    lp: Any = loop
    lp._thread_id = None
    lp._set_coroutine_origin_tracking(False)


def asyncgen_hooks(
    loop: asyncio.AbstractEventLoop,
) -> tuple[Callable[[Any], None], Callable[[Any], None]]:
    """The loop's own first-iteration and finalizer hooks for async generators."""
    lp: Any = loop
    return lp._asyncgen_firstiter_hook, lp._asyncgen_finalizer_hook


_COLD_ATTRIBUTES: Final = (
    "_coroutine_origin_tracking_saved_depth",
    "_exception_handler",
    "_internal_fds",
    "_old_agen_hooks",
    "_signal_handlers",
    "_unix_server_sockets",
    "settings_changes",
)


class TellsSettings(_AnyLoop):
    """Mixed into a loop's class: somebody may be told when its settings change."""

    settings_changes: list[Callable[[], None]]
    """Are called when the task factory or the debug mode may have changed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.settings_changes = []

    def set_task_factory(self, factory: Any) -> None:
        """As the loop's."""
        super().set_task_factory(factory)
        self._tell()

    def set_debug(self, enabled: bool) -> None:
        """As the loop's."""
        super().set_debug(enabled)
        self._tell()

    def _tell(self) -> None:
        for change in getattr(self, "settings_changes", ()):  # not in the loop's own __init__
            change()


class RoomyLoop(TellsSettings, asyncio.SelectorEventLoop):
    """Base of loops of ours: the stock loop's attributes that are seldom used are one.

    An object keeps up to 29 attributes in itself. With one more it gets a dictionary, and each
    access to any of them costs more: a tenth of a short task on CPython 3.13 and later. The stock
    loop has 26 or 27, and the bridge exchanges four methods and more. (Slots would be simpler, but
    an object that has slots keeps no attributes in itself before Python 3.14.)
    """

    cold_attributes: dict[str, Any]


class _ColdAttribute:
    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, loop: RoomyLoop, cls: type) -> Any:
        try:
            return loop.cold_attributes[self._name]
        except (AttributeError, KeyError):
            raise AttributeError(self._name) from None

    def __set__(self, loop: RoomyLoop, value: object) -> None:
        if not hasattr(loop, "cold_attributes"):
            loop.cold_attributes = {}
        loop.cold_attributes[self._name] = value

    def __delete__(self, loop: RoomyLoop) -> None:
        try:
            del loop.cold_attributes[self._name]
        except (AttributeError, KeyError):
            raise AttributeError(self._name) from None


for _name in _COLD_ATTRIBUTES:
    setattr(RoomyLoop, _name, _ColdAttribute(_name))
