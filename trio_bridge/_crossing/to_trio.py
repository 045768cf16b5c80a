"""An asyncio task calls Trio code.

1. The Trio function of a guest runs in its host: in every scope and nursery around the crossing.
2. That of another asyncio task runs in a Trio task of its own, in the nursery that owns the
   caller.
3. asyncio cancelling the caller cancels the scope around the function. The caller sees nothing
   until the function has ended: ``CancelledError`` if it ended by that cancellation, else its value
   or error.
4. A cancellation that comes from Trio reaches the caller as one ``Task.cancel()``.
5. Ctrl-C and ``SystemExit`` come bare to a task that no crossing hosts, as out of asyncio's
   ``TaskGroup``: in a group they would end the task, and not the loop's run.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import trio

from .._bridge import below, by_loop
from .._exits import bare_exit
from .._guest import bridge_of, call_between_runs, guest_of
from .._guest_ctrl_c import uninterrupted
from .._private import get_running_loop
from .cancellation import convert_group, first_cancelled
from .context import carry_back, carry_over
from .errors import readable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from .._bridge import Bridge
    from .call_scope import CallScope
    from .changes import Changes
    from .host import Host

P = ParamSpec("P")
T = TypeVar("T")


def crossing_to_trio(
    fn: Callable[P, Awaitable[T]], changes: Changes | None = None
) -> Callable[P, Coroutine[Any, Any, T]]:
    """What asyncio code calls for ``fn``. In Trio code it is the original.

    Args:
      fn: is called Trio-side.
      changes: what becomes of its arguments and its result on the way; ``None``: nothing.
    """
    own: Any = fn if changes is None else changes.own(fn)

    async def crossing(*args: Any, **kwargs: Any) -> Any:
        loop = get_running_loop()
        if loop is None:
            return await own(*args, **kwargs)
        try:
            if changes is None:
                return await _call(loop, fn, args, kwargs)
            args, kwargs = changes.arguments(args, kwargs)
            return changes.result(await _call(loop, fn, args, kwargs))
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    return crossing


@uninterrupted
async def _call(
    loop: asyncio.AbstractEventLoop,
    fn: Callable[..., Awaitable[Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    bridge, task = caller(loop)
    call = TrioCall(bridge, task, fn, args, kwargs)
    hand_over(bridge, call)
    try:  # as outcome() does: another coroutine costs some per cent of a short call
        return await call
    finally:
        delivered(call, task)
        del call, task  # an error leads to this frame: no cycles


def caller(loop: asyncio.AbstractEventLoop) -> tuple[Bridge, asyncio.Task[Any]]:
    """The bridge and the task of the asyncio code that calls."""
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError(
            "aio2trio() was called outside of an asyncio task. Write "
            "loop.create_task(async_fn()) for the code that awaits it"
        )
    return by_loop.get(loop) or bridge_of(loop), task


def is_starting(bridge: Bridge, task: asyncio.Task[Any]) -> bool:
    """Whether it is a guest in its first step, whose host is not there yet."""
    return bridge.starting is not None and task.get_coro() is bridge.starting


@uninterrupted
async def outcome(call: TrioCall) -> Any:
    """Wait for a call that was handed over, as the task that made it."""
    task = call.task
    try:
        return await call
    finally:
        delivered(call, task)
        del call, task  # an error leads to this frame: no cycles


@uninterrupted
def delivered(call: TrioCall, task: asyncio.Task[Any]) -> None:
    """The task that made the call has its outcome."""
    if call.context_before is None:
        carry_back(call.context)
    else:
        carry_over(call.context, call.context_before)
    host, call.host = call.host, None
    if call.is_cancelled_late:
        call.cancel_late(task)
    if host is not None:
        host.delivered()
    if call.was_cancelled and not call.cancelled():
        _cancel_again(call, task, host)


def _cancel_again(call: TrioCall, task: asyncio.Task[Any], host: Host | None) -> None:
    if call.was_cancelled_by_owner and call.bridge.cancelled_once.cancel_again(task):
        if host is not None:
            host.tell()  # the scope of a manager that was being entered is cancelled by the same
        return
    if host is None and (host := call.bridge.host_of(task)) is not None:
        host.cancel_again()


@trio.lowlevel.enable_ki_protection
def call_trio_plain(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a plain function of Trio's from asyncio code.

    The current Trio task is the host of the asyncio task that calls, if it has one.
    """
    loop = get_running_loop()
    if loop is None:
        if trio.lowlevel.in_trio_run():
            return fn(*args, **kwargs)
        return call_between_runs(lambda: fn(*args, **kwargs))
    bridge = by_loop.get(loop) or bridge_of(loop)
    if bridge.thread != get_ident() and (guest := guest_of(loop)) is not None:
        guest.resume()  # a loop that isn't ours goes on in another thread
    outer, task = bridge.calls_plainly, asyncio.current_task()
    bridge.calls_plainly = task
    try:
        trio_task = None if task is None else trio_task_of(bridge, task)
        return bridge.side.call_trio(trio_task, lambda: fn(*args, **kwargs))
    finally:
        bridge.calls_plainly = outer
        # cancel() may make errors, whose frames lead here by their callers: no cycles.
        del task, outer


def trio_task_of(bridge: Bridge, task: asyncio.Task[Any]) -> trio.lowlevel.Task | None:
    """The Trio task that runs the Trio calls of an asyncio task, if it is there yet."""
    host = bridge.host_of(task)
    if host is not None:
        return host.task
    return bridge.side.trio_task() if is_starting(bridge, task) else None


@uninterrupted
def hand_over(bridge: Bridge, call: TrioCall) -> None:
    """Find the Trio task that runs the call (rules 1 and 2)."""
    host = bridge.host_of(call.task)
    owing = bridge.cancelled_once.owing
    if owing and call.task in owing and not call.leaves_manager:
        call.refuse()
    elif host is not None and host.is_free:
        host.take(call)
    elif is_starting(bridge, call.task):
        bridge.first_call = call
    else:
        call.cancel_scope = call.cancel_scope or trio.CancelScope()
        bridge.owning_nursery.run(call)


class TrioCall(asyncio.Future[Any]):
    """One Trio call of an asyncio task; the task awaits it."""

    # What most calls leave as it is.
    leaves_manager = False
    context_before: Context | None = None
    """What its context was when it began, if that lives longer than the call."""
    was_cancelled = False
    """Whether asyncio has cancelled it while it ran."""
    was_cancelled_by_owner = False
    """Whether that was what owns the task, as it ended."""
    host: Host | None = None
    cancel_scope: trio.CancelScope | None = None
    """The scope around it. None: its host, which has one for it, has not come to it yet."""
    scopes: CallScope | None = None
    """The host's, of which :attr:`cancel_scope` is one."""
    has_outcome = True
    """Whether the function itself gave a value or an error: false if it was interrupted."""
    _cancel_message: str | None = None
    _value: Any = None
    _error: BaseException | None = None
    interruption: BaseException | None = None
    """What came from around it, to be taken: a ``trio.Cancelled`` or ``KeyboardInterrupt``."""
    _has_ended = False
    is_cancelled_late = False
    """Whether a cancel() came while the outcome was on its way."""
    _is_late_from_host = False

    def __init__(
        self,
        bridge: Bridge,
        task: asyncio.Task[Any],
        fn: Callable[..., Awaitable[Any]],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        cancel_scope: trio.CancelScope | None = None,
    ) -> None:
        super().__init__(loop=bridge.loop)
        self.task = task
        self.context: Context = copy_context()
        self.bridge: Final = bridge
        self._fn: Final = fn
        self._args: Final = args
        self._kwargs: Final = kwargs
        if cancel_scope is not None:
            self.cancel_scope = cancel_scope

    @property
    def function(self) -> Callable[..., Awaitable[Any]]:
        """What it runs."""
        return self._fn

    @property
    def name(self) -> str:
        """For the Trio task that runs the call."""
        return str(getattr(self._fn, "__qualname__", self._fn))

    def cancel(self, msg: str | None = None) -> bool:
        """asyncio cancels the caller: cancel the Trio code, and let it end first (rule 3)."""
        if self.done():
            # The outcome is on its way, and must not be lost: asyncio would throw CancelledError
            # in its place. True: the task leaves it to us, see cancel_late().
            self.is_cancelled_late = not self.cancelled()
            self._is_late_from_host = self.bridge.cancels is not None
            self._cancel_message = msg
            return self.is_cancelled_late
        if self._has_ended:
            return super().cancel(msg)
        self._cancel_message = msg
        self.was_cancelled = True
        self.was_cancelled_by_owner |= self.bridge.cancelled_once.is_cancelling(self.task)
        if self.cancel_scope is None:
            pass  # open_scope() looks
        elif get_running_loop() is self.bridge.loop:
            self.cancel_scope.cancel()
        else:  # a signal handler, perhaps in the middle of Trio's scheduler
            self.bridge.loop.call_soon_threadsafe(self.cancel_scope.cancel)
        return True

    def open_scope(self, scopes: CallScope) -> None:
        """Its host is about to run it, in its scope for calls."""
        self.scopes = scopes
        self.cancel_scope = scopes.open()
        if self.was_cancelled:
            self.cancel_scope.cancel()

    def refuse(self) -> None:
        """It won't be run: the caller is about to be cancelled."""
        self._has_ended = True

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Run the function in the current Trio task, and keep the outcome for :meth:`settle`.

        Raises nothing. If nothing came out of it but a cancellation from around the call, or
        Ctrl-C, it has no outcome, and :meth:`interrupt` is to follow instead.
        """
        self.context = self.bridge.side.trio_vars["task"].context
        if below.get() is not self.bridge:
            below.set(self.bridge)
        try:
            self._value = await self.run_in_scope()
        except (trio.Cancelled, KeyboardInterrupt) as exc:
            self.interruption = exc
            self.has_outcome = False
        except BaseExceptionGroup as exc:
            self.interruption = first_cancelled(exc)
            # Who cancels all of asyncio's tasks, as asyncio.run() at its end, cancels guests in
            # here too, and Trio's nurseries put their CancelledErrors into groups.
            was = (trio.Cancelled, asyncio.CancelledError) if self.was_cancelled else trio.Cancelled
            error = convert_group(exc, was, asyncio.CancelledError())
            is_group = isinstance(error, BaseExceptionGroup)
            self.has_outcome = is_group or self.interruption is None
            self._error = error if self.has_outcome else None
            del error
        except BaseException as exc:
            self._error = exc
        self._has_ended = True
        del self  # an error leads to this frame, and the call to the error: no cycles

    @trio.lowlevel.disable_ki_protection
    async def run_in_scope(self) -> Any:
        """The call itself, inside :attr:`cancel_scope`. Some calls leave that open, or close it.

        Ctrl-C can interrupt the user's code at any line, as everywhere in Trio.
        """
        scope: Any = self.scopes or self.cancel_scope
        fn, args, kwargs = self._fn, self._args, self._kwargs
        del self  # the frames of an error lead here by their callers, and so to it: no cycles
        with scope:
            return await fn(*args, **kwargs)

    def cancel_late(self, task: asyncio.Task[Any]) -> None:
        """The caller has the outcome: deliver a cancel() that came while it was on its way."""
        host = self.bridge.host_of(task)
        if self._is_late_from_host and host is not None and host.cancel_again():
            return  # it comes back until it is noticed, where asyncio's comes once

        def cancel() -> None:
            if task.cancelling() and not task.done():  # else somebody has called uncancel()
                self.bridge.cancelled_once.deliver_again(task, self._cancel_message)

        task.get_loop().call_soon(cancel)

    def fail(self, exc: BaseException) -> None:
        """Give the caller this error instead of the outcome that there isn't."""
        self._error = exc
        self.settle()

    def settle(self) -> None:
        """Give the caller the outcome."""
        task = self.task
        del self.task  # as in _forget_task()
        if self._error is not None:
            is_guest = task in self.bridge.hosts
            del task
            self.set_exception(self._error if is_guest else bare_exit(self._error))
        elif self.cancel_scope is not None and self.cancel_scope.cancelled_caught:
            super().cancel(self._cancel_message)
        else:
            self.set_result(self._value)

    def interrupt(self, *, cancel_task: bool) -> None:
        """Let the caller see that Trio cancelled it: now, or (not ``cancel_task``) once more."""
        if cancel_task:
            self.task.cancel()  # which cancels this future, as the task waits for it
        self._forget_task()
        super().cancel(self._cancel_message)

    def _forget_task(self) -> None:
        # The traceback of an error leads, by its frames' callers, to this object. If it led on to
        # the task, a failed task would live until the garbage collector's next run, and asyncio
        # would say only then that nobody has retrieved its error.
        del self.task
