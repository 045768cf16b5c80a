"""What ``_crossing/errors.py`` does to an exception, with frames that are made for it."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import linecache
import sys
import threading
import traceback
from types import FunctionType

import pytest

from trio_bridge._crossing import errors
from trio_bridge._crossing.errors import (
    check_awaitable,
    explain,
    is_ours,
    place_of_caller,
    raise_as_it_is,
    readable,
    result_of,
    trim,
)


def of(module):
    """A function of that module, which calls what it is given."""

    def call(fn, *args):
        return fn(*args)

    return FunctionType(call.__code__, {"__name__": module}, module)


OURS, TRIOS, ASYNCIOS = of("trio_bridge._somewhere"), of("trio._core"), of("asyncio.events")
USERS = of("program")


def raised(exc, *callers):
    """``exc``, when it has left these functions, outermost first."""
    calls = [*callers, FAILS]
    with contextlib.suppress(type(exc)):
        calls[0](*calls[1:], exc)
    return exc.with_traceback(exc.__traceback__.tb_next)  # without this frame


def _fails(exc):
    raise exc


FAILS = FunctionType(_fails.__code__, {"__name__": "fails"})


def modules(exc):
    """Whose its frames are, outermost first."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    return [frame.f_globals["__name__"].partition(".")[0] for frame in frames]


# ---- rule 1


@pytest.mark.parametrize(
    ("callers", "kept"),
    [
        ([], []),
        ([USERS], ["program"]),
        ([OURS, OURS, USERS], ["program"]),
        ([USERS, OURS], ["program", "trio_bridge"]),
        ([USERS, OURS, OURS, OURS], ["program", "trio_bridge"]),
        ([USERS, OURS, OURS, USERS, OURS], ["program", "trio_bridge", "program", "trio_bridge"]),
        # The schedulers' frames are nobody's: there is still one of ours at most.
        ([USERS, OURS, TRIOS, OURS, USERS], ["program", "trio_bridge", "trio", "program"]),
        ([USERS, TRIOS, OURS, ASYNCIOS, OURS], ["program", "trio", "trio_bridge", "asyncio"]),
        ([TRIOS, OURS, USERS], ["trio", "program"]),
        ([OURS, TRIOS, OURS, ASYNCIOS, USERS], ["trio", "asyncio", "program"]),
    ],
)
def test_one_frame_of_ours_at_most_between_two_of_the_users(callers, kept):
    assert modules(trim(raised(ValueError(), *callers))) == [*kept, "fails"]


def test_where_nothing_is_dropped_the_objects_are_the_same():
    exc = raised(ValueError(), OURS, USERS, OURS, USERS)
    whole = exc.__traceback__
    assert trim(exc).__traceback__ is whole.tb_next
    exc = raised(ValueError(), USERS, OURS, OURS, USERS)
    rest = exc.__traceback__.tb_next.tb_next.tb_next
    assert modules(trim(exc)) == ["program", "trio_bridge", "program", "fails"]
    assert exc.__traceback__.tb_next.tb_next is rest


def test_a_shortened_traceback_has_the_lines_that_it_had():
    exc = raised(ValueError(), USERS, OURS, OURS, USERS)
    before = [(tb.tb_lasti, tb.tb_lineno) for tb in errors._chain(exc.__traceback__)]
    after = [(tb.tb_lasti, tb.tb_lineno) for tb in errors._chain(trim(exc).__traceback__)]
    assert after == [*before[:2], *before[3:]]


def test_an_exception_that_was_not_raised():
    assert trim(ValueError()).__traceback__ is None


def test_frames_are_ours_by_their_module():
    frames = [call(sys._getframe, 0) for call in (OURS, TRIOS, USERS)]
    assert [is_ours(frame) for frame in frames] == [True, False, False]


# ---- rule 3


def with_cause(cause):
    exc = KeyError()
    exc.__cause__ = cause
    return exc


def with_context(context):
    exc = KeyError()
    exc.__context__ = context
    return exc


AROUND = [
    with_cause,
    with_context,
    lambda exc: ExceptionGroup("mine", [KeyError(), exc]),
    lambda exc: ExceptionGroup("mine", [with_context(ExceptionGroup("its", [with_cause(exc)]))]),
]


@pytest.mark.parametrize("around", AROUND, ids=["cause", "context", "member", "deep"])
def test_what_is_printed_with_an_exception_is_shortened_too(around):
    inner = raised(ValueError(), OURS, USERS, OURS, OURS, USERS)
    outer = raised(around(inner), OURS, USERS)
    assert readable(outer) is outer
    assert modules(outer) == ["program", "fails"]
    assert modules(inner) == ["program", "trio_bridge", "program", "fails"]


def test_what_has_frames_of_ours_only_keeps_the_last():
    inner = raised(ValueError(), OURS, OURS)
    inner.__traceback__.tb_next.tb_next = None
    trim(with_cause(inner))
    assert modules(inner) == ["trio_bridge"]
    assert inner.__traceback__.tb_next is None
    last = inner.__traceback__
    trim(with_cause(inner))
    assert inner.__traceback__ is last


@pytest.mark.parametrize("around", AROUND, ids=["cause", "context", "member", "deep"])
def test_what_is_printed_with_an_exception_is_explained_too(around):
    inner = RuntimeError("no running event loop")
    explain(around(inner))
    (note,) = inner.__notes__
    assert note.startswith("what belongs to asyncio was used directly in Trio code. Write:\n")


def test_exceptions_that_lead_to_each_other():
    one, other = raised(ValueError(), OURS, USERS), raised(KeyError(), OURS, USERS)
    one.__context__, other.__context__ = other, one
    assert errors._others(one) == [other]
    trim(one)
    assert modules(one) == modules(other) == ["program", "fails"]


# ---- rule 2


def test_an_error_is_explained_once():
    exc = RuntimeError("no running event loop")
    exc.add_note("it belongs to somebody else")
    explain(exc)
    explain(exc)
    assert len(exc.__notes__) == 2


@pytest.mark.parametrize(
    "exc",
    [
        RuntimeError(),
        RuntimeError(1, "no running event loop"),
        RuntimeError("another"),
        ValueError("no running event loop"),
        TypeError("Task got another yield"),
        # Not raised by Trio: somebody's own words.
        raised(RuntimeError("must be called from async context"), TRIOS, USERS),
        RuntimeError("must be called from async context"),
    ],
    ids=repr,
)
def test_other_errors_are_left_alone(exc):
    explain(exc)
    assert not hasattr(exc, "__notes__")


def test_trios_words_are_explained_where_trio_raises_them():
    exc = raised(RuntimeError("must be called from async context"), USERS, USERS, TRIOS)
    exc.__traceback__.tb_next.tb_next.tb_next = None
    explain(exc)
    (note,) = exc.__notes__
    assert note.startswith("fn belongs to Trio and was used directly in asyncio code. Write:\n")
    assert "aio2trio(fn)(...)" in note


@pytest.mark.parametrize("kind", [RuntimeError, TypeError, AttributeError])
def test_a_yield_that_asyncio_does_not_know(kind):
    exc = kind("Task got bad yield: 1")
    explain(exc)
    assert "belongs to Trio" in exc.__notes__[0]
    exc = kind("Task got bad yield: <Deferred at 0x7f>")
    explain(exc)
    assert "deferred.asFuture(asyncio.get_running_loop())" in exc.__notes__[0]


IN_TRIO = RuntimeError, "no running event loop"
IN_ASYNCIO = RuntimeError, "Task got bad yield: 1"
AROUND_ALL = "Or write {}(...) around the function that does it, if that is {} code too"


@pytest.mark.parametrize(
    ("error", "line", "note"),
    [
        (
            IN_TRIO,
            "await asyncio.sleep(1)",
            "asyncio.sleep belongs to asyncio and was awaited directly in Trio code. Write:\n"
            "    await trio2aio(asyncio.sleep)(...)\n" + AROUND_ALL.format("trio2aio", "asyncio"),
        ),
        (
            IN_TRIO,
            "loop = asyncio.get_running_loop()",
            "asyncio.get_running_loop belongs to asyncio and was used directly in Trio code. "
            "Write:\n"
            "    trio2aio(asyncio.get_running_loop)(...)\n"
            + AROUND_ALL.format("trio2aio", "asyncio"),
        ),
        (
            IN_TRIO,
            "await trio.sleep(1)",  # isn't where the sides met
            "what belongs to asyncio was used directly in Trio code. Write:\n"
            "    await trio2aio(awaitable)\n" + AROUND_ALL.format("trio2aio", "asyncio"),
        ),
        (
            IN_TRIO,
            "await trio2aio(pool.get)()",  # nor this
            "what belongs to asyncio was used directly in Trio code. Write:\n"
            "    await trio2aio(awaitable)\n" + AROUND_ALL.format("trio2aio", "asyncio"),
        ),
        (
            IN_TRIO,
            "await aio2trio(asyncio.sleep)(1)",
            "asyncio.sleep belongs to asyncio, and aio2trio(...) is for what belongs to Trio. "
            "Use it directly in asyncio code; in Trio code write\n"
            "    await trio2aio(asyncio.sleep)(...)",
        ),
        (
            IN_ASYNCIO,
            "async with trio.open_nursery() as nursery:",
            "trio.open_nursery belongs to Trio and was used directly in asyncio code. Write:\n"
            "    async with aio2trio(trio.open_nursery)(...)\n"
            + AROUND_ALL.format("aio2trio", "Trio"),
        ),
        (
            IN_ASYNCIO,
            "await trio_as_aio(trio.sleep)(1)",
            "what belongs to Trio was used directly in asyncio code. Write:\n"
            "    await aio2trio(fn)(...)\n" + AROUND_ALL.format("aio2trio", "Trio"),
        ),
        (
            IN_ASYNCIO,
            "await aio_as_trio(trio.sleep)(1)",
            "trio.sleep belongs to Trio, and aio_as_trio(...) is for what belongs to asyncio. "
            "Use it directly in Trio code; in asyncio code write\n"
            "    await aio2trio(trio.sleep)(...)",
        ),
    ],
)
def test_the_line_to_write(error, line, note):
    kind, message = error
    exc = kind(message)
    filename = "<a line of a program>"
    linecache.cache[filename] = (len(line), None, [f"    {line}\n"], filename)
    with contextlib.suppress(kind):
        exec(compile("raise exc", filename, "exec"), {"__name__": "program", "exc": exc})
    exc.__traceback__ = exc.__traceback__.tb_next
    explain(exc)
    assert exc.__notes__ == [note]


def test_what_can_be_awaited():
    async def fn():
        pass

    coro = fn()
    check_awaitable(coro, "__aenter__")
    coro.close()
    with pytest.raises(TypeError) as caught:
        check_awaitable(1, "__aexit__")
    assert str(caught.value) == (
        "__aexit__ returned an object of type 'int', which can't be awaited: "
        "write `async def __aexit__`"
    )


# ---- rule 5


def raised_while_handling(raises, exc, handled):
    try:
        raise handled
    except BaseException:
        with pytest.raises(type(exc)) as caught:
            raises(exc)
    assert caught.value is exc


def from_a_future(exc):
    future = asyncio.Future(loop=LOOP)
    future.set_exception(exc)
    result_of(future)


class Loop(asyncio.AbstractEventLoop):
    def get_debug(self):
        return False


LOOP = Loop()
RAISES = pytest.mark.parametrize("raises", [raise_as_it_is, from_a_future])


@RAISES
def test_what_is_handled_is_at_the_end_of_the_chain(raises):
    first, second = ValueError("first"), ValueError("second")
    second.__context__ = first
    exc, handled = with_context(second), LookupError("handled")
    raised_while_handling(raises, exc, handled)
    assert exc.__context__ is second
    assert second.__context__ is first
    assert first.__context__ is handled


@RAISES
def test_an_error_without_a_context_gets_what_is_handled(raises):
    exc, handled = KeyError(), LookupError("handled")
    raised_while_handling(raises, exc, handled)
    assert exc.__context__ is handled


@RAISES
def test_an_error_with_a_context_where_nothing_is_handled(raises):
    context = ValueError()
    exc = with_context(context)
    with pytest.raises(KeyError):
        raises(exc)
    assert exc.__context__ is context
    assert context.__context__ is None


@RAISES
def test_what_is_handled_is_in_the_chain_already(raises):
    handled = LookupError("handled")
    exc = with_context(with_context(handled))
    middle = exc.__context__
    raised_while_handling(raises, exc, handled)
    assert exc.__context__ is middle
    assert middle.__context__ is handled
    assert handled.__context__ is None


@RAISES
def test_the_two_chains_meet(raises):
    both = ValueError("both")
    context, handled = with_context(both), with_context(both)
    exc = with_context(context)
    raised_while_handling(raises, exc, handled)
    assert exc.__context__ is context
    assert both.__context__ is None


@RAISES
def test_a_chain_that_is_a_ring(raises):
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    exc, handled = with_context(one), LookupError("handled")
    raised_while_handling(raises, exc, handled)
    assert exc.__context__ is one
    assert one.__context__ is other


def test_the_result_of_a_future_that_has_one():
    future = asyncio.Future(loop=LOOP)
    future.set_result(1)
    assert result_of(future) == 1
    cancelled = asyncio.Future(loop=LOOP)
    cancelled.cancel("why")
    with pytest.raises(asyncio.CancelledError, match="why"):
        result_of(cancelled)


# ---- rule 4


def test_code_that_nobody_of_the_users_has_called():
    found, is_done = [], threading.Event()
    look = FunctionType(
        compile("def look(): found(place_of_caller()); is_done()", "f", "exec").co_consts[0],
        {
            "__name__": "trio_bridge._run",
            "place_of_caller": place_of_caller,
            "found": found.append,
            "is_done": is_done.set,
        },
    )
    _thread.start_new_thread(look, ())
    is_done.wait(50)
    assert found == [None]
