"""Mutation testing of the crossings and the nurseries: ``tox run -e mutation``.

Works on a clone of what is committed, below ``.tox/mutation-run`` (``--folder``), takes the mutants
in any order, so that a part of them is a fair sample, and goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import page
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome

if TYPE_CHECKING:
    from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).parents[2]
HERE = "tests/mutation"
NEAR = [
    "tests/crossing",
    *(f"tests/test_{x}.py" for x in ("nursery", "nursery_ctrl_c", "tracking", "run", "loop_tasks")),
    *(f"tests/test_{x}.py" for x in ("misuse", "pdb", "generator_hooks", "loop_failures")),
    *(f"tests/test_{x}.py" for x in ("cancelled_once", "call_nursery", "task_nursery")),
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
DEFINITION = re.compile(r"^ +(?:async )?def (\w+)", re.MULTILINE)


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

    def do(self, *command: object, check: bool = True, **variables: object) -> None:
        """Run a command in the clone."""
        words = [sys.executable, "-m", *map(str, command)]
        environment = {**self.environment, **{name: str(x) for name, x in variables.items()}}
        subprocess.run(words, cwd=self.clone, env=environment, check=check)

    def prepare(self) -> None:
        """Make what isn't there yet: the clone, the map of the tests, the list of mutants."""
        if not self.clone.exists():
            self.clone.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "clone", "-q", str(ROOT), str(self.clone)], check=True)
        subprocess.run(["git", "checkout", "-q", "trio_bridge"], cwd=self.clone, check=True)
        if not self.map.exists():
            print("Which test runs which line?", flush=True)
            part = self.map.with_name("map.part")  # what was stopped before begins anew
            shutil.rmtree(part, ignore_errors=True)
            child = self.clone / "sitecustomize.py"
            child.write_text(CHILD.format(folder=str(self.clone / HERE)))
            which = ["-p", "tests_of_lines", "-q", "-p", "no:cacheprovider", *NEAR]
            self.do("pytest", *which, check=False, MUTATION_MAP=part)
            child.unlink()
            part.rename(self.map)
        if not self.session.exists():
            part = self.session.with_name("session.part")
            part.unlink(missing_ok=True)
            self.do("cosmic_ray.cli", "init", f"{HERE}/cosmic-ray.toml", part)
            self.do("equivalent", part)
            part.rename(self.session)

    def results(self) -> page.Results:
        """What has come out so far, without the mutants that cosmic-ray failed to make."""
        killed, survivors, of = 0, [], 0
        with use_db(str(self.session)) as database:
            items = {item.job_id: item for item in database.work_items}
            for job, result in database.results:
                if result.worker_outcome is not WorkerOutcome.NORMAL:
                    continue
                if result.test_outcome is TestOutcome.KILLED:
                    killed += 1
                else:
                    (mutation,) = items[job].mutations
                    survivors.append(survivor(mutation, result.diff or ""))
            of = len(list(database.pending_work_items)) + killed + len(survivors)
        survivors.sort(key=lambda one: (one["module"], int(one.pop("number"))))
        return {
            "date": time.strftime("%Y-%m-%d"),
            "python": platform.python_version(),
            "mutants": of,
            "tried": killed + len(survivors),
            "killed": killed,
            "survivors": survivors,
        }


def survivor(mutation: MutationSpec, diff: str) -> dict[str, str]:
    """What is listed of a mutant."""
    lines = [line for line in diff.splitlines() if line[:3] not in ("+++", "---")]
    before, after = (
        [line[1:].strip() for line in lines if line[:1] == sign and line[1:].strip()]
        for sign in "-+"
    )
    function = mutation.definition_name or ""
    if mutation.operator_name == "core/RemoveDecorator":
        _, _, below = diff.partition("\n-    @")
        function = next(DEFINITION.finditer(below))[1]
    return {
        "module": mutation.module_path.relative_to("trio_bridge").as_posix(),
        "function": function,
        "before": before[-1] if before else "",
        "after": after[-1] if after else "",
        "number": str(mutation.start_pos[0]),
    }


def show(results: page.Results) -> None:
    """Print each survivor with its change, and the score."""
    for one in results["survivors"]:
        print(f"{one['module']}: {one['function']}\n  - {one['before']}\n  + {one['after']}")
    tried, killed = results["tried"], results["killed"]
    share = f"{killed / tried:.1%}" if tried else "none yet"
    print(f"{tried} of {results['mutants']} tried, {killed} killed ({share})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".tox" / "mutation-run")
    parser.add_argument("--number", type=int, default=sys.maxsize, help="try so many, not all")
    parser.add_argument("--again", action="store_true", help="only the survivors, once more")
    parser.add_argument("--list", action="store_true", help="only show what has come out")
    parser.add_argument("--docs", action="store_true", help="the same, and write docs/mutants.md")
    options = parser.parse_args()
    run = Run(options.folder.resolve())
    if not (options.list or options.docs):
        run.prepare()
        run.do("forked", run.session, options.number, *["again"] * options.again)
    results = run.results()
    show(results)
    if options.docs:
        page.keep(results)
        page.write(results)


if __name__ == "__main__":
    main()
