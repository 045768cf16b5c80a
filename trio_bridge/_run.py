"""The life of a loop: ``run`` and ``open_loop``.

An open loop ends in named phases, all of them shielded from cancellation:

1. *cancel*: cancel the asyncio tasks that remain, and await them, until there are none;
2. *generators*: finalize the async generators;
3. *executor*: shut the default executor down;
4. *threads*: refuse what other threads ask for, when what they have asked for is done;
5. *close*: close the loop.

Then the errors leave the block: see :func:`_what_leaves`.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar, TypeVarTuple

import trio

from . import _private
from ._asyncio_side import AsyncioSide
from ._bridge import Bridge, below
from ._crossing import crossing_to_asyncio
from ._crossing.errors import explain, note_scope, place_of_caller, trim
from ._engines import make_engine
from ._generator_hooks import hooks_here
from ._guest import forget_inherited
from ._pump import Pump
from ._task_nursery import LoopNursery
from ._tracking import Tracking, check_on_error
from ._tree_signal import TreeSignal
from ._untrusted import set_context, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from types import TracebackType

    from ._tracking import ErrorHandler, OnError
    from ._tree_signal import SignalName

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(
    async_fn: Callable[[*Ts], Awaitable[T]],
    *args: *Ts,
    engine: str | None = None,
    on_error: Literal["raise", "log"] | ErrorHandler = "raise",
    cancel_warn_after: float | None = 5.0,
    redeliver_cancel_after: float | None = None,
    tree_signal: SignalName | None = None,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
    restrict_keyboard_interrupt_to_checkpoints: bool = False,
    strict_exception_groups: bool = True,
) -> T:
    """Run a Trio program with an asyncio loop open for all of it.

    Args:
      async_fn: the main function, Trio side; called with ``*args``.
      engine, on_error, cancel_warn_after, redeliver_cancel_after, tree_signal: as for
        :func:`open_loop`.
      clock, instruments, restrict_keyboard_interrupt_to_checkpoints, strict_exception_groups:
        as for :func:`trio.run`.

    Returns:
      What ``async_fn`` returns.

    Raises:
      TypeError: ``async_fn`` is no async function, or an option is of a wrong type.
      RuntimeError: it is called from asyncio code, or from Trio code.
      ValueError, ImportError, RuntimeError: an option can't be had, as for :func:`open_loop`.
      BaseException: what ``async_fn`` raises, bare, as from :func:`trio.run`; with other errors in
        a group if asyncio code failed where nobody awaits it (``on_error``). Ctrl-C cancels the
        asyncio code that the main task waits for, and comes out as :exc:`KeyboardInterrupt`.

    A plain function, which blocks until the program has ended: no checkpoint, and nothing around it
    to cancel it. Rules: 4.4 and 4.5 of the contract.
    """
    _check_is_function(async_fn)
    _check_clock(clock)
    if _private.get_running_loop() is not None:
        raise RuntimeError(
            "trio_bridge.run() was called from asyncio code, whose loop it would block. "
            "Write `await aio2trio(async_fn)(*args)` to call Trio code from there"
        )

    forget_inherited()
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "trio_bridge.run() was called from Trio code, which it would block. Write\n"
            "    async with trio_bridge.open_loop():\n"
            "to use asyncio code there"
        )

    async def main() -> T:
        async with open_loop(
            engine=engine,
            on_error=on_error,
            cancel_warn_after=cancel_warn_after,
            redeliver_cancel_after=redeliver_cancel_after,
            tree_signal=tree_signal,
        ):
            value = await _called(async_fn, args)
        return value

    try:
        return trio.run(
            main,
            clock=clock,
            instruments=instruments,
            restrict_keyboard_interrupt_to_checkpoints=restrict_keyboard_interrupt_to_checkpoints,
            strict_exception_groups=strict_exception_groups,
        )
    except BaseException as exc:
        raise trim(exc)  # noqa: B904 -- the same exception, with a shorter traceback


def open_loop(
    *,
    engine: str | None = None,
    on_error: OnError = "raise",
    cancel_warn_after: float | None = 5.0,
    redeliver_cancel_after: float | None = None,
    tree_signal: SignalName | None = None,
) -> AbstractAsyncContextManager[asyncio.AbstractEventLoop, None]:
    """Open an asyncio loop for the Trio code in the block, and the tasks started there.

    Several loops may be open at once, side by side or nested; code uses the innermost.

    Args:
      engine: what implements the loop: ``"selector"``, ``"uvloop"``, ``"portable"``, or ``None``
        for the ``TRIO_BRIDGE_ENGINE`` variable and else the platform's default.
      on_error: what becomes of an exception that asyncio would only log: ``"raise"`` cancels the
        block, and it leaves as an :exc:`ExceptionGroup`; ``"log"`` is asyncio's way; a plain
        function is called on the asyncio side with the loop and asyncio's context dict, and what it
        raises ends the block instead. A handler that is set with
        ``loop.set_exception_handler`` wins.
      cancel_warn_after: a :exc:`RuntimeWarning` when a cancelled asyncio task has not ended after
        so many seconds; ``None``: never.
      redeliver_cancel_after: cancel such a task again every so many seconds; ``None``: never.
      tree_signal: a signal (``"SIGUSR1"``) on which the task tree is printed to stderr while the
        block lasts, as by :func:`.inspect.print_tree`. In the main thread only.

    Returns:
      An async context manager, whose value is the loop.

    Raises:
      TypeError: an option is of a wrong type (``engine``: on entering).
      ValueError: an unknown ``engine`` (on entering) or ``on_error``, seconds that are not
        positive, or a ``tree_signal`` that is no signal, or has another meaning.
      ImportError: on entering: ``"uvloop"`` is meant, and is not installed.
      RuntimeError: on entering: no Trio code calls it, the block was used already, ``tree_signal``
        is set outside of the main thread, or the engine needs what this platform, or this uvloop,
        doesn't have.
      BaseExceptionGroup: leaves the block if asyncio code failed where nobody awaits it
        (``on_error``).

    Entering is no checkpoint. Leaving is one: it cancels the asyncio tasks that remain, awaits
    them, finalizes async generators, shuts the default executor down and closes the loop.
    Cancellation does not cut that short. Rules: 4.4 and 4.5 of the contract.
    """
    return _OpenLoop(engine, on_error, cancel_warn_after, redeliver_cancel_after, tree_signal)


def _check_is_function(async_fn: object) -> None:
    if inspect.iscoroutine(async_fn):
        async_fn.close()  # else Python warns that it was never awaited, which is beside the point
        raise TypeError(
            "trio_bridge.run() takes the async function, not a coroutine object. Write\n"
            f"    trio_bridge.run({async_fn.__name__}, ...)\n"
            f"instead of trio_bridge.run({async_fn.__name__}(...))"
        )
    if not callable(async_fn):
        raise TypeError(
            f"trio_bridge.run() takes an async function, not {shown(async_fn)}. Write\n"
            "    async def main(): ...\n"
            "    trio_bridge.run(main, ...)"
        )


def _called(async_fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> Awaitable[T]:
    awaitable = async_fn(*args)
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"{getattr(async_fn, '__qualname__', 'what trio_bridge.run() was given')} is no async "
            f"function: it returned {shown(awaitable)}, which can't be awaited. For\n"
            "    trio_bridge.run(main)\n"
            "write `async def` main(), and `return`, not `yield`, in it"
        )
    return awaitable


def _check_clock(clock: object) -> None:
    if clock is not None and not callable(getattr(clock, "start_clock", None)):
        raise TypeError(
            f"clock={shown(clock)}: write a trio.abc.Clock, as trio.testing.MockClock(), or None"
        )


_BLOCK: Final = "    async with trio_bridge.open_loop():"


class _OpenLoop(AbstractAsyncContextManager["asyncio.AbstractEventLoop", None]):
    # A class, not a generator with @asynccontextmanager: Ctrl-C may come while contextlib's frames
    # run, between the two of which nobody would own the loop.

    def __init__(
        self,
        engine: str | None,
        on_error: OnError,
        cancel_warn_after: float | None,
        redeliver_cancel_after: float | None,
        tree_signal: SignalName | None,
    ) -> None:
        check_on_error(on_error)
        _check_seconds("cancel_warn_after", cancel_warn_after)
        _check_seconds("redeliver_cancel_after", redeliver_cancel_after)
        self._engine_name = engine
        self._on_error: OnError = on_error
        self._cancel_warn_after = cancel_warn_after
        self._redeliver_cancel_after = redeliver_cancel_after
        self._opened: Final = place_of_caller()
        self._tree_signal = TreeSignal(tree_signal)
        self._was_entered = False

    def __enter__(self) -> NoReturn:
        raise TypeError(f"open_loop() is for `async with`. Write\n{_BLOCK}")

    def __exit__(self, *details: object) -> None:
        """Python looks for it before it enters."""

    @trio.lowlevel.enable_ki_protection
    async def __aenter__(self) -> asyncio.AbstractEventLoop:
        if not trio.lowlevel.in_trio_task():
            raise RuntimeError(
                "open_loop() needs a Trio task. Start the program with trio_bridge.run(main)"
            )
        if self._was_entered:
            raise RuntimeError(f"what open_loop() returns is for one block. Write\n{_BLOCK}\nagain")
        self._tree_signal.check_thread()
        for callback in _private.weakref_callbacks():
            trio.lowlevel.enable_ki_protection(callback)
        self._engine = engine = make_engine(self._engine_name)
        self._was_entered = True
        loop = engine.loop
        self._hooks = hooks_here()
        side = AsyncioSide(loop, self._hooks.pair)
        self._pump = Pump(engine, side)
        self._owner = LoopNursery(loop)
        self._bridge = bridge = Bridge(
            loop,
            side=side,
            nursery=self._owner,
            pump=self._pump,
            cancel_warn_after=self._cancel_warn_after,
            redeliver_cancel_after=self._redeliver_cancel_after,
        )
        bridge.tracking = self._tracking = Tracking(loop, self._owner, self._on_error)
        self._pump.on_exit = bridge.asyncio_code_exits
        self._pump.on_failure = self._owner.fail
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        self._outer = below.get()
        self._hooks.add(loop, _private.asyncgen_hooks(loop))
        engine.start()
        bridge.open()
        below.set(bridge)
        self._nursery.start_soon(self._pump.run)
        self._owner.open(self._nursery, side)
        self._owner.body_scope.__enter__()
        self._tree_signal.install()
        return loop

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._was_entered:
            raise RuntimeError(f"this open_loop() was not entered. Write\n{_BLOCK}")
        body = exc
        try:
            self._bridge.leave_forgotten_bodies()
            if self._owner.body_scope.__exit__(exc_type, exc, traceback):
                body = None
        except BaseException as rest:  # a group, without our scope's cancellations
            body = rest
        # In a task of its own: Trio delivers Ctrl-C to the main task, however shielded.
        self._nursery.start_soon(self._end)
        interruption = None
        try:
            await self._nursery_manager.__aexit__(None, None, None)
        except BaseException as closing_exc:
            interruption = closing_exc
        self._tree_signal.remove()
        below.set(self._outer)
        leaving = _what_leaves(self._owner, body, interruption)
        if self._owner.errors and isinstance(leaving, BaseExceptionGroup):
            note_scope(leaving, "the block of its asyncio loop", self._opened)
        if leaving is not None and leaving is not exc:
            context = leaving.__context__
            try:
                raise leaving
            finally:
                set_context(leaving, context)  # not the cancellation of the body
                del leaving, context  # no cycles

    @trio.lowlevel.enable_ki_protection
    async def _end(self) -> None:
        bridge, loop = self._bridge, self._bridge.loop
        phases = (self._cancel_tasks, self._shut_generators, loop.shutdown_default_executor)
        try:
            with trio.CancelScope(shield=True):
                # If the surroundings were cancelled just now, those who watch that come first.
                await trio.lowlevel.cancel_shielded_checkpoint()
                bridge.is_ending = True
                bridge.nursery.start_closing()
                for phase in phases:
                    await _run_phase(phase)
                await self._refuse_threads()
                for owner in list(bridge.trio_owners):
                    owner.end()
        finally:
            self._pump.stop()
            self._close()
            self._nursery.cancel_scope.cancel()

    async def _refuse_threads(self) -> None:
        """Do what other threads have asked for, and refuse more, until no task is left.

        A Trio task that outlives the block may have called asyncio meanwhile, too. No checkpoint
        between the last look and the end, or its call would wait for a loop that is closed.
        """
        loop, calls = self._bridge.loop, self._engine.thread_calls
        chances = _CHANCES
        while True:
            calls.shut()
            await _run_phase(_two_turns)
            if not asyncio.all_tasks(loop):
                await _run_phase(_two_turns)  # those who wait for what ended now are told
                if not asyncio.all_tasks(loop):
                    return
            if chances:
                chances -= 1
                calls.open()  # what cleans up may wait for threads of its own
            while asyncio.all_tasks(loop):
                await _run_phase(self._cancel_tasks)

    def _close(self) -> None:
        loop = self._bridge.loop
        self._bridge.open_in = None
        self._engine.end()
        with self._bridge.side:  # transports are closed, and their clean-up is asyncio code
            loop.close()
        self._hooks.remove(loop)
        self._tracking.close()
        self._bridge.close()

    async def _cancel_tasks(self) -> None:
        await self._owner.cancel_tasks(self._bridge, "as its loop is closing")

    async def _shut_generators(self) -> None:
        # A Trio task that outlives the block may take a step of one, which can't be closed then: no
        # turn between the last look and the end. One that goes on and on is told some time.
        this_task = asyncio.current_task()
        for _ in range(_MOST_STEPS):
            if not self._owner.remaining(self._bridge) - {this_task}:
                break
            await self._cancel_tasks()
        await self._bridge.loop.shutdown_asyncgens()


def _check_seconds(option: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int | float):
        raise TypeError(f"{option}={shown(value)}: write a number of seconds, or None")
    if not value > 0:
        raise ValueError(f"{option}={shown(value)}: write a positive number of seconds, or None")


async def _run_phase(phase: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await crossing_to_asyncio(phase)()
        except asyncio.CancelledError:
            continue  # by a task that cleans up by cancelling all tasks, the phase's included
        return


async def _two_turns() -> None:
    """Run what is in the loop's queue, and the first step of the tasks that this has started."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


# More than a Trio task takes that is cancelled in each: see Bridge.crossing_was_cancelled.
_MOST_STEPS: Final = 200
# Threads that don't stop to start tasks can't keep the loop open for ever: they are refused for
# good after so many times.
_CHANCES: Final = 3


def _what_leaves(
    owner: LoopNursery, body: BaseException | None, interruption: BaseException | None
) -> BaseException | None:
    """The exception that leaves the block, whose body ended with ``body``.

    1. ``SystemExit`` and ``KeyboardInterrupt`` that asyncio code raised, or a Ctrl-C while the loop
       was closing, leave bare; all other errors are their context.
    2. Errors that asyncio would log leave in a group, together with the body's own.
    3. The body's exception leaves as it is.
    """
    unhandled = owner.errors
    errors = list(unhandled)
    if body is not None and not (unhandled and isinstance(body, trio.Cancelled)):
        errors.insert(0, body)
    for error in errors:
        explain(error)
    exits = [*owner.exits, *_exits(body), *_exits(interruption)]
    if exits:
        errors = [error for error in [*errors, *exits] if error is not exits[0]]
        if errors:
            set_context(exits[0], BaseExceptionGroup(_UNHANDLED, errors))
        return exits[0]
    if interruption is not None:
        if interruption.__context__ is None:
            set_context(interruption, body)
        return interruption  # the loop couldn't be closed, or a bug of the bridge's own
    if unhandled:
        return BaseExceptionGroup(_UNHANDLED, errors)
    return body


_UNHANDLED: Final = "unhandled errors in the asyncio loop"


def _exits(exc: BaseException | None) -> list[BaseException]:
    """``SystemExit`` or ``KeyboardInterrupt``, bare or alone in the nursery's group."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return [exc] if isinstance(exc, SystemExit | KeyboardInterrupt) else []
