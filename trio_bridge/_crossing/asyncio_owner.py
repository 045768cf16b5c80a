"""One asyncio task that takes several steps for Trio code: what a manager or an iterator lives in.

1. Each step is a crossing as in :mod:`.to_asyncio`: its caller hosts the task for as long as the
   step takes.
2. All steps run in one task and one context. What the caller has set since is carried in, and what
   a step sets is carried back, so that a ``Token`` of one step is good in the next.
3. Between two steps the task waits. If asyncio cancels it then (a timeout that fires, a task group
   whose child fails), the ``CancelledError`` is kept for the next step.
4. A task whose owner is dropped between two steps, or whose loop ends, takes one step more, of its
   own: ``at_end``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from contextvars import copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

import trio

from .._bridge import current_bridge, no_bridge, refuse
from .._private import passes_cancel_point, schedule_point
from .cancellation import pending_interruption
from .context import carry_over
from .errors import raise_as_it_is
from .host import Host
from .to_asyncio import start_guest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextvars import Context


class Step:
    """One call that an owner runs. A host waits for it as it would for a task."""

    __slots__ = ("_args", "_callback", "_error", "_fn", "_is_done", "_value")

    def __init__(self, fn: Callable[..., Awaitable[Any]], args: Sequence[Any]) -> None:
        self._fn = fn
        self._args = args
        self._callback: Callable[[Any], object] | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self._is_done = False

    async def run(self) -> None:
        """Run the call and keep the outcome. Raises nothing."""
        fn, args = self._fn, self._args
        del self._fn, self._args  # whose step this is should go when nobody else has it
        try:
            self._value = await fn(*args)
        except BaseException as exc:
            self._error = exc
        self._has_ended()

    def end(self) -> None:
        """End it, if it has not been run: its task was cancelled before."""
        if not self._is_done:
            self._error = asyncio.CancelledError()
            self._has_ended()

    def _has_ended(self) -> None:
        self._is_done = True
        if self._callback is not None:
            self._callback(self)

    def done(self) -> bool:
        return self._is_done

    def cancelled(self) -> bool:
        return isinstance(self._error, asyncio.CancelledError)

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        """The value or error; to be asked for once."""
        if self._error is None:
            return self._value
        error, self._error = self._error, None
        try:
            raise_as_it_is(error)
        finally:
            del error  # it leads to this frame: no cycles

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context) -> None:
        self._callback = fn


class AsyncioOwner:
    """Runs calls for Trio code in one asyncio task, from the first call to the last."""

    def __init__(
        self,
        *,
        at_end: Callable[[], Awaitable[object]],
        on_cancel: Callable[[], object] | None = None,
        can_end: Callable[[], bool] | None = None,
        is_manager: bool = False,
    ) -> None:
        self.bridge: Final = current_bridge()
        self.cancellation: asyncio.CancelledError | None = None
        """What asyncio threw into the task between two steps."""
        self.is_ending = False
        """Set in a step: there will be no other."""
        self._at_end: Callable[[], Awaitable[object]] | None = at_end
        self._on_cancel = on_cancel
        self._can_end = can_end
        self._is_manager: Final = is_manager
        self._task: asyncio.Task[None] | None = None
        self._context: Context | None = None
        self._idle: asyncio.Future[None] | None = None
        self._step: Step | None = None
        self._has_begun = False
        self._is_busy = False
        self._is_abandoned = False
        self._is_over = False

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that takes the steps, once there was one."""
        return self._task

    # ---- Trio side

    def cancelled(self) -> asyncio.CancelledError:
        """The cancellation that came between two steps, which it is known that there was."""
        return self.cancellation or asyncio.CancelledError()

    @property
    def is_busy(self) -> bool:
        """Whether a step is being taken."""
        return self._is_busy

    @property
    def has_ended(self) -> bool:
        """Whether there can be no other step: the last has begun, or the loop is closed."""
        return self._is_over or not self.bridge.is_open

    @trio.lowlevel.enable_ki_protection
    async def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run ``fn(*args)`` in the owner's task. A checkpoint, cancelled as a crossing is."""
        if self._is_closed():
            await refuse(self.bridge)
        if not passes_cancel_point(self.bridge.side.trio_vars):
            await trio.lowlevel.checkpoint_if_cancelled()
        return await self._take(Step(fn, args))

    @trio.lowlevel.enable_ki_protection
    async def advance(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run ``fn(*args)`` even if the caller is cancelled already, in :attr:`cancellation` then.

        A checkpoint, cancelled as a crossing is.
        """
        if self._is_closed():
            await refuse(self.bridge)
        interruption: BaseException | None = None
        if not passes_cancel_point(self.bridge.side.trio_vars):
            interruption = await pending_interruption()
        is_thrown = interruption is not None
        taking = self._take(Step(fn, args), interruption, is_thrown=is_thrown)
        del fn, args, interruption  # an error leads here: no cycles
        return await taking

    @trio.lowlevel.enable_ki_protection
    async def leave(
        self,
        fn: Callable[..., Awaitable[Any]],
        *args: Any,
        interruption: BaseException | None,
        is_thrown: bool,
    ) -> Any:
        """Run ``fn(*args)`` as the last step, even if the caller is cancelled already.

        Args:
          interruption: the cancellation (or Ctrl-C) that is known already. It isn't delivered once
            more: what cleans up is left to do so.
          is_thrown: deliver it before the step begins, as ``CancelledError`` in
            :attr:`cancellation`.
        """
        if self._is_closed():
            await refuse(self.bridge)
        self.is_ending = True
        taking = self._take(Step(fn, args), interruption, is_thrown=is_thrown)
        del fn, args, interruption  # an error leads here: no cycles
        return await taking

    @trio.lowlevel.enable_ki_protection
    async def close(self, fn: Callable[..., Awaitable[Any]]) -> None:
        """Run ``fn()`` as the last step, undisturbed."""
        interruption = await pending_interruption()
        if not self.has_ended:  # else its loop has ended, and what is to be closed closes by itself
            await self.leave(fn, interruption=interruption, is_thrown=False)
        elif isinstance(interruption, KeyboardInterrupt):
            raise interruption

    def _is_closed(self) -> bool:
        bridge = self.bridge
        return bridge.open_in != get_ident() and not bridge.admits_caller()

    async def _take(
        self, step: Step, interruption: BaseException | None = None, *, is_thrown: bool = False
    ) -> Any:
        self._is_busy = True
        host = None
        try:
            here = before = copy_context()
            if not self._has_begun:
                host = self._begin(before.copy(), step, interruption)
            elif self._is_over:  # its loop ends, since the caller has looked
                if isinstance(interruption, KeyboardInterrupt):
                    raise interruption
                raise no_bridge(self.bridge)
            else:
                assert self._task is not None
                before = self._let_in_variables(here)
                host = self.resume(self._task, step, interruption, is_thrown=is_thrown)
            if host is None:
                if self.bridge.pump.trio_pass.is_due():
                    await schedule_point()
            else:
                await host.attend()
            assert self._context is not None
            if len(self._context) > 1:  # one is the bridge's own
                carry_over(self._context, before, here)
            if host is None:
                return step.result()
            if host.cancelled_by is not None:
                assert self._task is not None
                self._task.uncancel()  # it is the caller that was cancelled: the task goes on
            return host.result()
        finally:
            self._is_busy = False
            del host, step, interruption  # an error leads to this frame: no cycles

    def _begin(
        self, context: Context, step: Step, interruption: BaseException | None
    ) -> Host | None:
        """Start the task with its first step; its host, unless the step has been taken at once."""
        bridge = self.bridge
        self._context = context
        bridge.asyncio_owners.add(self)
        host: Host | None = None
        try:
            self._task, host = start_guest(bridge, context, self._run(step), step)
            if not self._has_begun:  # without an eager start asyncio may cancel it before
                self._task.add_done_callback(functools.partial(self._end, step))
            if interruption is not None:
                if host is None:  # Ctrl-C, which comes once, has still to be raised
                    host = Host(bridge, bridge.side.trio_task(), self._task, step, bridge.hosts)
                host.has_cancelled(interruption)
            return host
        finally:
            del host, step, interruption  # an error leads to this frame: no cycles

    def _let_in_variables(self, here: Context) -> Context:
        """Set what the caller has set; what the task has then, a copy."""
        assert self._context is not None
        if len(here) > 1:  # one is the bridge's own
            self._context.run(carry_over, here)
        return self._context.copy()

    def resume(
        self,
        task: asyncio.Task[None],
        step: Step,
        interruption: BaseException | None,
        *,
        is_thrown: bool,
    ) -> Host | None:
        """Let the task take the step; its host, unless the step has been taken at once."""
        bridge = self.bridge
        pump = bridge.pump
        bridge.side.enter()
        is_held = pump.hold()
        host = None
        try:
            self._step = step
            if interruption is None:
                bridge.starting = task.get_coro()  # it may make a Trio call before it has a host
            else:
                host = Host(bridge, bridge.side.trio_task(), task, step, bridge.hosts)
                host.has_cancelled(interruption)
            if is_thrown:
                task.cancel()
            else:
                self._wake()
            if is_held:
                pump.release(make_turns=True)
            if host is None and not step.done():
                trio_task, call = bridge.side.trio_task(), bridge.first_call
                host = Host(bridge, trio_task, task, step, bridge.hosts, call)
            return host
        finally:
            bridge.starting = bridge.first_call = None
            bridge.side.leave()

    def abandon(self) -> None:
        """Nobody will call again: take the last step, some time. From any thread."""
        if not self.has_ended:
            with contextlib.suppress(RuntimeError):  # the loop was closed at this very moment
                self.bridge.loop.call_soon_threadsafe(self.end)

    # ---- asyncio side

    def end(self) -> asyncio.Task[None] | None:
        """Nobody will call again: take the last step now.

        Returns:
          The task that takes it.
        """
        self._is_abandoned = True
        self._wake()
        return self._task

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _end(self, first_step: Step, task: asyncio.Task[None]) -> None:
        if not self._has_begun:  # the next step, if there is one, begins another
            self.bridge.asyncio_owners.discard(self)
            first_step.end()

    async def _run(self, first_step: Step) -> None:
        self._has_begun = True
        step: Step | None = first_step
        del first_step
        in_steps, in_iterations = self.bridge.in_steps, self.bridge.in_iterations
        task = asyncio.current_task()
        assert task is not None
        in_steps.add(task)
        if not self._is_manager:
            in_iterations.add(task)
        try:
            while step is not None:
                await step.run()
                if self.is_ending:
                    return
                step = None
                step = await self._next_step()
            self._is_over = True
            assert self._at_end is not None
            await self._at_end()
        finally:
            self._is_over = True
            self._at_end = self._on_cancel = self._can_end = None  # they lead back to us: no cycles
            self.bridge.asyncio_owners.discard(self)
            in_iterations.discard(task)
            in_steps.discard(task)

    async def _next_step(self) -> Step | None:
        while self._step is None and not self._is_abandoned:
            if self._ends_with_loop():
                return None  # cancelled here, or in the step before, and not again: cancel_tasks()
            self._idle = asyncio.Future(loop=self.bridge.loop)
            try:
                await self._idle
            except asyncio.CancelledError as exc:
                self._keep(exc)
        self._idle = None
        step, self._step = self._step, None
        return step

    def _keep(self, exc: asyncio.CancelledError) -> None:
        """It came between two steps, or as one was asked for."""
        self.cancellation = exc.with_traceback(None)  # it would lead to the task: no cycles
        if self._step is None and self._on_cancel is not None:
            self._on_cancel()

    def _ends_with_loop(self) -> bool:
        """Whether the loop ends and has cancelled it.

        Not its own timeout: the Trio code that lives in it may still be at work.
        """
        bridge = self.bridge
        if not bridge.is_ending:
            return False
        task = self._task
        by_loop = bridge.nursery.lets_managers_outlive_tasks or (
            task is not None and bridge.cancelled_once.has_cancelled(task)
        )
        return by_loop and (self._can_end is None or self._can_end())
