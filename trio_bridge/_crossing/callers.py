"""Who called whom in both worlds: the stack that there would be if a crossing were a plain await.

Below a guest's frames are those of whoever gave the loop its turn, and below a Trio call's those of
the crossing that its host is in. Here they are exchanged for the frames of the caller:

1. Below an asyncio task is the Trio task that hosts it, up to the crossing where it waits for the
   guest, or for the step that the guest takes. A task without a host has no caller.
2. Below a Trio call is the asyncio task that made it.
3. At the bottom is what runs the program.
4. Frames of the bridge's are left out, but the one that is asked for.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from .._bridge import by_loop
from .._frames import is_ours
from .asyncio_owner import AsyncioOwner
from .host import Host
from .stack import awaits, frames_down_to
from .to_asyncio import crossing_to_asyncio, start_guest
from .to_trio import TrioCall

if TYPE_CHECKING:
    from types import FrameType

    from .._bridge import Bridge

# Trio gives each crossing a copy of one code object; the copies are equal.
_STARTS_A_STEP: Final = (
    *(crossing_to_asyncio(asyncio.sleep).__code__, start_guest.__code__),
    AsyncioOwner.resume.__code__,
)
_ATTENDS: Final = Host.attend.__code__
_RUNS_A_CALL: Final = TrioCall.run.__code__


def stack_of(frame: FrameType) -> list[FrameType]:
    """The callers of a running frame, outermost first, and the frame itself."""
    below = frames_down_to(frame)
    frames = _Stack(below).with_callers(below)
    return [caller for caller in frames if caller is frame or not is_ours(caller)]


class _Stack:
    def __init__(self, physical: list[FrameType]) -> None:
        self._physical: Final = physical
        self._bridges: Final = [
            bridge for bridge in list(by_loop.values()) if bridge.thread == get_ident()
        ]
        self._tasks: Final[dict[Any, tuple[Bridge, asyncio.Task[Any]]]] = {
            _root(task): (bridge, task)
            for bridge in self._bridges
            for task in asyncio.all_tasks(bridge.loop)
        }

    def with_callers(self, frames: list[FrameType]) -> list[FrameType]:
        """The frames and those of their callers. The last of the frames is what calls, or runs."""
        for index, frame in reversed(list(enumerate(frames))):
            if frame.f_code is _RUNS_A_CALL and (task := _caller_of(frame)) is not None:
                return self.with_callers(_suspended(task.get_coro())) + frames[index:]
            if frame in self._tasks:
                bridge, task = self._tasks[frame]
                return self._callers(bridge, task, frames[:index]) + frames[index:]
        return frames

    def _callers(
        self, bridge: Bridge, task: asyncio.Task[Any], below: list[FrameType]
    ) -> list[FrameType]:
        host = bridge.hosts.get(task)
        if host is not None:
            frames = self._of_host(host)
            for index, frame in enumerate(frames):
                if frame.f_code is _ATTENDS and frame.f_locals.get("self") is host:
                    return self.with_callers(frames[:index])
        if host is not None or bridge.starting is task.get_coro() or bridge.started is task:
            # The caller takes its guest's step in its own.
            for index, frame in reversed(list(enumerate(below))):
                if frame.f_code in _STARTS_A_STEP:
                    return self.with_callers(below[:index])
        return self._bottom()

    def _of_host(self, host: Host) -> list[FrameType]:
        coro: Any = host.task.coro
        if coro.cr_frame in self._physical:
            return self._physical
        return self._bottom() + _suspended(coro)

    def _bottom(self) -> list[FrameType]:
        """What runs the program: all below the first coroutine."""
        return list(itertools.takewhile(_is_plain, self._physical))


def _suspended(coro: Any) -> list[FrameType]:
    return [frame for frame, _ in awaits(coro)]


def _caller_of(frame: FrameType) -> asyncio.Task[Any] | None:
    """The task that made the Trio call; none if the call has ended (Ctrl-C stops anywhere)."""
    task: asyncio.Task[Any] | None = getattr(frame.f_locals.get("self"), "task", None)
    return task


def _is_plain(frame: FrameType) -> bool:
    return not frame.f_code.co_flags & inspect.CO_COROUTINE


def _root(task: asyncio.Task[Any]) -> FrameType | None:
    return getattr(task.get_coro(), "cr_frame", None)
