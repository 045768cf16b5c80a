"""What the ``async with`` of a program do, on whichever side they are used."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import trio

from trio_bridge import aio2trio, trio2aio

from .outcomes import Failure, shape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

    from .program import Node
    from .running import Runner, Side


def entered(runner: Runner, node: Node, side: Side) -> AbstractAsyncContextManager[Any]:
    """The manager that a node stands for, to be used on a side."""
    owner = runner.owner(node, side)
    if node.kind == "manager":
        make = _function if node.how.startswith("function") else _Class
        return runner.view(make, owner, side)(runner, node, owner)  # type: ignore[no-any-return]
    return _KINDS[node.kind](runner, node, side, owner)


@contextlib.asynccontextmanager
async def _scope_of(side: Side, owner: Side, seconds: float | None) -> AsyncIterator[Any]:
    """A cancel scope, or asyncio's timeout."""
    if owner == "asyncio":
        timeout = asyncio.timeout if side == "asyncio" else trio2aio(asyncio.timeout)
        async with timeout(seconds) as bounded:
            yield bounded
        return
    deadline = float("inf") if seconds is None else trio_time(side) + seconds
    if side == "trio":
        with trio.CancelScope(deadline=deadline) as scope:
            yield scope
    else:
        async with aio2trio(trio.CancelScope)(deadline=deadline) as scope:
            yield scope


def trio_time(side: Side) -> float:
    return (trio.current_time if side == "trio" else aio2trio(trio.current_time))()


@contextlib.asynccontextmanager
async def _fail_after(runner: Runner, node: Node, side: Side, owner: Side) -> AsyncIterator[None]:
    if owner == "asyncio":
        async with _scope_of(side, owner, node.seconds):
            yield
    elif side == "trio":
        with trio.fail_after(node.seconds):
            yield
    else:
        async with aio2trio(trio.fail_after)(node.seconds):
            yield


@contextlib.asynccontextmanager
async def _move_on_after(
    runner: Runner, node: Node, side: Side, owner: Side
) -> AsyncIterator[None]:
    try:
        async with _scope_of(side, owner, node.seconds):
            yield
    except TimeoutError:
        pass


@contextlib.asynccontextmanager
async def _scope(runner: Runner, node: Node, side: Side, owner: Side) -> AsyncIterator[None]:
    try:
        async with _scope_of(side, owner, None) as scope:

            def cancel(here: Side) -> None:
                if owner == "trio":
                    runner.view(scope.cancel, owner, here)()
                    return
                with contextlib.suppress(RuntimeError):  # it has been left, or has expired
                    runner.view(scope.reschedule, owner, here)(-1)

            runner.scopes[node.name] = cancel
            yield
    except TimeoutError:
        pass


@contextlib.asynccontextmanager
async def _nursery(runner: Runner, node: Node, side: Side, owner: Side) -> AsyncIterator[None]:
    if owner == "trio":
        open_nursery = trio.open_nursery if side == "trio" else aio2trio(trio.open_nursery)
        async with open_nursery() as nursery:
            for child in node.parts:
                nursery.start_soon(runner.run, child, owner)
            yield
    else:
        group_class = asyncio.TaskGroup if side == "asyncio" else trio2aio(asyncio.TaskGroup)
        async with group_class() as group:
            for child in node.parts:
                group.create_task(runner.run(child, owner))
            yield


@contextlib.contextmanager
def _sync_function(runner: Runner, node: Node) -> Iterator[None]:
    runner.note(f"{node.name} entered")
    try:
        yield
    except Exception as exc:
        if not _swallows(runner, node, exc):
            raise
    finally:
        runner.note(f"{node.name} left")


@contextlib.asynccontextmanager
async def _sync(runner: Runner, node: Node, side: Side, owner: Side) -> AsyncIterator[None]:
    if owner == side:
        with _sync_function(runner, node):
            yield
    else:
        async with runner.view(_sync_function, owner, side)(runner, node):
            yield


def _swallows(runner: Runner, node: Node, exc: Exception) -> bool:
    """Whether the manager swallows what has come out of its body. Or it raises another error."""
    runner.note(f"{node.name} got {shape(exc)}")
    if node.how.endswith("replace"):
        raise Failure(node.name) from exc
    return node.how.endswith("swallow")


_KINDS: Final = {
    "fail after": _fail_after,
    "move on after": _move_on_after,
    "scope": _scope,
    "nursery": _nursery,
    "sync": _sync,
}


@contextlib.asynccontextmanager
async def _function(runner: Runner, node: Node, side: Side) -> AsyncIterator[None]:
    """A manager with managers inside, as a generator."""
    enter, leave = node.parts
    await runner.run(enter, side)
    runner.note(f"{node.name} entered")
    try:
        async with contextlib.AsyncExitStack() as stack:
            for manager in node.managers:
                await stack.enter_async_context(entered(runner, manager, side))
            yield
    except Exception as exc:
        if not _swallows(runner, node, exc):
            raise
    else:
        await runner.run(leave, side)
    finally:
        runner.note(f"{node.name} left")


class _Class:
    """The same as a class."""

    def __init__(self, runner: Runner, node: Node, side: Side) -> None:
        self._runner: Final = runner
        self._node: Final = node
        self._side: Final[Side] = side
        self._stack: Final = contextlib.AsyncExitStack()

    async def __aenter__(self) -> None:
        runner, node, side = self._runner, self._node, self._side
        await runner.run(node.parts[0], side)
        runner.note(f"{node.name} entered")
        try:
            for manager in node.managers:
                await self._stack.enter_async_context(entered(runner, manager, side))
        except BaseException:
            if await self._stack.__aexit__(*sys.exc_info()):
                raise RuntimeError("swallowed while it was entered") from None
            raise

    async def __aexit__(self, *details: Any) -> bool:
        runner, node = self._runner, self._node
        exc = details[1]
        try:
            try:
                is_swallowed = bool(await self._stack.__aexit__(*details))
            except Exception as new:
                if not _swallows(runner, node, new):
                    raise
                return True
            if exc is None:
                await runner.run(node.parts[1], self._side)
            elif isinstance(exc, Exception) and not is_swallowed:
                return _swallows(runner, node, exc)
            return is_swallowed
        finally:
            runner.note(f"{node.name} left")
