"""Every non-public name of asyncio, Trio and others that the bridge uses, in one place.

One file for each thing that is reached into; the rest of the bridge uses what this module offers.

=============================================  =====================================================
name                                           why no public name will do
=============================================  =====================================================
``BaseEventLoop._run_once``                    one iteration of the stock loop; ``run_forever`` only
                                               makes many
``BaseEventLoop._ready``, ``._scheduled``      is there work now, and when is the next timer due
``TimerHandle._when``                          to get a timer out of the way whose time is no number
``BaseEventLoop._thread_id``                   what ``is_running()`` and the debug checks look at
``BaseEventLoop._closed``                      to say that a loop was never made: its ``__del__``
                                               would close what it doesn't have
``BaseEventLoop._asyncgen_firstiter_hook``,    asyncio's own bookkeeping of async generators, which
``._asyncgen_finalizer_hook``                  ``shutdown_asyncgens`` relies on
``BaseEventLoop._set_coroutine_origin_...``    debug mode's coroutine origins
``BaseEventLoop``'s attributes that            to make room for others, see there
:class:`RoomyLoop` moves
``Future._log_traceback``                      whether nobody has retrieved a task's error yet
``Future._source_traceback``                   in debug mode, where a task was created: our frame is
                                               to be left out, as asyncio's own is
``Future._asyncio_future_blocking``            whether a class is one of futures: asyncio's own mark
``Handle._run``                                what a loop calls when a timer is due
``Handle._context``                            a callback's context, which Python 3.11 has no public
                                               name for
``asyncio._get_running_loop``, ``_set_...``    exported for the authors of event loops
``trio._core._run.GLOBAL_RUN_CONTEXT``         the current Trio task has to be out of sight while
                                               asyncio code runs, else Trio's functions would act on
                                               whichever task gives the loop its turn
``trio._core._run.SystemClock``                tells a virtual clock from the real one
``trio._core._run.GuestState``, ``Runner``,    a guest run waits for Trio's I/O in a thread, which
``EpollIOManager``, ``KqueueIOManager``:       costs 100 µs for each call into Trio; with Trio's own
what :class:`GuestDoor` uses of them           descriptor in the host loop there is no thread
``trio.lowlevel.Task._cancel_status``,         the task tree shows the scopes that a task is in; and
``Nursery._cancel_status``, and of those       ``CancelScope.cancel_called`` may cancel the scope
``._parent``, ``._scope._cancel_called``
``Task._cancel_points``, ``._cancel_status``,  a crossing is a cancel point: a coroutine is much for
``._runner.ki_pending``                        that one question
``cancel_shielded_checkpoint``'s message       a crossing is a schedule point, with one frame, not
                                               three; got from the public function itself
``Runner.deadlines``, ``Runner.is_guest``,     to wake a task at a time without a scope for each
``CancelScope._registered_deadline``,          time (:mod:`.trio_deadlines`)
``._cancel()``, ``Deadlines._prune()``
``unrolled_run``'s ``batch``, ``Runner.runq``,  whether another Trio task can run: where none can, a
``.instruments.data``, ``.waiting_for_idle``,   crossing needs no pass of Trio's scheduler, and who
``.deadlines``, ``.io_manager._epoll``;         gives a loop its turns can wait for the loop and for
``Task._schedule_points``, ``._abort_func``     Trio at once (:mod:`.trio_tasks`)
``Task._counter``                              the order in which Trio's tasks were started
``Task._runner.clock``                         what a deadline means, for another thread
``Runner.init_task``                           ``current_root_task()`` would start a Trio to come
``asyncio.Task._fut_waiter``, and of           what an asyncio task waits for: a Trio call, or tasks
``gather``'s future ``._children``
``libuv_get_loop_t_ptr`` of ``uvloop.loop``;   one iteration of uvloop's loop. These functions are
``uv_run``, ``uv_now``, ``uv_backend_fd``,     public in libuv, but uvloop doesn't promise that its
``uv_backend_timeout``, ``uv_stop``,           module exports them
``uv_walk``, ``uv_is_active``,
``uv_metrics_info``, as it exports
``uv_handle_t``'s ``type``                     which of uvloop's handles is the one that writes
``uvloop.Loop._ready``                         whether callbacks are ready
``uv_loop_t``'s ``watcher_queue``              whether libuv has a descriptor that it hands to the
                                               kernel in the next iteration only
``uv_loop_t``'s count of events                whether another iteration may find more
``uvloop.Loop._last_error``                    a callback's ``SystemExit``, ``KeyboardInterrupt``
what uvloop's handles and transports refer to  their context, by which an error finds its owner
``sys._current_frames``                        the frames of tasks that run, in whichever thread
``WeakSet._remove``, and of the others         Python drops what a weak reference's callback raises,
                                               and so a Ctrl-C
``__sqlalchemy_greenlet_provider__``           whether a plain function is called in a greenlet in
                                               which it may wait: SQLAlchemy's own mark
``_sa_class_manager``                          whether a class is mapped; ``sqlalchemy.inspect``
                                               would configure its mappers
``_force_trio_fixture``,                       whose code an async fixture is: set by pytest-trio
``_force_asyncio_fixture``                     and by pytest-asyncio
=============================================  =====================================================

Objects of ours have these names, for asyncio to find:

=============================================  =====================================================
``_asyncio_future_blocking``                   what a task waits for has it
(:mod:`.._engines._connecting`)
``_timer_handle_cancelled``                    a timer tells it the loop that made it
(:mod:`.._engines.uvloop`)
``_start_tls_compatible``, ``_force_close``    ``loop.start_tls`` asks a transport for the one, and
(:mod:`..streams`)                             its TLS calls the other
=============================================  =====================================================

``tests/test_private.py`` checks each of them on every supported Python.
"""

from __future__ import annotations

from .asyncio_tasks import (
    TASKS_TELL_CONTEXT,
    context_of,
    forget_source_frames,
    is_future_type,
    is_unretrieved,
    waited_for_by,
)
from .frames import TURNS, frames_by_thread
from .guest_door import GuestDoor
from .pytest_fixtures import is_pytest_asyncio_fixture, is_trio_fixture
from .sqlalchemy import is_mapped, may_wait_in_greenlet
from .stock_loop import (
    RoomyLoop,
    TellsSettings,
    asyncgen_hooks,
    begin_running,
    drop_wrong_timers,
    end_running,
    get_running_loop,
    next_timer,
    ready_queue,
    run_handle,
    run_once,
    set_running_loop,
    was_never_made,
)
from .trio_deadlines import TrioDeadline, make_trio_deadline
from .trio_scheduler import (
    birth_of,
    clock_of,
    is_system_clock,
    is_trios_sigint_handler,
    knows_run_context,
    nurseries_of,
    passes_cancel_point,
    schedule_point,
    scopes_of,
    trio_root_here,
    trio_run_vars,
)
from .trio_tasks import AbortFn, TrioTasks, trio_tasks_here
from .uvloop_door import UvloopDoor
from .weakref_callbacks import weakref_callbacks

__all__ = [
    "TASKS_TELL_CONTEXT",
    "TURNS",
    "AbortFn",
    "GuestDoor",
    "RoomyLoop",
    "TellsSettings",
    "TrioDeadline",
    "TrioTasks",
    "UvloopDoor",
    "asyncgen_hooks",
    "begin_running",
    "birth_of",
    "clock_of",
    "context_of",
    "drop_wrong_timers",
    "end_running",
    "forget_source_frames",
    "frames_by_thread",
    "get_running_loop",
    "is_future_type",
    "is_mapped",
    "is_pytest_asyncio_fixture",
    "is_system_clock",
    "is_trio_fixture",
    "is_trios_sigint_handler",
    "is_unretrieved",
    "knows_run_context",
    "make_trio_deadline",
    "may_wait_in_greenlet",
    "next_timer",
    "nurseries_of",
    "passes_cancel_point",
    "ready_queue",
    "run_handle",
    "run_once",
    "schedule_point",
    "scopes_of",
    "set_running_loop",
    "trio_root_here",
    "trio_run_vars",
    "trio_tasks_here",
    "waited_for_by",
    "was_never_made",
    "weakref_callbacks",
]
