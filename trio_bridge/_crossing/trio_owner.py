"""One Trio task that takes several steps for asyncio code: what a Trio iterator lives in.

1. Each step is a call as in :mod:`.to_trio`, but all run in one task and one context. What the
   caller has set since is carried in, and what a step sets is carried back.
2. The task is shielded: it is cancelled by a cancellation of its caller only, and through that by
   the scopes around the caller's host. While a step is taken it has the host's deadline.
3. A cancel scope that a generator holds open between two steps bounds the next step.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final

import trio
from trio.lowlevel import Abort

from .._guest_ctrl_c import uninterrupted
from .._private import get_running_loop
from .context import carry_back
from .to_trio import TrioCall, caller, outcome, trio_task_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from .._bridge import Bridge
    from .._call_nursery import CallNursery


class TrioOwner:
    """Runs calls for asyncio code in one Trio task, from the first call to the last."""

    def __init__(self, *, at_end: Callable[[], Awaitable[object]], is_generator: bool) -> None:
        loop = get_running_loop()
        assert loop is not None
        self.bridge: Final[Bridge] = caller(loop)[0]
        self.cancellation: BaseException | None = None
        """Always none: a cancellation of Trio's waits for the next step by itself."""
        self.is_ending = False
        """Set in a step: there will be no other."""
        self.is_busy = False
        """Whether a step is being taken."""
        self.has_ended = False
        """Whether there can be no other step."""
        self._at_end: Final = at_end
        self._is_generator: Final = is_generator
        self._has_started = False
        self._task: trio.lowlevel.Task | None = None
        self._scope = trio.CancelScope()
        self._step: _Step | None = None
        self._is_abandoned = False

    @property
    def scope(self) -> trio.CancelScope:
        """The scope around its steps, which is another one after each cancellation."""
        return self._scope

    # ---- asyncio side

    async def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run ``fn(*args)`` in the owner's task."""
        if self.has_ended:
            raise RuntimeError(
                "this generator or iterator of Trio's was begun on an asyncio loop that has ended, "
                "and was closed with it. Begin another on the loop that runs now"
            )
        bridge, task = caller(self.bridge.loop)
        step = _Step(bridge, task, fn, args)
        if task in bridge.cancelled_once.owing and not self.is_ending:
            step.refuse()
            return await outcome(step)
        if bridge.host_of(task) is None:
            step.nursery = bridge.owning_nursery
            step.nursery.own(step)
        self.is_busy = True
        self._step = step
        if self._has_started:
            self._wake()
        else:
            self._has_started = True
            bridge.trio_owners.add(self)
            bridge.nursery.start_trio_task(self._serve, name=step.name)
        try:
            return await outcome(step)
        finally:
            self.is_busy = False
            del step, task  # an error leads to this frame: no cycles

    async def advance(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """As :meth:`call`: a cancellation is delivered in the step."""
        return await self.call(fn, *args)

    async def close(self, fn: Callable[..., Awaitable[Any]]) -> Any:
        """Run ``fn()`` as the last step."""
        self.is_ending = True
        return await self.call(fn)

    def abandon(self) -> None:
        """Nobody will call again: take the last step, some time. From any thread."""
        if self._has_started and not self.has_ended:
            with contextlib.suppress(RuntimeError):  # the loop was closed at this very moment
                self.bridge.loop.call_soon_threadsafe(self.end)

    @uninterrupted
    def end(self) -> None:
        """Nobody will call again: take the last step now."""
        self._is_abandoned = True
        self._wake()

    @uninterrupted  # else it may be forgotten, and never woken
    def _wake(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            self.bridge.reschedule(task)

    # ---- Trio side, in the owner's task

    @trio.lowlevel.enable_ki_protection
    async def _serve(self) -> None:
        try:
            while not self._is_over:
                with trio.CancelScope(shield=True) as self._scope:
                    await self._serve_until_cancelled()
            if self._is_abandoned and not self.is_ending:
                await self._at_end()
        finally:
            self.has_ended = True
            self.bridge.trio_owners.discard(self)
            if self._step is not None:
                self._step.interrupt(cancel_task=False)  # it would wait for ever

    async def _serve_until_cancelled(self) -> None:
        # A generator may hold scopes of its own open, inside of ours: if it has survived the
        # cancellation of a step, which few do, the next step is cancelled too.
        while self._is_generator or not self._scope.cancel_called:
            if self._step is not None:
                step, self._step = self._step, None
                await self._run(step)
                del step
                # Other Trio tasks run even if the next step is there already.
                await trio.lowlevel.cancel_shielded_checkpoint()
            elif self._is_over:
                if self._is_abandoned and not self.is_ending and not self._scope.cancel_called:
                    # In here, as the generator may hold scopes of its own open, inside of ours.
                    self._scope.shield = False
                    self.is_ending = True
                    await self._at_end()
                return
            else:
                await self._wait()

    @property
    def _is_over(self) -> bool:
        return (self.is_ending or self._is_abandoned) and self._step is None

    async def _wait(self) -> None:
        self._task = trio.lowlevel.current_task()
        # Nothing but the scopes of the generator can be cancelled around this, and their turn
        # comes in the next step.
        await trio.lowlevel.wait_task_rescheduled(lambda raise_cancel: Abort.FAILED)

    async def _run(self, step: _Step) -> None:
        bridge = self.bridge
        if step.was_cancelled:
            self._scope.cancel()  # asyncio was faster than Trio's scheduler
        step.cancel_scope = self._scope
        self._scope.deadline = step.deadline
        await step.run()
        self._scope.deadline = math.inf
        if step.nursery is not None:
            step.nursery.disown(step)
        pump = bridge.pump
        with bridge.side:
            is_held = pump.hold_for_code()
            self._hand_back(step)
            del step  # an error of the step leads to this frame: no cycles
            if is_held:
                pump.release(make_turns=True)

    def _hand_back(self, step: _Step) -> None:
        interruption, step.interruption = step.interruption, None
        if isinstance(interruption, KeyboardInterrupt):
            taker = self.bridge.host_of(step.task) or step.nursery or self.bridge.nursery
            taker.interrupt(step, interruption)
        elif step.has_outcome:
            step.settle()
        else:
            step.interrupt(cancel_task=False)


class _Step(TrioCall):
    """A call that runs in an owner, in the scope that is open there."""

    def __init__(
        self,
        bridge: Bridge,
        task: asyncio.Task[Any],
        fn: Callable[..., Awaitable[Any]],
        args: Sequence[Any],
    ) -> None:
        super().__init__(bridge, task, fn, args, {}, cancel_scope=trio.CancelScope())
        self.nursery: CallNursery | None = None
        """The nursery that owns the step's caller, if no Trio task hosts that."""
        self._incoming: Final = self.context
        trio_task = trio_task_of(bridge, task)
        self.deadline: Final = (
            math.inf
            if trio_task is None
            else bridge.side.call_trio(trio_task, trio.current_effective_deadline)
        )

    async def run_in_scope(self) -> Any:
        carry_back(self._incoming)
        self.context_before = self.context.copy()
        function = self._call_function()
        del self  # an error leads here: no cycles
        return await function

    @trio.lowlevel.disable_ki_protection
    async def _call_function(self) -> Any:
        fn, args = self._fn, self._args
        del self  # as above
        return await fn(*args)
