"""A second opinion on what failed: was it our loop, or the machine?

Some of CPython's tests hold limits of wall-clock time, which a busy machine breaks on any loop. So
a module with a problem is run once more, on our loop and on stock asyncio's, and:

1. What fails a second time on our loop, and passes on stock asyncio's meanwhile, has failed.
2. What fails on both, or does not fail again, is *doubtful*. It is no failure, and it is not silent
   either: the reason is in its result, and ``test_asyncio_suite.py`` prints it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor import Report, Result


def settle(first: Report, again: Report, stock: Report) -> Report:
    """The report that counts, from those of the first run and of the two that follow."""
    results = dict(again.results)  # with those that the first run has lost
    for test_id, test in first.results.items():
        second = again.results.get(test_id)
        if _is_clean(test):
            results[test_id] = test
        elif second is None:
            if test_id in first.collected:
                results[test_id] = test
            # else it was the process that failed, outside of a test, and it did not again
        else:
            doubt = _doubt(second, stock.results.get(test_id))
            results[test_id] = replace(second, doubt=doubt, detail=second.detail or test.detail)
    seconds = first.seconds + again.seconds
    return replace(first, results=results, seconds=seconds)


def _doubt(second: Result, on_stock: Result | None) -> str:
    if _is_clean(second):
        return "failed once, and not again"
    if on_stock is not None and not _is_clean(on_stock):
        return "fails on stock asyncio too, at that moment"
    return ""


def _is_clean(test: Result) -> bool:
    return not test.is_bad and not test.altered
