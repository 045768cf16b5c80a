"""A cancellation of the one side in a group becomes one of the other's; nothing else changes."""

from __future__ import annotations

import asyncio
import signal

import pytest
import trio

from trio_bridge._crossing.cancellation import (
    convert_group,
    first_cancelled,
    holds,
    pending_interruption,
)

WAS = asyncio.CancelledError
BECOMES = KeyError("the other side's")


def cancelled():
    return WAS()


def test_a_group_without_any_is_the_same():
    group = BaseExceptionGroup("mine", [ValueError(), ExceptionGroup("inner", [KeyError()])])
    assert convert_group(group, WAS, BECOMES) is group


def test_a_group_of_nothing_else_is_one():
    group = BaseExceptionGroup("mine", [cancelled(), BaseExceptionGroup("inner", [cancelled()])])
    assert convert_group(group, WAS, BECOMES) is BECOMES


def test_each_is_replaced_and_the_rest_stays():
    first, second = ValueError(), LookupError()
    inner = BaseExceptionGroup("inner", [second, cancelled()])
    group = BaseExceptionGroup("mine", [cancelled(), first, inner])
    converted = convert_group(group, WAS, BECOMES)
    assert converted.message == "mine"
    assert converted.exceptions[:2] == (BECOMES, first)
    assert converted.exceptions[2].message == "inner"
    assert converted.exceptions[2].exceptions == (second, BECOMES)
    assert isinstance(group.exceptions[0], WAS)


@pytest.mark.parametrize("suppresses", [False, True])
def test_what_is_printed_with_a_group_stays(suppresses):
    group = BaseExceptionGroup("mine", [cancelled(), ValueError()])
    group.__cause__, group.__context__ = LookupError(), KeyError()
    group.__suppress_context__ = suppresses
    group.add_note("first")
    group.add_note("second")
    try:
        raise group
    except BaseExceptionGroup as exc:
        traceback = exc.__traceback__
    converted = convert_group(group, WAS, BECOMES)
    assert converted is not group
    assert converted.__cause__ is group.__cause__
    assert converted.__context__ is group.__context__
    assert converted.__suppress_context__ is suppresses
    assert converted.__notes__ == ["first", "second"]
    assert converted.__traceback__ is traceback


def test_several_types():
    group = BaseExceptionGroup("mine", [cancelled(), LookupError()])
    assert convert_group(group, (WAS, LookupError), BECOMES) is BECOMES


def test_whether_a_group_holds_one():
    group = ExceptionGroup("mine", [ValueError(), ExceptionGroup("inner", [LookupError()])])
    assert holds(group, LookupError)
    assert holds(group, ValueError)
    assert not holds(group, TypeError)


async def trios():
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as exc:
            return exc


async def test_the_first_of_trios():
    one, other = await trios(), await trios()
    inner = BaseExceptionGroup("inner", [LookupError(), one])
    without = ExceptionGroup("without", [ValueError()])
    assert first_cancelled(BaseExceptionGroup("mine", [KeyError(), one, other])) is one
    assert first_cancelled(BaseExceptionGroup("mine", [without, inner, other])) is one
    assert first_cancelled(ExceptionGroup("mine", [without, KeyError()])) is None


async def test_nothing_is_pending():
    assert await pending_interruption() is None


async def test_a_cancellation_is_pending():
    with trio.CancelScope() as scope:
        scope.cancel()
        exc = await pending_interruption()
        assert isinstance(exc, trio.Cancelled)
        assert exc.__traceback__ is None


@trio.lowlevel.enable_ki_protection
async def test_ctrl_c_is_pending():
    signal.raise_signal(signal.SIGINT)
    exc = await pending_interruption()
    assert isinstance(exc, KeyboardInterrupt)
    assert exc.__traceback__ is None
    assert await pending_interruption() is None
