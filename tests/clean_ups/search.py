"""Compare many: ``python tests/clean_ups/search.py --examples 10000 --seed 1``.

It prints how many ran; a counterexample, if there is one, as small as it can be made.
"""

from __future__ import annotations

import argparse
import platform
import time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, seed, settings
from scoped_programs import programs
from two_sides import BEGINS, compare

if TYPE_CHECKING:
    from scoped_programs import Scope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    ran = [f"{search(begin, options):,} {begin.__name__}" for begin in BEGINS]
    seconds = time.perf_counter() - start
    print(f"{', '.join(ran)}; {seconds:.0f} s, Python {platform.python_version()}: as in Trio")


def search(begin: Any, options: argparse.Namespace) -> int:
    """Compare many that begin like this; how many."""
    ran = 0

    @seed(options.seed)
    @settings(
        max_examples=options.examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(program=programs())
    def one(program: Scope) -> None:
        nonlocal ran
        compare(begin, program)
        ran += 1

    one()
    return ran


if __name__ == "__main__":
    main()
