"""How a host cancels its guest. What it is for is in ``tests/test_cancelled_once.py``."""

from __future__ import annotations

import pytest

from trio_bridge._crossing.guest_cancellation import _why


class Said(BaseException):
    def __str__(self):
        return self.args[0]


@pytest.mark.parametrize(
    ("interruption", "why"),
    [
        (KeyboardInterrupt(), "by Ctrl-C"),
        (Said("cancelled due to deadline"), "by its Trio scope (deadline)"),
        (Said("cancelled due to explicit"), "by its Trio scope (cancel())"),
        (
            Said("cancelled due to explicit with reason 'late' from task <Task 'x'>"),
            "by its Trio scope (cancel() with reason 'late' from task <Task 'x'>)",
        ),
        (Said("Cancelled"), "by its Trio scope"),
    ],
)
def test_the_reminder_says_who_cancelled_it(interruption, why):
    assert _why(interruption) == why
