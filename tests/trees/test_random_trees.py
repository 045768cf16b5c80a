"""Rule 4.5 at large: random trees of nurseries, tasks and crossings end as a small model says.

``programs`` has the programs as data, ``model`` says what they do, ``running`` runs them on the
bridge. Here they are made, and the two are compared. ``search.py`` does that many times::

    python tests/trees/search.py --examples 10000 --seed 1
"""

from __future__ import annotations

from checking import check
from hypothesis import given, settings
from strategy import programs


@settings(max_examples=300)
@given(programs())
def test_4_5_random_trees_end_as_the_model_says(program):
    check(program)
