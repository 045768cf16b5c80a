"""Run many random trees: ``python tests/trees/search.py --examples 10000 --seed 1``.

It prints how many ran, and what was in them; a counterexample, if there is one, as small as it can
be made.
"""

from __future__ import annotations

import argparse
import platform
import re
import time
from collections import Counter

from checking import check
from hypothesis import HealthCheck, Phase, given, seed, settings
from strategy import programs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-found", action="store_true", help="show it as it was found")
    options = parser.parse_args()
    phases = [Phase.generate] if options.as_found else [Phase.generate, Phase.shrink]
    seen: Counter[str] = Counter()
    distinct = set()

    @seed(options.seed)
    @settings(
        max_examples=options.examples,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def search(program):
        recorder = check(program)
        seen["programs"] += 1
        distinct.add(hash(program))
        seen["nodes"] += len(recorder.log)
        seen.update(set(re.findall(r"[A-Z]\w+(?=\()", repr(program))))
        seen.update({type(ended.outcome).__name__ for ended in recorder.log})

    start = time.perf_counter()
    search()
    seconds = time.perf_counter() - start
    print(
        f"{seen.pop('programs')} programs ({len(distinct)} different), {seen.pop('nodes')} nodes, "
        f"seed {options.seed}, {seconds:.0f} s, Python {platform.python_version()}: "
        "no counterexample"
    )
    print("programs with:", ", ".join(f"{name} {n}" for name, n in sorted(seen.items())))


if __name__ == "__main__":
    main()
