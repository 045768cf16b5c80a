"""``python -m trio_bridge``: a program can't tell it from plain Python, but for its loops."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import py_compile
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path

import pytest
from conftest import HANG

import trio_bridge

PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)
PLAIN = [sys.executable]
BRIDGE = [sys.executable, "-m", "trio_bridge"]
OURS = "trio_bridge._asyncio_first"


def start(command, cwd, **env):
    return subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONUNBUFFERED": "1", **env},
        # A shell's background job ignores SIGINT, and its children inherit that.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )


def finish(process, out=""):
    try:
        rest, err = process.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        process.kill()
        rest, err = process.communicate()
        raise AssertionError(f"it hung; stdout:\n{out + rest}\nstderr:\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out + rest, err)


def interrupt(process):
    """Send a SIGINT each time that the program says "waiting"."""
    out = ""
    alarm = threading.Timer(HANG, process.kill)
    alarm.start()
    for line in process.stdout:
        out += line
        if line == "waiting\n":
            process.send_signal(signal.SIGINT)
    alarm.cancel()
    return finish(process, out)


@contextlib.contextmanager
def serving(command, cwd):
    """A program that writes the port on which it serves."""
    process = start(command, cwd)
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.stderr.read())
        yield process, int(line)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def write(tmp_path):
    def write(name, code):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code).lstrip())
        return path

    return write


@pytest.fixture
def bridge(tmp_path):
    """Run ``python -m trio_bridge *args``."""

    def bridge(*args, **env):
        return finish(start([*BRIDGE, *map(str, args)], tmp_path, **env))

    return bridge


@pytest.fixture
def same(tmp_path):
    """Run ``args`` by plain Python and by the bridge: no difference. The result of both."""

    def same(*args, python=(), is_interrupted=False, **env):
        after_start = interrupt if is_interrupted else finish
        plain, ours = (
            start([*head, *map(str, args)], tmp_path, **env)
            for head in ([*PLAIN, *python], [PLAIN[0], *python, *BRIDGE[1:]])
        )
        plain, ours = after_start(plain), after_start(ours)
        assert ours.stdout == plain.stdout
        assert ours.stderr == plain.stderr
        assert ours.returncode == plain.returncode
        return ours

    return same


# ---- what runs: a script, a module, a package, a directory, a zip file

WHO = """
    '''The docstring.'''
    import __main__
    import sys

    def say(): pass

    print(sys.argv, sys.path)
    print(__name__, __file__, __package__, __doc__, sys.modules["__main__"] is __main__)
    print(__spec__ and (__spec__.name, __spec__.origin, __spec__.parent, __spec__.cached))
    print(__main__.__dict__ is globals(), say.__module__, __builtins__, sorted(globals()))
    print(type(__loader__), __loader__ is getattr(__spec__, "loader", __loader__))
"""


def test_a_script_sees_what_it_sees_with_plain_python(write, same):
    write("programs/script.py", WHO)
    result = same("programs/script.py", "-m", "--debug", "--", "x y", "")
    assert result.stdout.startswith("['programs/script.py', '-m', '--debug', '--', 'x y', '']")


def test_a_compiled_script_sees_the_same(write, same, tmp_path):
    py_compile.compile(str(write("script.py", WHO)), str(tmp_path / "script.pyc"))
    same("script.pyc", "x")


def test_two_dashes_end_the_options(write, bridge):
    write("--debug", "import sys; print(sys.argv)")
    assert bridge("--engine=portable", "--", "--debug", "--").stdout == "['--debug', '--']\n"


def test_a_relative_modules_name(bridge):
    result = bridge("-m", ".module")
    assert result.stderr == "python -m trio_bridge: Relative module names not supported: .module\n"
    assert result.returncode == 1


def test_a_script_given_by_its_absolute_path_sees_the_same(write, same):
    same(write("programs/script.py", WHO), "--engine")


def test_a_script_behind_a_symbolic_link_imports_from_beside_the_file(write, same, tmp_path):
    write("programs/neighbour.py", "print('hello')\n")
    script = write("programs/script.py", "import neighbour\n" + textwrap.dedent(WHO))
    (tmp_path / "link.py").symlink_to(script)
    assert same("link.py").stdout.startswith("hello\n")


def test_a_module_sees_what_it_sees_with_plain_python(write, same):
    write("package/__init__.py", "")
    write("package/module.py", WHO)
    write("module.py", WHO)
    same("-m", "module", "-m", "--engine")
    same("-m", "package.module", "x")


def test_a_package_runs_its_main_module(write, same):
    write("package/__init__.py", "NAME = 'name'\n")
    write("package/__main__.py", textwrap.dedent(WHO) + "from . import NAME\nprint(NAME)\n")
    assert same("-m", "package", "x").stdout.endswith("\nname\n")


def test_a_module_may_be_named_right_behind_the_option(write, same):
    write("module.py", WHO)
    same("-mmodule", "x", "--debug")


def test_a_directory_runs_its_main_module(write, same):
    write("program/__main__.py", "import other\n" + textwrap.dedent(WHO))
    write("program/other.py", "print('hello')\n")
    assert same("program", "x").stdout.startswith("hello\n['program', 'x']")


def test_a_directory_is_imported_from_also_where_the_path_is_to_be_safe(write, same):
    write("program/__main__.py", "import other\n" + textwrap.dedent(WHO))
    write("program/other.py", "print('hello')\n")
    assert same("program", python=["-P"]).stdout.startswith("hello\n")


def test_a_zip_file_runs_its_main_module(same, tmp_path):
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as file:
        file.writestr("__main__.py", "import other\n" + textwrap.dedent(WHO))
        file.writestr("other.py", "print('hello')\n")
    assert same("program.zip", "x").stdout.startswith("hello\n['program.zip', 'x']")


def test_a_script_in_another_encoding_is_read_by_its_own_declaration(same, tmp_path):
    code = "# coding: latin-1\nprint(ascii('é'))\nraise ValueError('é')\n"
    (tmp_path / "script.py").write_bytes(code.encode("latin-1"))
    assert same("script.py").stdout == r"'\xe9'" + "\n"


@pytest.mark.parametrize("flag", ["-P", "-O", "-Wdefault", "-Xdev"])
def test_options_of_python_count_as_always(write, same, flag):
    script = textwrap.dedent(WHO) + "print(sys.flags, sys.warnoptions)\n__debug__ and print('!')\n"
    write("programs/script.py", script)
    same("programs/script.py", python=[flag])


def test_a_deprecation_warning_of_the_program_is_shown(write, same):
    write("script.py", "import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    assert "DeprecationWarning: old" in same("script.py").stderr


def test_what_runs_at_exit_runs(write, same):
    write(
        "script.py",
        """
        import asyncio, atexit, threading
        atexit.register(print, "at exit")
        threading.Timer(0.05, print, ["a thread"]).start()
        asyncio.run(asyncio.sleep(0))
        """,
    )
    assert same("script.py").stdout == "a thread\nat exit\n"


# ---- its loops


TWICE = f"""
    import asyncio

    async def main(n):
        assert type(asyncio.get_running_loop()).__module__ == "{OURS}"
        await asyncio.sleep(0.001)
        return n

    if __name__ == "__main__":
        print(asyncio.run(main(1)))
        print(asyncio.run(main(2)))
        with asyncio.Runner() as runner:
            print(runner.run(main(3)))
        loop = asyncio.new_event_loop()
        print(loop.run_until_complete(main(4)))
        loop.close()
"""


@pytest.mark.parametrize("args", [["script.py"], ["-m", "script"]])
def test_an_unchanged_program_gets_our_loop_each_time(write, bridge, args):
    write("script.py", TWICE)
    result = bridge(*args, PYTHONWARNINGS="error")
    assert (result.stdout, result.stderr, result.returncode) == ("1\n2\n3\n4\n", "", 0)


def test_each_run_of_a_program_may_call_trio(write, bridge):
    write(
        "script.py",
        """
        import asyncio, trio
        from trio_bridge import aio2trio

        async def main():
            async with aio2trio(trio.open_nursery)() as nursery:
                nursery.start_soon(trio.sleep, 0.001)
            return await aio2trio(double)(4)

        async def double(x):
            await trio.sleep(0.001)
            return 2 * x

        print(asyncio.run(main()), asyncio.run(main()))
        """,
    )
    result = bridge("script.py", PYTHONWARNINGS="error")
    assert (result.stdout, result.stderr, result.returncode) == ("8 8\n", "", 0)


def test_debug_is_asyncios_debug_mode(write, bridge):
    write(
        "script.py",
        """
        import asyncio, sys

        async def main():
            print(asyncio.get_running_loop().get_debug(), sys.argv)

        asyncio.run(main())
        """,
    )
    assert bridge("script.py").stdout == "False ['script.py']\n"
    assert bridge("--debug", "script.py").stdout == "True ['script.py']\n"
    assert bridge("script.py", "--debug").stdout == "False ['script.py', '--debug']\n"
    assert bridge("--debug", "-m", "script").stdout.startswith("True [")


def test_an_engine_can_be_named(write, bridge):
    write("script.py", TWICE)
    for args in [["--engine", "selector"], ["--engine=selector"]]:
        assert bridge(*args, "script.py").stdout == "1\n2\n3\n4\n"


def test_a_wrong_engine_is_named_on_one_line(write, bridge):
    write("script.py", "print('never')\n")
    for result in [
        bridge("--engine", "nonesuch", "script.py"),
        bridge("script.py", TRIO_BRIDGE_ENGINE="nonesuch"),
    ]:
        assert result.stderr.startswith("python -m trio_bridge: unknown engine 'nonesuch'")
        assert result.stderr.count("\n") == 1
        assert (result.stdout, result.returncode) == ("", 1)


def test_nothing_to_run_shows_the_usage(bridge):
    for args in [[], ["--debug"], ["-m"], ["--nonesuch", "script.py"]]:
        result = bridge(*args)
        assert result.stderr.startswith("usage: python -m trio_bridge "), args
        assert (result.stdout, result.returncode) == ("", 2)


def test_help_is_given(bridge):
    result = bridge("--help")
    assert result.stdout.startswith("usage: python -m trio_bridge ")
    assert (result.stderr, result.returncode) == ("", 0)


# ---- pickle and processes find the program's functions


PICKLE = """
    import asyncio, concurrent.futures, multiprocessing, pickle

    class Thing:
        def __init__(self, n):
            self.n = n

    def double(thing):
        return Thing(2 * thing.n)

    async def main():
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            loop = asyncio.get_running_loop()
            return (await loop.run_in_executor(pool, double, Thing(4))).n

    if __name__ == "__main__":
        print(pickle.loads(pickle.dumps(Thing(2))).n, pickle.dumps(double))
        print(asyncio.run(main()))
"""


@pytest.mark.parametrize("args", [["script.py"], ["-m", "script"], ["-m", "package.module"]])
def test_pickle_and_spawned_processes_find_functions_of_the_program(write, same, args):
    write("script.py", PICKLE)
    write("package/module.py", PICKLE)
    assert same(*args).stdout.endswith("\n8\n")


def test_they_do_also_if_multiprocessing_was_imported_before_the_program(write, same, tmp_path):
    """multiprocessing remembers the module ``__main__``: whichever it is when it is imported."""
    write("script.py", PICKLE)
    write("site/sitecustomize.py", "import multiprocessing")
    path = os.pathsep.join([str(tmp_path / "site"), PYTHONPATH])
    assert same("script.py", PYTHONPATH=path).stdout.endswith("\n8\n")


# ---- exit codes and tracebacks

RUN_MAIN = "\nif __name__ == '__main__':\n    asyncio.run(main())\n"
ENDINGS = {
    "sys.exit(3)": "import sys; sys.exit(3)",
    "sys.exit('text')": "import sys; sys.exit('text')",
    "sys.exit(None)": "import sys; sys.exit()",
    "os._exit": "import os; os._exit(7)",
    "exit in asyncio": "import asyncio\nasync def main():\n    raise SystemExit(3)" + RUN_MAIN,
    "exit in a callback": """
import asyncio, sys
async def main():
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(60)
"""
    + RUN_MAIN,
    "exit in Trio": """
import asyncio, trio_bridge, trio
async def leave():
    await trio.sleep(0)
    raise SystemExit(3)
async def main():
    await trio_bridge.aio2trio(leave)()
"""
    + RUN_MAIN,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_exit_status_is_that_of_plain_python(write, same, ending):
    write("script.py", ENDINGS[ending])
    result = same("script.py")
    by_name = same("-m", "script")
    assert by_name.returncode == result.returncode
    if ending != "os._exit":
        code = {"sys.exit('text')": 1, "sys.exit(None)": 0}.get(ending, 3)
        assert result.returncode == code
        assert result.stderr == ("text\n" if code == 1 else "")


ERRORS = {
    "plain": "def f():\n    1 / 0\nf()\n",
    "at module level": "1 / 0\n",
    "in asyncio": "import asyncio\nasync def main():\n    raise KeyError('no')\n" + RUN_MAIN,
    "in a task": """
import asyncio
async def child():
    raise KeyError('no')
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        group.create_task(child())
"""
    + RUN_MAIN,
    "chained": """
def f():
    try:
        1 / 0
    except ZeroDivisionError as exc:
        raise ValueError("a note follows") from exc
try:
    f()
except ValueError as exc:
    exc.add_note("here it is")
    raise KeyError(1)
""",
    "no frame": "raise ValueError\n",
    "syntax error": "def f(:\n    pass\n",
    "indentation": "def f():\n  1\n    2\n",
    "a name that is close": "import math\nmath.sine(1)\n",
    "import of a missing module": "import nonesuch_module\n",
    "import of a broken module": "import broken\n",
    "cancelled": """
import asyncio
async def main():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)
"""
    + RUN_MAIN,
    "own excepthook": "import sys\nsys.excepthook = lambda *args: print(args[1])\n1 / 0\n",
    "asyncio logs": """
import asyncio
async def main():
    asyncio.get_running_loop().call_soon(int, 'x')
    await asyncio.sleep(0)
    await asyncio.sleep(0)
"""
    + RUN_MAIN,
}


@pytest.mark.parametrize("error", ERRORS)
def test_the_traceback_of_an_error_is_that_of_plain_python(write, same, error):
    write("script.py", ERRORS[error])
    write("broken.py", "x = = 1\n")
    result = same("script.py", PYTHONHASHSEED="0")
    assert result.returncode == (0 if error == "asyncio logs" else 1)
    assert "trio_bridge" not in result.stdout + result.stderr


def test_an_error_in_a_module_shows_the_modules_frames_and_not_the_launchers(write, tmp_path):
    write("module.py", ERRORS["plain"])
    plain, ours = (finish(start([*head, "-m", "module"], tmp_path)) for head in (PLAIN, BRIDGE))
    # Plain Python shows runpy's frames above the module's; here there are none.
    lines = [line for line in plain.stderr.splitlines() if "<frozen runpy>" not in line]
    assert ours.stderr.splitlines() == lines
    assert ours.returncode == plain.returncode == 1


def test_an_error_in_trio_code_is_shown_as_on_a_stock_loop(write, same):
    write(
        "script.py",
        """
        import asyncio, trio
        from trio_bridge import aio2trio

        async def fail():
            await trio.sleep(0)
            raise KeyError("no")

        async def main():
            await aio2trio(fail)()

        asyncio.run(main())
        """,
    )
    assert "in fail\n" in same("script.py").stderr


def test_a_file_that_is_missing_is_named(same, bridge, tmp_path):
    plain = finish(start([*PLAIN, "nonesuch.py"], tmp_path))
    result = bridge("nonesuch.py")
    assert result.returncode == plain.returncode == 2
    head, _, rest = result.stderr.partition(": ")
    assert head == "python -m trio_bridge"
    assert rest == plain.stderr.partition(": ")[2]


def test_a_module_that_is_missing_is_named(write, bridge, tmp_path):
    write("package/__init__.py", "")
    for name in ["nonesuch_module", "nonesuch.module", "package.nonesuch", "package"]:
        plain = finish(start([*PLAIN, "-m", name], tmp_path))
        result = bridge("-m", name)
        assert result.returncode == plain.returncode == 1
        assert result.stderr.startswith("python -m trio_bridge: No module named ")
        assert result.stderr.count("\n") == 1
        assert name in result.stderr


@pytest.mark.parametrize("code", ["import nonesuch_module\n", "1 / 0\n", "x = = 1\n"])
def test_a_module_whose_package_fails_to_import_shows_the_error(write, bridge, tmp_path, code):
    init = write("package/__init__.py", code)
    write("package/module.py", "print('never')\n")
    plain = finish(start([*PLAIN, "-m", "package.module"], tmp_path))
    result = bridge("-m", "package.module")
    assert f'File "{init}", line 1' in result.stderr
    assert result.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]
    assert result.returncode == plain.returncode == 1


def test_a_directory_without_a_main_module_is_refused(bridge, tmp_path):
    (tmp_path / "empty").mkdir()
    plain = finish(start([*PLAIN, "empty"], tmp_path))
    result = bridge("empty")
    assert result.returncode == plain.returncode == 1
    assert result.stderr.partition(": ")[2] == plain.stderr.partition(": ")[2]


# ---- Ctrl-C

# What writes "waiting" and what waits stand on one line, and Python marks no columns: the signal
# may come at any moment after the word is out.
INTERRUPTS = {
    "asyncio": """
        async def main():
            asyncio.get_running_loop().call_soon(print, "waiting")
            await asyncio.sleep(60)
        asyncio.run(main())
    """,
    "asyncio that cleans up": """
        async def main():
            asyncio.get_running_loop().call_soon(print, "waiting")
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                print("cleaned up")
        asyncio.run(main())
    """,
    "Trio": """
        async def wait():
            try:
                await trio.sleep(60)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.01)
                print("cleaned up")
        async def tell():
            await wait_all_tasks_blocked()
            print("waiting")
        async def both():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tell)
                await wait()
        async def main():
            await aio2trio(both)()
        asyncio.run(main())
    """,
    "a child in a Trio nursery": """
        async def tell():
            await wait_all_tasks_blocked()
            print("waiting")
            await trio.sleep(60)
        async def main():
            async with aio2trio(trio.open_nursery)() as nursery:
                nursery.start_soon(tell)
                await asyncio.sleep(60)
        asyncio.run(main())
    """,
    "a callback that blocks": """
        async def main():
            asyncio.get_running_loop().call_soon(block, asyncio.current_task())
            await asyncio.sleep(60)
        def block(main):
            print("waiting"); until(main.cancelling); print("waiting"); time.sleep(60)
        asyncio.run(main())
    """,
    "a task that blocks": """
        async def main():
            main = asyncio.current_task()
            print("waiting"); until(main.cancelling); print("waiting"); time.sleep(60)
        asyncio.run(main())
    """,
    "a callback under run_until_complete": """
        def block():
            print("waiting"); time.sleep(60)
        loop = asyncio.new_event_loop()
        loop.call_soon(block)
        loop.run_forever()
    """,
    "a callback under run_until_complete after a Trio call": """
        def block():
            print("waiting"); time.sleep(60)
        async def main():
            await aio2trio(trio.sleep)(0)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.call_soon(block)
        loop.run_forever()
    """,
    "no loop": """
        print("waiting"); time.sleep(60)
    """,
}
IMPORTS = """
import asyncio, os, signal, time, trio
from trio.testing import wait_all_tasks_blocked
from trio_bridge import aio2trio

def until(condition):
    # The first Ctrl-C is asyncio's, and only cancels the main task.
    while not condition():
        time.sleep(0.001)
"""


@pytest.mark.parametrize("where", INTERRUPTS)
def test_ctrl_c_ends_a_program_as_with_plain_python(write, same, where):
    write("script.py", IMPORTS + textwrap.dedent(INTERRUPTS[where]))
    result = same("script.py", is_interrupted=True, PYTHONNODEBUGRANGES="1")
    assert result.returncode == -signal.SIGINT
    assert result.stderr.endswith("\nKeyboardInterrupt\n")
    assert result.stdout.startswith("waiting\n")
    if "clean" in INTERRUPTS[where]:
        assert result.stdout == "waiting\ncleaned up\n"


def test_a_program_may_catch_the_interrupt_and_go_on(write, same):
    code = """
        async def main():
            asyncio.get_running_loop().call_soon(print, "waiting")
            await asyncio.sleep(60)
        for n in range(2):
            try:
                asyncio.run(main())
            except KeyboardInterrupt:
                print("caught", n)
    """
    write("script.py", IMPORTS + textwrap.dedent(code))
    result = same("script.py", is_interrupted=True)
    assert result.stdout == "waiting\ncaught 0\nwaiting\ncaught 1\n"
    assert (result.stderr, result.returncode) == ("", 0)


def test_the_programs_own_signal_handler_stays(write, same):
    code = """
        async def main():
            done = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, done.set)
            await aio2trio(trio.sleep)(0)
            print("waiting")
            await done.wait()
            print("done")
        asyncio.run(main())
    """
    write("script.py", IMPORTS + textwrap.dedent(code))
    result = same("script.py", is_interrupted=True)
    assert (result.stdout, result.stderr, result.returncode) == ("waiting\ndone\n", "", 0)


# ---- programs of others


def get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


TORNADO = """
    import asyncio, tornado.httpserver, tornado.netutil, tornado.web

    class Main(tornado.web.RequestHandler):
        async def get(self):
            await asyncio.sleep(0.001)
            self.write(type(asyncio.get_running_loop()).__module__)

    class Stop(tornado.web.RequestHandler):
        def get(self):
            self.application.stop.set()

    async def main():
        app = tornado.web.Application([("/", Main), ("/stop", Stop)])
        app.stop = asyncio.Event()
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server = tornado.httpserver.HTTPServer(app)
        server.add_sockets(sockets)
        print(sockets[0].getsockname()[1])
        await app.stop.wait()
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())
"""


def test_a_tornado_application_runs_unchanged(write, tmp_path):
    pytest.importorskip("tornado")
    write("app.py", TORNADO)
    with serving([*BRIDGE, "app.py"], tmp_path) as (process, port):
        assert [get(port) for _ in range(3)] == [OURS] * 3
        get(port, "/stop")
        result = finish(process)
        assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


TWISTED = """
    import asyncio
    from twisted.internet import asyncioreactor
    asyncioreactor.install()
    from twisted.internet import defer, endpoints, protocol, reactor

    class Echo(protocol.Protocol):
        def dataReceived(self, data):
            if data == b"loop":
                data = type(asyncio.get_running_loop()).__module__.encode()
            self.transport.write(data)
            if data == b"end":
                self.transport.loseConnection()
                reactor.callLater(0.01, reactor.stop)

    async def main():
        await defer.Deferred.fromFuture(asyncio.ensure_future(asyncio.sleep(0.001)))
        endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await endpoint.listen(protocol.Factory.forProtocol(Echo))
        print(port.getHost().port)

    reactor.addSystemEventTrigger("after", "shutdown", print, "shut down")
    reactor.callWhenRunning(lambda: defer.ensureDeferred(main()))
    reactor.run()
"""


def test_a_twisted_program_on_the_asyncio_reactor_runs_unchanged(write, tmp_path):
    pytest.importorskip("twisted")
    write("echo.py", TWISTED)
    with serving([*BRIDGE, "echo.py"], tmp_path) as (process, port):
        with socket.create_connection(("127.0.0.1", port), timeout=HANG) as client:
            for word in ["hello", "again"]:
                client.sendall(word.encode())
                assert client.recv(100) == word.encode()
            client.sendall(b"loop")
            assert client.recv(100) == OURS.encode()
            client.sendall(b"end")
            assert client.recv(100) == b"end"
            assert client.recv(100) == b""
        result = finish(process)
        assert (result.stdout, result.stderr, result.returncode) == ("shut down\n", "", 0)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_twisted_program_as_with_plain_python(write, tmp_path, signum):
    pytest.importorskip("twisted")
    write("echo.py", TWISTED)
    results = []
    for head in (PLAIN, BRIDGE):
        with serving([*head, "echo.py"], tmp_path) as (process, _):
            process.send_signal(signum)
            result = finish(process)
            results.append((result.stdout, result.stderr, result.returncode))
    assert results[0] == results[1]
    assert results[0][0] == "shut down\n"


HTTP_APP = """
    import asyncio, sys
    from . import greeting

    async def answer(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        body = f"{greeting} from {type(asyncio.get_running_loop()).__module__}".encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
        print(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    if __name__ == "__main__":
        asyncio.run(main())
"""


def test_a_module_that_serves_http_runs_unchanged_until_ctrl_c(write, tmp_path):
    write("http_app/__init__.py", "greeting = 'hello'\n")
    write("http_app/__main__.py", HTTP_APP)
    results = []
    for head in (PLAIN, BRIDGE):
        with serving([*head, "-m", "http_app", "0"], tmp_path) as (process, port):
            text = get(port)
            process.send_signal(signal.SIGINT)
            results.append((text.split(" from ")[0], finish(process).returncode))
    assert text == f"hello from {OURS}"
    assert results == [("hello", -signal.SIGINT)] * 2
