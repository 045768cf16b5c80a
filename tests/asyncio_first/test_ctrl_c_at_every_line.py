"""Ctrl-C where nobody but us handles it, at each line that stands between asyncio and a tick.

A bare ``run_until_complete`` raises Ctrl-C wherever it comes, and asyncio loses the callback that
it was about to call. Whatever line of ours it comes in, it comes out, Trio goes on, and the loop
closes.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import signal
import sys
import types

import pytest
import trio
from foreign_loops import NoDoor, factory
from loop_kinds import TIME_LIMIT, leaves_nothing

from trio_bridge import _guest, _guest_context, _guest_ctrl_c, _private, aio2trio
from trio_bridge._bridge import by_loop
from trio_bridge._guest import TrioGuest
from trio_bridge._private import trio_run_vars

assert leaves_nothing


def codes_of(*modules):
    """All code of the modules."""
    for module in modules:
        todo = [value.__code__ for value in vars(module).values() if hasattr(value, "__code__")]
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__:
                todo += [
                    value.__code__ for value in vars(cls).values() if hasattr(value, "__code__")
                ]
        while todo:
            code = todo.pop()
            todo += [const for const in code.co_consts if isinstance(const, types.CodeType)]
            yield code


OURS = {
    code
    for code in codes_of(_guest, _guest_context, _guest_ctrl_c)
    if code.co_filename.endswith(("_guest.py", "_guest_context.py", "_guest_ctrl_c.py"))
    and code.co_name not in ("_handle", "_innermost_of_ours")
}
TURNS = 3  # of each line, in one run
RUN_ONCE = asyncio.base_events.BaseEventLoop._run_once.__code__
RUN_HANDLE = asyncio.events.Handle._run.__code__


def is_ours(handle):
    callback = getattr(handle, "_callback", None)
    return isinstance(getattr(callback, "__self__", None), TrioGuest)


class CtrlC:
    """Interrupts the process once, at a line of ours, or of asyncio's when it is to call us.

    Args:
      done: the lines that have had their Ctrl-C, each with its turn. This one is added.
    """

    def __init__(self, done):
        self.done = done
        self.turns = collections.Counter()
        self.where = None

    def __enter__(self):
        self.before = sys.gettrace()  # coverage's, on Python 3.11
        sys.settrace(self.on_call)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self.before)

    def on_call(self, frame, event, arg):
        if frame.f_code in OURS or frame.f_code is RUN_ONCE or frame.f_code is RUN_HANDLE:
            return self.on_line(frame, event, arg)
        return None

    def on_line(self, frame, event, arg):
        if event in ("call", "line") and self.counts(frame):
            where = (frame.f_code.co_name, frame.f_lineno, event)
            self.turns[where] += 1
            turn = (*where, self.turns[where])
            if self.turns[where] <= TURNS and turn not in self.done:
                self.done.add(turn)
                self.where = turn
                sys.settrace(None)
                # The handler is no part of this trace function: coverage is to see it.
                sys.call_tracing(signal.raise_signal, (signal.SIGINT,))
        return self.on_line

    @staticmethod
    def counts(frame):
        if frame.f_code is RUN_ONCE:
            return is_ours(frame.f_locals.get("handle"))
        return frame.f_code in OURS or is_ours(frame.f_locals.get("self"))


async def main():
    await aio2trio(trio.sleep)(0.001)
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(trio.sleep_forever)
        await aio2trio(trio.sleep)(0)
        await asyncio.sleep(0)
        aio2trio(nursery.cancel_scope.cancel)()


def run_and_close(loop):
    loop.run_until_complete(main())
    loop.close()


def clean_up(loop):
    """As a program does when Ctrl-C has come out of the loop. Trio still works, and is to end."""

    async def cancel_all():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def use_trio():
        async with asyncio.timeout(TIME_LIMIT):
            await aio2trio(trio.sleep)(0.001)

    def run(async_fn):
        # If main() had just ended, the loop's own stop() is still to come; or two, in uvloop.
        for _ in range(3):
            with contextlib.suppress(RuntimeError):
                return loop.run_until_complete(async_fn())
        raise AssertionError(f"{async_fn.__name__}() was stopped again and again")

    run(cancel_all)
    run(use_trio)
    loop.close()


@pytest.fixture
def hangs():
    """Say so when a line takes longer than it may."""

    def hung(signum, frame):
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, hung)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupt(loop, done):
    """Run it with Ctrl-C at a new line, which is returned, if there is one."""
    with CtrlC(done) as ctrl_c:
        came = False
        try:
            run_and_close(loop)
        except KeyboardInterrupt:
            came = True
        except BaseException as exc:
            raise AssertionError(f"Ctrl-C at {ctrl_c.where}") from exc
    if ctrl_c.where is not None:
        assert came, ctrl_c.where
    return ctrl_c.where


@pytest.fixture(params=["stock-door", "stock-thread", "uvloop-door", "bridge-door"])
def make(request, monkeypatch):
    """What makes such a loop."""
    loop, way = request.param.split("-")
    if way == "thread":
        monkeypatch.setattr(_private, "GuestDoor", NoDoor)
    return factory(loop) or asyncio.new_event_loop


@pytest.mark.timeout(300)
def test_ctrl_c_at_every_line_between_asyncio_and_a_tick(make, leaves_nothing, hangs):
    done = set()
    while True:
        loop = make()
        loop.set_exception_handler(lambda loop, context: None)
        hangs(TIME_LIMIT)
        where = interrupt(loop, done)
        if where is None:
            break
        try:
            if not loop.is_closed():
                clean_up(loop)
        except BaseException as exc:
            raise AssertionError(f"Ctrl-C at {where}") from exc
        hangs(0)
        assert not by_loop, where
        assert "runner" not in trio_run_vars(), where
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, where
    assert len({line for _, line, _, _ in done}) > 100
