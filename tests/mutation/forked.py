"""Try the mutants of a session, in any order: ``python forked.py SESSION [NUMBER [again]]``.

In place of cosmic-ray's own command, as the tests for a mutant run in a fork of this process, which
has imported what takes long: pytest, Trio, Hypothesis; and nothing of the package's. That is three
times as fast.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
import tempfile
import time
import unittest

import _pytest.pytester
import hypothesis
import pytest
import trio.testing
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult
from nearest import nearest

IMPORTED = (_pytest.pytester, asyncio, hypothesis, trio.testing, unittest)
SECONDS = 150
"""How long the tests for one mutant may take. Then it has hung, and is killed."""
FIRST = 20
"""So many tests are enough for most, and pytest has to read a few files only."""
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line", "-o", "timeout=20"),
    # of what this process has imported
    *("-p", "no:anyio", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


def outcome(tests):
    """Whether one of the tests fails, and what pytest prints."""
    with tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            try:
                os.setsid()
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                status = pytest.main([*OPTIONS, *tests])
                sys.stdout.flush()
                os._exit(status)
            finally:
                os._exit(1)
        status = wait(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return TestOutcome.KILLED if status else TestOutcome.SURVIVED, text


def wait(process):
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.02)
    os.killpg(process, 9)
    return os.waitpid(process, 0)[1]


def try_one(mutation):
    """Make the mutant, and run the tests that are nearest to it."""
    path = mutation.module_path
    source = path.read_text()
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    try:
        with use_mutation(path, operator, mutation.occurrence) as (_, mutated):
            assert mutated is not None
            tests = nearest(
                path.relative_to("trio_bridge").as_posix(),
                source,
                set(range(mutation.start_pos[0], mutation.end_pos[0] + 1)),
            )
            outcome_, output = TestOutcome.SURVIVED, ""
            for some in (tests[:FIRST], tests[FIRST:]):
                if some and outcome_ is TestOutcome.SURVIVED:
                    outcome_, output = outcome(some)
    except AttributeError as exc:  # cosmic-ray can't make it
        return WorkResult(WorkerOutcome.EXCEPTION, output=str(exc))
    names = f"a/{path}", f"b/{path}"
    diff = difflib.unified_diff(source.split("\n"), mutated.split("\n"), *names, lineterm="")
    return WorkResult(WorkerOutcome.NORMAL, output, outcome_, "\n".join(diff))


def main(session, number=sys.maxsize, again=""):
    with use_db(session) as database:
        items = database.pending_work_items[: int(number)]
        if again:
            survived = {job for job, one in database.results if one.test_outcome == "survived"}
            items = [item for item in database.work_items if item.job_id in survived]
        for item in items:
            (mutation,) = item.mutations
            database.set_result(item.job_id, try_one(mutation))


if __name__ == "__main__":
    main(*sys.argv[1:])
