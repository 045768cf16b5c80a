"""The short form of ``handshakes``."""

from __future__ import annotations

import pytest

from . import handshakes
from .campaigns import engines
from .progress import no_progress


@pytest.mark.parametrize("engine", engines(handshakes))
def test_handshakes_that_are_cut_end_in_time_and_the_good_ones_go_on(engine):
    figures = handshakes.run(engine, no_progress, seed=8, **handshakes.SHORT)
    assert figures["connections to servers on the bridge"] == handshakes.SHORT["count"]
    assert figures["connections of clients on the bridge"] == handshakes.SHORT["count"]
    assert figures["client: good"] > 30
    assert figures["client on the bridge: good"] > 30
    assert figures["client on the bridge: cut"] > 30
    assert figures["bytes that came back"] > 1_000_000
    assert figures["descriptors left"] == 0
