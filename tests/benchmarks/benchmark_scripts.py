"""The benchmarks, as scripts that are run, and as modules that tests import."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import PYTHONPATH, ROOT

BENCHMARKS = ROOT / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))


def run_script(name, *args):
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        timeout=50,
    )
