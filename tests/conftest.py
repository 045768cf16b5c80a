"""How the tests run: an ``async def`` test is Trio code in ``trio_bridge.run``.

The engine is that of ``TRIO_BRIDGE_ENGINE`` (tox runs the suite once per engine). A test that takes
``autojump_clock`` runs on virtual time; ``@pytest.mark.bridge(on_error="log")`` passes options.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import differences
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import none

import trio_bridge

ROOT = Path(__file__).parent.parent
# Where the package under test was imported from: installed, or this checkout.
PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)
HANG = 50
"""Seconds after which what is waited for has hung: far more than it takes on a busy machine."""

# The same examples in each run, and no verdict about the machine's speed: a failure is one of ours.
# What a search by chance may find is for its own run: HYPOTHESIS_PROFILE=search.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    args = {name: pyfuncitem.funcargs[name] for name in names}
    marker = pyfuncitem.get_closest_marker("bridge")
    options = dict(marker.kwargs) if marker else {}
    clock = args.get("autojump_clock")
    trio_bridge.run(functools.partial(test, **args), clock=clock, **options)
    return True


def pytest_configure(config):
    # A shell's background job ignores SIGINT; the tests of Ctrl-C need it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "bridge(**options): options of trio_bridge.run for this test"
    )


def pytest_collection_modifyitems(items):
    differences.mark(items)


def pytest_collection_finish(session):
    # Many tests ask the garbage collector for what they have left. It needn't look through the four
    # thousand tests themselves each time: that took half of the suite's time. Hypothesis asks it
    # once who refers to its generator of random numbers: before it leaves out what it has seen.
    given(none())(lambda nothing: None)()
    gc.collect()
    gc.freeze()


@pytest.fixture
def autojump_clock():
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture
def short_batches(monkeypatch):
    """In each pass of Trio's scheduler one turn of the loop, of one iteration."""
    monkeypatch.setattr("trio_bridge._pump.TURNS_PER_BATCH", 1)
    if differences.ENGINE == "uvloop":
        monkeypatch.setattr("trio_bridge._engines.uvloop.SECONDS_PER_TURN", -1.0)


def count_passes(monkeypatch):
    """A list that grows with each pass of Trio's scheduler.

    Not by an instrument: where there is one, all passes are made.
    """
    passes = []
    manager = type(trio.lowlevel.current_root_task()._runner.io_manager)
    original = manager.get_events

    def get_events(self, timeout):
        passes.append(timeout)
        return original(self, timeout)

    monkeypatch.setattr(manager, "get_events", get_events)
    return passes


class Countdown(trio.abc.Instrument):
    """Cancels a scope when the scheduler has run a number of steps, whatever task's they are."""

    def __init__(self, scope, number):
        self.scope = scope
        self.number = number

    def before_task_step(self, task):
        self.number -= 1
        if self.number == 0:
            self.scope.cancel()


@pytest.fixture(params=["scheduler", "loop"])
def cancelled_at_each_step(request, monkeypatch):
    """Run a story cancelled at the first step, the second, until it is over before the step comes.

    A step is one of Trio's scheduler, or a callback of the asyncio loop, of which many make one.
    """
    if request.param == "loop" and differences.ENGINE == "uvloop":
        pytest.skip("its loop's callbacks can't be counted")
    countdown = None
    original = asyncio.Handle._run

    def run(handle):
        if countdown is not None:
            countdown.before_task_step(None)
        original(handle)

    async def numbers(story):
        nonlocal countdown
        for number in range(1, 5000):
            with trio.fail_after(30), trio.CancelScope() as scope:
                countdown = Countdown(scope, number)
                if request.param == "scheduler":
                    trio.lowlevel.add_instrument(countdown)
                try:
                    await story(number)
                finally:
                    if request.param == "scheduler":
                        trio.lowlevel.remove_instrument(countdown)
                    left, countdown = countdown.number, None
            yield number
            if left > 0:
                assert not scope.cancelled_caught
                return
        pytest.fail("it takes too long")

    if request.param == "loop":
        monkeypatch.setattr(asyncio.Handle, "_run", run)
    return numbers


@pytest.fixture(scope="session")
def certificates():
    """TLS contexts for the server and for a client that trusts it, by either name of this host."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.fixture
def run_script(tmp_path):
    """Run Python code in a process of its own; the result has stdout, stderr and returncode."""

    def run(code, *, interrupt_at=None, timeout=HANG, args=()):
        script = tmp_path / "script.py"
        script.write_text(code)
        process = subprocess.Popen(
            [sys.executable, *args, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONUNBUFFERED": "1"},
            # A shell's background job ignores SIGINT, and its children inherit that.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler),
        )
        out = ""
        if interrupt_at is not None:
            for line in process.stdout:
                out += line
                if interrupt_at in line:
                    process.send_signal(signal.SIGINT)
                    break
        try:
            rest, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, err = process.communicate()
            raise AssertionError(
                f"the script hung; stdout:\n{out + rest}\nstderr:\n{err}"
            ) from None
        return subprocess.CompletedProcess(process.args, process.returncode, out + rest, err)

    return run
