"""What the nurseries for asyncio tasks have in common."""

from __future__ import annotations

import threading

import pytest
import trio

import trio_bridge
from trio_bridge import current_loop, open_asyncio_nursery
from trio_bridge._bridge import owning


class ExpectedError(Exception):
    """What nobody awaits."""


async def test_an_error_in_the_loop_cancels_the_block_at_once():
    error, seen = ExpectedError(), []
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery() as nursery:

            def fails():
                owner.fail(error)
                seen.append(nursery.cancel_scope.cancel_called)

            owner = owning.get()
            current_loop().call_soon(fails)
            await trio.sleep_forever()
    assert caught.value.exceptions == (error,)
    assert seen == [True]


@pytest.mark.parametrize("elsewhere", [True, False], ids=["thread", "trio"])
async def test_an_error_elsewhere_cancels_the_block_when_trio_comes_to_it(elsewhere):
    """The garbage collector may report one in any thread, or in the middle of Trio's scheduler."""
    error = ExpectedError()
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery() as nursery:
            owner = owning.get()
            if elsewhere:
                thread = threading.Thread(target=owner.fail, args=(error,))
                thread.start()
                thread.join()
            else:
                owner.fail(error)
            assert not nursery.cancel_scope.cancel_called
            await trio.sleep_forever()
    assert caught.value.exceptions == (error,)


async def test_an_error_that_is_reported_twice_is_one():
    error, other = ExpectedError(), ExpectedError()
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery():
            for exc in (error, other, error):
                owning.get().fail(exc)
            await trio.sleep_forever()
    assert caught.value.exceptions == (error, other)


def test_an_error_when_trio_has_ended_is_nobodys():
    async def main():
        async with open_asyncio_nursery():
            return owning.get()

    owner = trio_bridge.run(main)
    owner.fail(ExpectedError())
    assert not owner.scope.cancel_called
