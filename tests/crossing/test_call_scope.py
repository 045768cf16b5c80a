"""The scope for a host's Trio calls: open from one to the next, and closed for a cancellation."""

from __future__ import annotations

import pytest
import trio

from trio_bridge._crossing.call_scope import CallScope


async def test_it_stays_open_from_one_call_to_the_next():
    scopes = CallScope()
    assert scopes.scope is None
    first = scopes.open()
    with scopes:
        await trio.lowlevel.checkpoint()
    assert scopes.open() is first is scopes.scope
    scopes.close()
    assert scopes.scope is None
    second = scopes.open()
    assert second is not first
    scopes.close()


async def test_nothing_is_open():
    scopes = CallScope()
    assert scopes.close() is False
    assert scopes.close(ValueError()) is False
    with pytest.raises(ValueError), scopes:
        raise ValueError


async def test_an_error_passes_and_leaves_it_open():
    scopes = CallScope()
    scope = scopes.open()
    with pytest.raises(ValueError), scopes:
        raise ValueError
    assert scopes.scope is scope
    scopes.close()


async def test_a_call_for_which_it_was_cancelled_is_its_last():
    scopes = CallScope()
    scope = scopes.open()
    scope.cancel()
    with scopes:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert scopes.scope is None
    await trio.lowlevel.checkpoint()  # nothing is left of it


async def test_a_cancelled_call_that_ends_by_an_error():
    scopes = CallScope()
    scopes.open().cancel()
    with pytest.raises(ValueError), scopes:
        raise ValueError
    assert scopes.scope is None
    await trio.lowlevel.checkpoint()


async def test_a_cancelled_call_that_ends_by_a_value():
    scopes = CallScope()
    scope = scopes.open()
    scope.cancel()
    with scopes:
        pass
    assert scopes.scope is scope  # its host closes it
    scopes.close()
    await trio.lowlevel.checkpoint()


async def test_a_cancellation_from_around_it_is_not_its_own():
    scopes = CallScope()
    with trio.CancelScope() as around:
        scope = scopes.open()
        around.cancel()
        try:
            with scopes:
                await trio.sleep_forever()
        finally:
            assert scopes.scope is scope
            scopes.close()
    assert around.cancelled_caught
    assert not scope.cancelled_caught


async def test_it_is_closed_with_what_it_is_to_take():
    scopes = CallScope()
    scopes.open().cancel()
    cancelled = None
    try:
        await trio.lowlevel.checkpoint()
    except trio.Cancelled as exc:
        cancelled = exc
    assert scopes.close(cancelled) is True
