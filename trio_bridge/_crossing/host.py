"""The Trio task that waits for an asyncio task, its *guest*, and runs the Trio calls that it makes.

A host attends its guest until an *end*: that of the guest itself, that of one step which the guest
takes (:mod:`.asyncio_owner`), or that of the last Trio context manager which the guest has open
(:mod:`.trio_manager`).
"""

from __future__ import annotations

import asyncio
import sys
from contextvars import Context
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import trio
from trio.lowlevel import Abort

from .._private import passes_cancel_point, schedule_point
from .._untrusted import set_context
from .call_scope import CallScope
from .cancellation import convert_group, pending_interruption
from .context import carry_back, holds_the_same
from .errors import raise_as_it_is, result_of
from .guest_cancellation import GuestCancellation

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._bridge import Bridge
    from .to_trio import TrioCall


class End(Protocol):
    """What a host waits for: the part of a future's interface that it needs."""

    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context) -> None: ...


class Host(GuestCancellation):
    """The Trio side of a crossing to asyncio."""

    __slots__ = (
        "_call_scope",
        "_context",
        "_home",
        "_is_waiting",
        "_is_watching",
        "_registry",
        "forgotten",
        "shield",
        "task",
    )

    def __init__(
        self,
        bridge: Bridge,
        task: trio.lowlevel.Task,
        guest: asyncio.Task[Any],
        end: End,
        registry: dict[asyncio.Task[Any], Host],
        call: TrioCall | None = None,
    ) -> None:
        super().__init__(bridge, guest, end, call)
        self.task = task
        self._home = self._context = task.context
        self._call_scope = CallScope()
        self._is_waiting = False
        self._is_watching = False
        self.forgotten: BaseException | None = None
        """The error that names the Trio managers which the guest has not left."""
        self.shield: trio.CancelScope | None = None
        """Around a wait after a cancellation."""
        self._registry = registry
        registry[guest] = self
        if call is not None:
            call.host = self

    # ---- the host waits for the end, and runs the guest's Trio calls

    async def attend(self) -> None:
        """Wait until the end has come. A checkpoint, always."""
        try:
            await self._serve()
            await self._go_to(self._home)
            if self._interruption is None and self._end.cancelled():
                # Perhaps Trio has cancelled what the guest waited for, and us only then.
                self._interruption = await pending_interruption()
        finally:
            if self._reminder is not None:
                self._reminder.stop()
                self._reminder = None

    async def _serve(self) -> None:
        end, guest, side = self._end, self._guest, self._bridge.side
        try:
            has_passed = False
            while True:
                if self._call is not None:
                    await self._run_call(self._call)
                    if not (passes_cancel_point(side.trio_vars) or self.is_free):
                        await self._look_for_interruption()
                    has_passed = True
                elif not end.done():
                    has_passed |= await self._wait()
                elif not has_passed:  # the end has come in turns that this task has made
                    if self._bridge.pump.trio_pass.is_due():
                        await schedule_point()
                    has_passed = True
                else:
                    break
            self._call_scope.close()
            if guest.done() and guest in self._bridge.open_managers:
                await self._leave_forgotten_managers(guest)
        finally:
            self._call_scope.close()
            del self._registry[guest], guest, end  # from here on it takes no calls

    async def _look_for_interruption(self) -> None:
        """A guest that makes one call after the other leaves no wait to be cancelled in."""
        call = self._call
        assert call is not None
        if call.leaves_manager or self._interruption is not None:
            return
        self._interruption = await pending_interruption()
        if self.owes_cancellation or isinstance(self._interruption, KeyboardInterrupt):
            # Not to be run: Ctrl-C, which came to us, would not come once more to end it.
            self._call = None
            call.refuse()
            self._cancel_guest(self._guest, self._end)

    async def _wait(self) -> bool:
        """Wait for the end, or for a call; whether in Trio, and so as a checkpoint."""
        bridge = self._bridge
        # In an except block the turns of a doze would show other tasks the error that is handled.
        dozes = self._interruption is None and sys.exception() is None
        if dozes and passes_cancel_point(bridge.side.trio_vars):
            bridge.pump.doze_until(self._goes_on, self._cancelled)
            if self._call is not None or self._end.done():
                return False
        self._watch_end()
        self._is_waiting = True
        if self._interruption is None:
            await trio.lowlevel.wait_task_rescheduled(self._cancelled)
            self._bridge.pump.trio_pass.made()
            return True
        # Trio cancels one wait once. After that only Ctrl-C is still to come: it needs a new wait,
        # and the shield keeps the cancellation that we know of out of that.
        with trio.CancelScope(shield=True) as self.shield:
            await trio.lowlevel.wait_task_rescheduled(self._cancelled)
        self.shield = None
        return True

    def _goes_on(self) -> bool:
        """Whether it is to leave off a doze."""
        return self._call is not None or self._interruption is not None or self._end.done()

    @trio.lowlevel.enable_ki_protection
    def _cancelled(self, raise_cancel: Callable[[], NoReturn]) -> Abort:
        if not self._is_waiting and self._goes_on():
            # In a doze, which is over: a task that is rescheduled isn't told either. What it does
            # next is cancelled by itself.
            return Abort.FAILED
        try:
            raise_cancel()
        except (trio.Cancelled, KeyboardInterrupt) as exc:
            # Its traceback leads here, and from here to all who call: no cycles.
            self._interrupted(exc.with_traceback(None))
        self._resume(self._context)
        return Abort.FAILED

    async def _go_to(self, context: Context) -> None:
        """Continue in another context, which takes a new step of the Trio task."""
        if self._context is not context:
            self._context = self.task.context = context
            await schedule_point()

    @property
    def call(self) -> TrioCall | None:
        """The Trio call of the guest's that it runs, or is about to."""
        return self._call

    @property
    def call_scope(self) -> trio.CancelScope | None:
        """The scope for Trio calls that it has open."""
        return self._call_scope.scope

    @property
    def awaits_guest(self) -> bool:
        """Whether it waits for the guest's own end, and so gets its error."""
        return self._end is self._guest

    @property
    def is_free(self) -> bool:
        """Whether the host can take a Trio call."""
        return self._call is None

    def take(self, call: TrioCall) -> None:
        """Run a Trio call of the guest's; the guest waits for it. Called on the asyncio side."""
        call.host = self
        # The first question spares a short call the others.
        if self._interruption is not None and self.owes_cancellation and not call.leaves_manager:
            # The guest makes one call after the other, and none has noticed the cancellation.
            call.refuse()
            self._cancel_guest_soon()
            return
        self._call = call
        self._resume(call.context)

    def delivered(self) -> None:
        """The guest has taken the outcome of its Trio call."""
        self._delivering = False
        if self._interruption is not None and self.owes_cancellation:
            # It was held back until now, lest the outcome be lost. Not cancel() itself: asyncio
            # drops the value of a task that was cancelled in its last step.
            self._cancel_guest_soon()

    def _watch_end(self) -> None:
        # Not before there is need: the callback of a task costs a turn of the loop.
        if not self._is_watching:
            self._is_watching = True
            # In a context of its own: the end may come in a turn that this task makes, in its own.
            self._end.add_done_callback(self._has_ended, context=Context())

    def _has_ended(self, end: End) -> None:
        self._resume(self._home)

    def look_again(self) -> None:
        """The end may have come, and nobody has called."""
        self._resume(self._context)

    def _resume(self, context: Context) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._context = self.task.context = context
            self._bridge.reschedule(self.task)

    async def _run_call(self, call: TrioCall) -> None:
        if call.cancel_scope is None:
            if not holds_the_same(call.context, self._context):
                await self._go_to(call.context)
            elif not (trio_pass := self._bridge.pump.trio_pass).is_recent():
                # A call needs no pass for its own sake where the host makes the turns of the loop:
                # if its function is a proper one of Trio's, that is a checkpoint itself.
                await schedule_point()
                trio_pass.made()
            call.open_scope(self._call_scope)
        else:  # a manager's
            self._call_scope.close()
            await self._go_to(call.context)
        await call.run()
        self._call = None
        if call.was_cancelled:
            self._call_scope.close()
        # It may have been shielded from a cancellation. The guest is to see that at its next wait,
        # not after all that it does in turns which are made here: then we wait first.
        pump, side = self._bridge.pump, self._bridge.side
        waits_first = not passes_cancel_point(side.trio_vars)
        side.enter()
        try:
            is_held = pump.hold()
            self._hand_back(call)
            del call  # an error of the call leads to this frame: no cycles
            if is_held:
                pump.release(make_turns=not waits_first)
        finally:
            side.leave()

    def _hand_back(self, call: TrioCall) -> None:
        interruption, call.interruption = call.interruption, None
        if isinstance(interruption, KeyboardInterrupt):
            self.interrupt(call, interruption)
            return
        if interruption is not None and not isinstance(self._interruption, KeyboardInterrupt):
            self._interruption = interruption
        if call.has_outcome:
            self._delivering = True
            call.settle()
        else:
            self._interrupt(call)

    def interrupt(self, call: TrioCall, exc: KeyboardInterrupt) -> None:
        """Ctrl-C has ended a Trio call of the guest's, in this Trio task or in an iterator's."""
        if self._registry is self._bridge.adopters:
            # Of an adopted guest nobody on Trio's side awaits the end, to get it there.
            self._bridge.nursery.interrupt(call, exc)
            return
        self._interruption = exc
        self._interrupt(call)

    def _interrupt(self, call: TrioCall) -> None:
        call.interrupt(cancel_task=not self._has_cancelled)
        self._now_cancelled()

    async def _leave_forgotten_managers(self, guest: asyncio.Task[Any]) -> None:
        managers = self._bridge.open_managers[guest]
        error: BaseException = RuntimeError(
            f"the asyncio task {guest.get_name()!r} ended and did not leave "
            f"{', '.join(manager.name for manager in managers)}. Write\n"
            "    async with aio2trio(manager):"
        )
        for manager in reversed(list(managers)):
            error = await manager.leave_in_trio(error) or error
            manager.leave_shelter(self)
        self.forgotten = error

    # ---- the outcome

    async def outcome(self, context: Context) -> Any:
        """Wait until the end has come. A checkpoint, always.

        Args:
          context: the guest's; what it has set there is set in the host's.

        Returns:
          The end's value; or it raises its error, as the Trio side should see it.
        """
        try:
            await self.attend()
            if len(context) > 1:  # one is the bridge's own
                carry_back(context)
            return self.result()
        finally:
            del self, context  # an error leads to this frame: no cycles

    def let_go(self) -> None:
        """Nobody asks for the outcome. What may still lead here is not to keep the guest alive."""
        self._interruption = None
        del self._guest, self._end

    def result(self) -> Any:
        """The end's value or error, as the Trio side should see it. To be asked for once."""
        end: Any = self._end  # a task or a step: an adoption has an end, but no outcome
        interruption = self._interruption
        try:
            if self.forgotten is not None:
                set_context(self.forgotten, None if end.cancelled() else end.exception())
                raise_as_it_is(self.forgotten)
            if interruption is None:
                bridge = self._bridge
                if bridge.is_ending and bridge.cancelled_once.has_cancelled(self._guest):
                    bridge.crossing_was_cancelled(self.task)
                return result_of(end)
            if isinstance(interruption, KeyboardInterrupt):
                # Unlike a cancellation it comes once: whatever the guest made of it, it goes on.
                set_context(interruption, None if end.cancelled() else end.exception())
                raise_as_it_is(interruption)
            if end.cancelled():
                raise interruption
            exc = end.exception()
            if isinstance(exc, BaseExceptionGroup):
                raise_as_it_is(convert_group(exc, asyncio.CancelledError, interruption))
            return result_of(end)
        finally:
            # What leaves leads to this frame, and to others that hold the host: no cycles.
            self._interruption = self.forgotten = interruption = exc = None
            del self._guest, self._end, end
