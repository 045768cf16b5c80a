"""uvloop's and libuv's insides: what turns that loop from outside."""

from __future__ import annotations

import contextlib
import functools
import gc
import math
import threading
from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

_UV_RUN_DEFAULT: Final = 0
_UV_RUN_NOWAIT: Final = 2

# Where libuv's public header has these fields of ``uv_loop_t`` on a 64-bit POSIX system: before all
# that differs between systems, and libuv 1 keeps its ABI.
_INTERNAL_FIELDS: Final = 40
_BACKEND_FD: Final = 64
_WATCHER_QUEUE: Final = 88


# And this of ``uv_handle_t``; the second of its types.
_HANDLE_TYPE: Final = 16
_UV_CHECK: Final = 2

# And this in what ``internal_fields`` points to: how many iterations, and how many events.
_METRICS: Final = 8


class UvloopDoor:
    """What who turns uvloop's loop from outside has to know of it.

    Raises:
      RuntimeError: this uvloop has no such door.
    """

    __slots__ = (
        "_check",
        "_descriptor",
        "_error",
        "_is_active",
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
            self._stop, self._is_active = functions.uv_stop, functions.uv_is_active
            self._check: Final = ctypes.c_void_p(_check_handle(functions, address))
            # The queue of its callbacks: one object for the loop's life.
            (self.ready,) = (held for held in gc.get_referents(loop) if type(held) is deque)
            self._error: Final = ctypes.c_void_p.from_address(id(loop) + _last_error_offset())
        except (AttributeError, LookupError, OSError, ValueError) as exc:
            raise _no_uvloop_door() from exc
        self._pointer: Final = ctypes.c_void_p(address)
        # All get a ``c_void_p``: with argtypes, which would check that, a call takes twice as long.
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
        pointer = self._pointer
        timeout = self._timeout(pointer)
        if (
            timeout == 0
            or self.ready
            or self._watcher.value != self._watchers_end
            or self._is_active(self._check)
        ):
            return -math.inf
        # Not from now on: a timer's time would be another with each iteration.
        return math.inf if timeout < 0 else (self._now(pointer) + timeout) / 1000


def _address_in(capsule: object) -> int:
    import ctypes

    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.argtypes, get_pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
    address: int = get_pointer(capsule, None)
    return address


def _check_handle(libuv: Any, loop: int) -> int:
    """uvloop's handle that writes what was written to transports: the only one of its kind.

    Raises:
      ValueError: there is none, or more than one.
    """
    import ctypes

    found: list[int] = []

    def look(handle: int, _: object) -> None:
        if ctypes.c_int.from_address(handle + _HANDLE_TYPE).value == _UV_CHECK:
            found.append(handle)

    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    libuv.uv_walk(ctypes.c_void_p(loop), callback(look), None)
    (handle,) = found
    return handle


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
