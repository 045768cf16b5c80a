"""Runs a program in Trio alone, and with asyncio code in it; what happened when.

1. A checkpoint is before and after each step, on either side: where Trio cancels a task again and
   again, asyncio does it once. (Not before a shield, which a clean-up is to reach.)
2. Where Trio has cancelled what is around it, asyncio code sleeps in Trio, for the same reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from scoped_programs import (
    Cancel,
    Catch,
    CleanUp,
    Cross,
    Fail,
    LiftShield,
    Nursery,
    Scope,
    Sleep,
)

import trio_bridge
from trio_bridge import aio2trio, trio2aio, unview

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from scoped_programs import Block, Step, Steps

FOREVER = 1e6
"""Virtual seconds: a program that has not ended by then hangs."""


class Plainly:
    """``async with`` around a manager of Trio's that has a ``with``; no checkpoint."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        return self._manager.__enter__()

    async def __aexit__(self, *details: Any) -> Any:
        return self._manager.__exit__(*details)


class OnTrio:
    """What a program does in Trio code."""

    checkpoint = staticmethod(trio.lowlevel.checkpoint)
    sleep = staticmethod(trio.sleep)

    @staticmethod
    def around(manager: Any) -> Any:
        return manager if hasattr(manager, "__aenter__") else Plainly(manager)

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any) -> Any:
        return fn(*args)

    @staticmethod
    def cancelling() -> int:
        return 0


class OnAsyncio:
    """And in asyncio code."""

    checkpoint = staticmethod(aio2trio(trio.lowlevel.checkpoint))
    around = staticmethod(aio2trio)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await (aio2trio(trio.sleep) if is_cancelled() else asyncio.sleep)(seconds)

    @staticmethod
    def call(fn: Callable[..., Any], *args: Any) -> Any:
        return aio2trio(fn)(*args)

    @staticmethod
    def cancelling() -> int:
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()


Side = type[OnTrio] | type[OnAsyncio]


around: ContextVar[tuple[trio.CancelScope, ...]] = ContextVar("around", default=())
"""The scopes around what runs, from the outermost one inwards."""


@contextlib.contextmanager
def inside(scope: trio.CancelScope) -> Iterator[None]:
    outer = around.get()
    around.set((*outer, scope))
    try:
        yield
    finally:
        around.set(outer)


def is_cancelled() -> bool:
    """Whether the next checkpoint in Trio code will be cancelled.

    Not by its effective deadline: asyncio code that cleans up sees that of the scope in which its
    host waits for it (docs/limits.md).
    """
    for scope in reversed(around.get()):
        if scope.cancel_called:
            return True
        if scope.shield:
            return False
    return False


@dataclass
class Run:
    """One run of a program."""

    crosses: bool
    log: list[tuple[object, ...]] = field(default_factory=list)
    surplus: list[object] = field(default_factory=list)
    """Blocks after which a task's ``cancelling()`` isn't what it was before."""
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict)

    def note(self, *what: object) -> None:
        self.log.append((trio.current_time(), *what))

    async def steps(self, side: Side, steps: Steps) -> None:
        for step in steps:
            if not (isinstance(step, Scope) and step.shield):
                await side.checkpoint()
            await self.step(side, step)
            await side.checkpoint()

    async def step(self, side: Side, step: Step) -> None:
        match step:
            case Sleep():
                await side.sleep(step.seconds)
                self.note("slept", step.seconds)
            case Fail():
                raise ValueError(step.name)
            case Cancel():
                side.call(self.scopes[step.scope].cancel)
            case LiftShield():
                side.call(setattr, self.scopes[step.scope], "shield", False)
            case _:
                await self.block(side, step)

    async def block(self, side: Side, step: Block) -> None:
        match step:
            case Scope():
                await self.counted(side, step, self.scope)
            case Nursery():
                await self.counted(side, step, self.nursery)
            case CleanUp():
                await self.clean_up(side, step)
            case Catch():
                await self.catch(side, step)
            case Cross():
                await self.cross(side, step.body)

    async def counted(self, side: Side, step: Any, run: Callable[..., Awaitable[None]]) -> None:
        before = is_cancelled(), side.cancelling()
        try:
            await run(side, step)
        finally:
            after = is_cancelled(), side.cancelling()
            if not before[0] and not after[0] and before != after:
                self.surplus.append((step, before, after))

    async def scope(self, side: Side, step: Scope) -> None:
        scope = trio.CancelScope(shield=step.shield)
        manager: Any = scope
        if step.fails:
            assert step.seconds is not None
            manager = trio.fail_after(step.seconds, shield=step.shield)
        elif step.seconds is not None:
            scope.deadline = trio.current_time() + step.seconds
        try:
            async with side.around(manager) as entered:
                self.scopes[step.name] = scope = unview(entered)
                with inside(scope):
                    await self.steps(side, step.body)
        finally:
            self.note("left", step.name, scope.cancelled_caught)

    async def nursery(self, side: Side, step: Nursery) -> None:
        async with side.around(trio.open_nursery()) as nursery:
            with inside(unview(nursery).cancel_scope):
                side.call(unview(nursery).start_soon, self.steps, OnTrio, step.child)
                await self.steps(side, step.body)

    async def catch(self, side: Side, step: Catch) -> None:
        try:
            await self.steps(side, step.body)
        except Exception as exc:
            self.note("caught", step.name, shape(exc))

    async def clean_up(self, side: Side, step: CleanUp) -> None:
        came: object = None
        try:
            try:
                await self.steps(side, step.body)
            except BaseException as exc:
                came = shape(exc)
                raise
        finally:
            self.note("cleans up", step.name, came)
            await self.steps(side, step.then)

    async def cross(self, side: Side, steps: Steps) -> None:
        if not self.crosses:
            await self.steps(side, steps)
        elif side is OnTrio:
            await trio2aio(self.steps)(OnAsyncio, steps)
        else:
            await aio2trio(self.steps)(OnTrio, steps)


def shape(exc: BaseException) -> object:
    """An error, so that both sides' are equal."""
    if isinstance(exc, (trio.Cancelled, asyncio.CancelledError)):
        return "cancelled"
    if isinstance(exc, BaseExceptionGroup):
        shapes = sorted({str(shape(inner)) for inner in exc.exceptions})
        return "cancelled" if shapes == ["cancelled"] else ("group", *shapes)
    return repr(exc)


# ---- how a program begins


async def in_trio(run: Run, root: Scope) -> None:
    await run.scope(OnTrio, root)


async def in_a_guest(run: Run, root: Scope) -> None:
    """The scope of the program is Trio's, around it."""
    assert root.seconds is not None
    scope = trio.CancelScope(deadline=trio.current_time() + root.seconds)
    run.scopes[root.name] = scope
    try:
        with scope, inside(scope):
            await trio2aio(run.steps)(OnAsyncio, root.body)
    finally:
        run.note("left", root.name, scope.cancelled_caught)


async def in_a_guests_scope(run: Run, root: Scope) -> None:
    await trio2aio(with_its_scope)(run, root)


async def in_a_task(run: Run, root: Scope) -> None:
    @trio2aio
    async def start() -> None:
        await asyncio.create_task(with_its_scope(run, root))

    await start()


async def with_its_scope(run: Run, root: Scope) -> None:
    try:
        await run.scope(OnAsyncio, root)
    finally:
        if count := OnAsyncio.cancelling():
            run.surplus.append((root.name, count))


def run(begin: Any, program: Scope) -> Run:
    """Run a program in a loop of its own, on a virtual clock."""
    this = Run(crosses=begin is not in_trio)

    async def main() -> None:
        try:
            with trio.fail_after(FOREVER):
                await begin(this, program)
            this.note("ended")
        except BaseException as exc:
            this.note("ended", shape(exc))

    clock = trio.testing.MockClock(autojump_threshold=0)
    trio_bridge.run(main, clock=clock, cancel_warn_after=None)
    return this


BEGINS = [in_a_guest, in_a_guests_scope, in_a_task]


def compare(begin: Any, program: Scope) -> None:
    """See that a program does in asyncio code what it does in Trio code."""
    in_asyncio = run(begin, program)
    assert sorted(in_asyncio.log, key=repr) == sorted(run(in_trio, program).log, key=repr)
    assert in_asyncio.surplus == []
