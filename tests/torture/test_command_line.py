"""What the command takes, and what it says of what it can't take."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from torture.command_line import Options

ROOT = Path(__file__).parents[2]


def test_a_run_is_repeated_by_its_command():
    words = "schedules --long --engine portable --seed 7 --set programs=12"
    (run,) = Options(words.split()).runs
    assert (run.name, run.engine, run.seed) == ("schedules", "portable", 7)
    assert run.sizes == {"programs": 12}
    assert run.command == f"python -m tests.torture {words}"


def test_all_campaigns_on_all_engines_have_one_seed():
    runs = Options([]).runs
    assert len({run.seed for run in runs}) == 1
    assert {"soak", "fuzz", "schedules"} < {run.name for run in runs}
    assert not any(run.own_sizes for run in runs)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["schedule"], "no campaign 'schedule'; there are connections, .*schedules"),
        (["soak", "signalz", "--long"], "no campaign 'signalz'"),
        (["schedules", "--engine", "asyncio"], "invalid choice"),
        (["schedules", "--seed", "abc"], "invalid int"),
        (["schedules", "--set", "secnods=5"], "schedules has no size 'secnods'.*programs=66667"),
        (["schedules", "--set", "programs"], "write it as in --set programs=66667"),
        (["schedules", "--set", "programs=five"], "write it as in --set programs=66667"),
        (["schedules", "--set", "programs=1.5"], "write it as in --set programs=66667"),
        (["schedules", "--set", "programs=-5"], "write it as in --set programs=66667"),
        (["schedules", "--set", "programs=true"], "write it as in --set programs=66667"),
        (["schedules", "threads", "--set", "programs=5"], "threads has no size 'programs'"),
        (["soak", "--set", "last=5"], r"write it as in --set last=\[3000, 3600\]"),
        (["--docs", "--seed", "5"], "--docs alone runs nothing"),
    ],
)
def test_what_it_cannot_take(words, why, capsys):
    with pytest.raises(SystemExit) as caught:
        Options(words)
    assert caught.value.code == 2
    assert re.search(why, capsys.readouterr().err)


def test_the_first_number_may_be_zero():
    (run,) = Options(["one_library", "--engine", "selector", "--set", "first=0"]).runs
    assert run.sizes["first"] == 0


def runs_a_worker(command):
    with contextlib.suppress(psutil.Error):  # it has a child for a moment that asks for a version
        children = psutil.Process(command.pid).children()
        return any("tests.torture.worker" in child.cmdline() for child in children)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_says_how_to_go_on(number):
    words = ["schedules", "--engine", "selector", "--seed", "5", "--set", "programs=1000000"]
    command = subprocess.Popen(
        [sys.executable, "-m", "tests.torture", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal's Ctrl-C comes to the worker as well
    )
    with command:
        while not runs_a_worker(command):
            time.sleep(0.05)
        os.killpg(command.pid, number) if number == signal.SIGINT else command.terminate()
        said = command.stdout.read().splitlines()
    assert said == [
        "schedules (selector), seed 5: begun",
        "schedules (selector), seed 5: not ended. Again: python -m tests.torture schedules "
        "--engine selector --seed 5 --set programs=1000000",
    ]
    assert command.returncode == 128 + number
