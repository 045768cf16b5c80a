"""Trio code enters a context manager of asyncio's: ``async with`` around a Trio body.

1. The manager is entered and left in one asyncio task (:mod:`.asyncio_owner`), which waits while
   the Trio body runs.
2. If asyncio cancels that task meanwhile (``asyncio.timeout``, a task group with a failing child),
   the body is cancelled, by a scope around it, and the manager is left with the ``CancelledError``.
3. If Trio cancels the body, the task gets one ``Task.cancel()``, and the manager is left with that
   ``CancelledError``. So it is if the cancellation is pending when the body ends: Trio cancels the
   manager at the end of the body, and not in its clean-up.
4. A cancellation that comes while the manager leaves is one ``Task.cancel()``, as in any crossing.
5. What comes out is what would come out of ``async with`` in asyncio. Where that is the
   ``CancelledError`` of rule 3, the body's own exception goes on.
6. A manager that is never left is left by its loop, which ends with an error that names it; or when
   asyncio cancels its task, and the Trio task that entered it has ended. Before it those are left
   that the Trio task entered later. One that is left before another that was entered later takes
   that one with it, with an error. But if one that the Trio task has entered holds a manager of
   Trio's open, which only that task can leave, a loop that ends cancels the bodies, and waits until
   all are left.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

import trio

from .._bridge import below, by_loop
from .._exits import bare_exit
from .._untrusted import is_coroutine, set_context, set_traceback, shown
from .asyncio_owner import AsyncioOwner
from .cancellation import convert_group, first_cancelled, pending_interruption
from .errors import check_awaitable
from .out_of_order import leave_out_of_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .._bridge import Bridge


class AsyncioManager:
    """One ``async with`` of Trio code around a manager of asyncio's, sync or async."""

    def __init__(self, manager: Any) -> None:
        self.manager: Final = manager
        self._is_async: Final = hasattr(type(manager), "__aenter__")
        self._owner: Final = AsyncioOwner(
            at_end=self._leave_forgotten,
            on_cancel=self._cancel_body,
            can_end=self._can_be_left_forgotten,
            is_manager=True,
        )
        self._bridge: Final = self._owner.bridge
        self._body_scope: Final = trio.CancelScope()
        self._has_begun = False
        self._is_entered = False
        self._is_body_left = False
        self._is_ended_by_loop = False
        self._watch: _Watch | None = None
        self._task: Final = trio.lowlevel.current_task()

    @property
    def body_scope(self) -> trio.CancelScope:
        """The scope around the Trio body."""
        return self._body_scope

    @property
    def asyncio_task(self) -> asyncio.Task[None] | None:
        """The task that has entered the manager."""
        return self._owner.task

    # ---- Trio side

    @trio.lowlevel.enable_ki_protection
    async def enter(self) -> Any:
        """Enter the manager, and the scope around the body. A checkpoint."""
        entered = self._bridge.entered.setdefault(self._task, [])
        entered.append(self)
        try:
            value = await self._owner.call(self._enter)
            entered.remove(self)  # what it has entered itself, in this task, is around its body
            entered.append(self)
        except BaseException as exc:
            self._let_go()
            if self._is_entered:  # Ctrl-C came on the way back
                await self._leave_in_owner(exc, exc, by_asyncio=False)
            elif not self._has_begun and is_coroutine(self.manager):
                self.manager.close()  # else Python warns that it was never awaited
            raise
        self._body_scope.__enter__()
        if self._owner.cancellation is not None:
            self._body_scope.cancel()  # by asyncio, before the scope was there
        return value

    @trio.lowlevel.enable_ki_protection
    async def leave(self, exc: BaseException | None) -> bool:
        """Leave the manager with what came out of the body. A checkpoint.

        Returns:
          Whether the exception is to be swallowed.
        """
        if trio.lowlevel.current_task() is not self._task:
            return await self._leave_elsewhere(exc)
        if later := self._entered_later():
            await leave_out_of_order(self, later)
        return await self.leave_here(exc)

    async def leave_here(self, exc: BaseException | None) -> bool:
        """As :meth:`leave`, in the task and the order that are right."""
        self._let_go()
        traceback = None if exc is None else exc.__traceback__
        came, by_asyncio = self._leave_body_scope(exc)
        by_asyncio |= self._is_ended_by_loop  # even if the body was shielded from that
        interruption = None
        try:
            interruption = _interruption_in(came) or await pending_interruption()
            if self._owner.has_ended:
                self._bridge.crossing_was_cancelled(self._task)
                raise self._forgotten()
            if await self._leave_in_owner(came, interruption, by_asyncio=by_asyncio):
                return True
            if came is None and interruption is not None:
                raise interruption
            if came is None and by_asyncio:
                # Trio may have cancelled meanwhile; that comes first.
                raise await pending_interruption() or self._owner.cancelled()
            if came is not None and came is not exc:
                raise came
            return False
        except BaseException as leaving:
            if exc is not None and leaving is exc:
                set_traceback(exc, traceback)  # it goes on as it came
                return False
            raise
        finally:
            del exc, came, interruption, traceback  # an error leads here: no cycles

    def _leave_body_scope(self, exc: BaseException | None) -> tuple[BaseException | None, bool]:
        """What came out of the scope, and whether asyncio's cancellation stayed in it."""
        try:
            if self._body_scope.__exit__(*details(exc)) and exc is not None:
                return None, True
        except BaseException as rest:  # a group, without the cancellation
            return rest, True
        return exc, False

    async def _leave_in_owner(
        self, came: BaseException | None, interruption: BaseException | None, *, by_asyncio: bool
    ) -> bool:
        is_cancelled = by_asyncio or interruption is not None
        leaving = self._owner.leave(
            self._leave,
            *(came, is_cancelled),
            interruption=interruption,
            is_thrown=interruption is not None,
        )
        del came, interruption  # an error leads here: no cycles
        is_swallowed: bool = await leaving
        return is_swallowed

    # ---- Trio side: what should not happen

    async def _leave_elsewhere(self, exc: BaseException | None) -> bool:
        here = trio.lowlevel.current_task()
        error = RuntimeError(
            f"{self.name} was entered in the Trio task {self._task.name!r} and left in "
            f"{here.name!r}. Leave it in the task that entered it"
        )
        if isinstance(exc, GeneratorExit):
            # A generator that is finalized in another task: nobody will come back to leave it. The
            # scope can't be left from here, and stays.
            self._let_go()
            await self._leave_in_owner(exc, None, by_asyncio=False)
        raise error

    def _entered_later(self) -> list[AsyncioManager]:
        entered = self._bridge.entered.get(self._task, [])
        return entered[entered.index(self) + 1 :] if self in entered else []

    def leave_body_forgotten(self) -> None:
        """The loop's block ends in this task, and the manager is left by the loop."""
        self._is_body_left = True
        self._body_scope.__exit__(None, None, None)

    def _let_go(self) -> None:
        if self._watch is not None:
            self._watch.end()
            self._watch = None
        entered = self._bridge.entered[self._task]
        entered.remove(self)
        if not entered:
            del self._bridge.entered[self._task]

    @property
    def name(self) -> str:
        """For messages."""
        return f"trio2aio({shown(self.manager)})"

    def _forgotten(self) -> RuntimeError:
        return RuntimeError(
            f"{self.name} was entered and not left before its loop ended. Write\n"
            "    async with trio2aio(manager):\n"
            "in a task that ends inside the loop's block"
        )

    # ---- asyncio side, in the owner's task

    async def _enter(self) -> Any:
        manager = self.manager
        self._has_begun = True
        try:
            if self._is_async:
                entering = type(manager).__aenter__(manager)
                check_awaitable(entering, "__aenter__")
                value = await entering
            else:
                value = type(manager).__enter__(manager)
            self._is_entered = True
            return value
        except BaseException:
            self._owner.is_ending = True
            raise

    def end(self) -> asyncio.Task[None] | None:
        """Nobody will leave it: it is left now, by the task that is returned."""
        return self._owner.end()

    def _cancel_body(self) -> None:
        self._body_scope.cancel()
        if inspect.getcoroutinestate(self._task.coro) == inspect.CORO_CLOSED:
            self._owner.end()  # the Trio task has ended, and nobody will leave the manager
        elif self._watch is None:
            self._watch = _Watch(self._task, self._owner.abandon)

    def _can_be_left_forgotten(self) -> bool:
        """Whether the loop, which ends, can leave it while the Trio body goes on.

        Not if one that this Trio task has entered holds a manager of Trio's open: only the Trio
        task can leave that. Then the bodies are cancelled, and it leaves all of them.
        """
        if self._is_body_left:
            return True
        entered = self._bridge.entered.get(self._task, ())
        if not any(manager.holds_trio_managers() for manager in entered):
            return True
        self._cancel_body()
        self._is_ended_by_loop = True
        return False

    def holds_trio_managers(self) -> bool:
        """Whether it has managers open that only the Trio task of the body can leave."""
        task = self._owner.task
        if task is None or inspect.getcoroutinestate(self._task.coro) == inspect.CORO_CLOSED:
            return False
        managers = self._bridge.open_managers.get(task, ())
        return any(manager.trio_task is self._task for manager in managers)

    async def _leave(self, came: BaseException | None, is_cancelled: bool) -> bool:
        exc = self._as_asyncio_sees(came, is_cancelled)
        if exc is None:
            await self._exit(None)
            return False
        traceback = exc.__traceback__
        try:
            try:
                raise exc  # as in a body, so that it becomes the context of what __aexit__ raises
            except BaseException:
                set_traceback(exc, traceback)
                return bool(await self._exit(exc))
        except BaseException as leaving:
            if leaving is exc:
                return False
            raise
        finally:
            del exc, came

    async def _exit(self, exc: BaseException | None) -> object:
        manager = self.manager
        if self._is_async:
            leaving = type(manager).__aexit__(manager, *details(exc))
            check_awaitable(leaving, "__aexit__")
            return await leaving
        return type(manager).__exit__(manager, *details(exc))

    def _as_asyncio_sees(
        self, came: BaseException | None, is_cancelled: bool
    ) -> BaseException | None:
        cancelled = self._owner.cancelled()
        if came is None:
            return cancelled if is_cancelled else None
        if isinstance(came, trio.Cancelled | KeyboardInterrupt):
            return cancelled
        if isinstance(came, BaseExceptionGroup):
            return convert_group(came, trio.Cancelled, cancelled)
        return came

    async def _leave_forgotten(self) -> None:
        self._cancel_body()
        await self._end_later()
        error = self._forgotten()
        try:
            await self._leave(None, is_cancelled=True)
        except BaseException as exc:
            leaving = bare_exit(exc)
            if isinstance(leaving, SystemExit | KeyboardInterrupt):
                raise leaving from error
            set_context(error, exc)
        raise error

    async def _end_later(self) -> None:
        """What the Trio task entered later is inside of this manager, and is left before it."""
        later = self._entered_later()
        ending = {task for manager in later if (task := manager.end()) and not task.done()}
        while ending:
            with contextlib.suppress(asyncio.CancelledError):  # once more: it is being left already
                _, ending = await asyncio.wait(ending)


class _Watch(trio.abc.Instrument):
    """Notices the end of a Trio task. Not for long: while there is one, each task ends slower."""

    def __init__(self, task: trio.lowlevel.Task, ended: Callable[[], object]) -> None:
        self._task: Final = task
        self._ended: Final = ended
        trio.lowlevel.add_instrument(self)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Trio says so of each task."""
        if task is self._task:
            self.end()
            self._ended()

    def end(self) -> None:
        """Look no more."""
        with contextlib.suppress(KeyError):  # it has ended already
            trio.lowlevel.remove_instrument(self)


def entered_manager(manager: object) -> AsyncioManager:
    """The ``async with`` that is to be left: the last of the current task's around ``manager``."""
    task = trio.lowlevel.current_task()
    entered = [bridge.entered for bridge in _bridges_here()]
    for entry in reversed([entry for by_task in entered for entry in by_task.get(task, ())]):
        if entry.manager is manager:
            return entry
    for entry in (entry for by_task in entered for here in by_task.values() for entry in here):
        if entry.manager is manager:
            return entry  # of another task: it will say so
    raise RuntimeError(
        f"trio2aio({shown(manager)}) is to be left, but was not entered, or was left already"
    )


def _bridges_here() -> list[Bridge]:
    # Of all loops: a generator that is finalized is in no loop's block.
    bridges = [bridge for bridge in by_loop.values() if bridge.thread == get_ident()]
    # A task that has outlived its loop still has the scope around its body to leave.
    here = below.get()
    return bridges if here is None or here.is_open else [*bridges, here]


def details(
    exc: BaseException | None,
) -> tuple[type[BaseException] | None, BaseException | None, TracebackType | None]:
    """What ``__exit__`` is called with."""
    return (None, None, None) if exc is None else (type(exc), exc, exc.__traceback__)


def _interruption_in(exc: BaseException | None) -> BaseException | None:
    if isinstance(exc, trio.Cancelled | KeyboardInterrupt):
        return exc
    return first_cancelled(exc) if isinstance(exc, BaseExceptionGroup) else None
