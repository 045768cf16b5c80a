"""The short form of ``signals``."""

from __future__ import annotations

import pytest

from . import signals
from .campaigns import engines
from .progress import no_progress


@pytest.mark.parametrize("engine", engines(signals))
def test_each_signal_is_handled_and_none_that_was_not_sent(engine):
    figures = signals.run(engine, no_progress, seed=8, **signals.SHORT)
    sizes = signals.SHORT
    for starter in signals.STARTERS:
        sent = sizes["rounds"] * (sizes["in_a_row"] + sizes["in_a_storm"])
        assert figures[f"{starter}: sent"] == sent
        is_twice = (engine, starter) in signals.HANDLED_TWICE
        handled = "handled, some twice" if is_twice else "handled once each"
        in_a_row = figures[f"{starter}: sent one by one, {handled}"]
        assert in_a_row == sizes["rounds"] * sizes["in_a_row"]
        assert figures[f"{starter}: handled"] > in_a_row
