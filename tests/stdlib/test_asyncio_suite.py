"""CPython's own tests of asyncio, those installed with this Python, pass on our loop.

Each module runs in a process of its own, in two modes: ``bridge``, our loop as it is, and
``guest``, with Trio in it from the first callback on. What is not expected to pass is data,
``exceptions.toml``. One module by hand: ``pytest tests/stdlib -k test_streams-guest``; all of them
beside stock asyncio, as a table: ``python tests/stdlib/totals.py``.
"""

from __future__ import annotations

import contextlib

import pytest
from conftest import PYTHONPATH
from differences import ENGINE
from expected import Expected
from runs import Runs, longest_first, survey

PYTHON = survey()
MODES = ("bridge", "guest")
MODULES = longest_first(Expected(PYTHON.series).modules(PYTHON.modules))


@pytest.fixture(scope="session")
def runs(request):
    """The runs of all modules whose tests are selected, in the background."""
    selected = [
        (item.callspec.params["mode"], item.callspec.params["module"])
        for item in request.session.items
        if getattr(item, "function", None) is test_module
    ]
    with contextlib.closing(Runs(PYTHON, package_path=PYTHONPATH)) as runs:
        runs.start(selected)
        yield runs


@pytest.mark.skipif(not PYTHON.modules, reason="CPython's tests are not installed")
@pytest.mark.skipif(
    ENGINE != "selector", reason="loops of asyncio's own class have no other engine to be tested on"
)
@pytest.mark.timeout(600)  # hung tests are the harness's to end
@pytest.mark.parametrize("mode", MODES)  # varies faster
@pytest.mark.parametrize("module", MODULES)
def test_module(runs, mode, module, capfd):
    report = runs.report(mode, module)
    with capfd.disabled():
        for test in report.results.values():
            if test.doubt:
                print(f"\n{test.id} ({mode}) {test.doubt}:\n{test.detail}")
    problems = runs.expected.problems(report)
    assert not problems, "\n\n".join(problems)
