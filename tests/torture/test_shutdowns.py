"""The short form of :mod:`.shutdowns`."""

from __future__ import annotations

import pytest

from . import shutdowns
from .campaigns import engines
from .progress import no_progress


@pytest.mark.parametrize("engine", engines(shutdowns))
def test_shutdowns(engine):
    figures = shutdowns.run(engine, no_progress, seed=8, **shutdowns.SHORT)
    assert figures["shutdowns"] == shutdowns.SHORT["shutdowns"]
    assert figures["things held and released"] > 100
