"""Programs in processes of their own, which are interrupted when they say that they are ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from loop_kinds import TIME_LIMIT

import trio_bridge

HEAD = """
import asyncio, gc, logging, os, signal, sys, threading, time, trio, trio_bridge, warnings
from trio_bridge import aio2trio, trio2aio

LOOP, RUNNER, WAY = sys.argv[1:]
# Debug mode finds callbacks slow on a machine that is busy with other things.
logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())

if WAY == "thread":
    class NoDoor:
        def __init__(self, tick):
            raise AttributeError
    trio_bridge._private.GuestDoor = NoDoor

def make_loop():
    if LOOP == "uvloop":
        import uvloop
        return uvloop.new_event_loop()
    return trio_bridge.new_event_loop() if LOOP == "bridge" else asyncio.SelectorEventLoop()

def run(main):
    if RUNNER == "run" and LOOP == "stock":
        asyncio.run(main())
    elif RUNNER == "run":
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(main())
    else:
        loop = make_loop()
        try:
            loop.run_until_complete(main())
        finally:
            if tasks := asyncio.all_tasks(loop):
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.wait(tasks))
            loop.close()

def say(text):
    print(text, flush=True)

def say_when_it_waits():
    trio_bridge.current_loop().call_later(0.02, say, "ready")

async def trio_waits():
    try:
        say_when_it_waits()
        await trio.sleep(60)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.001)
        say("trio cleaned up")

async def asyncio_waits():
    try:
        say_when_it_waits()
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.001)
        say("asyncio cleaned up")

def busy():
    say("ready")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pass
    say("was not interrupted")
"""

TAIL = """
try:
    run(main)
except KeyboardInterrupt:
    say("KeyboardInterrupt")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(2)
async def trio_code():
    await trio.sleep(0)
trio.run(trio_code)
"""


@pytest.fixture
def run_on(tmp_path):
    """Run a script; interrupt it when it says so."""

    def run_on(code, *variant, interrupt=True):
        if variant[0] == "uvloop":
            pytest.importorskip("uvloop")
        script = tmp_path / "script.py"
        script.write_text(code)
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", str(script), *variant],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.path.dirname(os.path.dirname(trio_bridge.__file__)),
            },
            start_new_session=True,
        )
        with process:
            out = ""
            if interrupt:
                out = process.stdout.readline()
                if out == "ready\n":
                    process.send_signal(signal.SIGINT)
            try:
                rest, err = process.communicate(timeout=TIME_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                rest, err = process.communicate()
                raise AssertionError(f"hung; stdout:\n{out + rest}\nstderr:\n{err}") from None
        return (out + rest).split("\n")[:-1], err

    return run_on
