"""What a person sees of an exception that crossed: a short traceback, and the line to write.

1. Between two frames of user code there is at most one frame of the bridge's.
2. Code of one side awaited directly on the other fails in Trio or in asyncio, with a message that
   can't know the bridge: a note says which line to write.
"""

from __future__ import annotations

import linecache
import re
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

_E = TypeVar("_E", bound=BaseException)

_BRIDGE: Final = __name__.partition(".")[0]
# Frames that are nobody's code: neither the user's nor the bridge's.
_DIRECTLY: Final = "directly"
_USES: Final = re.compile(r"\b(await|(?:async )?with|async for\b.*?\bin)\s+([\w.]+)\((?!.*\)\.)")
_ADAPTERS: Final = ("trio2aio", "aio2trio", "aio_as_trio", "trio_as_aio")
_OURS: Final = (*_ADAPTERS, "unview", "current_loop", "trio_bridge.current_loop")
_ADAPTED_RESULT: Final = re.compile(rf"\b(?:{'|'.join(_ADAPTERS)})\(([\w.]+)\(")
# What Trio and asyncio say, who can't know the bridge.
_ASYNCIO_ON_TRIOS_SIDE: Final = (
    "trio.run received unrecognized yield message",
    "no running event loop",
    "There is no current event loop in thread",
    "'NoneType' object has no attribute 'create_future'",  # asyncio.Queue, Event, Lock
)
_PLUMBING: Final = frozenset({"asyncio", "trio", "outcome", "contextlib"})


def readable(exc: _E) -> _E:
    """Make an exception fit to be read, and to be raised by the caller."""
    explain(exc)
    return trim(exc)


def trim(exc: _E) -> _E:
    """Drop bridge frames from the traceback of ``exc``, which the caller is about to raise.

    The caller's own frame, at the head, is dropped as well: raising adds it again.
    """
    kept: list[TracebackType] = []
    may_keep = False  # whether a bridge frame may be kept before the next user frame
    for tb in _chain(exc.__traceback__):
        owner = _owner(tb.tb_frame)
        if owner == _BRIDGE:
            if may_keep:
                kept.append(tb)
            may_keep = False
        else:
            kept.append(tb)
            may_keep = may_keep or owner not in _PLUMBING
    head: TracebackType | None = None
    for tb in reversed(kept):
        head = TracebackType(head, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return exc.with_traceback(head)


def explain(exc: BaseException) -> None:
    """Add a note to an error that comes from awaiting code of the other side directly."""
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            explain(inner)
        return
    note = _note(exc)
    if note is not None and not any(_DIRECTLY in old for old in getattr(exc, "__notes__", ())):
        exc.add_note(note)


def _note(exc: BaseException) -> str | None:
    if not isinstance(exc, RuntimeError | TypeError | AttributeError) or not exc.args:
        return None
    message = str(exc.args[0])
    if message.startswith(_ASYNCIO_ON_TRIOS_SIDE):
        return _write("asyncio", "Trio", "trio2aio", exc)
    if message == "must be called from async context" and _raised_in(exc, "trio"):
        return _write("Trio", "asyncio", "aio2trio", exc)
    if message.startswith("Task got bad yield"):
        return _write("Trio", "asyncio", "aio2trio", exc)
    return None


def _write(code: str, caller: str, adapter: str, exc: BaseException) -> str:
    keyword, used = _used_in_user_code(exc)
    if used and used.startswith(f"{caller.lower()}."):
        used = None  # the innermost line isn't where the sides met
    if used:
        what, line = used, f"{keyword} {adapter}({used})(...)"
    else:
        what = f"what belongs to {code}"
        line = f"await {adapter}(awaitable)" if code == "asyncio" else f"await {adapter}(fn)(...)"
    verb = "awaited" if used and keyword == "await" else "used"
    belongs = f"{what} belongs to {code} and was" if used else f"{what} was"
    return (
        f"{belongs} {verb} {_DIRECTLY} in {caller} code. Write:\n    {line}\n"
        f"Or write {adapter}(...) around the function that does it, if that is {code} code too"
    )


def _used_in_user_code(exc: BaseException) -> tuple[str, str | None]:
    """The function called in the last line of user code that awaits, or enters, or iterates."""
    keyword, found = "await", None
    for tb in _chain(exc.__traceback__):
        if _owner(tb.tb_frame) not in _PLUMBING | {_BRIDGE}:
            line = linecache.getline(tb.tb_frame.f_code.co_filename, tb.tb_lineno)
            match = _USES.search(line)
            keyword, found = (match[1], match[2]) if match else ("await", None)
            if keyword == "with":  # a cancel scope, which takes an await on the other side
                keyword = "async with"
            if found in _OURS:  # around what a call has returned, on the wrong side
                match = _ADAPTED_RESULT.search(line)
                found = match and match[1]
    return keyword, found


def _raised_in(exc: BaseException, package: str) -> bool:
    owners = [_owner(tb.tb_frame) for tb in _chain(exc.__traceback__)]
    return bool(owners) and owners[-1] == package


def _owner(frame: FrameType) -> str:
    """The top-level package that a frame's code belongs to."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _chain(tb: TracebackType | None) -> Iterator[TracebackType]:
    while tb is not None:
        yield tb
        tb = tb.tb_next
