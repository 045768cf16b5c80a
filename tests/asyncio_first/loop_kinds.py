"""The loops that a program may have: what one test is to hold for."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import signal
import sys
import threading
import time
import warnings

import pytest
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._private import trio_run_vars

trio_bridge.new_event_loop().close()  # with uvloop, the first leaves libuv's own descriptors

TIME_LIMIT = 50
"""Seconds after which a test hangs: no test needs one of them, on a machine of its own."""


async def start_trio():
    """Make Trio the guest of the running loop."""
    await aio2trio(trio.lowlevel.checkpoint)()


class Kind:
    """How a program gets its loop, and whether Trio has been started in it."""

    drives = False
    """Whether Trio is below the loop, not its guest."""

    def __init__(self, name, make_loop, *, has_trio):
        self.name = name
        self.make_loop = make_loop
        self.has_trio = has_trio

    def __str__(self):
        return self.name

    def run(self, async_fn, *args, debug=None):
        """Run asyncio code in a loop of its own."""

        async def main():
            async with asyncio.timeout(TIME_LIMIT):
                if self.has_trio:
                    await start_trio()
                return await async_fn(*args)

        with asyncio.Runner(loop_factory=self.make_loop, debug=debug) as runner:
            return runner.run(main())

    def new_loop(self):
        """A loop that does not run, to be closed by the caller."""
        loop = self.make_loop()
        if self.has_trio:
            loop.run_until_complete(start_trio())
        return loop


class DrivenByTrio(Kind):
    drives = True

    def __init__(self):
        super().__init__("driven by Trio", None, has_trio=True)

    def run(self, async_fn, *args, debug=None):
        async def main():
            if debug is not None:
                trio_bridge.current_loop().set_debug(debug)
            with trio.fail_after(TIME_LIMIT):
                return await trio2aio(async_fn)(*args)

        return trio_bridge.run(main)


STOCK = Kind("stock", asyncio.SelectorEventLoop, has_trio=False)
FIRST = Kind("asyncio first", trio_bridge.new_event_loop, has_trio=False)
FIRST_WITH_TRIO = Kind("asyncio first with Trio", trio_bridge.new_event_loop, has_trio=True)
STOCK_WITH_TRIO = Kind("stock with Trio", asyncio.SelectorEventLoop, has_trio=True)
DRIVEN = DrivenByTrio()

RESTARTABLE = [STOCK, FIRST, FIRST_WITH_TRIO, STOCK_WITH_TRIO]
OF_ONE_THREAD_AT_A_TIME = [STOCK, FIRST, FIRST_WITH_TRIO]
ALL = [*RESTARTABLE, DRIVEN]
WITH_TRIO = [FIRST_WITH_TRIO, STOCK_WITH_TRIO, DRIVEN]


def on(*kinds, **options):
    """The test is asyncio code that runs on each of these kinds of loops."""

    def decorate(async_fn):
        @functools.wraps(async_fn)
        def test(_kind, **fixtures):
            if "kind" in names:
                fixtures["kind"] = _kind
            _kind.run(functools.partial(async_fn, **fixtures), **options)

        del test.__wrapped__
        names = inspect.signature(async_fn).parameters
        fixtures = [parameter for name, parameter in names.items() if name != "kind"]
        kind = inspect.Parameter("_kind", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([kind, *fixtures])
        return pytest.mark.parametrize("_kind", kinds, ids=str)(test)

    return decorate


# ---- what is left


def descriptors():
    """The open descriptors, and what they are."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


def threads():
    """Threads but those that Trio keeps for its next call."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


def threads_left_since(before):
    """Those that have been started since then, and that don't end.

    By identity, not by number: threads of earlier tests may end meanwhile. Threads that have been
    told to end are waited for, as nothing says when they have.
    """
    deadline = time.monotonic() + TIME_LIMIT
    while (left := threads() - before) and time.monotonic() < deadline:
        time.sleep(0.001)
    return left


def wakeup_fd():
    """The process's wakeup descriptor, which can be read only by setting it."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


def process_state():
    """All that a loop may have changed in its thread and process."""
    return {
        "descriptors": descriptors(),
        "signal handlers": {sig: signal.getsignal(sig) for sig in signal.valid_signals()},
        "wakeup descriptor": wakeup_fd(),
        "async generator hooks": sys.get_asyncgen_hooks(),
        "Trio's run context": {
            name: value for name, value in trio_run_vars().items() if name != "task_local"
        },
        "running loop": asyncio._get_running_loop(),
        "bridges": dict(trio_bridge._bridge.by_loop),
        "sniffio": getattr(trio_bridge._asyncio_side.sniffio_thread_local, "name", None),
    }


@pytest.fixture
def leaves_nothing():
    """The test leaves the process as it was, and no garbage that complains."""
    gc.collect()
    before, threads_before = process_state(), threads()
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    after = process_state()
    changed = {name: (was, after[name]) for name, was in before.items() if after[name] != was}
    for name in changed.keys() & {"descriptors", "signal handlers"}:
        was, now = (set(items.items()) for items in changed[name])
        changed[name] = (was - now, now - was)
    assert not changed, changed
    assert threads_left_since(threads_before) == set()
