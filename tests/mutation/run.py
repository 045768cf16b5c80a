"""Mutation testing of the crossings and the nurseries: ``tox run -e mutation``.

Works on a clone of what is committed, below ``.tox/mutation-run`` (``--folder``), takes the mutants
in any order, and goes on where it was stopped. ``--list`` only shows what has come out so far.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome

ROOT = Path(__file__).parents[2]
HERE = "tests/mutation"
NEAR = [
    "tests/crossing",
    *(f"tests/test_{x}.py" for x in ("nursery", "nursery_ctrl_c", "tracking", "run", "loop_tasks")),
    *(f"tests/test_{x}.py" for x in ("misuse", "pdb", "generator_hooks", "loop_failures")),
    *(f"tests/asyncio_first/test_foreign_{x}.py" for x in ("calls", "cancellation", "closing")),
    *(f"tests/asyncio_first/test_{x}.py" for x in ("foreign_ctrl_c", "guest_ctrl_c", "guest_ends")),
    *(f"tests/views/test_{x}.py" for x in ("attacks", "ctrl_c", "every_checkpoint", "functions")),
    *(f"tests/views/test_{x}.py" for x in ("generators", "managers", "managers_left_wrongly")),
    *(f"tests/views/test_{x}.py" for x in ("objects", "startable")),
    "tests/inspect/test_tree.py",
]
"""The tests that may notice: one engine's, without servers."""
CHILD = """\
import sys
sys.path.append({folder!r})
import lines_of_a_child
"""
"""What the Pythons run first that tests start while the map is made."""


class Run:
    """What a run keeps in its folder."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.map = folder / "map"
        self.session = folder / "session.sqlite"
        self.environment = {
            **os.environ,
            "MUTATION_MAP": str(self.map),
            "PYTHONPATH": HERE,
            "PYTHONDONTWRITEBYTECODE": "1",  # a mutant may be as old and as long as the original
            "TRIO_BRIDGE_ENGINE": "selector",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def do(self, *command: object, check: bool = True) -> None:
        """Run a command in the clone."""
        words = [sys.executable, "-m", *map(str, command)]
        subprocess.run(words, cwd=self.clone, env=self.environment, check=check)

    def prepare(self) -> None:
        """Make what isn't there yet: the clone, the map of the tests, the list of mutants."""
        if not self.clone.exists():
            self.clone.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "clone", "-q", str(ROOT), str(self.clone)], check=True)
        subprocess.run(["git", "checkout", "-q", "trio_bridge"], cwd=self.clone, check=True)
        if not self.map.exists():
            print("Which test runs which line?", flush=True)
            child = self.clone / "sitecustomize.py"
            child.write_text(CHILD.format(folder=str(self.clone / HERE)))
            which = ["-p", "tests_of_lines", "-q", "-p", "no:cacheprovider", *NEAR]
            self.do("pytest", *which, check=False)
            child.unlink()
        if not self.session.exists():
            self.do("cosmic_ray.cli", "init", f"{HERE}/cosmic-ray.toml", self.session)
            self.do("equivalent", self.session)

    def report(self) -> None:
        """Print each survivor with its change, and the score."""
        count: Counter[str] = Counter()
        with use_db(str(self.session)) as database:
            items = {item.job_id: item for item in database.work_items}
            for job, result in database.results:
                if result.worker_outcome is WorkerOutcome.SKIPPED:
                    continue
                killed = result.test_outcome in (TestOutcome.KILLED, TestOutcome.INCOMPETENT)
                count["killed" if killed else "survived"] += 1
                if not killed:
                    (mutation,) = items[job].mutations
                    print(
                        f"{mutation.module_path}:{mutation.start_pos[0]} {mutation.operator_name}"
                    )
                    print(*changes(result.diff or ""), sep="\n")
            pending = len(list(database.pending_work_items))
        tried = sum(count.values())
        share = f"{count['killed'] / tried:.1%}" if tried else "none yet"
        print(f"{tried} tried, {count['killed']} killed ({share}), {pending} to go")


def changes(diff: str) -> list[str]:
    """The lines of a diff that differ."""
    return [
        f"  {line}"
        for line in diff.splitlines()
        if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".tox" / "mutation-run")
    parser.add_argument("--number", type=int, default=sys.maxsize, help="try so many, not all")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    run = Run(options.folder.resolve())
    if not options.list:
        run.prepare()
        run.do("forked", run.session, options.number)
    run.report()


if __name__ == "__main__":
    main()
