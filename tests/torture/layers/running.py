"""What the statements of a program do, in one library or across the bridge."""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal

import trio

from trio_bridge import aio2trio, trio2aio

from .managers import entered
from .outcomes import Failure, shape

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .program import Node

Side = Literal["trio", "asyncio"]
VARIABLE: Final[ContextVar[str]] = ContextVar("variable", default="")


class Runner:
    """Runs one program once, and writes down what happens.

    Args:
      crosses: whether both sides are there. If not, the other side is the same one.
      clock: gives the time since the beginning.
    """

    def __init__(self, clock: Callable[[], float], *, crosses: bool) -> None:
        self._clock: Final = clock
        self._crosses: Final = crosses
        self.log: Final[list[tuple[float, str, str]]] = []
        self.scopes: Final[dict[str, Callable[[Side], object]]] = {}
        """How a scope is cancelled, by its name."""
        self.has_used_a_cancellation_up = False
        """Whether Trio code that asyncio has cancelled ended with an error instead.

        That is the end of the cancellation, as it is in asyncio (row 3 of 4.2). But an
        ``asyncio.TaskGroup`` delivers it once more (Python 3.13), to the task that is its own.
        """

    def note(self, what: str) -> None:
        # A program's times have six digits, and so their sums, but for what floats add to them.
        self.log.append((round(self._clock(), 6), what, VARIABLE.get()))

    def other(self, side: Side) -> Side:
        if not self._crosses:
            return side
        return "asyncio" if side == "trio" else "trio"

    def owner(self, node: Node, side: Side) -> Side:
        """Whose a manager or an iterator is that is used on a side."""
        return self.other(side) if node.foreign else side

    def view(self, thing: Any, of: Side, on: Side) -> Any:
        """A function of a side, as the other one uses it."""
        if of == on:
            return thing
        return trio2aio(thing) if on == "trio" else aio2trio(thing)

    async def program(self, node: Node, side: Side) -> None:
        """All of it, and how it ends."""
        try:
            await self.run(node, side)
        except BaseException as exc:
            self.note(f"ends with {shape(exc)}")

    async def run(self, node: Node, side: Side) -> None:
        await getattr(self, "_" + node.kind.replace(" ", "_"))(node, side)

    # ---- the statements

    async def _log(self, node: Node, side: Side) -> None:
        self.note(node.name)

    async def _set(self, node: Node, side: Side) -> None:
        VARIABLE.set(node.name)
        self.note("set")

    async def _fail(self, node: Node, side: Side) -> None:
        raise Failure(node.name)

    async def _sleep(self, node: Node, side: Side) -> None:
        await (trio.sleep if side == "trio" else asyncio.sleep)(node.seconds)
        self.note("slept")

    async def _cancel(self, node: Node, side: Side) -> None:
        """A scope; then wait. A crossing is a checkpoint, and would see it before a plain call."""
        if (cancel := self.scopes.get(node.name)) is not None:
            cancel(side)
        await self._sleep(node, side)

    async def _seq(self, node: Node, side: Side) -> None:
        for part in node.parts:
            await self.run(part, side)

    async def _cross(self, node: Node, side: Side) -> None:
        other = self.other(side)
        try:
            value = await self.view(self._call, other, side)(node.parts[0], other)
        except Exception:
            if other != side == "asyncio" and _is_cancelled():
                self.has_used_a_cancellation_up = True
            raise
        self.note(value)

    async def _call(self, node: Node, side: Side) -> str:
        await self.run(node, side)
        return "returned"

    async def _catch(self, node: Node, side: Side) -> None:
        try:
            await self.run(node.parts[0], side)
        except Exception as exc:
            self.note(f"caught {shape(exc)}")

    async def _finally(self, node: Node, side: Side) -> None:
        try:
            await self.run(node.parts[0], side)
        finally:
            self.note(node.name)

    async def _clean_up(self, node: Node, side: Side) -> None:
        try:
            await self.run(node.parts[0], side)
        finally:
            await (self._shielded_in_trio if side == "trio" else self._shielded)(node.seconds)

    async def _shielded_in_trio(self, seconds: float) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
        self.note("cleaned up")
        await trio.lowlevel.checkpoint()

    async def _shielded(self, seconds: float) -> None:
        waits = asyncio.create_task(asyncio.sleep(seconds))
        cancelled = None
        while not waits.done():
            try:
                await asyncio.shield(waits)
            except asyncio.CancelledError as exc:
                cancelled = exc
        self.note("cleaned up")
        if cancelled is not None:
            raise cancelled

    async def _child(self, node: Node, side: Side) -> None:
        """In a task of its own, which is cancelled after some seconds."""
        if side == "trio":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._bounded, node)
        else:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self.run(node.parts[0], side))
                timer = asyncio.get_running_loop().call_later(node.seconds, task.cancel)
                task.add_done_callback(lambda task: timer.cancel())
        self.note("child ended")

    async def _bounded(self, node: Node) -> None:
        with trio.move_on_after(node.seconds):
            await self.run(node.parts[0], "trio")

    async def _with(self, node: Node, side: Side) -> None:
        async with entered(self, node.managers[0], side):
            await self.run(node.parts[0], side)
        self.note("left")

    async def _for(self, node: Node, side: Side) -> None:
        owner = self.owner(node, side)
        async with contextlib.aclosing(self.view(self._steps, owner, side)(node, owner)) as steps:
            async for _ in steps:
                await self.run(node.parts[0], side)
                if node.how == "break":
                    break
        self.note("iterated")

    async def _steps(self, node: Node, side: Side) -> AsyncGenerator[int, None]:
        try:
            async with contextlib.AsyncExitStack() as stack:
                for manager in node.managers:
                    await stack.enter_async_context(entered(self, manager, side))
                for number, step in enumerate(node.parts[1:]):
                    await self.run(step, side)
                    self.note(f"{node.name} yields")
                    yield number
        finally:
            self.note(f"{node.name} closed")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
