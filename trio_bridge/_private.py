"""Every non-public name of asyncio, Trio and sniffio that the bridge uses, in one place.

=============================================  =====================================================
name                                           why no public name will do
=============================================  =====================================================
``BaseEventLoop._run_once``                    one iteration of the stock loop; ``run_forever`` only
                                               makes many
``BaseEventLoop._ready``, ``._scheduled``      is there work now, and when is the next timer due
``BaseEventLoop._thread_id``                   what ``is_running()`` and the debug checks look at
``BaseEventLoop._asyncgen_firstiter_hook``,    asyncio's own bookkeeping of async generators, which
``._asyncgen_finalizer_hook``                  ``shutdown_asyncgens`` relies on
``BaseEventLoop._set_coroutine_origin_...``    debug mode's coroutine origins
``asyncio._get_running_loop``, ``_set_...``    exported for the authors of event loops
``trio._core._run.GLOBAL_RUN_CONTEXT``         the current Trio task has to be out of sight while
                                               asyncio code runs, else Trio's functions would act on
                                               whichever task gives the loop its turn
``trio._core._run.SystemClock``                tells a virtual clock from the real one
``trio._core._run.GuestState``, ``Runner``,    a guest run waits for Trio's I/O in a thread, which
``EpollIOManager``, ``KqueueIOManager``:       costs 100 µs for each call into Trio; with Trio's own
what :class:`GuestDoor` uses of them           descriptor in the host loop there is no thread
=============================================  =====================================================

``tests/test_private.py`` checks each of them on every supported Python.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio import _get_running_loop, _set_running_loop
from typing import TYPE_CHECKING, Any

import outcome
import trio

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

__all__ = [
    "GuestDoor",
    "asyncgen_hooks",
    "begin_running",
    "end_running",
    "get_running_loop",
    "is_system_clock",
    "is_trios_sigint_handler",
    "next_timer",
    "ready_queue",
    "run_once",
    "set_running_loop",
    "trio_run_vars",
]

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


# Without these two names (a future Trio), misuse is still an error, only a later and darker one:
# so the absence is tolerated here, and tests/test_private.py is what reports it.
_run_context: Any = getattr(getattr(trio._core, "_run", None), "GLOBAL_RUN_CONTEXT", None)
_system_clock: Any = getattr(getattr(trio._core, "_run", None), "SystemClock", None)


def trio_run_vars() -> dict[str, Any]:
    """This thread's part of Trio's run context: ``task`` is in it while a Trio task runs."""
    return {} if _run_context is None else vars(_run_context)


def is_trios_sigint_handler(handler: object) -> bool:
    """Whether Trio has installed it."""
    return getattr(handler, "__module__", "").partition(".")[0] == "trio"


def is_system_clock(clock: trio.abc.Clock) -> bool:
    """Whether Trio runs on real time."""
    if _system_clock is None:
        from trio.testing import MockClock  # a slow import, for a Trio that does not exist yet

        return not isinstance(clock, MockClock)
    return isinstance(clock, _system_clock)


class GuestDoor:
    """What a host loop has to know of its guest, Trio, if it is to do without Trio's thread.

    Raises:
      AttributeError: this Trio, on this platform, has no such door: use the thread.
    """

    __slots__ = ("_descriptor", "_get_events", "_idle_waiters", "_runner", "_state")

    def __init__(self, tick: Callable[[], object]) -> None:
        state: Any = tick.__self__  # type: ignore[attr-defined]
        self._state = state
        self._runner = runner = state.runner
        manager = runner.io_manager
        self._get_events = manager.get_events
        selector = manager._epoll if hasattr(manager, "_epoll") else manager._kqueue
        self._descriptor: int = selector.fileno()
        self._idle_waiters = runner.waiting_for_idle
        # All that the methods use must be there.
        _ = state.unrolled_run_next_send.value, runner.guest_tick_scheduled

    def fileno(self) -> int:
        """The descriptor that becomes readable when Trio has I/O to handle, or is called."""
        return self._descriptor

    def poll(self) -> None:
        """Look for I/O once more before the next tick."""
        self._state.unrolled_run_next_send = outcome.capture(self._get_events, 0)

    def has_events(self) -> bool:
        """Whether the last poll found I/O, or failed."""
        found: outcome.Outcome[object] = self._state.unrolled_run_next_send
        return not isinstance(found, outcome.Value) or bool(found.value)

    def waits_for_idle(self) -> bool:
        """Whether a task is in ``wait_all_tasks_blocked``."""
        return bool(self._idle_waiters)

    def expect_tick(self, is_expected: bool) -> None:
        """Say whether a tick is to come soon. If not, Trio calls for one by its descriptor."""
        self._runner.guest_tick_scheduled = is_expected
