"""The short form of the programs of one library; and that they find what is planted."""

from __future__ import annotations

import random

import pytest

from trio_bridge._crossing import asyncio_manager, context
from trio_bridge._crossing.asyncio_owner import AsyncioOwner
from trio_bridge._crossing.trio_manager import TrioManager

from . import campaigns, one_library
from .layers.making import make_program
from .layers.program import MANAGERS, STATEMENTS, Node
from .layers.shrinking import smaller
from .layers.worlds import in_asyncio, in_trio, on_the_bridge
from .progress import no_progress


@pytest.mark.parametrize("engine", campaigns.ENGINES)
def test_programs_end_as_in_one_library(engine):
    if engine == "uvloop":
        pytest.importorskip("uvloop")
    figures = one_library.run(engine, no_progress, seed=8, **one_library.SHORT)
    programs = one_library.SHORT["programs"]
    assert figures["program"] == programs
    assert programs * 0.9 < figures["Trio and asyncio agree"] <= programs


def kinds(node):
    yield node.kind
    for inner in (*node.parts, *node.managers):
        yield from kinds(inner)


def test_the_programs_have_everything():
    made = [make_program(random.Random(number)) for number in range(200)]
    assert {kind for program in made for kind in kinds(program)} == {*STATEMENTS, *MANAGERS}
    assert made == [make_program(random.Random(number)) for number in range(200)]


def test_what_is_written_down():
    program = Node(
        "with",
        parts=(Node("sleep", seconds=2),),
        managers=(Node("fail after", foreign=True, seconds=1),),
    )
    log = [(1.0, "ends with too slow", "")]
    assert in_trio(program) == in_asyncio(program) == log
    assert on_the_bridge(program, "trio", "selector") == log
    assert on_the_bridge(program, "asyncio", "selector") == log


def test_smaller_programs_have_what_they_need():
    program = make_program(random.Random(4))
    for candidate in smaller(program):
        assert len(repr(candidate)) < len(repr(program)) or candidate.kind == "log"
        assert on_the_bridge(candidate, "trio", "selector") is not None


FAULTS = {
    "a deadline hides a cancellation": (
        *(TrioManager, "is_cancelled_by_others"),
        lambda original: lambda self, host: False,
    ),
    "managers are left in the order in which they began": (
        *(asyncio_manager.AsyncioManager, "enter"),
        lambda original: _entered_first(original),
    ),
    "a cancellation between two steps is lost": (
        *(AsyncioOwner, "_keep"),
        lambda original: lambda self, exc: None,
    ),
    "a variable is not carried back": (context, "carry_back", lambda original: lambda there: None),
}


def _entered_first(original):
    async def enter(self):
        value = await original(self)
        entered = self._bridge.entered[self._task]
        entered.remove(self)
        entered.insert(0, self)
        return value

    return enter


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, fault):
    owner, name, plant = FAULTS[fault]
    planted = plant(getattr(owner, name))
    monkeypatch.setattr(owner, name, planted)
    if owner is context:
        for module in ("host", "to_asyncio", "to_trio", "trio_manager"):
            monkeypatch.setattr(f"trio_bridge._crossing.{module}.carry_back", planted)
    monkeypatch.setattr(one_library, "report", lambda program, *rest: repr(program))
    with pytest.raises(AssertionError, match="Node"):
        one_library.run("selector", no_progress, seed=1, programs=1500)
