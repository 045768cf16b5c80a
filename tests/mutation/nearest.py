"""Which tests may notice that some lines were changed: those that run them."""

from __future__ import annotations

import ast
import json
import os
from collections import defaultdict
from pathlib import Path

MAP = Path(os.environ.get("MUTATION_MAP", "mutation-map"))
SECONDS = 25.0
"""How long the tests for one mutant may take, by the times that the map was made with."""
CTRL_C = ("ctrl_c", "interrupt")


def around(source, lines):
    """The lines of the statement that holds these, and those of the function around it."""
    statement, function = set(lines), set()
    for node in ast.walk(ast.parse(source)):
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


def nearest(module, source, lines, *, is_decorator):
    """The tests, in the order in which they may notice soonest.

    ``module`` is its path below trio_bridge/.
    """
    data = json.loads((MAP / f"{module.replace('/', '.')}.json").read_text())
    of, seconds = data["lines"], data["tests"]
    statement, function = around(source, lines)
    # A line of an expression over several has no event of its own; what runs at import has no
    # tests of its own: then those of the function, then those of the module.
    tries = [lines, statement, function, {int(line) for line in of}]
    for wanted in tries[2:] if is_decorator else tries:
        found = {test for line in wanted for test in of.get(str(line), ())}
        if found:
            break
    chosen, total = [], 0.0
    for test, takes in in_order([seconds[number] for number in found], ctrl_c_first=is_decorator):
        total += takes
        if total > SECONDS and chosen:
            break
        chosen.append(test)
    return chosen


def in_order(tests, *, ctrl_c_first):
    """The variants of a test function mostly notice the same: one of each, then the second ones.

    The quick ones first. But what a decorator does here is mostly to hold back Ctrl-C.
    """
    variants = defaultdict(int)
    order = []
    for test, takes in sorted(tests, key=lambda test: test[1]):
        function = test.partition("[")[0]
        is_late = ctrl_c_first and not any(word in test for word in CTRL_C)
        order.append((is_late, variants[function], takes, test))
        variants[function] += 1
    return [(test, takes) for *_, takes, test in sorted(order)]
