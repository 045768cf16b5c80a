"""What follows ``python -m trio_bridge``."""

from __future__ import annotations

from .kinds import CommandLine

_USAGE = "usage: python -m trio_bridge"

COMMAND_LINES: tuple[CommandLine, ...] = (
    CommandLine("nothing", (), 2, (_USAGE, "name the program to run: script.py, or -m module")),
    CommandLine("no module's name", ("-m",), 2, (_USAGE, "or -m module")),
    CommandLine("an option and no program", ("--debug",), 2, (_USAGE, "name the program to run")),
    CommandLine("an unknown option", ("--enigne", "x.py"), 2, (_USAGE, "--enigne")),
    CommandLine("an option cut short", ("--eng", "selector", "x.py"), 2, (_USAGE, "--eng")),
    CommandLine("no engine's name", ("--engine",), 2, (_USAGE, "expected one argument")),
    CommandLine(
        "an unknown engine",
        ("--engine", "nonesuch", "x.py"),
        1,
        ("unknown engine 'nonesuch'", "--engine selector"),
    ),
    CommandLine(
        "an engine without a name",
        ("--engine=", "x.py"),
        1,
        ("unknown engine ''", "--engine selector"),
    ),
    CommandLine(
        "an unknown signal", ("--tree-signal", "SIGNONE", "x.py"), 1, ("no such signal", "SIGUSR1")
    ),
    CommandLine(
        "a signal that is taken",
        ("--tree-signal=SIGKILL", "x.py"),
        1,
        ("another meaning", "SIGUSR1"),
    ),
    CommandLine("no such file", ("nonesuch.py",), 2, ("can't open file", "nonesuch.py")),
    CommandLine("a directory without a program", (".",), 1, ("can't find '__main__' module",)),
    CommandLine("no such module", ("-m", "nonesuch"), 1, ("No module named nonesuch",)),
    CommandLine(
        "no such module in a package",
        ("-m", "json.nonesuch"),
        1,
        ("No module named json.nonesuch",),
    ),
    CommandLine(
        "a module in what is no package", ("-m", "this.that"), 1, ("No module named this.that",)
    ),
    CommandLine("a package without a program", ("-m", "email"), 1, ("email",)),
    CommandLine("a module written in C", ("-m", "sys"), 1, ("no Python code",)),
    CommandLine("an empty module's name", ("-m", ""), 1, ("No module named",)),
    CommandLine(
        "a relative module's name", ("-m", ".x"), 1, ("Relative module names not supported: .x",)
    ),
    CommandLine(
        "a module's name with two dots", ("-m", "json..tool"), 1, ("No module named json..tool",)
    ),
    CommandLine("standard input", ("-",), 2, (_USAGE,)),
    CommandLine("-c", ("-c", "pass"), 2, (_USAGE,)),
)
