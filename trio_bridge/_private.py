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
``BaseEventLoop``'s attributes that            to make room for others, see there
:class:`RoomyLoop` moves
``Future._log_traceback``                      whether nobody has retrieved a task's error yet
``Future._source_traceback``                   in debug mode, where a task was created: our frame is
                                               to be left out, as asyncio's own is
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
``Task._counter``                              the order in which Trio's tasks were started
``Task._runner.clock``                         what a deadline means, for another thread
``Runner.init_task``                           ``current_root_task()`` would start a Trio to come
``asyncio.Task._fut_waiter``, and of           what an asyncio task waits for: a Trio call, or tasks
``gather``'s future ``._children``
``libuv_get_loop_t_ptr`` of ``uvloop.loop``;   one iteration of uvloop's loop. These functions are
``uv_run``, ``uv_now``, ``uv_backend_fd``,     public in libuv, but uvloop doesn't promise that its
``uv_backend_timeout``, as it exports them     module exports them
``uvloop.Loop._ready``                         whether callbacks are ready
``uv_loop_t``'s ``watcher_queue``              whether libuv has a descriptor that it hands to the
                                               kernel in the next iteration only
``uv_loop_t``'s count of events                whether another iteration may find more
``uvloop.Loop._last_error``                    a callback's ``SystemExit``, ``KeyboardInterrupt``
what uvloop's handles and transports refer to  their context, by which an error finds its owner
``sys._current_frames``                        the frames of tasks that run, in whichever thread
=============================================  =====================================================

``tests/test_private.py`` checks each of them on every supported Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import math
import sys
import threading
import types
from asyncio import _get_running_loop, _set_running_loop
from collections import deque
from contextvars import Context
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import outcome
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import CodeType, FrameType

    _AnyLoop = asyncio.SelectorEventLoop
else:
    _AnyLoop = object

__all__ = [
    "TASKS_TELL_CONTEXT",
    "TURNS",
    "GuestDoor",
    "RoomyLoop",
    "TellsSettings",
    "UvloopDoor",
    "asyncgen_hooks",
    "begin_running",
    "birth_of",
    "clock_of",
    "context_of",
    "end_running",
    "forget_source_frames",
    "frames_by_thread",
    "get_running_loop",
    "is_system_clock",
    "is_trios_sigint_handler",
    "is_unretrieved",
    "next_timer",
    "passes_cancel_point",
    "ready_queue",
    "run_handle",
    "run_once",
    "schedule_point",
    "scopes_of",
    "set_running_loop",
    "trio_root_here",
    "trio_run_vars",
    "waited_for_by",
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


def run_handle(handle: asyncio.Handle) -> Callable[[], None]:
    """What calls its callback, if it is not cancelled by then."""
    method: Callable[[], None] = handle._run
    return method


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
        del loop.cold_attributes[self._name]


for _name in _COLD_ATTRIBUTES:
    setattr(RoomyLoop, _name, _ColdAttribute(_name))


TASKS_TELL_CONTEXT: Final = hasattr(asyncio.Task, "get_context")
"""Since Python 3.12."""


def context_of(thing: Any) -> Context | None:
    """The context that a task or a callback runs in, if it can be known; or uvloop's transport."""
    context: Context | None
    if type(thing).__module__ == "uvloop.loop":
        return next((held for held in gc.get_referents(thing) if type(held) is Context), None)
    get_context = getattr(thing, "get_context", None)
    context = getattr(thing, "_context", None) if get_context is None else get_context()
    return context


def is_unretrieved(task: asyncio.Future[Any]) -> bool:
    """Whether it has failed, and nobody has asked for its error."""
    return bool(getattr(task, "_log_traceback", False))


def forget_source_frames(task: asyncio.Future[Any], filename: str) -> None:
    """Leave a file's functions out of what debug mode says of where a task was created."""
    source = getattr(task, "_source_traceback", None)
    while source and source[-1].filename == filename:
        del source[-1]


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


# ---- Trio's checkpoint, for a crossing, which is little more than one


def _message_of(checkpoint: Coroutine[object, Any, None]) -> object:
    message = checkpoint.send(None)
    checkpoint.close()
    return message


_SCHEDULE: Final = _message_of(trio.lowlevel.cancel_shielded_checkpoint())  # noqa: ASYNC105


@types.coroutine
def schedule_point() -> Generator[object, Any, None]:
    """``trio.lowlevel.cancel_shielded_checkpoint``, with one frame instead of three."""
    yield _SCHEDULE


def _passes_cancel_point(run_vars: dict[str, Any]) -> bool:
    """Count a cancel point of the running Trio task, unless it is cancelled, or gets Ctrl-C.

    What ``trio.lowlevel.checkpoint_if_cancelled`` looks at. If false, that is to be awaited.

    Args:
      run_vars: from :func:`trio_run_vars`.
    """
    task = run_vars.get("task")
    if task is None or task._cancel_status.effectively_cancelled:
        return False
    if task._runner.ki_pending:
        return False
    task._cancel_points += 1
    return True


def _never(run_vars: dict[str, Any]) -> bool:
    return False


_KNOWS_CANCEL_POINTS: Final = all(
    hasattr(getattr(getattr(trio._core, "_run", None), cls, None), name)
    for cls, name in (
        ("Task", "_cancel_points"),
        ("Task", "_runner"),
        ("Task", "_cancel_status"),
        ("CancelStatus", "effectively_cancelled"),
        ("Runner", "ki_pending"),
    )
)
passes_cancel_point: Final = _passes_cancel_point if _KNOWS_CANCEL_POINTS else _never


# ---- what the task tree reads. Where a name is missing the tree is poorer.

_runner_class: Any = getattr(getattr(trio._core, "_run", None), "Runner", ())


def trio_root_here() -> trio.lowlevel.Task | None:
    """The root task of the Trio run of this thread, if there is one."""
    runner: Any = trio_run_vars().get("runner")
    # Not the public current_root_task(): asking a ``TrioToCome`` for anything starts Trio.
    return getattr(runner, "init_task", None) if isinstance(runner, _runner_class) else None


def scopes_of(task: trio.lowlevel.Task) -> list[tuple[trio.CancelScope, bool]]:
    """The cancel scopes that a Trio task is in and has opened itself, outermost first.

    With each of them, whether it was cancelled.
    """
    nursery: Any = task.parent_nursery
    found: list[tuple[trio.CancelScope, bool]] = []
    try:
        status: Any = task._cancel_status
        end = None if nursery is None else nursery._cancel_status
        while status is not None and status is not end:
            found.append((status._scope, status._scope._cancel_called))
            status = status._parent
    except AttributeError:
        return [(child.cancel_scope, False) for child in task.child_nurseries]
    found.reverse()
    return found


def birth_of(task: trio.lowlevel.Task) -> int:
    """A number that is larger for tasks that were started later."""
    return getattr(task, "_counter", 0)


def clock_of(task: trio.lowlevel.Task) -> trio.abc.Clock | None:
    """The clock of the task's run."""
    return getattr(getattr(task, "_runner", None), "clock", None)


def waited_for_by(task: asyncio.Task[Any]) -> list[asyncio.Future[Any]]:
    """The futures that an asyncio task waits for: one, or those that it has given to ``gather``."""
    waited_for: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    if waited_for is None:
        return []
    gathered: Any = getattr(waited_for, "_children", None)
    return list(gathered) if isinstance(gathered, list) else [waited_for]


def frames_by_thread() -> dict[int, FrameType]:
    """The innermost frame of each thread."""
    return sys._current_frames() if hasattr(sys, "_current_frames") else {}


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


# ---- uvloop


_UV_RUN_DEFAULT: Final = 0
_UV_RUN_NOWAIT: Final = 2

# Where libuv's public header has these fields of ``uv_loop_t`` on a 64-bit POSIX system: before all
# that differs between systems, and libuv 1 keeps its ABI.
_INTERNAL_FIELDS: Final = 40
_BACKEND_FD: Final = 64
_WATCHER_QUEUE: Final = 88


# And this in what ``internal_fields`` points to: how many iterations, and how many events.
_METRICS: Final = 8


class UvloopDoor:
    """What who turns uvloop's loop from outside has to know of it.

    Raises:
      RuntimeError: this uvloop has no such door.
    """

    __slots__ = (
        "_descriptor",
        "_error",
        "_loop",
        "_none",
        "_now",
        "_pointer",
        "_run",
        "_stop",
        "_timeout",
        "_watcher",
        "_watchers_end",
        "events",
        "ready",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        import ctypes

        module: Any = import_module("uvloop.loop")
        try:
            # PyDLL keeps the interpreter's lock: the callbacks want it at once.
            functions = ctypes.PyDLL(module.__file__)
            get_descriptor = functions.uv_backend_fd
            self._run, self._timeout = functions.uv_run, functions.uv_backend_timeout
            self._now = functions.uv_now
            address = _address_in(module.libuv_get_loop_t_ptr(loop))
            self._stop = functions.uv_stop
            # The queue of its callbacks: one object for the loop's life.
            (self.ready,) = (held for held in gc.get_referents(loop) if type(held) is deque)
            self._error: Final = ctypes.c_void_p.from_address(id(loop) + _last_error_offset())
        except (AttributeError, LookupError, OSError, ValueError) as exc:
            raise _no_uvloop_door() from exc
        self._pointer: Final = ctypes.c_void_p(address)
        self._run.argtypes = (ctypes.c_void_p, ctypes.c_int)
        for function in (get_descriptor, self._timeout, self._now, self._stop):
            function.argtypes = (ctypes.c_void_p,)
        self._now.restype = ctypes.c_uint64
        self._descriptor: Final[int] = get_descriptor(self._pointer)
        if ctypes.c_int.from_address(address + _BACKEND_FD).value != self._descriptor:
            raise _no_uvloop_door()
        self.events: Final = ctypes.c_uint64.from_address(_address_of_events(functions, address))
        """Its ``value`` is how many events the polls have found."""
        self._watchers_end: Final = address + _WATCHER_QUEUE
        self._watcher: Final = ctypes.c_void_p.from_address(self._watchers_end)
        self._loop: Final = loop  # as its memory is read
        self._none: Final = id(None)

    def fileno(self) -> int:
        """The descriptor that becomes readable when libuv has I/O to handle."""
        return self._descriptor

    def run_once(self) -> None:
        """Make one iteration, without waiting.

        Raises:
          SystemExit, KeyboardInterrupt: a callback raised it.
        """
        self._run(self._pointer, _UV_RUN_NOWAIT)
        if self._error.value != self._none:
            self._handle_error()

    def run_until_stopped(self) -> None:
        """Make iterations until :meth:`stop`, which a callback has to call.

        Raises:
          SystemExit, KeyboardInterrupt: a callback raised it.
        """
        self._run(self._pointer, _UV_RUN_DEFAULT)
        if self._error.value != self._none:
            self._handle_error()

    def stop(self) -> None:
        """Let the current iteration be the last, and not wait."""
        self._stop(self._pointer)

    def _handle_error(self) -> None:
        import ctypes

        error: BaseException = ctypes.cast(self._error, ctypes.py_object).value
        # As when a run begins: the same error may come once more. The reference goes with it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))
        self._error.value = self._none
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(error))
        try:
            if isinstance(error, SystemExit | KeyboardInterrupt):
                raise error
            # uvloop's loop ends with any that is no Exception, asyncio's with those two.
            self._loop.call_exception_handler(
                {"message": "Unhandled error in a callback", "exception": error}
            )
        finally:
            del error  # no cycles

    def due(self) -> float:
        """When the next iteration is to be made, in loop time; minus infinity: now."""
        timeout = self._timeout(self._pointer)
        if timeout == 0 or self._watcher.value != self._watchers_end:
            return -math.inf
        # Not from now on: a timer's time would be another with each iteration.
        return math.inf if timeout < 0 else (self._now(self._pointer) + timeout) / 1000


def _address_in(capsule: object) -> int:
    import ctypes

    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.argtypes, get_pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
    address: int = get_pointer(capsule, None)
    return address


def _address_of_events(libuv: Any, loop: int) -> int:
    """Where libuv counts the events that its polls find.

    Public is ``uv_metrics_info``, which copies its counts: a quarter of an iteration's time.
    """
    import ctypes

    counts = (ctypes.c_uint64 * 16)()
    libuv.uv_run(ctypes.c_void_p(loop), _UV_RUN_NOWAIT)  # else all are 0, wherever one looks
    libuv.uv_metrics_info(ctypes.c_void_p(loop), counts)
    internals = ctypes.c_void_p.from_address(loop + _INTERNAL_FIELDS).value or 0
    found = (ctypes.c_uint64 * 2).from_address(internals + _METRICS)
    if counts[0] == 0 or list(found) != counts[:2]:
        raise _no_uvloop_door()
    return ctypes.addressof(found) + ctypes.sizeof(ctypes.c_uint64)


@functools.cache
def _last_error_offset() -> int:
    """Where in its memory uvloop's loop keeps the error that is to leave ``run_forever``.

    Raises:
      LookupError: it keeps it nowhere, or in more than one place.
    """
    import ctypes

    import uvloop

    error = SystemExit()

    def fail() -> None:
        raise error

    def look(found: list[int]) -> None:
        loop = uvloop.Loop()
        try:
            loop.call_soon(fail)
            with contextlib.suppress(SystemExit):
                loop.run_forever()
            size = ctypes.sizeof(ctypes.c_size_t)
            memory = (ctypes.c_size_t * (uvloop.Loop.__basicsize__ // size)).from_address(id(loop))
            found.extend(size * index for index, word in enumerate(memory) if word == id(error))
        finally:
            loop.close()

    # In a thread of its own: in the main thread a run takes the process's wakeup descriptor.
    offsets: list[int] = []
    thread = threading.Thread(target=look, args=(offsets,))
    thread.start()
    thread.join()
    error.__traceback__ = None
    if len(offsets) != 1:
        raise LookupError("uvloop.Loop._last_error")
    return offsets[0]


def _no_uvloop_door() -> RuntimeError:
    from importlib.metadata import version

    return RuntimeError(
        f"engine='uvloop' can't turn the loop of uvloop {version('uvloop')}: "
        "trio_bridge is tested with uvloop 0.22 and 0.23. Write\n"
        "    pip install 'uvloop>=0.22,<0.24'\n"
        "or engine='selector'"
    )


TURNS: Final[frozenset[CodeType]] = frozenset(
    {
        asyncio.BaseEventLoop._run_once.__code__,  # type: ignore[attr-defined]
        UvloopDoor.run_once.__code__,
        UvloopDoor.run_until_stopped.__code__,
    }
)
"""The code of iterations of a loop that Python makes, by which its frame is known."""
