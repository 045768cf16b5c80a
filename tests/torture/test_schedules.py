"""The short form of the random programs; and that they find what is planted."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trio_bridge._crossing.host
from trio_bridge import _call_nursery, _nursery, _pump, _task_nursery
from trio_bridge._crossing import asyncio_manager, call_scope, trio_manager, trio_owner
from trio_bridge._crossing.host import Host
from trio_bridge.channels import _callback

from . import campaigns, schedules
from .progress import no_progress
from .random_programs.found import FOUND
from .random_programs.making import make_program
from .random_programs.program import Node, Program
from .random_programs.shrinking import smaller
from .random_programs.stage import BrokenProgram, play
from .shrinking import shrink

ENGINE = "selector"
HAPPENS = (
    *("crossing cancelled midway", "crossing cancelled before", "crossing to Trio"),
    *("deadline passed", "error over a crossing", "group of several errors", "BaseException"),
    *("error that nobody awaits", "loop shut down with work left", "item taken", "get cancelled"),
    *("clean-up in what is cancelled", "shield in what is cancelled", "generator closed early"),
    *("third crossing in each other, or deeper", "value in spite of a cancellation"),
    *("strike at the n-th step: scope", "strike at the n-th step: task", "Task.cancel()"),
)


@pytest.mark.parametrize("engine", campaigns.ENGINES)
def test_no_program_breaks_a_law(engine):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    figures = schedules.run(engine, no_progress, seed=8, **schedules.SHORT)
    assert figures["program"] == schedules.SHORT["programs"]
    assert [what for what in HAPPENS if not figures.get(what)] == []


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_programs_that_hypothesis_makes(rnd):
    play([make_program(rnd)], ENGINE)


def test_a_seed_gives_the_same_run():
    programs = [make_program(random.Random(number)) for number in range(50)]
    assert play(programs, ENGINE) == play(programs, ENGINE)


# ---- that faults are found


def planted(monkeypatch, owner, name, fault):
    """Exchange a function for ``fault(original)``."""
    monkeypatch.setattr(owner, name, fault(getattr(owner, name)))


def nothing(original):
    return lambda *args: None


async def _nothing(*args):
    pass


def twice(original):
    async def run(*args):
        await original(*args)
        return await original(*args)

    return run


FAULTS = {
    "a value is lost": (
        *(trio_bridge._crossing.host, "result_of"),
        lambda original: lambda end: original(end) and None,
        "received None",
    ),
    "an error is lost": (_task_nursery.TaskNursery, "fail", nothing, "lost the errors"),
    "an error comes twice": (
        *(_nursery.BlockNursery, "what_leaves"),
        lambda original: lambda self, exc: _doubled(original(self, exc)),
        "are not its parts'",
    ),
    "a task is left": (
        *(_task_nursery.LoopNursery, "cancel_tasks"),
        lambda original: _nothing,
        "has left its loop open, or a task in it|it hangs|Task was destroyed",
    ),
    "a scope is left open": (call_scope.CallScope, "close", nothing, "scope|hang|Cancel"),
    "clean-up runs twice": (asyncio_manager.AsyncioManager, "_exit", twice, "clean-up"),
    "clean-up doesn't run": (
        *(trio_manager.TrioManager, "_exit"),
        lambda original: _nothing,
        "clean-up|left|raises this|scope stack corrupted",
    ),
    "a cancellation is lost": (
        *(Host, "_cancel_guest"),
        nothing,
        "was to end|outlives|before the end of virtual time|it hangs",
    ),
    "a host isn't woken": (Host, "_has_ended", nothing, "it hangs|end of virtual time"),
    "a timer isn't seen": (_pump.Pump, "_set_alarm", nothing, "it hangs|was to end|virtual time"),
    "a shield is forgotten": (_call_nursery, "_shield", nothing, "other side's kind|clean-up"),
    "an item is lost": (
        *(_callback._Buffer, "take"),
        lambda original: lambda self: (original(self), original(self))[1],
        "lost",
    ),
    "a generator's owner is left": (trio_owner.TrioOwner, "_wake", nothing, "it hangs"),
}


def _doubled(exc):
    if isinstance(exc, BaseExceptionGroup):
        return exc.derive([*exc.exceptions, *exc.exceptions])
    return exc


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, fault):
    owner, name, plant, complaint = FAULTS[fault]
    planted(monkeypatch, owner, name, plant)

    def search():
        for start in range(0, 2000, 25):
            programs = [make_program(random.Random(n)) for n in range(start, start + 25)]
            play(programs, ENGINE)

    with pytest.raises(BrokenProgram, match=complaint):
        in_a_thread_of_its_own(search)


def in_a_thread_of_its_own(fn):
    """A broken program may leave its loop open, and this thread's hooks of generators with it."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(fn).result()


def test_a_failing_program_is_shown_with_its_seed_and_made_small(monkeypatch):
    planted(monkeypatch, asyncio_manager.AsyncioManager, "_exit", twice)
    with pytest.raises(AssertionError) as info:
        in_a_thread_of_its_own(lambda: schedules.run(ENGINE, no_progress, seed=1, programs=400))
    message = str(info.value)
    assert "of seed 1 breaks a law on the selector engine" in message
    assert "python -m tests.torture schedules --engine selector --seed 1 --set first=" in message
    small = message.partition("Program(")[2].splitlines()[0]
    assert small.count("Node(") <= 3, message


# ---- making smaller


def test_what_is_smaller_can_be_run():
    for number in range(40):
        program = make_program(random.Random(number))
        for candidate in list(smaller(program))[::17]:
            play([candidate], ENGINE)


def test_shrinking_keeps_what_fails():
    program = make_program(random.Random(2))
    assert shrink(program, smaller, lambda candidate: False) == program
    assert shrink(program, smaller, lambda candidate: True).root.parts[0].kind == "leaf"
    leaf = Node("leaf", "trio")
    assert repr(Program(leaf)) == "Program(Node('leaf', 'trio'), (), schedule=0)"


# ---- what it has found


@pytest.mark.parametrize("what", FOUND)
@pytest.mark.parametrize("engine", campaigns.ENGINES)
def test_what_was_found_is_mended(engine, what):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    play([FOUND[what]], engine)
