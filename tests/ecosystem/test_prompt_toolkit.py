"""prompt_toolkit's prompts in Trio programs, each on a pseudo-terminal that the test types on."""

from __future__ import annotations

import os
import signal
import sys
import termios
import textwrap

import pexpect
import pytest
from conftest import HANG, PYTHONPATH

LIBRARIES = ("prompt_toolkit",)

pytest.importorskip("prompt_toolkit")

# The child executes another program at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")

HEAD = """
import os
import prompt_toolkit, trio, trio_bridge
from prompt_toolkit.patch_stdout import patch_stdout
from trio_bridge import trio2aio

pt = trio2aio(prompt_toolkit)

async def read_a_line(prompt):
    print(prompt, flush=True)
    await trio.lowlevel.wait_readable(0)
    os.read(0, 100)

async def until_typed(session, text):
    while session.default_buffer.text != text:
        await trio.sleep(0.01)
"""

TAIL = """
try:
    trio_bridge.run(main)
except KeyboardInterrupt:
    print("interrupted")
"""

UP, CTRL_C, CTRL_D, ENTER = "\x1b[A", "\x03", "\x04", "\r"


@pytest.fixture
def start(tmp_path):
    """Run a Trio function ``main`` on a terminal of its own."""
    programs = []

    def start(code):
        script = tmp_path / "script.py"
        script.write_text(HEAD + textwrap.dedent(code) + TAIL)
        # This terminal doesn't answer when it is asked where its cursor is (CPR).
        terminal = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        program = pexpect.spawn(
            sys.executable,
            ["-W", "error", str(script)],
            env={**os.environ, "PYTHONPATH": PYTHONPATH, **terminal},
            encoding="utf-8",
            timeout=HANG,
            dimensions=(24, 200),
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.close(force=True)


def assert_ends_well(program):
    """With no word of an error or a warning, which come on the terminal too."""
    program.expect(pexpect.EOF)
    program.close()
    assert (program.exitstatus, program.signalstatus) == (0, None), program.before
    assert "Traceback" not in program.before
    assert "Warning" not in program.before


def test_what_is_typed_arrives(start):
    program = start("""
        async def main():
            session = pt.PromptSession()
            name = await session.prompt_async("name> ")
            age = await session.prompt_async("age> ")
            print(f"{name!r} is {age!r}")
    """)
    program.expect_exact("name>")
    program.send("Riri" + ENTER)
    program.expect_exact("age>")
    program.send("7" + ENTER)
    program.expect_exact("'Riri' is '7'")
    assert_ends_well(program)


def test_tasks_share_a_session(start):
    program = start("""
        async def ask(session, lock, number):
            async with lock:  # one prompt at a time
                print(f"task {number} got", repr(await session.prompt_async("word> ")))

        async def main():
            session = pt.PromptSession()
            lock = trio.StrictFIFOLock()
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(ask, session, lock, number)
    """)
    got = []
    for typed in ("quack", UP, "honk"):  # the second one finds what the first was given
        program.expect_exact("word>")
        program.send(typed + ENTER)
        program.expect(r"task \d got '(\w+)'")
        got.append(program.match[1])
    assert got == ["quack", "quack", "honk"]
    assert_ends_well(program)


def test_a_deadline_cancels_a_prompt_and_restores_the_terminal(start):
    program = start("""
        async def give_up_on(session, deadline):
            await until_typed(session, "half a wo")
            deadline.deadline = trio.current_time() + 0.1

        async def main():
            session = pt.PromptSession()
            await read_a_line("ready?")
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as deadline:
                    nursery.start_soon(give_up_on, session, deadline)
                    await session.prompt_async("too slow> ")
            print("gave up:", deadline.cancelled_caught)
            await read_a_line("plain>")
            print("got", repr(await session.prompt_async("again> ")))
    """)
    program.expect_exact("ready?")
    before = termios.tcgetattr(program.child_fd)
    program.send("\n")
    program.expect_exact("too slow>")
    assert termios.tcgetattr(program.child_fd) != before
    program.send("half a wo")
    program.expect_exact("gave up: True")
    program.expect_exact("plain>")
    assert termios.tcgetattr(program.child_fd) == before
    program.send("\n")
    program.expect_exact("again>")
    program.send("yes" + ENTER)
    program.expect_exact("got 'yes'")
    assert_ends_well(program)


def test_ctrl_c_and_ctrl_d_are_errors_of_the_prompt(start):
    program = start("""
        async def main():
            session = pt.PromptSession()
            for number in range(2):
                try:
                    await session.prompt_async(f"{number}> ")
                except (KeyboardInterrupt, EOFError) as error:
                    print("error:", type(error).__name__)
            print("got", repr(await session.prompt_async("again> ")))
    """)
    program.expect_exact("0>")
    program.send("half a wo" + CTRL_C)
    program.expect_exact("error: KeyboardInterrupt")
    program.expect_exact("1>")
    program.send(CTRL_D)
    program.expect_exact("error: EOFError")
    program.expect_exact("again>")
    program.send("yes" + ENTER)
    program.expect_exact("got 'yes'")
    assert_ends_well(program)


def test_ctrl_c_is_trios_again_after_the_prompt(start):
    program = start("""
        async def main():
            try:
                await pt.PromptSession().prompt_async("here> ")
            except KeyboardInterrupt:
                print("first")
            await trio.sleep_forever()
    """)
    program.expect_exact("here>")
    program.kill(signal.SIGINT)
    program.expect_exact("first")
    program.kill(signal.SIGINT)
    program.expect_exact("interrupted")
    assert_ends_well(program)


def test_another_task_prints_above_the_prompt(start):
    program = start("""
        async def tick(session):
            await until_typed(session, "qua")
            for number in range(3):
                print("tick", number)
                await trio.sleep(0.01)

        async def main():
            session = pt.PromptSession()
            with patch_stdout():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(tick, session)
                    answer = await session.prompt_async("word> ")
            print("got", repr(answer))
    """)
    program.expect_exact("word>")
    program.send("qua")
    for number in range(3):
        program.expect_exact(f"tick {number}")
    program.expect("word>.*qua")  # drawn anew below
    program.send("ck" + ENTER)
    program.expect_exact("got 'quack'")
    assert_ends_well(program)


def test_a_task_that_fails_takes_the_prompt_down(start):
    program = start("""
        async def fail():
            await trio.sleep(0.5)
            raise ConnectionError("the server went away")

        async def main():
            await read_a_line("ready?")
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fail)
                    await pt.PromptSession().prompt_async("word> ")
            except* ConnectionError as group:
                print("error:", *group.exceptions)
            await read_a_line("plain>")
    """)
    program.expect_exact("ready?")
    before = termios.tcgetattr(program.child_fd)
    program.send("\n")
    program.expect_exact("error: the server went away")
    program.expect_exact("plain>")
    assert termios.tcgetattr(program.child_fd) == before
    program.send("\n")
    assert_ends_well(program)
