"""``tree_signal`` and ``--tree-signal``: the tree is printed on a signal, in real processes."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio

import trio_bridge

PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)
IMPORTS = """
import asyncio, os, signal, sys, time, trio, trio_bridge
from trio_bridge import aio2trio, trio2aio

def ready():
    print("ready", flush=True)

def forever():
    while True: pass

def nap():
    # Not one long sleep: a signal that comes just before it is handled after it.
    while True: time.sleep(0.01)
"""


@contextlib.contextmanager
def running(tmp_path, script, *launcher):
    """The process of a script that says when it is ready."""
    path = tmp_path / "script.py"
    path.write_text(IMPORTS + script)
    process = subprocess.Popen(
        [sys.executable, *launcher, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    alarm = threading.Timer(30, process.kill)
    alarm.start()
    try:
        line = process.stdout.readline()
        if line != "ready\n":
            pytest.fail(line + process.stderr.read())
        yield process
    finally:
        alarm.cancel()
        process.kill()
        process.communicate()


def tree_on_signal(process, last):
    """The lines of the tree, up to one that has ``last`` in it."""
    process.send_signal(signal.SIGUSR1)
    lines = []
    for line in process.stderr:
        lines.append(line.rstrip())
        if last in line:
            return lines
    pytest.fail("no tree:\n" + "\n".join(lines))


PROGRAMS = {
    "Trio waits": """
async def main():
    ready()
    await trio.sleep_forever()
trio_bridge.run(main, tree_signal="SIGUSR1")
""",
    "asyncio waits": """
async def main():
    await trio2aio(wait)()
async def wait():
    asyncio.get_running_loop().call_soon(ready)
    await asyncio.sleep(1000)
trio_bridge.run(main, tree_signal=signal.SIGUSR1)
""",
    "Trio code hangs": """
async def main():
    ready(); forever()
trio_bridge.run(main, tree_signal="SIGUSR1")
""",
    "asyncio code hangs": """
async def main():
    await trio2aio(hang)()
async def hang():
    await asyncio.sleep(0)
    ready(); forever()
trio_bridge.run(main, tree_signal="SIGUSR1")
""",
    "a callback blocks": """
async def main():
    trio2aio(lambda: asyncio.get_running_loop().call_soon(block))()
    await trio.sleep_forever()
def block():
    ready(); nap()
trio_bridge.run(main, tree_signal="SIGUSR1")
""",
    "open_loop in a plain Trio program": """
async def main():
    async with trio_bridge.open_loop(tree_signal="SIGUSR1"):
        ready()
        await trio.sleep_forever()
trio.run(main)
""",
}
LAST = {
    "asyncio code hangs": "forever()",
    "Trio code hangs": "asyncio loop",
    "a callback blocks": "nap()",
    "asyncio waits": "asyncio/tasks.py",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_tree_is_printed_while_the_program_runs(program, tmp_path):
    with running(tmp_path, PROGRAMS[program]) as process:
        title, *lines = tree_on_signal(process, LAST.get(program, "asyncio loop"))
        assert title.startswith(f"Task tree of process {process.pid}, by SIGUSR1 at ")
        assert lines[0] == "Trio run in thread MainThread"
        assert lines[1].startswith("└─ Trio task __main__.main")
        assert process.poll() is None


ASYNCIO_PROGRAM = """
async def main():
    asyncio.get_running_loop().call_soon(ready)
    async with asyncio.timeout(1000):
        await asyncio.sleep(1000)
asyncio.run(main())
"""


@pytest.mark.parametrize("option", [["--tree-signal", "SIGUSR1"], ["--tree-signal=SIGUSR1"]])
def test_the_launchers_option(option, tmp_path):
    with running(tmp_path, ASYNCIO_PROGRAM, "-m", "trio_bridge", *option) as process:
        lines = tree_on_signal(process, "asyncio/tasks.py")
        assert re.match("asyncio loop (Selector|Uvloop)EventLoop in thread MainThread", lines[1])
        task = lines.index("└─ asyncio task Task-1")
        assert lines[task + 1].split()[::3] == ["main", "asyncio.sleep(1000)"]


def test_without_the_option_the_signal_is_the_programs_own(tmp_path):
    with running(tmp_path, ASYNCIO_PROGRAM, "-m", "trio_bridge") as process:
        process.send_signal(signal.SIGUSR1)
        assert process.wait(30) == -signal.SIGUSR1


@pytest.mark.parametrize("name", ["SIGNONE", "SIGINT", "SIGKILL"])
def test_the_launcher_refuses_what_is_no_free_signal(name, tmp_path):
    (tmp_path / "script.py").write_text("print('never')")
    result = subprocess.run(
        [sys.executable, "-m", "trio_bridge", "--tree-signal", name, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("python -m trio_bridge: tree_signal=")
    assert result.stderr.endswith("as in 'SIGUSR1'\n")


def test_in_the_middle_of_anything_it_changes_nothing(tmp_path):
    """Thousands of signals, while tasks cross in both directions as fast as they can."""
    script = """
trees = 0

class Watched:
    def write(self, text):
        global trees
        trees += text.startswith("Task tree")
        assert "failed" not in text, text
    def flush(self): pass
    def isatty(self): return False

async def leaf(n):
    await trio.sleep(0)
    return n

async def crossing(n):
    async with asyncio.timeout(1000):
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 0)
            return await aio2trio(leaf)(n)

async def numbers():
    for n in range(2):
        await asyncio.sleep(0)
        yield n

async def worker():
    n = 0
    while trees < 300:
        n += 1
        assert await trio2aio(crossing)(n) == n
        assert [m async for m in trio2aio(numbers)()] == [0, 1]
        with trio.move_on_after(0.0001):
            await trio2aio(asyncio.sleep)(1000)
        async with trio_bridge.open_asyncio_nursery() as nursery:
            nursery.start_soon(crossing, n)
        async with trio_bridge.open_loop():
            await trio2aio(crossing)(n)

async def main():
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0037)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(worker)
    signal.setitimer(signal.ITIMER_REAL, 0)

stderr, sys.stderr = sys.stderr, Watched()
ready()
try:
    trio_bridge.run(main, tree_signal="SIGALRM")
finally:
    sys.stderr = stderr
print("done", flush=True)
"""
    with running(tmp_path, script) as process:
        assert process.wait(60) == 0, process.stderr.read()
        assert process.stdout.read() == "done\n"


# ---- the handler that was there before


def handler(signum, frame):
    raise AssertionError("the signal did not come to us")


@pytest.fixture
def own_handler():
    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


def send():
    signal.raise_signal(signal.SIGUSR1)


def test_the_handler_from_before_is_put_back(own_handler, capsys):
    async def main():
        send()

    trio_bridge.run(main, tree_signal="SIGUSR1")
    assert capsys.readouterr().err.startswith("Task tree of process")
    assert signal.getsignal(signal.SIGUSR1) is handler

    async def fail():
        raise KeyError("no")

    with pytest.raises(KeyError):
        trio_bridge.run(fail, tree_signal="SIGUSR1")
    assert signal.getsignal(signal.SIGUSR1) is handler


def test_on_a_terminal_it_is_in_colour(own_handler, monkeypatch):
    """What that needs is imported before the signal comes: a handler is no place for it."""
    pytest.importorskip("rich")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    async def main():
        imported.append("trio_bridge.inspect._colour" in sys.modules)
        send()

    imported, terminal = [], Terminal()
    monkeypatch.delitem(sys.modules, "trio_bridge.inspect._colour", raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    trio_bridge.run(main, tree_signal="SIGUSR1")
    assert imported == [True]
    assert "\x1b[1;32mTrio task\x1b[0m" in terminal.getvalue()


def test_two_blocks_side_by_side_end_in_any_order(own_handler, capsys):
    async def main():
        first = trio.Event()

        async def block(is_first):
            async with trio_bridge.open_loop(tree_signal="SIGUSR1"):
                if is_first:
                    await trio.sleep(0)
                else:
                    await first.wait()
                    send()
                    assert capsys.readouterr().err.startswith("Task tree of process")
            first.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(block, True)
            nursery.start_soon(block, False)
        assert signal.getsignal(signal.SIGUSR1) is handler

    trio.run(main)


def test_a_handler_that_the_program_sets_meanwhile_stays():
    def other(signum, frame):
        pass

    before = signal.getsignal(signal.SIGUSR1)

    async def main():
        signal.signal(signal.SIGUSR1, other)

    try:
        trio_bridge.run(main, tree_signal="SIGUSR1")
        assert signal.getsignal(signal.SIGUSR1) is other
    finally:
        signal.signal(signal.SIGUSR1, before)


# ---- misuse


@pytest.mark.parametrize("name", ["USR1", "SIGNONE", 1000, "SIGINT", "SIGKILL", "SIGSEGV"])
def test_what_is_no_free_signal_is_refused(name):
    with pytest.raises(ValueError, match=rf"tree_signal={name!r}.*as in 'SIGUSR1'"):
        trio_bridge.open_loop(tree_signal=name)


@pytest.mark.parametrize("name", [True, 3.5, b"SIGUSR1"])
def test_what_is_no_signals_name_is_refused(name):
    with pytest.raises(TypeError, match=r"is no signal.*as in 'SIGUSR1'"):
        trio_bridge.open_loop(tree_signal=name)


def test_in_another_thread_it_is_refused():
    errors = []

    async def main():
        raise AssertionError("never")

    def target():
        try:
            trio_bridge.run(main, tree_signal="SIGUSR1")
        except RuntimeError as exc:
            errors.append(str(exc))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert "main thread only" in errors[0]
    assert "trio_bridge.inspect.print_tree()" in errors[0]


def test_an_error_of_its_own_does_not_reach_the_program(monkeypatch, capsys):
    from trio_bridge.inspect import _collect

    async def main():
        monkeypatch.setattr(_collect, "Knowledge", None)
        send()

    trio_bridge.run(main, tree_signal="SIGUSR1")
    assert "failed: TypeError" in capsys.readouterr().err


def test_a_signal_in_the_middle_of_a_write_to_stderr(run_script):
    """The buffer below stderr takes one write at a time, and says so by a RuntimeError."""
    script = """
import io, os, signal, sys
import trio_bridge

class Raw(io.RawIOBase):
    was_written = False
    def writable(self):
        return True
    def write(self, data):
        if not Raw.was_written:
            Raw.was_written = True
            signal.raise_signal(signal.SIGUSR1)
        return os.write(1, data)

sys.stderr = io.TextIOWrapper(io.BufferedWriter(Raw()), write_through=True)

async def main():
    sys.stderr.write("half")
    sys.stderr.flush()

trio_bridge.run(main, tree_signal="SIGUSR1")
"""
    result = run_script(script)
    assert result.returncode == 0
    assert result.stdout == "half"
    assert result.stderr.startswith("Task tree of process")
    assert "asyncio loop" in result.stderr
