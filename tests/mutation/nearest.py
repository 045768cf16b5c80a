"""Run the tests that may notice the change that was made: those that ran the changed line.

The quickest variant of each test function first, until one fails. Exits 0 when none does: then the
mutant has survived.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAP = Path(os.environ.get("MUTATION_MAP", "mutation-map"))
SECONDS = 40.0
"""How long the tests for one mutant may take, by the times that the map was made with."""

FILE = re.compile(r"^\+\+\+ b/trio_bridge/(.*)$", re.MULTILINE)
HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? ", re.MULTILINE)


def git(*arguments):
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def changed():
    """The module below trio_bridge/ that differs from what is committed, and its old lines."""
    diff = git("diff", "-U0", "--", "trio_bridge")
    module = FILE.search(diff)
    if module is None:
        sys.exit("nothing is changed")
    lines = set()
    for first, count in HUNK.findall(diff):
        lines.update(range(int(first), int(first) + max(int(count or 1), 1)))
    return module[1], lines


def around(module, lines):
    """The lines of the statement that holds these, and those of the function around it."""
    tree = ast.parse(git("show", f"HEAD:trio_bridge/{module}"))
    statement, function = set(lines), set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(x.lineno for x in decorators)])
        body = getattr(node, "body", None)
        if first <= min(lines) <= max(lines) <= (node.end_lineno or first):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                function = set(range(first, (node.end_lineno or first) + 1))
            header_end = body[0].lineno - 1 if body else node.end_lineno
            if max(lines) <= (header_end or first):
                statement = set(range(first, (header_end or first) + 1))
    return statement, function


def nearest(module, lines):
    data = json.loads((MAP / f"{module.replace('/', '.')}.json").read_text())
    of, seconds = data["lines"], data["tests"]
    found = set()
    # A line of an expression over several has no event of its own; what runs at import has no
    # tests of its own: then those of the function, then those of the module.
    for wanted in (lines, *around(module, lines), {int(line) for line in of}):
        found = {test for line in wanted for test in of.get(str(line), ())}
        if found:
            break
    chosen, total = [], 0.0
    for test, takes in one_of_each_first([seconds[number] for number in found]):
        total += takes
        if total > SECONDS and chosen:
            break
        chosen.append(test)
    return chosen


def one_of_each_first(tests):
    """The variants of a test function mostly notice the same: one of each, then the second ones."""
    variants = defaultdict(int)
    order = []
    for test, takes in sorted(tests, key=lambda test: test[1]):
        function = test.partition("[")[0]
        order.append((variants[function], takes, test))
        variants[function] += 1
    return [(test, takes) for _, takes, test in sorted(order)]


def main():
    tests = nearest(*changed())
    if not tests:
        return 0
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    options = ["-o", "timeout=20", "--no-header", "--tb=line"]
    return subprocess.run([*pytest, *options, *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
