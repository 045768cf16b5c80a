"""The short form of ``forks``."""

from __future__ import annotations

import pytest

from . import forks
from .campaigns import engines
from .progress import no_progress


@pytest.mark.parametrize("engine", engines(forks))
def test_parent_and_child_go_on_wherever_a_program_forks(engine):
    figures = forks.run(engine, no_progress, seed=8, **forks.SHORT)
    for starter in forks.STARTERS:
        assert figures[f"{starter}: forks"] == forks.SHORT["count"]
        assert figures[f"{starter}: children that run trio_bridge.run"] > 0
        assert figures[f"{starter}: children that run it in a new thread"] > 0
        assert figures[f"{starter}: children that run it, and asyncio.run"] > 0
    assert figures["descriptors left"] == 0
