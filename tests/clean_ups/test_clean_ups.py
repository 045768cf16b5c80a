"""Scopes, shields and clean-ups of asyncio code are Trio's: the same program does the same there.

``search.py`` makes many more::

    python tests/clean_ups/search.py --examples 10000 --seed 1
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from scoped_programs import programs
from two_sides import BEGINS, compare


@pytest.mark.parametrize("begin", BEGINS)
@settings(max_examples=100)
@given(program=programs())
def test_asyncio_code_does_as_trio_code_would(begin, program):
    compare(begin, program)
