"""asyncio code enters a context manager of Trio's: ``async with`` around an asyncio body.

1. The manager is entered and left in one Trio task: the host of the asyncio task. So a nursery or a
   cancel scope is around all Trio calls of the body, and around the body itself.
2. An asyncio task without a host is adopted by a Trio task of its own until the last of its
   managers is left. So is the task of a generator or an iterator (:mod:`.asyncio_owner`): its next
   step may have another host.
3. If the manager's own scope is cancelled (a child of the nursery fails, a deadline passes), the
   asyncio task gets one ``Task.cancel()``. The manager is left with the ``trio.Cancelled``; if that
   stays in it, the ``Task.cancel()`` is taken back by ``uncancel()``. If somebody else has
   cancelled the task at the same time its ``CancelledError`` goes on, as from ``asyncio.timeout``:
   the scope around the manager is cancelled too, so that no scope of the manager's catches it.
4. If asyncio cancels the body, a scope around the manager is cancelled, and the manager is left
   with the ``trio.Cancelled`` of that. asyncio's ``CancelledError`` goes on. (Where a nursery or
   the loop cancels all its tasks, that scope is cancelled at once; else when the body ends.) If an
   error leaves the manager instead, the task is cancelled once more where it waits next: in Trio an
   error uses no cancellation up, and ``asyncio.TaskGroup`` (Python 3.13) does the same.
5. Managers are left in the reverse order and by the task that entered them. What is never left is
   left with an error that names it when the task ends.
6. In a program that starts from asyncio one task may set up what another takes down, in different
   runs of the loop. There what an adopted task has not left stays open when it ends, any task may
   leave it, and the error comes when the loop is closed.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

import trio

from .._guest_ctrl_c import uninterrupted
from .._private import get_running_loop
from .._untrusted import shown
from .asyncio_manager import details
from .cancellation import convert_group, first_cancelled, holds
from .context import carry_back
from .errors import check_awaitable, raise_as_it_is
from .host import Host
from .out_of_order import leave_out_of_order
from .to_trio import TrioCall, caller, hand_over, outcome, trio_task_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context

    from .._bridge import Bridge
    from .guest_cancellation import Shelter


class TrioManager:
    """One ``async with`` of asyncio code around a manager of Trio's, sync or async."""

    def __init__(self, manager: Any) -> None:
        loop = get_running_loop()
        assert loop is not None
        self.bridge, self.task = caller(loop)
        self.manager: Final = manager
        self.scope: Final = trio.CancelScope()
        self._is_async: Final = hasattr(type(manager), "__aenter__")
        self.trio_task: trio.lowlevel.Task | None = None
        self._shelter: Shelter | None = None
        self.context: Context | None = None
        self._cancelling: Final = self.task.cancelling()

    @property
    def name(self) -> str:
        """For messages."""
        return f"aio2trio({shown(self.manager)})"

    # ---- asyncio side

    async def enter(self) -> Any:
        """Enter the manager. It takes a pass of Trio's scheduler."""
        call = _Enter(self)
        bridge, task = self.bridge, self.task
        lives_in_steps = task in bridge.in_iterations and task not in bridge.adopters
        if lives_in_steps or trio_task_of(bridge, task) is None:
            _Adoption(bridge, call).start()
        else:
            hand_over(bridge, call)
        return await outcome(call)

    async def leave(self, exc: BaseException | None) -> bool:
        """Leave the manager with what came out of the body.

        Returns:
          Whether the exception is to be swallowed.
        """
        if asyncio.current_task() is not self.task and not self._has_outlived_its_task():
            raise RuntimeError(
                f"{self.name} was entered in the asyncio task {self.task.get_name()!r} and left in "
                f"{_task_name()!r}. Leave it in the task that entered it"
            )
        opened = self.bridge.open_managers[self.task]
        if later := opened[opened.index(self) + 1 :]:
            await leave_out_of_order(self, later)
        return await self.leave_here(exc)

    async def leave_here(self, exc: BaseException | None) -> bool:
        """As :meth:`leave`, in the task and the order that are right."""
        if trio_task_of(self.bridge, self.task) is not self.trio_task:
            raise RuntimeError(f"{self.name} is left where the Trio task that entered it is gone")
        task = asyncio.current_task()
        assert task is not None
        is_put_off = await self._put_off_own_cancellation(exc)
        call = _Leave(self, task, exc)
        if task is self.task:
            hand_over(self.bridge, call)
        else:
            self._hand_over_from_other_task(call)
        is_owed = is_put_off
        try:
            is_swallowed: bool = await outcome(call)
            if call.was_cancelled_by_trio and isinstance(exc, asyncio.CancelledError):
                # As in asyncio.timeout(): somebody else has asked as well, at the same time.
                others = self.task.cancelling() - call.has_absorbed_cancellation
                return is_swallowed and others <= self._cancelling
            return is_swallowed
        except asyncio.CancelledError:
            is_owed = False
            if isinstance(exc, asyncio.CancelledError):
                return False  # the body's own goes on
            raise
        except BaseException:
            is_owed = is_put_off or self.scope.cancel_called  # as asyncio has cancelled the task
            raise
        finally:
            if call.has_absorbed_cancellation and self.task.cancelling():
                self.task.uncancel()
                is_owed = is_owed and not is_put_off
            if is_owed and self.task.cancelling():
                self.bridge.cancelled_once.deliver_again(self.task)
            del call, exc, task

    async def _put_off_own_cancellation(self, exc: BaseException | None) -> bool:
        """Whether the body has ended with a ``cancel()`` to come, that is the scope's own.

        An ``asyncio.TaskGroup`` hands on by a new one (Python 3.13) the one which has made its
        children fail. It is not to cancel the leave, which may take it back.
        """
        task = self.task
        host = self.bridge.host_of(task)
        if host is None or host.cancelled_by is None or isinstance(exc, asyncio.CancelledError):
            return False
        if asyncio.current_task() is not task or self.is_cancelled_by_others(host):
            return False
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not self.is_cancelled_by_others(host):
                return True
            self.bridge.cancelled_once.deliver_again(task)  # somebody else has come meanwhile
        return False

    def is_cancelled_by_others(self, host: Host) -> bool:
        """Whether asyncio code has cancelled the task since the manager was entered.

        Args:
          host: the task's, which may have cancelled it for Trio.
        """
        return self.task.cancelling() - (host.cancelled_by is not None) > self._cancelling

    def _hand_over_from_other_task(self, call: _Leave) -> None:
        host = self.bridge.adopters[self.task]
        if not host.is_free:
            raise RuntimeError(f"{self.name} is being left already, or one that is inside of it")
        host.take(call)

    def _has_outlived_its_task(self) -> bool:
        bridge = self.bridge
        return (
            bridge.nursery.lets_managers_outlive_tasks
            and self.task.done()
            and self.task in bridge.adopters
        )

    # ---- Trio side, in the host

    async def enter_in_trio(self) -> Any:
        """Enter the scope and the manager."""
        self.scope.__enter__()
        try:
            value = await self._enter()
        except BaseException as exc:
            scope = self.scope
            del self  # the error leads here, and we to the task that may end by it: no cycles
            if scope.__exit__(*details(exc)):
                return None
            raise
        self.trio_task = task = trio.lowlevel.current_task()
        self.context = task.context
        host = self.bridge.host_of(self.task)
        if host is not None and not _is_cancelled():
            self._shelter = host.enter_shelter()
        self.bridge.open_managers.setdefault(self.task, []).append(self)
        return value

    async def leave_in_trio(self, exc: BaseException | None) -> BaseException | None:
        """Leave the manager and the scope with ``exc``; what leaves them."""
        opened = self.bridge.open_managers[self.task]
        opened.remove(self)
        if not opened:
            del self.bridge.open_managers[self.task]
        try:
            is_swallowed = await self._exit(exc)
            leaving = None if is_swallowed else exc
        except BaseException as new:
            leaving = new
        try:
            if self.scope.__exit__(*details(leaving)):
                return None
        except BaseException as rest:  # a group, without the scope's own cancellation
            return rest
        else:
            return leaving
        finally:
            del self, exc, leaving  # an error leads here: no cycles

    @property
    def is_shelter(self) -> bool:
        """Whether the guest was cancelled before, and the cancellation doesn't reach in here."""
        return self._shelter is not None

    def leave_shelter(self, host: Host) -> None:
        """The manager has been left: what the guest was cancelled for before is all there is."""
        if self._shelter is not None:
            host.leave_shelter(self._shelter)
            self._shelter = None

    @trio.lowlevel.disable_ki_protection
    async def _enter(self) -> Any:
        manager, is_async = self.manager, self._is_async
        del self  # as above
        if is_async:
            entering = type(manager).__aenter__(manager)
            check_awaitable(entering, "__aenter__")
            return await entering
        return type(manager).__enter__(manager)

    async def _exit(self, exc: BaseException | None) -> object:
        manager, is_async = self.manager, self._is_async
        del self  # what leaves leads here, and we to the task that may end by it: no cycles
        if not is_async:
            return type(manager).__exit__(manager, *details(exc))
        leaving = type(manager).__aexit__(manager, *details(exc))
        check_awaitable(leaving, "__aexit__")
        try:
            return await _interruptible(leaving)
        except KeyboardInterrupt:
            if (
                type(leaving) is CoroutineType
                and inspect.getcoroutinestate(leaving) == inspect.CORO_CREATED
            ):
                await leaving  # Ctrl-C came before it could begin
            raise


class _Enter(TrioCall):
    """Leaves its scope open."""

    def __init__(self, manager: TrioManager) -> None:
        super().__init__(
            manager.bridge,
            manager.task,
            manager.enter_in_trio,
            (),
            {},
            cancel_scope=manager.scope,
        )
        self.manager: Final = manager
        self.has_run = False

    async def run_in_scope(self) -> Any:
        try:
            return await self.manager.enter_in_trio()
        finally:
            self.has_run = True
            del self  # an error leads here, and the call to the error: no cycles


class _Leave(TrioCall):
    """Closes the scope that was left open."""

    def __init__(
        self, manager: TrioManager, task: asyncio.Task[Any], exc: BaseException | None
    ) -> None:
        super().__init__(
            manager.bridge, task, manager.leave, (exc,), {}, cancel_scope=manager.scope
        )
        self._incoming: Final = self.context
        assert manager.context is not None
        self.context = manager.context
        self.leaves_manager = True
        self._manager: Final = manager
        self._exc = exc
        self.was_cancelled_by_trio = False
        self.has_absorbed_cancellation = False
        self._is_still_to_come = False

    async def run_in_scope(self) -> bool:
        carry_back(self._incoming)
        exc, self._exc = self._exc, None
        host = self.host
        assert host is not None
        cancelled_by = host.cancelled_by
        passed = await self._as_trio_sees(exc, cancelled_by)
        leaving = await self._manager.leave_in_trio(passed)
        is_owed = self.was_cancelled or host.owes_cancellation
        try:
            # What leaves a shelter is the cancellation outside, by a shield that was lifted: the
            # guest was told of that before, too.
            is_past = self._manager.is_shelter or not (_holds_cancelled(leaving) or _is_cancelled())
            if host.is_cancelled and is_past:
                self.has_absorbed_cancellation = cancelled_by is not None and not host.is_told
                host.forget_cancellation()
            if leaving is None:
                # asyncio has cancelled the enter, or this, and the body had no wait in between.
                self._is_still_to_come = self._manager.scope.cancel_called and is_owed
                return passed is not None
            if leaving is passed and not isinstance(leaving, trio.Cancelled):
                return False
            raise_as_it_is(leaving)
        finally:
            self._manager.leave_shelter(host)
            del self, exc, passed, leaving, host, cancelled_by  # an error leads here: no cycles

    def settle(self) -> None:
        """Give the caller the outcome."""
        if self._is_still_to_come and self._error is None:
            self._forget_task()
            asyncio.Future.cancel(self, self._cancel_message)
        else:
            super().settle()

    async def _as_trio_sees(
        self, exc: BaseException | None, cancelled_by: BaseException | None
    ) -> BaseException | None:
        if isinstance(exc, asyncio.CancelledError):
            return await self._cancelled(cancelled_by) or exc
        if isinstance(exc, BaseExceptionGroup) and holds(exc, asyncio.CancelledError):
            # Perhaps of a Trio call which Trio has cancelled: the task itself may not know yet.
            assert self.host is not None
            cancelled = await self._cancelled(cancelled_by or self.host.cancellation)
            if cancelled is not None:
                return convert_group(exc, asyncio.CancelledError, cancelled)
        return exc

    async def _cancelled(self, cancelled_by: BaseException | None) -> trio.Cancelled | None:
        """The body was cancelled: by Trio, or else by asyncio, which cancels the scope."""
        is_known = isinstance(cancelled_by, trio.Cancelled)
        self.was_cancelled_by_trio = is_known or _is_cancelled()
        # If Trio has, the guest may have got it from a task that it awaits, before its host knows.
        # If both have, scopes of the manager's own are to see that they are not the only ones: else
        # they would swallow the cancellation, or make an error of it.
        assert self.host is not None
        if not self.was_cancelled_by_trio or self._manager.is_cancelled_by_others(self.host):
            self._manager.scope.cancel()
        if isinstance(cancelled_by, trio.Cancelled):
            return cancelled_by
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled as exc:
            return exc
        return None  # the manager is a shield


class _Adoption:
    """A Trio task that is the host of an asyncio task as long as that has managers open."""

    def __init__(self, bridge: Bridge, first_call: _Enter) -> None:
        self._bridge: Final = bridge
        self._nursery: Final = bridge.owning_nursery
        self._first_call: Final = first_call
        self.task = first_call.task
        self.cancel_scope = trio.CancelScope()
        self._callback: Callable[[Any], object] | None = None

    @uninterrupted
    def start(self) -> None:
        """Called on the asyncio side."""
        name = f"{self._first_call.manager.name} and what it is around"
        self._nursery.start_trio_task(self._run, name=name)
        self._nursery.own(self)

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        bridge = self._bridge
        task, first_call = trio.lowlevel.current_task(), self._first_call
        host = Host(bridge, task, self.task, self, bridge.adopters, first_call)
        with self.cancel_scope:
            await host.attend()
            if host.forgotten is not None:
                self._nursery.fail(host.forgotten)
            host.let_go()
        self._nursery.disown(self)
        if self._callback is not None:
            self.task.remove_done_callback(self._callback)
        self._callback = None  # which leads to us, as host does: no cycles
        del self, host, first_call  # frames of errors that were raised in turns made here lead here

    # ---- the end that the host waits for

    def done(self) -> bool:
        bridge = self._bridge
        if self._first_call.has_run and self.task not in bridge.open_managers:
            return True
        return self.task.done() and not self._nursery.lets_managers_outlive_tasks

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context) -> None:
        self._callback = fn
        self.task.add_done_callback(fn, context=context)

    def cancelled(self) -> bool:
        return False


@trio.lowlevel.disable_ki_protection
async def _interruptible(awaitable: Awaitable[object]) -> object:
    return await awaitable


def open_manager(manager: object) -> TrioManager:
    """The ``async with`` that is to be left: the current task's last around ``manager``."""
    loop = get_running_loop()
    assert loop is not None
    bridge, task = caller(loop)
    for opened in reversed(bridge.open_managers.get(task, [])):
        if opened.manager is manager:
            return opened
    for opened in (opened for here in bridge.open_managers.values() for opened in here):
        if opened.manager is manager:
            return opened  # of another task: it will say so
    raise RuntimeError(
        f"aio2trio({shown(manager)}) is to be left, but was not entered, or was left already"
    )


def _task_name() -> str | None:
    task = asyncio.current_task()
    return None if task is None else task.get_name()


def _holds_cancelled(exc: BaseException | None) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return first_cancelled(exc) is not None
    return isinstance(exc, trio.Cancelled)


def _is_cancelled() -> bool:
    """Whether the current Trio task is cancelled by a scope around it."""
    return trio.current_effective_deadline() == -math.inf
