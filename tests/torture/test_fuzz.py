"""The short form of the campaign ``fuzz``."""

from __future__ import annotations

import importlib.util

import pytest

from . import fuzz
from .bad_inputs import INPUTS
from .progress import no_progress


@pytest.mark.parametrize("engine", ["selector", "uvloop", "portable"])
def test_bad_input_gives_an_error_and_the_loop_goes_on(engine):
    if engine == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    figures = fuzz.run(engine, no_progress, seed=1, **fuzz.SHORT)
    assert figures["bad inputs given"] == len(INPUTS)
    assert figures["asyncio generators"] >= fuzz.SHORT["examples"]
