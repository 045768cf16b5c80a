"""The short form of ``descriptors``."""

from __future__ import annotations

import pytest

from . import descriptors
from .progress import no_progress


@pytest.mark.parametrize("engine", descriptors.ENGINES)
def test_what_fails_for_want_of_descriptors_works_again(engine):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    figures = descriptors.run(engine, no_progress, seed=8, **descriptors.SHORT)
    assert figures["refused"] > 5
    assert figures["worked again"] > figures["refused"]
