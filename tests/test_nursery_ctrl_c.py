"""Ctrl-C at each line of a nursery's own code: it comes out, and every task has ended."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

import trio_bridge
from trio_bridge import (
    _call_nursery,
    _nursery,
    _owned_tasks,
    _task_nursery,
    open_asyncio_nursery,
    trio2aio,
)
from trio_bridge._bridge import by_loop

OURS = {module.__file__ for module in (_call_nursery, _nursery, _owned_tasks, _task_nursery)}


class CtrlC:
    """Interrupts the process once, at a line of ours that has not had its Ctrl-C."""

    def __init__(self, done):
        self.done = done
        self.where = None

    def __enter__(self):
        self.before = sys.gettrace()  # coverage's, on Python 3.11
        sys.settrace(self.on_call)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self.before)

    def on_call(self, frame, event, arg):
        return self.on_line if frame.f_code.co_filename in OURS else None

    def on_line(self, frame, event, arg):
        where = (frame.f_code.co_qualname, frame.f_lineno)
        if event == "line" and where not in self.done:
            self.done.add(where)
            self.where = where
            sys.settrace(None)
            # The handler is no part of this trace function: coverage is to see it.
            sys.call_tracing(signal.raise_signal, (signal.SIGINT,))
        return self.on_line


class Program:
    """Uses all that a nursery has."""

    def __init__(self):
        self.begun = self.ended = 0

    async def work(self):
        self.begun += 1
        try:
            await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0)
            self.ended += 1

    async def starts(self, nursery):
        nursery.start_soon(self.work)
        asyncio.create_task(self.work())
        await asyncio.sleep(0)

    async def says_started(self, task_status):
        task_status.started()
        await self.work()

    async def main(self):
        async with open_asyncio_nursery() as nursery:
            await trio2aio(self.starts)(nursery)
            await nursery.start(self.says_started)


@pytest.mark.timeout(120)
def test_ctrl_c_at_every_line_of_a_nursery():
    done = set()
    while True:
        program = Program()
        came = False
        with CtrlC(done) as ctrl_c:
            try:
                trio_bridge.run(program.main)
            except* KeyboardInterrupt:
                came = True
        if ctrl_c.where is None:
            break
        assert came, ctrl_c.where
        assert program.begun == program.ended, ctrl_c.where
        assert not by_loop, ctrl_c.where
    assert len(done) > 80
