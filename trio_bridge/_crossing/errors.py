"""What a person sees of an exception that crossed: a short traceback, and the line to write.

1. Between two frames of user code there is at most one frame of the bridge's.
2. Code of one side awaited directly on the other fails in Trio or in asyncio, with a message that
   can't know the bridge: a note says which line to write.
3. Both hold for what is printed with the exception too: the members of a group, causes, contexts.
4. A group that a scope of ours has made says which scope that is.
5. On Trio's side an error keeps its context. ``raise`` puts what is being handled there in the
   place of it: what the caller handles would hide what the callee has handled. It goes to the end
   of the chain instead, where a plain ``await`` has it. (On asyncio's side Python does the same to
   every error that a future throws into a task, frame after frame, and nothing can be done.)

An exception that doesn't cross is never touched; of one that does, no frame but the bridge's.
"""

from __future__ import annotations

import inspect
import os
import sys
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol, TypeVar

from .._frames import BRIDGE, is_ours, package_of
from .._untrusted import add_note, notes_of, set_context, set_traceback
from .used_line import Use, line_of, use_at, use_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_E = TypeVar("_E", bound=BaseException)

# The word that every note of ours has: by it a second note is not added.
_DIRECTLY: Final = "directly"
NO_LOOP: Final = "where no loop is open"
"""The note of an adapted function that nobody can run has it, and says what to write."""
_TURNED_ROUND: Final = {  # for the adapter that is right, those that are wrong
    "trio2aio": ("aio2trio", "trio_as_aio"),
    "aio2trio": ("trio2aio", "aio_as_trio"),
}
# Where installed code is: Python's own, and libraries.
_PYTHON: Final = os.path.dirname(inspect.__file__) + os.sep
_LIBRARIES: Final = ("site-packages", "dist-packages")
# What Trio and asyncio say, who can't know the bridge.
_ASYNCIO_ON_TRIOS_SIDE: Final = (
    "trio.run received unrecognized yield message",
    "no running event loop",
    "There is no current event loop in thread",
    "'NoneType' object has no attribute 'create_future'",  # asyncio.Queue, Event, Lock
)
_ANOTHER_LOOP: Final = (
    "attached to a different loop",
    "is bound to a different event loop",  # asyncio.Queue, Event, Lock
)
# Frames that are nobody's code: neither the user's nor the bridge's.
_PLUMBING: Final = frozenset({"asyncio", "trio", "outcome", "contextlib"})
_THE_FUNCTION: Final = "the function that does it"
_NOT_THE_USERS: Final = _PLUMBING | {BRIDGE}


def readable(exc: _E) -> _E:
    """Make an exception fit to be read, and to be raised by the caller."""
    explain(exc)
    return trim(exc)


def trim(exc: _E) -> _E:
    """Drop bridge frames from the traceback of ``exc``, which the caller is about to raise.

    The caller's own frame, at the head, is dropped as well: raising adds it again. What is printed
    with ``exc`` (rule 3) is treated alike.
    """
    set_traceback(exc, _shortened(exc.__traceback__))
    if _has_others(exc):
        for other in _others(exc):
            whole = other.__traceback__
            short = _shortened(whole)
            if short is not whole:
                set_traceback(other, short or _last(whole))
    return exc


def explain(exc: BaseException) -> None:
    """Add a note to an error that comes from awaiting code of the other side directly."""
    _explain(exc)
    if _has_others(exc):
        for other in _others(exc):
            _explain(other)


def check_awaitable(x: object, method: str) -> None:
    """Refuse what ``method`` has returned, as Python does where it calls the method itself."""
    if not inspect.isawaitable(x):
        raise TypeError(
            f"{method} returned an object of type {type(x).__name__!r}, which can't be awaited: "
            f"write `async def {method}`"
        )


# ---- rule 1: tracebacks


def _shortened(tb: TracebackType | None) -> TracebackType | None:
    """Without bridge frames at its head, and with one at most between two of the user's.

    The very same objects, from where on there is nothing to drop. That is nearly always the first
    frame of the user's: what is below was shortened when the exception crossed there.
    """
    while tb is not None and is_ours(tb.tb_frame):
        tb = tb.tb_next
    kept: list[TracebackType] = []
    rest, may_keep = tb, False  # whether a bridge frame may be kept before the next user frame
    while tb is not None:
        owner = package_of(tb.tb_frame)
        if owner != BRIDGE:
            may_keep = may_keep or owner not in _PLUMBING
        elif may_keep:
            may_keep = False
        else:
            kept += _chain(rest, tb)
            rest = tb.tb_next
        tb = tb.tb_next
    for tb in reversed(kept):
        rest = TracebackType(rest, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return rest


def _last(tb: TracebackType | None) -> TracebackType | None:
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb


# ---- rule 3: what is printed with an exception


def _has_others(exc: BaseException) -> bool:
    return (
        exc.__context__ is not None
        or exc.__cause__ is not None
        or isinstance(exc, BaseExceptionGroup)
    )


def _others(exc: BaseException) -> list[BaseException]:
    """The members of groups, the causes and contexts, however deep; each once."""
    found, seen = [exc], {id(exc)}
    for one in found:
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for other in (one.__cause__, one.__context__, *members):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                found.append(other)
    return found[1:]


# ---- rule 5: contexts


def raise_as_it_is(exc: BaseException) -> NoReturn:
    """Raise an exception that was raised elsewhere."""
    context = exc.__context__
    try:
        raise exc
    finally:
        _keep_context(exc, context)
        del exc, context  # it leads to this frame: no cycles


def result_of(end: Result) -> Any:
    """The result of a future: its error as it is."""
    exc = None if end.cancelled() else end.exception()
    context = None if exc is None else exc.__context__
    try:
        return end.result()
    finally:
        if exc is not None:
            _keep_context(exc, context)
        del exc, context  # it leads to this frame: no cycles


class Result(Protocol):
    """The part of a future's interface that is needed."""

    def cancelled(self) -> bool: ...
    def exception(self) -> BaseException | None: ...
    def result(self) -> Any: ...


def _keep_context(exc: BaseException, context: BaseException | None) -> None:
    """Put the context of ``exc`` back, which was ``context`` before it was raised."""
    handled = exc.__context__
    if handled is None or handled is context:
        return
    set_context(exc, context)
    chain = [exc, *_contexts(exc)]
    if not {id(exc) for exc in chain} & {id(exc) for exc in [handled, *_contexts(handled)]}:
        set_context(chain[-1], handled)


def _contexts(exc: BaseException) -> list[BaseException]:
    found, seen = [], {id(exc)}
    context = exc.__context__
    while context is not None and id(context) not in seen:
        seen.add(id(context))
        found.append(context)
        context = context.__context__
    return found


# ---- rule 4: the scope that a group has left


class Place(NamedTuple):
    """A line of the user's."""

    filename: str
    lineno: int
    function: str


def place_of_caller() -> Place | None:
    """The line of user code that the bridge's code was called from, if there is one.

    A look at a few frames, and no file is read: for each scope that is opened, whether a group
    will leave it or not.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if package_of(frame) not in _NOT_THE_USERS:
            return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def note_scope(group: BaseExceptionGroup[BaseException], scope: str, opened: Place | None) -> None:
    """Add a note to a group that a scope of ours has made, and that leaves it.

    Args:
      scope: as a reader knows it: "the asyncio loop of open_loop()".
      opened: where it was opened, from :func:`place_of_caller` then.
    """
    note = f"This group left {scope}"
    if opened is not None:
        note += f', opened here:\n  File "{opened.filename}", line {opened.lineno}'
        note += f", in {opened.function}"
        if line := line_of(opened.filename, opened.lineno).strip():
            note += f"\n    {line}"
    add_note(group, note)


# ---- rule 2: errors of use


def _explain(exc: BaseException) -> None:
    note = _note(exc)
    if note is not None and not any(_DIRECTLY in old or NO_LOOP in old for old in notes_of(exc)):
        add_note(exc, note)


def _note(exc: BaseException) -> str | None:
    if not isinstance(exc, RuntimeError | TypeError | AttributeError):
        return None
    message = exc.args[0] if exc.args else None
    if not isinstance(message, str):  # whose __str__ would be somebody's code
        return None
    if message.startswith(_ASYNCIO_ON_TRIOS_SIDE):
        return _write("asyncio", "Trio", "trio2aio", exc)
    if message == "must be called from async context" and _raised_in(exc, "trio"):
        return _write("Trio", "asyncio", "aio2trio", exc)
    if message == "Attempted to call run() from inside a run()" and _raised_in(exc, "trio"):
        return (
            f"Trio runs here already, and can't be run again {_DIRECTLY}. In asyncio code write\n"
            "    await aio2trio(async_fn)(*args)\n"
            "and in Trio code await async_fn(*args)"
        )
    if message.endswith(_ANOTHER_LOOP):
        # Before Python 3.14 asyncio.get_event_loop() makes one, in Trio code of the main thread.
        return (
            "What was awaited belongs to another loop. A library's object that was made "
            f"{_DIRECTLY} in Trio code, where no loop is running, may have one of its own: write\n"
            "    trio2aio(make)(...)\n"
            "and not trio2aio(make(...))"
        )
    if message.startswith("Task got bad yield: <Deferred "):
        return (
            f"Twisted's Deferreds can't be awaited {_DIRECTLY} in asyncio code. Write:\n"
            "    await deferred.asFuture(asyncio.get_running_loop())"
        )
    if message.startswith("Task got bad yield"):
        return _write("Trio", "asyncio", "aio2trio", exc)
    return None


def _write(code: str, caller: str, adapter: str, exc: BaseException) -> str:
    use, function = _use_in_user_code(exc)
    if use.adapted_with in _TURNED_ROUND[adapter]:
        other = "asyncio" if code == "Trio" else "Trio"
        return (
            f"{use.what} belongs to {code}, and {use.adapted_with}(...) is for what belongs to "
            f"{other}. Use it {_DIRECTLY} in {code} code; in {other} code write\n"
            f"    {use.written_with(adapter)}"
        )
    if use.adapted_with or (use.what and use.what.startswith(f"{caller.lower()}.")):
        use = Use()  # the innermost line isn't where the sides met
    if not use.what and (started := _started_as_it_is(exc, code.lower())):
        return (
            f"{started} belongs to {code} and was used {_DIRECTLY} in {caller} code. Write:\n"
            f"    {adapter}({started})\n"
            f"in its place: nursery.start_soon({adapter}({started}), ...)"
        )
    if use.what:
        belongs, line = f"{use.what} belongs to {code} and was", use.written_with(adapter)
    else:
        belongs = f"what belongs to {code} was"
        line = f"await {adapter}(awaitable)" if code == "asyncio" else f"await {adapter}(fn)(...)"
    verb = "awaited" if use.what and use.keyword == "await" else "used"
    return (
        f"{belongs} {verb} {_DIRECTLY} in {caller} code. Write:\n    {line}\n"
        f"Or write {adapter}(...) around {function}, if that is {code} code too"
    )


def _use_in_user_code(exc: BaseException) -> tuple[Use, str]:
    """What the last line does that was reached of the program's own, and in which function it is.

    A library that fails where it was used on the wrong side was called by such a line. Where there
    is none, it is the library's.
    """
    own, last = None, None
    for tb in _chain(exc.__traceback__):
        if package_of(tb.tb_frame) not in _NOT_THE_USERS:
            last = tb
            own = own if _is_installed(tb.tb_frame) else tb
    if (met := own or last) is not None:
        return use_at(met), _name(met.tb_frame)
    use = Use()
    if (caller := place_of_caller()) is not None:
        # What was adapted is Trio's or asyncio's own. Only then does the caller's line tell.
        use = use_in(line_of(caller.filename, caller.lineno))
    return use if use.adapted_with else Use(), _THE_FUNCTION


def _started_as_it_is(exc: BaseException, package: str) -> str | None:
    """The name of Trio's or asyncio's own function that no line of the program's has called.

    The program has handed it over: ``nursery.start_soon(asyncio.sleep, 1)``.
    """
    code: CodeType | None = None
    for tb in _chain(exc.__traceback__):
        owner = package_of(tb.tb_frame)
        if owner not in _NOT_THE_USERS:
            return None
        if code is None and owner == package:
            code = tb.tb_frame.f_code
    if code is None:
        return None
    function = getattr(sys.modules[package], code.co_name, None)
    is_public = code is getattr(function, "__code__", None)
    return f"{package}.{code.co_name}" if is_public else None


def _is_installed(frame: FrameType) -> bool:
    """Whether it is code of a library or of Python's, and not of the program itself."""
    # Not the code's own file: compiled code names one that isn't there.
    file = frame.f_globals.get("__file__")
    if type(file) is not str:
        return False
    return file.startswith(_PYTHON) or any(name in file for name in _LIBRARIES)


def _name(frame: FrameType) -> str:
    """The name of a frame's function, as it is written in its own scope."""
    name = frame.f_code.co_qualname.rpartition("<locals>.")[2]
    return _THE_FUNCTION if "<" in name else name


def _raised_in(exc: BaseException, package: str) -> bool:
    owners = [package_of(tb.tb_frame) for tb in _chain(exc.__traceback__)]
    return bool(owners) and owners[-1] == package


def _chain(tb: TracebackType | None, end: TracebackType | None = None) -> Iterator[TracebackType]:
    while tb is not end and tb is not None:
        yield tb
        tb = tb.tb_next
