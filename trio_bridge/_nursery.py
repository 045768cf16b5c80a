"""``open_asyncio_nursery``: a nursery for asyncio tasks, in Trio code.

It is a Trio nursery whose children are crossings to asyncio, and owns besides what asyncio code
starts by itself in its context (:mod:`._task_nursery`).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import weakref
from contextlib import AbstractAsyncContextManager
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeVarTuple

import trio

from ._bridge import below, by_loop, current_bridge, owning
from ._crossing import call_trio_plain, crossing_to_asyncio
from ._crossing.errors import note_scope, place_of_caller, trim
from ._private import get_running_loop
from ._task_nursery import TaskNursery
from ._tracking import Tracking
from ._untrusted import set_context, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from ._bridge import Bridge

Ts = TypeVarTuple("Ts")

# The message of the group that leaves a nursery: Trio's, by whose text it is known, and ours.
_TRIOS: Final = "Exceptions from Trio nursery"
_OURS: Final = "errors in an asyncio nursery"


class _Owner(Protocol):
    """What the user's nursery needs of :class:`BlockNursery`: types of the bridge's stay inside."""

    @property
    def scope(self) -> trio.CancelScope: ...

    @property
    def description(self) -> str: ...

    def start_child(
        self, async_fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], name: str | None, /
    ) -> None: ...

    async def await_start(
        self, async_fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], name: str | None, /
    ) -> Any: ...


class AsyncioNursery:
    """What ``async with open_asyncio_nursery() as nursery`` gives."""

    def __init__(self, owner: _Owner) -> None:
        self._owner: Final = owner

    @property
    def cancel_scope(self) -> trio.CancelScope:
        """The scope around the block. Its ``cancel()`` cancels the body, and all tasks inside."""
        return self._owner.scope

    def start_soon(
        self,
        async_fn: Callable[[*Ts], Awaitable[object]],
        *args: *Ts,
        name: str | None = None,
    ) -> None:
        """Start an asyncio task that the nursery waits for.

        Args:
          async_fn: an asyncio function; called with ``*args``.
          name: of the asyncio task, and of the Trio task that waits for it; by default the one is
            named by asyncio (``Task-7``), the other after the function.

        Raises:
          TypeError: ``async_fn`` is a coroutine object, or can't be called.
          RuntimeError: the nursery has ended, or it is called in another thread than the loop's.

        Not a checkpoint. The task runs as a crossing to asyncio of its own: what it raises cancels
        the nursery, and the scopes around the nursery bound it. May be called from asyncio code.
        """
        _check(async_fn, "start_soon")
        call_trio_plain(self._owner.start_child, async_fn, args, name)

    async def start(
        self, async_fn: Callable[..., Awaitable[object]], *args: Any, name: str | None = None
    ) -> Any:
        """Start an asyncio task, and wait until it says that it has started.

        Args:
          async_fn: an asyncio function; called with ``*args`` and ``task_status``, whose
            ``started(value=None)`` it calls when it is ready. It belongs to the caller until then.
          name: as for :meth:`start_soon`.

        Returns:
          The value that ``started`` was called with.

        Raises:
          RuntimeError: the function ended without ``started()``, the nursery has ended, or it is
            called in another thread than the loop's, or in asyncio code.
          TypeError: ``async_fn`` is a coroutine object, or can't be called.
          BaseException: what the function raised before it called ``started()``.

        A checkpoint, on the Trio side. If it is cancelled, so is the task.
        """
        _check(async_fn, "start")
        return await self._owner.await_start(async_fn, args, name)

    def __repr__(self) -> str:
        """Whether it is still open, and how many tasks it has."""
        return f"<asyncio nursery, {self._owner.description}>"


def _check(async_fn: object, method: str) -> None:
    if inspect.iscoroutine(async_fn):
        name = async_fn.__name__
        async_fn.close()  # else Python warns that it was never awaited, which is beside the point
        raise TypeError(
            f"nursery.{method}() takes the asyncio function, not a coroutine object. Write\n"
            f"    nursery.{method}({name}, ...)\n"
            f"instead of nursery.{method}({name}(...))"
        )
    if not callable(async_fn):
        raise TypeError(
            f"nursery.{method}() takes an asyncio function, not {shown(async_fn)}. To await an "
            f"object, write\n    async def wait():\n        return await awaitable\n"
            f"    nursery.{method}(wait)"
        )


def _check_thread(bridge: Bridge, method: str) -> None:
    # A loop that isn't ours may run in another thread now, before the bridge has noticed.
    if bridge.thread != get_ident() and get_running_loop() is not bridge.loop:
        raise RuntimeError(
            f"{method}() was called from another thread than the loop's. Write\n"
            f"    loop.call_soon_threadsafe({method}, ...)"
        )


def _name(async_fn: object) -> str:
    return str(getattr(async_fn, "__qualname__", async_fn))


class BlockNursery(TaskNursery):
    """Owns what is started in one ``open_asyncio_nursery`` block."""

    def __init__(self, bridge: Bridge, trio_nursery: trio.Nursery) -> None:
        super().__init__(bridge.loop, trio_nursery.cancel_scope)
        self.parent = _innermost_open(owning.get())
        self._bridge: Final = bridge
        self._children = 0
        self._child_ended: Final = trio.lowlevel.ParkingLot()
        self._running: list[weakref.ref[asyncio.Task[Any]]] = []
        """At the end: what to wait for."""
        self.open(trio_nursery, bridge.side)
        bridge.nurseries.add(self)

    @property
    def description(self) -> str:
        """For a person."""
        if not self.is_open:
            return "ended"
        return f"{self._children} started in it, {len(self.running_tasks())} by asyncio code"

    def running_tasks(self) -> set[asyncio.Task[Any]]:
        """The asyncio tasks that have not ended, however they were started."""
        bridge = by_loop.get(self.loop)
        if bridge is None:
            return set()  # the nursery has outlived its loop, which has ended them
        tracking = bridge.tracking
        assert tracking is not None
        return self.tasks.known_running().union(tracking.direct.of(self))

    # ---- its children

    # A child is counted when it is sure to run, as it is what counts down; and no Ctrl-C may come
    # in between.

    @trio.lowlevel.enable_ki_protection
    def start_child(
        self, async_fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], name: str | None
    ) -> None:
        """Start an asyncio function as a child of the Trio nursery."""
        trio_nursery = self._open_nursery("start_soon")
        trio_nursery.start_soon(self._run_child, async_fn, args, name, name=name or _name(async_fn))
        self._children += 1

    @trio.lowlevel.enable_ki_protection
    async def await_start(
        self, async_fn: Callable[..., Awaitable[object]], args: tuple[Any, ...], name: str | None
    ) -> Any:
        """Start an asyncio function with a ``task_status``."""
        if get_running_loop() is not None:
            raise RuntimeError(
                "nursery.start() belongs to Trio code. In asyncio code write\n"
                "    await aio2trio(nursery.start)(async_fn, *args)"
            )
        trio_nursery = self._open_nursery("start")
        self._children += 1
        return await trio_nursery.start(
            self._run_started_child, async_fn, args, name, name=name or _name(async_fn)
        )

    def _open_nursery(self, method: str) -> trio.Nursery:
        _check_thread(self._bridge, f"nursery.{method}")
        if self._trio_nursery is None:
            raise RuntimeError(
                "this asyncio nursery has ended. Start the task inside its "
                "`async with open_asyncio_nursery() as nursery:` block"
            )
        return self._trio_nursery

    @trio.lowlevel.enable_ki_protection
    async def _run_child(
        self,
        async_fn: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        name: str | None,
        **options: Any,
    ) -> None:
        below.set(self._bridge)  # who calls start_soon may be elsewhere
        owning.set(self)
        try:
            await crossing_to_asyncio(_as_task)(name, async_fn, args, options)
        finally:
            self._children -= 1
            self._child_ended.unpark_all()

    @trio.lowlevel.enable_ki_protection
    async def _run_started_child(
        self,
        async_fn: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        name: str | None,
        *,
        task_status: trio.TaskStatus[Any],
    ) -> None:
        status = _TaskStatus(self._bridge, task_status)
        await self._run_child(async_fn, args, name, task_status=status)

    # ---- cancellation and errors

    def exit(self, exc: BaseException) -> None:
        """``SystemExit`` and ``KeyboardInterrupt`` end the loop's block."""
        self._bridge.nursery.exit(exc)

    def to_cancel(self) -> set[asyncio.Task[Any]]:
        """All tasks of the nursery."""
        tasks = self.running_tasks() | self.callers
        self._cancelled.update(tasks)
        return tasks

    # ---- the end

    def remaining(self, bridge: Bridge) -> set[asyncio.Task[Any]]:
        """The tasks that have not ended, as far as they are known. Called asyncio-side."""
        found = (reference() for reference in self._running)
        return super().remaining(bridge).union(t for t in found if t is not None and not t.done())

    @trio.lowlevel.enable_ki_protection
    async def end(self) -> None:
        """Wait for all tasks, in a Trio task of the nursery's. If it is cancelled, cancel them."""
        self.end_task = trio.lowlevel.current_task()
        try:
            await self._until_quiet(self._await_tasks)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self._until_quiet(self._cancel_tasks_at_end)
            raise
        finally:
            self.end_task = None  # whose frames lead to us: no cycles
            self.shut()
            self._bridge.nurseries.discard(self)

    async def _until_quiet(self, await_tasks: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while self._children or self._has_running() or self._reports():
            if self._children:
                await self._child_ended.park()
                continue
            with contextlib.suppress(asyncio.CancelledError):  # by who cancels all tasks
                await crossing_to_asyncio(await_tasks)()

    def _has_running(self) -> bool:
        # No strong references: a task that nobody awaits is found when it fails, if nobody has it.
        self._running = [weakref.ref(task) for task in self.running_tasks()]
        return bool(self._running)

    def _reports(self) -> bool:
        """Report what nobody has awaited, if there is any. Who handles that may start a task."""
        if not self.tasks.has_unawaited():
            return False
        return self._bridge.side.call_asyncio(self.tasks.report_unawaited)

    async def _await_tasks(self) -> None:
        for reference in self._running:
            await _end_of(reference)

    async def _cancel_tasks_at_end(self) -> None:
        await self.cancel_tasks(self._bridge, "by the asyncio nursery that owns it")

    def what_leaves(self, leaving: BaseException | None) -> BaseException | None:
        """The exception that leaves the block; ``leaving`` is that of the Trio nursery."""
        if not self.errors:
            if isinstance(leaving, BaseExceptionGroup) and leaving.message == _TRIOS:
                return BaseExceptionGroup(_OURS, leaving.exceptions)
            return leaving
        others = leaving.exceptions if isinstance(leaving, BaseExceptionGroup) else (leaving,)
        errors = [exc for exc in others if exc is not None and not isinstance(exc, trio.Cancelled)]
        errors += [exc for exc in self.errors if not any(exc is other for other in errors)]
        return BaseExceptionGroup(_OURS, errors)


async def _end_of(reference: weakref.ref[asyncio.Task[Any]]) -> None:
    task = reference()
    if task is not None and not task.done():
        await asyncio.wait([task])


def _as_task(
    name: str | None,
    async_fn: Callable[..., Awaitable[object]],
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> Coroutine[Any, Any, None]:
    """What a child's asyncio task runs, under the name of the user's function."""
    coro: Any = _run_in_task(name, async_fn, args, options)
    coro.__qualname__ = _name(async_fn)
    return coro  # type: ignore[no-any-return]


def _name_current_task(name: str) -> None:
    # Apart, as an error of the child leads to its frames, and the task to the error: no cycles.
    task = asyncio.current_task()
    if task is not None:
        task.set_name(name)


async def _run_in_task(
    name: str | None,
    async_fn: Callable[..., Awaitable[object]],
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    if name is not None:
        _name_current_task(name)
    awaitable: object = async_fn(*args, **options)
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"{_name(async_fn)}, which an asyncio nursery has started, is no asyncio function: it "
            f"returned {shown(awaitable)}, which can't be awaited. Call it directly, or give "
            "start_soon() an `async def` that calls it"
        )
    await awaitable


def _innermost_open(nursery: TaskNursery | None) -> TaskNursery | None:
    """The innermost that has not ended, on whichever loop: code inside may call any of them."""
    while nursery is not None and not nursery.is_open:
        nursery = nursery.parent
    return nursery


class _TaskStatus:
    """The ``task_status`` of asyncio code that Trio waits for."""

    def __init__(self, bridge: Bridge, trio_status: trio.TaskStatus[Any]) -> None:
        self._bridge: Final = bridge
        self._trio_status: Final = trio_status

    def started(self, value: Any = None) -> None:
        """Let ``nursery.start()`` return ``value``."""
        _check_thread(self._bridge, "task_status.started")
        call_trio_plain(self._trio_status.started, value)


# ---- the block


def open_asyncio_nursery() -> AbstractAsyncContextManager[AsyncioNursery, bool | None]:
    """Open a nursery for asyncio tasks, in Trio code.

    It owns every asyncio task that is started inside the block, however deep in library code, and
    what it starts itself: ``nursery.start_soon(aio_fn, *args)``, ``await nursery.start(aio_fn,
    *args)``. That makes ``asyncio.gather`` and ``create_task`` safe to use::

        async with trio_bridge.open_asyncio_nursery():
            await trio2aio(library_function_that_gathers)()
        # nothing of it is left here

    Returns:
      An async context manager. Its value has ``start_soon``, ``start`` and ``cancel_scope``.

    Raises:
      RuntimeError: no asyncio loop is open here; the message shows what to write.
      BaseExceptionGroup: leaves the block if its body fails, a task that ``start_soon`` or
        ``start`` has started, or asyncio code in it where nobody awaits it. The rest is cancelled.

    Entering is no checkpoint. Leaving is one: it waits for all tasks of the nursery. If the body
    fails, or a scope around the block or ``nursery.cancel_scope`` is cancelled, the tasks are
    cancelled and awaited, however long they clean up. What a library keeps running has to be closed
    in the block, or cancelled by ``nursery.cancel_scope.cancel()``, else leaving waits for ever.

    Ownership is handed down by context variables, so it ends where code runs in a context from
    outside: a connection that was made before the block starts its tasks outside of it. Rule: 4.5.2
    of the contract.
    """
    return _OpenNursery()


_BLOCK: Final = "    async with trio_bridge.open_asyncio_nursery() as nursery:"


class _OpenNursery(AbstractAsyncContextManager["AsyncioNursery", "bool | None"]):
    # A class for the reason that _run._OpenLoop is one.

    def __init__(self) -> None:
        self._opened: Final = place_of_caller()
        self._was_entered = False

    def __enter__(self) -> NoReturn:
        raise TypeError(f"open_asyncio_nursery() is for `async with`. Write\n{_BLOCK}")

    def __exit__(self, *details: object) -> None:
        """Python looks for it before it enters."""

    @trio.lowlevel.enable_ki_protection
    async def __aenter__(self) -> AsyncioNursery:
        if get_running_loop() is not None:
            raise RuntimeError(
                "open_asyncio_nursery() belongs to Trio code. In asyncio code write\n"
                "    async with aio2trio(open_asyncio_nursery()) as nursery:"
            )
        if self._was_entered:
            raise RuntimeError(
                f"what open_asyncio_nursery() returns is for one block. Write\n{_BLOCK}\nagain"
            )
        self._bridge = bridge = current_bridge()
        self._was_entered = True
        self._manager = trio.open_nursery()
        trio_nursery = await self._manager.__aenter__()
        if bridge.tracking is None:
            bridge.tracking = Tracking(bridge.loop, None, "raise")
        bridge.tracking.nursery_opens()
        self._trio_nursery = trio_nursery
        self._nursery = BlockNursery(bridge, trio_nursery)
        self._outer = owning.get()
        owning.set(self._nursery)
        return AsyncioNursery(self._nursery)

    @trio.lowlevel.enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if not self._was_entered:
            raise RuntimeError(f"this open_asyncio_nursery() was not entered. Write\n{_BLOCK}")
        nursery = self._nursery
        self._trio_nursery.start_soon(nursery.end)
        leaving = exc
        try:
            if await self._manager.__aexit__(exc_type, exc, traceback):
                leaving = None
        except BaseException as raised:
            leaving = raised
        owning.set(self._outer)
        self._stop_tracking()
        leaving = nursery.what_leaves(leaving)
        del nursery, self._nursery, self._trio_nursery
        if leaving is None or leaving is exc:
            return leaving is None
        if isinstance(leaving, BaseExceptionGroup):
            note_scope(leaving, "an asyncio nursery", self._opened)
        context = leaving.__context__
        try:
            raise trim(leaving)
        finally:
            set_context(leaving, context)  # not the cancellation of the body
            del exc, leaving, context  # no cycles

    def _stop_tracking(self) -> None:
        tracking = self._bridge.tracking
        assert tracking is not None
        if tracking.nursery_closes():
            tracking.close()
            self._bridge.tracking = None
