"""Runs a program on the bridge, and keeps what happens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from programs import (
    ABSORBED,
    CAUGHT,
    TIMED_OUT,
    AsyncioNursery,
    Await,
    Cancel,
    Cancelled,
    Catch,
    Cleanup,
    Ended,
    Failed,
    Gather,
    Leaf,
    MoveOn,
    Node,
    Outcome,
    Raise,
    Spawn,
    Steps,
    TaskGroup,
    ToAsyncio,
    ToTrio,
    TrioNursery,
    Unexpected,
    Value,
)

from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio, unview

if TYPE_CHECKING:
    from collections.abc import Coroutine

TASK_GROUPS_ARE_RIGHT = sys.version_info >= (3, 13)
HANG = 30
"""Real seconds."""
FOREVER = 1e9
"""Virtual seconds: what waits for nothing waits until then."""


class ProgramError(Exception):
    """What a program raises; its argument is its name."""


class Hung(BaseException):
    """The program didn't come to its end."""


def run(program: Node) -> Recorder:
    """Run a program in a loop of its own, on a virtual clock."""
    recorder = Recorder()
    with _limit_real_time(), _complaints(recorder.complaints):
        trio.run(recorder.main, program, clock=trio.testing.MockClock(autojump_threshold=0))
        gc.collect(0)
    return recorder


@contextlib.contextmanager
def _limit_real_time():
    def hang(number, frame):
        raise Hung

    previous = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, HANG, 0.1)  # again, as a task may keep it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def _complaints(found: list[str]):
    """What is warned of, logged, or raised where nobody can catch it."""

    class Handler(logging.Handler):
        def emit(self, record):
            found.append(f"logged: {record.getMessage()}")

    handler = Handler()
    hook = sys.unraisablehook
    sys.unraisablehook = lambda args: found.append(f"unraisable: {args.exc_value!r}")
    logging.getLogger("asyncio").addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        found += [f"warned: {warning.message}" for warning in caught]
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
        sys.unraisablehook = hook


@dataclass
class Recorder:
    """One run of a program."""

    log: list[Ended] = field(default_factory=list)
    cancelling: list[tuple[str, float, int]] = field(default_factory=list)
    """For each node that went on on the asyncio side: its task's count of cancellations."""
    complaints: list[str] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Unexpected("did not end"))
    time: float = 0
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict)
    left_tasks: list[str] = field(default_factory=list)

    async def main(self, program: Node) -> None:
        before = trio.lowlevel.current_statistics().tasks_living
        loop = None
        try:
            with trio.fail_after(FOREVER):
                async with open_loop(cancel_warn_after=FOREVER) as loop:
                    value = await self.trio(program)
        except BaseException as exc:
            self.outcome = _outcome(exc, trio.Cancelled)
        else:
            self.outcome = Value(value)
        self.time = trio.current_time()
        self.left_tasks = [repr(task) for task in asyncio.all_tasks(loop)]
        if trio.lowlevel.current_statistics().tasks_living != before:
            self.left_tasks.append("a Trio task")

    # ---- one node, on either side

    async def trio(self, node: Node) -> Any:
        try:
            value = await getattr(self, f"trio_{type(node).__name__}")(node)
        except BaseException as exc:
            self.ended(node, _outcome(exc, trio.Cancelled))
            raise
        self.ended(node, Value(value))
        return value

    async def asyncio(self, node: Node) -> Any:
        try:
            value = await getattr(self, f"asyncio_{type(node).__name__}")(node)
        except BaseException as exc:
            self.ended(node, _outcome(exc, asyncio.CancelledError))
            raise
        self.ended(node, Value(value))
        self.cancelling.append((node.name, current_loop().time(), _cancelling()))
        return value

    def ended(self, node: Node, outcome: Outcome) -> None:
        self.log.append(Ended(current_loop().time(), node.name, outcome))

    # ---- Trio side

    async def trio_Leaf(self, leaf: Leaf) -> str:
        try:
            await trio.sleep(leaf.wait.seconds)
            if isinstance(leaf.then, Raise):
                raise ProgramError(leaf.name)
            if isinstance(leaf.then, Cancel):
                if scope := self.scopes.get(leaf.then.target):
                    scope.cancel()
                await trio.sleep(leaf.then.then.seconds)
        except trio.Cancelled:
            if leaf.cleanup is None:
                raise
            if leaf.cleanup.crosses:
                with trio.CancelScope(shield=True):
                    await trio2aio(_asyncio_clean_up)(leaf.cleanup)
            else:
                await _trio_clean_up(leaf.cleanup)
            if leaf.cleanup.ends == "cancelled":
                raise
            return _cleaned_up(leaf)
        return leaf.name

    async def trio_Steps(self, node: Steps) -> tuple[Any, ...]:
        values = []
        for step in node.steps:
            if values:
                await trio.lowlevel.checkpoint_if_cancelled()
            values.append(await self.trio(step))
        return tuple(values)

    async def trio_Catch(self, node: Catch) -> Any:
        value: Any = CAUGHT
        try:
            value = await self.trio(node.body)
        except* ProgramError:
            pass
        await trio.lowlevel.checkpoint_if_cancelled()
        return value

    async def trio_MoveOn(self, node: MoveOn) -> Any:
        value: Any = TIMED_OUT
        if node.of == "trio":
            with trio.move_on_after(node.wait.seconds) as scope, self.open(node, scope):
                value = await self.trio(node.body)
        else:
            with contextlib.suppress(TimeoutError), trio.CancelScope() as scope:
                with self.open(node, scope):
                    async with trio2aio(asyncio.timeout)(node.wait.seconds):
                        value = await self.trio(node.body)
        await trio.lowlevel.checkpoint_if_cancelled()
        return value

    async def trio_TrioNursery(self, node: TrioNursery) -> Any:
        value: Any = ABSORBED
        async with trio.open_nursery() as nursery:
            with self.open(node, nursery.cancel_scope):
                for child in node.children:
                    nursery.start_soon(self.trio, child)
                value = await self.trio(node.body)
        await trio.lowlevel.checkpoint_if_cancelled()
        return value

    async def trio_AsyncioNursery(self, node: AsyncioNursery) -> Any:
        value: Any = ABSORBED
        async with open_asyncio_nursery() as nursery:
            with self.open(node, nursery.cancel_scope):
                for child in node.children:
                    nursery.start_soon(self.asyncio, child)
                value = await self.trio(node.body)
        await trio.lowlevel.checkpoint_if_cancelled()
        return value

    async def trio_ToAsyncio(self, node: ToAsyncio) -> Any:
        return await trio2aio(self.asyncio)(node.body)

    @contextlib.contextmanager
    def open(self, node: Node, scope: trio.CancelScope):
        self.scopes[node.name] = scope
        yield

    # ---- asyncio side

    async def asyncio_Leaf(self, leaf: Leaf) -> str:
        try:
            await asyncio.sleep(leaf.wait.seconds)
            if isinstance(leaf.then, Raise):
                raise ProgramError(leaf.name)
            if isinstance(leaf.then, Cancel):
                if scope := self.scopes.get(leaf.then.target):
                    aio2trio(scope).cancel()
                await asyncio.sleep(leaf.then.then.seconds)
        except asyncio.CancelledError:
            if leaf.cleanup is None:
                raise
            if leaf.cleanup.crosses:
                await aio2trio(_trio_clean_up)(leaf.cleanup)
            else:
                await _asyncio_clean_up(leaf.cleanup)
            if leaf.cleanup.ends == "cancelled":
                raise
            return _cleaned_up(leaf)
        return leaf.name

    async def asyncio_Steps(self, node: Steps) -> tuple[Any, ...]:
        values = []
        for step in node.steps:
            if values:
                await _asyncio_checkpoint()
            values.append(await self.asyncio(step))
        return tuple(values)

    async def asyncio_Catch(self, node: Catch) -> Any:
        value: Any = CAUGHT
        try:
            value = await self.asyncio(node.body)
        except* ProgramError:
            pass
        await _asyncio_checkpoint()
        return value

    async def asyncio_MoveOn(self, node: MoveOn) -> Any:
        value: Any = TIMED_OUT
        if node.of == "asyncio":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(node.wait.seconds):
                    value = await self.asyncio(node.body)
        else:
            async with aio2trio(trio.move_on_after(node.wait.seconds)) as scope:
                with self.open(node, unview(scope)):
                    value = await self.asyncio(node.body)
        await _asyncio_checkpoint()
        return value

    async def asyncio_TrioNursery(self, node: TrioNursery) -> Any:
        value: Any = ABSORBED
        async with aio2trio(trio.open_nursery()) as nursery:
            with self.open(node, unview(nursery).cancel_scope):
                for child in node.children:
                    nursery.start_soon(self.trio, child)
                value = await self.asyncio(node.body)
                await _asyncio_checkpoint()
        await _asyncio_checkpoint()
        return value

    async def asyncio_AsyncioNursery(self, node: AsyncioNursery) -> Any:
        value: Any = ABSORBED
        async with aio2trio(open_asyncio_nursery()) as nursery:
            with self.open(node, unview(nursery).cancel_scope):
                for child in node.children:
                    nursery.start_soon(self.asyncio, child)
                value = await self.asyncio(node.body)
                await _asyncio_checkpoint()
        await _asyncio_checkpoint()
        return value

    async def asyncio_ToTrio(self, node: ToTrio) -> Any:
        return await aio2trio(self.trio)(node.body)

    async def asyncio_Await(self, node: Await) -> Any:
        return await asyncio.create_task(self.asyncio(node.body))

    async def asyncio_Spawn(self, node: Spawn) -> str:
        asyncio.create_task(self.asyncio(node.child))
        await asyncio.sleep(node.wait.seconds)
        return node.name

    async def asyncio_Gather(self, node: Gather) -> tuple[Any, ...]:
        # In a task of its own, as from 3.14 on gather() keeps the task that awaits it until all its
        # children have ended: it would not be found when it fails.
        return await asyncio.create_task(_gather(*map(self.asyncio, node.children)))

    async def asyncio_TaskGroup(self, node: TaskGroup) -> Any:
        group = asyncio.TaskGroup()
        was_cancelled = True
        try:
            async with group:
                try:
                    for child in node.children:
                        group.create_task(self.asyncio(child))
                    value = await self.asyncio(node.body)
                    await _asyncio_checkpoint()
                finally:
                    was_cancelled = group._parent_cancel_requested
            return value
        finally:
            if not TASK_GROUPS_ARE_RIGHT:
                _mend_task_group(group, was_cancelled)
            del group


def _mend_task_group(group: asyncio.TaskGroup, was_cancelled: bool) -> None:
    """What asyncio does itself from 3.13 on."""
    # Else its parent counts a cancellation too many, if a child failed when the body had ended.
    if group._parent_cancel_requested and not was_cancelled:
        group._parent_task.uncancel()
    # Else its parent, if it fails and nobody awaits it, is not found before the garbage collector
    # is there: the traceback leads to the group.
    group._parent_task = None


# ---- clean-up, which nothing interrupts


async def _trio_clean_up(cleanup: Cleanup) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(cleanup.wait.seconds)


async def _asyncio_clean_up(cleanup: Cleanup) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + cleanup.wait.seconds
    while (left := end - loop.time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):  # a second one
            await asyncio.sleep(left)


def _cleaned_up(leaf: Leaf) -> str:
    name = f"{leaf.name} cleanup"
    assert leaf.cleanup is not None
    if leaf.cleanup.ends == "raises":
        raise ProgramError(name)
    return name


async def _gather(*coros: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    return tuple(await asyncio.gather(*coros))


async def _asyncio_checkpoint() -> None:
    await asyncio.sleep(0)
    if _cancelling():
        raise asyncio.CancelledError


def _cancelling() -> int:
    # In a function of its own: where an error leads to a frame that holds the task, it is not found
    # before the garbage collector has been there.
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


def _outcome(exc: BaseException, cancelled: type[BaseException]) -> Outcome:
    leaves = list(_leaves(exc))
    for leaf in leaves:
        if not isinstance(leaf, ProgramError | cancelled):
            return Unexpected(repr(exc))
    errors = tuple(sorted(leaf.args[0] for leaf in leaves if isinstance(leaf, ProgramError)))
    return Failed(errors) if errors else Cancelled()


def _leaves(exc: BaseException):
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            yield from _leaves(inner)
    else:
        yield exc
