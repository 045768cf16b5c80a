"""Leaves out the mutants that can't make a difference: ``python equivalent.py SESSION``.

What only a type checker reads (annotations, overloads, protocols, ``if TYPE_CHECKING``); the bare
star of a signature, which is no multiplication; a cache, and a look that saves work where there is
nothing to do, which only make quicker; and of the exchanges of one operator all but those that say
something of their own: the negation, and the neighbour at the boundary. ``x is None`` as
``x == None`` or ``x <= None`` says nothing, or fails at once.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult

KEPT = {
    *("Is_IsNot", "IsNot_Is", "Eq_NotEq", "NotEq_Eq", "In_NotIn", "NotIn_In"),
    *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "BitOr_BitAnd", "BitAnd_BitOr"),
    *("USub_UAdd", "Delete_Not"),
}
EXCHANGE = re.compile(r"core/Replace(?:Comparison|Binary|Unary)Operator_(\w+)")


def without_effect(node):
    """The parts of a node that aren't run, or make no difference when they are."""
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
        yield node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if node.returns is not None:
            yield node.returns
        if any("overload" in ast.unparse(decorator) for decorator in node.decorator_list):
            yield from (node, *node.decorator_list)
        yield from (x for x in node.decorator_list if ast.unparse(x) in ("final", "override"))
        yield from (x for x in node.decorator_list if "lru_cache" in ast.unparse(x))
    if isinstance(node, ast.ClassDef):
        yield from (x for x in node.decorator_list if ast.unparse(x) == "final")
        # The bases of a generic class.
        yield from (base for base in node.bases if isinstance(base, ast.Subscript))
        if any(ast.unparse(base) == "Protocol" for base in node.bases):
            yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        yield node
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("cast", "TypeVar", "ParamSpec"):
        yield node


def places(path):
    for node in ast.walk(ast.parse(path.read_text())):
        for part in without_effect(node):
            end = (part.end_lineno, part.end_col_offset)
            yield (part.lineno, part.col_offset), end


def only_quicker(mutation, line):
    """A context with the bridge's own variable alone has nothing to carry: 1 as good as 0."""
    if not line.endswith(" > 1:  # one is the bridge's own"):
        return False
    is_less = mutation.occurrence % 2 == 1  # cosmic-ray adds one to a number first, then takes it
    return mutation.operator_name.endswith("_Gt_GtE") or (
        mutation.operator_name == "core/NumberReplacer" and is_less
    )


def says_nothing(mutation, source, skipped):
    exchange = EXCHANGE.match(mutation.operator_name)
    begin = mutation.start_pos
    if exchange and exchange[1] not in KEPT:
        return True
    if only_quicker(mutation, source[begin[0] - 1]):
        return True
    if exchange and source[begin[0] - 1][begin[1] :].startswith("*,"):
        return True
    # A decorator's mutation begins at its @.
    slack = mutation.operator_name == "core/RemoveDecorator"
    return any(a <= (begin[0], begin[1] + slack) <= b for a, b in skipped)


def main(session):
    with use_db(session) as database:
        items = list(database.work_items)
        sources, where = {}, {}
        left_out = 0
        for item in items:
            (mutation,) = item.mutations
            path = Path(mutation.module_path)
            if path not in where:
                where[path] = list(places(path))
                sources[path] = path.read_text().splitlines()
            if says_nothing(mutation, sources[path], where[path]):
                left_out += 1
                result = WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output="equivalent")
                database.set_result(item.job_id, result)
    print(f"{len(items)} mutants, of which {left_out} are left out")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
