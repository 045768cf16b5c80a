"""A ``unittest`` result that writes down what happens, line by line, as it happens.

Each line is a JSON object and is on the disk before the next step: whoever reads the file knows
which test was running when the process ended, however it ended.

1. ``collected``: the ids of all tests of the module, those that an earlier process ran included.
2. ``start``: a test starts. ``end``: it has ended, with its outcome and its loops. A test that is
   skipped may have no ``start`` (3.12.1 calls ``startTest`` for none that a decorator skips); the
   failure of a class's or a module's fixture never has one.
3. ``done``: all tests have ended. The process may still hang after it.

A test that takes longer than the limit ends the process, with the stacks of all threads in the log.
One that leaves a loop as the thread's running loop is an error, and the next one is spared it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import sys
import time
import unittest

import loops
from test import support

# Of several things that befall one test, the last in this list counts.
_BY_WEIGHT = ("passed", "skipped", "expected failure", "unexpected success", "failed", "error")


class Reporter(unittest.TestResult):
    def __init__(self, events, limit):
        super().__init__()
        self._events = events
        self._limit = limit
        self._pid = os.getpid()
        self._test = None
        self._outcome, self._detail = None, ""
        self._started_at = 0.0
        self.watch()

    def write(self, event, **fields):
        if os.getpid() == self._pid:  # and not a fork that a test made
            self._events.write(json.dumps({"event": event, **fields}) + "\n")
            self._events.flush()

    def watch(self):
        """From now on, the limit counts anew."""
        faulthandler.dump_traceback_later(self._limit, exit=True, file=sys.__stderr__)

    def startTest(self, test):
        super().startTest(test)
        self.watch()
        self._test = test
        self._begin()
        self.write("start", id=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        if (loop := asyncio._get_running_loop()) is not None:
            asyncio._set_running_loop(None)
            self._add(test, "error", f"left as the running loop: {loop}")
        self._end(test)
        self._test = None
        self.watch()

    def _begin(self):
        self._outcome, self._detail = None, ""
        self._started_at = time.monotonic()

    def _end(self, test):
        record = loops.take_record()
        self.write(
            "end",
            id=test.id(),
            outcome=self._outcome or "error",  # no call at all: something left the test's run
            detail=self._detail,
            seconds=round(time.monotonic() - self._started_at, 3),
            altered=support.environment_altered,
            **vars(record),
        )
        # Set between two tests, it is the second's: it may be the garbage of any earlier one.
        support.environment_altered = False

    def _add(self, test, outcome, detail=""):
        is_running = test is self._test
        if not is_running:
            self._begin()
        if self._outcome is None or _BY_WEIGHT.index(outcome) > _BY_WEIGHT.index(self._outcome):
            self._outcome = outcome
        self._detail += detail
        if not is_running:
            self._end(test)

    def addSuccess(self, test):
        self._add(test, "passed")

    def addSkip(self, test, reason):
        if isinstance(test, unittest.case._SubTest):
            test = test.test_case
        self._add(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self._add(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self._add(test, "unexpected success")

    def addFailure(self, test, err):
        self._add(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self._add(test, "error", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            is_failure = issubclass(err[0], test.failureException)
            detail = f"{subtest}\n{self._exc_info_to_string(err, test)}"
            self._add(test, "failed" if is_failure else "error", detail)
