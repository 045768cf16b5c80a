"""Story 9: real sessions of ``pdb`` on a pseudo-terminal, in programs of two worlds."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from conftest import PYTHONPATH

pexpect = pytest.importorskip("pexpect")

# The child executes another program at once.
pytestmark = pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")

PATH = [PYTHONPATH]
if "COVERAGE_PROCESS_CONFIG" in os.environ:
    PATH.append(str(Path(__file__).parent / "measured_pdb"))

HEAD = """
import asyncio, contextlib, os, sys
import trio, trio_bridge
from trio_bridge import aio2trio, trio2aio

async def checkpoint():  # without it a guest is in its first step, and its host below it
    if {suspends}:
        await (trio.sleep(0) if trio.lowlevel.in_trio_task() else asyncio.sleep(0))
"""

NESTED = """
async def deepest(x):
    await checkpoint()
    breakpoint()
    x += 1
    return x

async def in_trio(x):
    await checkpoint()
    x = await trio2aio(deepest)(x)
    return x + 1

async def in_asyncio(x):
    x = await aio2trio(in_trio)(x)
    x += 1
    return x

async def main():
    x = await trio2aio(in_asyncio)(1)
    print("the result is", x)
    return x

trio_bridge.run(main)
print("the end")
"""

TRIO_CALL = """
async def in_trio():
    await checkpoint()
    breakpoint()
    await trio.sleep(0)
    return 1

async def in_asyncio():
    await checkpoint()
    x = await aio2trio(in_trio)()
    await asyncio.sleep(0)
    return x

async def main():
    x = await trio2aio(in_asyncio)()
    print("the result is", x)

trio_bridge.run(main)
"""


class Session:
    """A program in the debugger."""

    def __init__(self, path, code, *, suspends, args=(), **env):
        self.script = path / "script.py"
        self.script.write_text(HEAD.format(suspends=suspends) + code)
        colours = {"NO_COLOR": "1", "PYTHON_COLORS": "0", "PYTHON_BASIC_REPL": "1", "TERM": "dumb"}
        self.terminal = pexpect.spawn(
            sys.executable,
            [*args, str(self.script)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(PATH), **colours, **env},
            encoding="utf-8",
            timeout=40,
            echo=False,
            dimensions=(50, 500),
        )
        self.output = ""
        self.line = None
        self.read()

    def read(self):
        found = self.terminal.expect_exact(["(Pdb) ", pexpect.EOF, "[y/n] "])
        if found == 2:  # Python 3.14 asks whether to quit
            self.terminal.sendline("y")
            found = self.terminal.expect_exact(["(Pdb) ", pexpect.EOF])
        self.has_ended = found == 1
        self.output = self.terminal.before
        found = re.findall(
            r"^> .*?(\w+|<module>)\(\).*?\r?\n-> (.*?)\r?$", self.output, re.MULTILINE
        )
        if found:
            self.line = ": ".join(found[-1])

    def __call__(self, command):
        """The line where it stands after the command."""
        self.terminal.sendline(command)
        self.read()
        return self.line

    def to_breakpoint(self):
        """Before Python 3.13 ``breakpoint()`` stops at the line after it."""
        if self.line.endswith("breakpoint()"):
            self("next")

    def lineno(self, start):
        lines = self.script.read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if line.startswith(start))

    def where(self):
        """The user's functions, outermost first."""
        self("where")
        assert "trio_bridge" not in re.sub(r"-> .*", "", self.output), self.output
        return re.findall(r"^[> ] .*script\.py\(\d+\)(\S+)\(", self.output, re.MULTILINE)

    def end(self):
        if not self.has_ended:
            self("continue")
        assert self.has_ended, self.output
        self.terminal.close()
        return self.output


@pytest.fixture(params=["at once", "suspended"])
def debug(request, tmp_path):
    sessions = []

    def begin(code, **options):
        session = Session(tmp_path, code, suspends=request.param == "suspended", **options)
        sessions.append(session)
        return session

    yield begin
    for session in sessions:
        session.terminal.close(force=True)


def test_next_lands_on_the_next_line_across_four_crossings(debug):
    session = debug(NESTED)
    session.to_breakpoint()
    assert session.line == "deepest: x += 1"
    assert session("next") == "deepest: return x"
    assert session("next") == "in_trio: return x + 1"
    assert session("next") == "in_asyncio: x += 1"
    assert session("next") == "in_asyncio: return x"
    assert session("next") == 'main: print("the result is", x)'
    assert "the result is 4" in session.end()


def test_where_shows_the_callers_and_up_gets_there(debug):
    session = debug(NESTED)
    session.to_breakpoint()
    callers = ["<module>", "main", "in_asyncio", "in_trio", "deepest"]
    assert session.where() == callers
    assert session("up") == "in_trio: x = await trio2aio(deepest)(x)"
    assert session("up") == "in_asyncio: x = await aio2trio(in_trio)(x)"
    session("p x + 40")
    assert "41" in session.output
    assert session("up") == "main: x = await trio2aio(in_asyncio)(1)"
    assert session("down") == "in_asyncio: x = await aio2trio(in_trio)(x)"
    assert session.where() == callers
    assert session("next") == "in_asyncio: x += 1"  # of the frame that is looked at
    assert session.where() == callers[:3]
    assert "the result is 4" in session.end()


AT_MAIN = NESTED.replace("    breakpoint()\n", "").replace(
    "    x = await trio2aio(in_asyncio)", "    breakpoint()\n    x = await trio2aio(in_asyncio)"
)


def test_next_over_a_crossing(debug):
    session = debug(AT_MAIN)
    session.to_breakpoint()
    assert session("next") == 'main: print("the result is", x)'
    assert session("next") == "main: return x"
    assert session("next") == '<module>: print("the end")'
    assert session.where() == ["<module>"]
    assert "the end" in session.end()


def test_step_goes_into_a_crossing(debug):
    session = debug(AT_MAIN)
    session.to_breakpoint()
    assert session("step") == "in_asyncio: async def in_asyncio(x):"
    assert session("step") == "in_asyncio: x = await aio2trio(in_trio)(x)"
    assert session("step") == "in_trio: async def in_trio(x):"
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio"]
    assert "the result is 4" in session.end()


def test_a_trio_call_of_a_guest(debug):
    session = debug(TRIO_CALL)
    session.to_breakpoint()
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio"]
    assert session("next") == "in_trio: return 1"
    assert session("next") == "in_asyncio: await asyncio.sleep(0)"
    assert session("next") == "in_asyncio: return x"
    assert session("next") == 'main: print("the result is", x)'
    session.end()


def test_return_and_until(debug):
    session = debug(NESTED)
    session.to_breakpoint()
    assert session("return") == "in_trio: return x + 1"
    assert session("until") == "in_asyncio: x += 1"
    assert session("return") == 'main: print("the result is", x)'
    session.end()


def test_a_breakpoint_on_the_other_side(debug):
    session = debug(AT_MAIN)
    session("break deepest")
    assert session("continue") == "deepest: await checkpoint()"
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio", "deepest"]
    assert session("return") == "in_trio: return x + 1"
    assert "the result is 4" in session.end()


FAILS = """
async def fails():
    await checkpoint()
    raise ValueError("mine")

async def in_asyncio():
    await checkpoint()
    await aio2trio(fails)()

async def main():
    try:
        breakpoint()
        await trio2aio(in_asyncio)()
    except ValueError as exc:
        print("caught", exc)

trio_bridge.run(main)
"""


def test_next_over_a_crossing_that_fails(debug):
    session = debug(FAILS)
    session.to_breakpoint()
    assert session("next") == "main: await trio2aio(in_asyncio)()"
    assert "ValueError: mine" in session.output
    assert session("next") == "main: except ValueError as exc:"
    assert session("next") == 'main: print("caught", exc)'
    assert "caught mine" in session.end()


def test_an_error_climbs_to_the_caller(debug):
    code = FAILS.replace("        breakpoint()\n", "").replace(
        "    raise V", "    breakpoint()\n    raise V"
    )
    session = debug(code)
    session.to_breakpoint()
    assert session("next") == 'fails: raise ValueError("mine")'
    assert session("next") == "in_asyncio: await aio2trio(fails)()"
    if sys.version_info[:2] == (3, 13):  # which gives such a line once more
        assert session("next") == "in_asyncio: await aio2trio(fails)()"
    assert session("next") == "main: await trio2aio(in_asyncio)()"
    assert session("next") == "main: except ValueError as exc:"
    assert "caught mine" in session.end()


MANAGERS = """
@trio2aio
@contextlib.asynccontextmanager
async def manager():
    await checkpoint()
    breakpoint()
    yield 1
    await checkpoint()
    x = 2

@trio2aio
async def generate():
    await checkpoint()
    yield 1
    await checkpoint()
    yield 2

async def main():
    async with manager():
        await trio.sleep(0)
        print("body")
    async for item in generate():
        print(item)

trio_bridge.run(main)
"""


def test_managers_and_generators(debug):
    session = debug(MANAGERS)
    session.to_breakpoint()
    assert session.where() == ["<module>", "main", "manager"]
    session(f"tbreak {session.lineno('async def generate') + 1}")
    session("up")  # contextlib's
    assert session("up") == "main: async with manager():"
    assert session("next") == "main: await trio.sleep(0)"
    assert session("continue").startswith("generate: ")
    assert session.where() == ["<module>", "main", "generate"]
    session.end()


OTHERS = """
async def busy():
    for count in range(100):
        await asyncio.sleep(0)

async def guest():
    await checkpoint()
    breakpoint()
    await asyncio.sleep(0)
    await aio2trio(trio.sleep)(0)
    await asyncio.sleep(0.001)
    return 1

async def main():
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(trio2aio(busy))
        x = await trio2aio(guest)()
        print("the result is", x)

trio_bridge.run(main)
"""


def test_next_does_not_stop_in_other_tasks(debug):
    session = debug(OTHERS)
    session.to_breakpoint()
    assert session.line == "guest: await asyncio.sleep(0)"
    assert session("next") == "guest: await aio2trio(trio.sleep)(0)"
    assert session("next") == "guest: await asyncio.sleep(0.001)"
    assert session("next") == "guest: return 1"
    assert session("next") == 'main: print("the result is", x)'
    session.end()


OWN_TASK = """
async def in_trio():
    await checkpoint()
    breakpoint()
    return 1

async def own():
    await checkpoint()
    return await aio2trio(in_trio)()

async def main():
    x = await START
    print("the result is", x)
"""


def test_the_call_of_a_task_that_has_no_host(debug):
    code = OWN_TASK.replace("START", "trio2aio(lambda: asyncio.create_task(own()))()")
    session = debug(code + "trio_bridge.run(main)")
    session.to_breakpoint()
    assert session.where() == ["<module>", "own", "in_trio"]
    assert "the result is 1" in session.end()


def test_asyncio_first(debug):
    session = debug(OWN_TASK.replace("START", "own()") + "asyncio.run(main())")
    session.to_breakpoint()
    # As plain pdb in asyncio: a task has no caller, and what it awaits is on its stack.
    assert session.where() == ["<module>", "main", "own", "in_trio"]
    assert session("next") == 'main: print("the result is", x)'
    assert "the result is 1" in session.end()


def test_quit(debug):
    session = debug(NESTED)
    session("quit")
    assert session.has_ended
    assert "the result" not in session.output
    assert "Internal" not in session.output


def test_ctrl_c_at_the_prompt(debug):
    session = debug(NESTED)
    session.terminal.sendintr()
    # Python misses one that comes after it has printed the prompt and before it waits for a key.
    while session.terminal.expect_exact(["KeyboardInterrupt", pexpect.TIMEOUT], timeout=5) == 1:
        session.terminal.sendintr()
    session.read()
    session.to_breakpoint()
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio", "deepest"]
    assert "the result is 4" in session.end()


def test_ctrl_c_while_the_program_runs(debug):
    # Not by print(), which the debugger's handler of the signal must not interrupt: it prints too.
    ready = 'sys.stdout.flush()\n    os.write(1, b"ready")'
    session = debug(
        NESTED.replace(
            '    print("the',
            f'    {ready}\n    await trio2aio(asyncio.sleep)(1000)\n    print("the',
        )
    )
    session.terminal.sendline("continue")
    session.terminal.expect_exact("ready")
    session.terminal.sendintr()
    session.read()
    assert not session.has_ended, session.output
    session.terminal.close(force=True)  # not "quit": see docs/limits.md


def test_python_m_pdb(tmp_path):
    session = Session(
        tmp_path, NESTED.replace("    breakpoint()\n", ""), suspends=True, args=("-m", "pdb")
    )
    session(f"break {session.lineno('async def deepest') + 2}")
    assert session("continue") == "deepest: x += 1"
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio", "deepest"]
    assert session("next") == "deepest: return x"
    assert session("next") == "in_trio: return x + 1"
    assert session("up") == "in_asyncio: x = await aio2trio(in_trio)(x)"
    assert session("next") == "in_asyncio: x += 1"
    session("continue")
    session("quit")


def test_breakpoint_in_python_m_pdb(tmp_path):
    session = Session(tmp_path, NESTED, suspends=True, args=("-m", "pdb"))
    session(f"break {session.lineno('async def in_asyncio') + 2}")
    session("continue")
    session.to_breakpoint()
    assert session.line == "deepest: x += 1"
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio", "deepest"]
    assert session("continue") == "in_asyncio: x += 1"
    session("quit")


def test_an_error_that_ends_the_program_in_python_m_pdb(tmp_path):
    code = FAILS.replace("        breakpoint()\n", "").replace(
        "except ValueError", "except KeyError"
    )
    session = Session(tmp_path, code, suspends=True, args=("-m", "pdb"))
    assert session("continue") == 'fails: raise ValueError("mine")'
    assert "post mortem" in session.output
    session("where")
    frames = re.findall(r"script\.py\(\d+\)(\S+)\(", session.output)
    assert frames == ["<module>", "main", "in_asyncio", "fails"]
    assert session("up") != 'fails: raise ValueError("mine")'
    session("quit")


def test_what_breakpoint_is_given(debug):
    commands = ', commands=["p 40 + x"]' if sys.version_info >= (3, 14) else ""
    session = debug(NESTED.replace("breakpoint()", f"breakpoint(header='look'{commands})"))
    assert "look" in session.output
    if commands:
        assert "41" in session.output.split()
    assert session.where() == ["<module>", "main", "in_asyncio", "in_trio", "deepest"]
    assert "the result is 4" in session.end()


HOOKS = """
import asyncio, os, sys
import trio, trio_bridge
from trio_bridge import aio2trio, trio2aio

default = sys.breakpointhook

async def main():
    print("ours" if sys.breakpointhook is not default else "default")
    async with trio_bridge.open_loop():
        pass
    print("ours" if sys.breakpointhook is not default else "default")
    print("pdb" in sys.modules)

trio_bridge.run(main)
print("ours" if sys.breakpointhook is not default else "default")

async def asyncio_main():
    print("ours" if sys.breakpointhook is not default else "default")
    await aio2trio(trio.sleep)(0)
    print("ours" if sys.breakpointhook is not default else "default")

asyncio.run(asyncio_main())
print("ours" if sys.breakpointhook is not default else "default")
"""


def test_the_hook_is_ours_while_a_loop_is_open(run_script):
    lines = run_script(HOOKS).stdout.split()
    assert lines == ["ours", "ours", "False", "default", "default", "ours", "default"]


@pytest.mark.parametrize(
    "choice",
    [
        "os.environ['PYTHONBREAKPOINT'] = '0'",
        "sys.breakpointhook = default = print",
        "import pdb; pdb.set_trace = print",
    ],
)
def test_another_choice_is_kept(run_script, choice):
    lines = run_script(
        HOOKS.replace("async def main", choice + "\n\nasync def main", 1)
    ).stdout.split()
    assert [line for line in lines if line not in ("True", "False")] == ["default"] * 6


def test_a_breakpoint_that_is_switched_off_meanwhile(run_script):
    result = run_script(
        "import os, trio_bridge\n"
        "async def main():\n"
        "    os.environ['PYTHONBREAKPOINT'] = '0'\n"
        "    breakpoint()\n"
        "    print('went on')\n"
        "trio_bridge.run(main)\n"
    )
    assert (result.stdout, result.stderr) == ("went on\n", "")
