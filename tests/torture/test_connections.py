"""The short form of ``connections``."""

from __future__ import annotations

import pytest

from . import connections
from .progress import no_progress


@pytest.mark.parametrize("engine", connections.ENGINES)
def test_what_was_acknowledged_arrived_and_nothing_remains_open(engine):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    figures = connections.run(engine, no_progress, seed=8, **connections.SHORT)
    assert figures["held at once"] == 200
    assert figures["opened and closed"] >= 1000
    assert figures["bytes acknowledged"] > 1_000_000
    assert figures["ended: reset"] > 100
    assert figures["descriptors left"] == 0
