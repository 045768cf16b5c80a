"""Where tasks are, as a person wants to read it: their own code, and what it has called.

1. Frames of the bridge's own, and of ``contextlib``, are left out.
2. Of frames of Trio or asyncio in a row only the first is kept: it is what the user's code called.
   What a host calls to wait is left out.
3. The stack of a task that runs is on its thread's: from the task's first frame to the next task's.
   What a turn of a loop runs outside of all tasks, a callback, is the loop's own.
4. A task of the bridge's own that runs no code of the user's has no stack.
5. The stack of a host that runs a Trio call of its guest's goes on there: it has a *segment* for
   each.
"""

from __future__ import annotations

import linecache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import _private
from .._crossing.host import Host
from .._crossing.stack import awaits, frames_down_to
from .._crossing.to_trio import TrioCall
from .._frames import BRIDGE, module_of, package_of
from ._data import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FrameType

Segment = tuple[Frame, ...]

_LEFT_OUT: Final = frozenset({BRIDGE, "contextlib", "outcome"})
_LIBRARIES: Final = frozenset({"asyncio", "trio"})


class _Line(NamedTuple):
    module: str
    owner: str
    """The top-level package of the module."""
    code: CodeType
    frame: Frame


class Stacks:
    """Reads stacks, each line of code but once. To be dropped, as it holds frames of threads."""

    def __init__(self) -> None:
        self._lines: Final[dict[tuple[int, int], _Line]] = {}
        self._threads: Final[dict[int, list[FrameType]]] = {}
        """Those of each thread, outermost first."""
        self._places: Final[dict[int, tuple[int, int]]] = {}
        """Of the frames that begin something: their thread, and where in it they are."""

    def look_at_threads(self, coroutines: Iterable[Any]) -> None:
        """Find out which of all tasks' coroutines run, and where."""
        running = {id(_running_frame(coro)) for coro in coroutines} - {id(None)}
        for thread, innermost in _private.frames_by_thread().items():
            self._threads[thread] = frames_down_to(innermost)
            frame = innermost
            for index, frame in enumerate(self._threads[thread]):
                if id(frame) in running or self._is_turn(frame):
                    self._places[id(frame)] = (thread, index)
            del innermost, frame  # our own frame is one of them: no cycles

    def of_task(self, coro: Any) -> list[Segment]:
        """The segments of a task's stack."""
        return _segments(self._lines_of(coro))

    def of_callback(self, thread: int) -> Segment:
        """What a thread's loop runs outside of all tasks, if anything."""
        begins = [index for place, index in self._places.values() if place == thread]
        if not begins or not self._is_turn(self._threads[thread][max(begins)]):
            return ()
        lines = self._until_next(thread, max(begins))[1:]
        while lines and lines[0].owner in _LIBRARIES:  # what calls callbacks
            del lines[0]
        return _readable(lines)

    def name_of(self, coro: Any) -> str:
        """What Trio would call a task that begins with the user's first function."""
        users = filter(_is_users, self._lines_of(coro))
        return next((f"{line.module}.{line.frame.function}" for line in users), "")

    def is_of(self, package: str, coro: Any) -> bool:
        """Whether a task's first function belongs to a package."""
        frame = next((frame for frame, _ in awaits(coro)), None)
        return frame is not None and package_of(frame) == package

    def is_ours(self, coro: Any) -> bool:
        """Whether a task's first function is the bridge's own."""
        return self.is_of(BRIDGE, coro)

    def release(self) -> None:
        """Let go of all frames."""
        self._lines.clear()
        for frames in self._threads.values():
            frames.clear()
        self._threads.clear()
        self._places.clear()

    def _lines_of(self, coro: Any) -> list[_Line]:
        frame = _running_frame(coro)
        if frame is not None and id(frame) in self._places:
            return self._until_next(*self._places[id(frame)])
        return [self._line(frame, lineno) for frame, lineno in awaits(coro)]

    def _until_next(self, thread: int, begin: int) -> list[_Line]:
        frames = self._threads[thread]
        lines: list[_Line] = []
        for index in range(begin, len(frames)):
            frame = frames[index]
            if index > begin and id(frame) in self._places:
                break
            lines.append(self._line(frame, frame.f_lineno))
        return lines

    def _is_turn(self, frame: FrameType) -> bool:
        return frame.f_code in _private.TURNS

    def _line(self, frame: FrameType, lineno: int | None) -> _Line:
        code = frame.f_code
        key = (id(code), lineno or 0)
        line = self._lines.get(key)
        if line is None:
            file = code.co_filename
            text = linecache.getline(file, lineno or 0).strip()
            found = Frame(code.co_qualname, file, lineno or 0, text)
            line = self._lines[key] = _Line(module_of(frame), package_of(frame), code, found)
        return line


def _segments(lines: list[_Line]) -> list[Segment]:
    begins = [0, *(n for n, line in enumerate(lines) if line.code is _CALL), len(lines)]
    segments = [_readable(lines[begin:end]) for begin, end in pairwise(begins)]
    if (
        lines
        and lines[0].owner == BRIDGE
        and not any(_is_users(line) for line in lines[: begins[1]])
    ):
        segments[0] = ()
    return segments


def _readable(lines: list[_Line]) -> Segment:
    kept: list[Frame] = []
    is_in_library = False
    for line in lines:
        if line.owner in _LEFT_OUT:
            is_in_library = is_in_library or line.module == _WAITING
            continue
        if line.owner not in _LIBRARIES or not is_in_library:
            kept.append(line.frame)
        is_in_library = line.owner in _LIBRARIES
    return tuple(kept)


def _is_users(line: _Line) -> bool:
    return line.owner not in _LEFT_OUT and line.owner not in _LIBRARIES


def _running_frame(coro: Any) -> FrameType | None:
    frame: FrameType | None = getattr(coro, "cr_frame", None)
    return frame if frame is not None and getattr(coro, "cr_running", False) else None


_WAITING: Final = Host.__module__
_CALL: Final = TrioCall.run.__code__
