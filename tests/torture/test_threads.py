"""The short form of ``threads``."""

from __future__ import annotations

import pytest

from . import threads
from .progress import no_progress


@pytest.mark.parametrize("engine", threads.ENGINES)
def test_each_call_is_run_or_refused(engine):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    figures = threads.run(engine, no_progress, seed=8, **threads.SHORT)
    assert figures["calls run"] > 100
    assert figures["calls refused"] >= threads.SHORT["count"]
    assert figures["calls lost"] == figures["futures that never end"] == 0
