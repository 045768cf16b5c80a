"""Which tests may notice that some lines were changed: those that run them."""

from __future__ import annotations

import ast
import json
import os
import re
from collections import defaultdict
from pathlib import Path

MAP = Path(os.environ.get("MUTATION_MAP", "mutation-map"))
SECONDS = 25.0
"""How long the tests for one mutant may take, by the times that the map was made with."""
CTRL_C = ("ctrl_c", "interrupt")
HOLDS_BACK = re.compile(r"^ *@.*(?:ki_protection|uninterrupted)")


def around(source, lines):
    """The lines of the statement that holds these, and those of the body of the function around.

    What runs at import is run by no test, or by all that start a process. A function's head (its
    decorators, the defaults of its arguments) counts as its body then.
    """
    statement, body = set(), set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt):
            continue
        first = min([node.lineno, *(x.lineno for x in getattr(node, "decorator_list", []))])
        last = node.end_lineno or first
        if not first <= min(lines) <= max(lines) <= last:
            continue
        inner = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = set(range(inner[0].lineno, last + 1))
            statement = set()
        elif body and (not inner or max(lines) < inner[0].lineno):
            statement = set(range(first, (inner[0].lineno if inner else last + 1)))
    return statement, body


def nearest(module, source, lines):
    """The tests, in the order in which they may notice soonest.

    ``module`` is its path below trio_bridge/.
    """
    data = json.loads((MAP / f"{module.replace('/', '.')}.json").read_text())
    of, seconds = data["lines"], data["tests"]
    statement, body = around(source, lines)
    # A line of an expression over several has no event of its own: then those of the statement.
    for wanted in (lines & body, statement, body, {int(line) for line in of}):
        found = {test for line in wanted for test in of.get(str(line), ())}
        if found:
            break
    ctrl_c_first = bool(HOLDS_BACK.search(source.splitlines()[min(lines) - 1]))
    chosen, total = [], 0.0
    own = f"/test_{Path(module).stem.lstrip('_')}.py::"
    tests = [seconds[number] for number in found]
    for test, takes in in_order(tests, own, ctrl_c_first=ctrl_c_first):
        total += takes
        if total > SECONDS and chosen:
            break
        chosen.append(test)
    return chosen


def in_order(tests, own, *, ctrl_c_first):
    """The variants of a test function mostly notice the same: one of each, then the second ones.

    The module's own tests first, and the quick ones; but those of Ctrl-C where that is what the
    line is about.
    """
    variants = defaultdict(int)
    order = []
    for test, takes in sorted(tests, key=lambda test: test[1]):
        function = test.partition("[")[0]
        is_late = ctrl_c_first and not any(word in test for word in CTRL_C)
        order.append((is_late, own not in test, variants[function], takes, test))
        variants[function] += 1
    return [(test, takes) for *_, takes, test in sorted(order)]
