"""What the tests with libraries share."""

from __future__ import annotations

import asyncio
import os

import pytest
import trio


class Countdown(trio.abc.Instrument):
    """Cancels a scope when the scheduler has run a number of steps, whatever task's they are."""

    def __init__(self, scope, number):
        self.scope = scope
        self.number = number

    def before_task_step(self, task):
        self.number -= 1
        if self.number == 0:
            self.scope.cancel()


@pytest.fixture(params=["scheduler", "loop"])
def cancelled_at_each_step(request, monkeypatch):
    """Run a story cancelled at the first step, the second, until it is over before the step comes.

    A step is one of Trio's scheduler, or a callback of the asyncio loop, of which many make one.
    """
    if request.param == "loop" and os.environ.get("TRIO_BRIDGE_ENGINE") == "uvloop":
        pytest.skip("its loop's callbacks can't be counted")
    countdown = None
    original = asyncio.Handle._run

    def run(handle):
        if countdown is not None:
            countdown.before_task_step(None)
        original(handle)

    async def numbers(story):
        nonlocal countdown
        for number in range(1, 5000):
            with trio.fail_after(30), trio.CancelScope() as scope:
                countdown = Countdown(scope, number)
                if request.param == "scheduler":
                    trio.lowlevel.add_instrument(countdown)
                try:
                    await story(number)
                finally:
                    if request.param == "scheduler":
                        trio.lowlevel.remove_instrument(countdown)
                    left, countdown = countdown.number, None
            yield number
            if left > 0:
                assert not scope.cancelled_caught
                return
        pytest.fail("it takes too long")

    if request.param == "loop":
        monkeypatch.setattr(asyncio.Handle, "_run", run)
    return numbers
