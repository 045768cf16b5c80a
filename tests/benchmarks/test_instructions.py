"""The counts of instructions: real ones under valgrind, and what counts as a regression."""

from __future__ import annotations

import json
import platform
import shutil

import pytest
from benchmark_scripts import BENCHMARKS
from conftest import PYTHONPATH

import instructions  # isort: skip -- benchmark_scripts makes these importable
from callgrind import COMMAND, Callgrind  # isort: skip
from processes import Worker  # isort: skip
from workloads import NAMES  # isort: skip

RECORDED = {"bridge-selector": {"sleep(0)": 1.0, "timeouts": 2.0}}


def ratios(sleep_0, timeouts):
    return {"bridge-selector": {"sleep(0)": sleep_0, "timeouts": timeouts}}


@pytest.mark.parametrize("measured", [ratios(1.029, 2.059), ratios(0.5, 2.0), {"uvloop": {"x": 9}}])
def test_up_to_three_per_cent_is_no_regression(measured):
    assert instructions.regressions(measured, RECORDED) == []


def test_more_than_three_per_cent_is_a_regression():
    (sentence,) = instructions.regressions(ratios(1.02, 2.07), RECORDED)
    assert sentence == (
        "timeouts, bridge-selector: 2.070 of stock asyncio's instructions, recorded: 2.000"
    )
    assert len(instructions.regressions(ratios(1.031, 2.061), RECORDED)) == 2


def test_a_record_keeps_what_was_not_measured_anew(monkeypatch, tmp_path):
    path = tmp_path / "instructions.json"
    monkeypatch.setattr(instructions, "RECORD", path)
    path.write_text(json.dumps({"3.9": {"ratios": {}}}))
    instructions.record(ratios(1.0, 2.0))
    instructions.record({"bridge-selector": {"timeouts": 1.50001}, "bridge-uvloop": {"aiohttp": 1}})
    kept = json.loads(path.read_text())
    assert set(kept) == {"3.9", instructions.PYTHON}
    assert kept[instructions.PYTHON]["ratios"] == {
        "bridge-selector": {"sleep(0)": 1.0, "timeouts": 1.5},
        "bridge-uvloop": {"aiohttp": 1},
    }


def test_the_committed_record_is_of_workloads_that_exist():
    kept = json.loads((BENCHMARKS / "instructions.json").read_text())
    assert "3.14" in kept  # which .ci/run compares
    for recorded in kept.values():
        for row in recorded["ratios"].values():
            assert set(row) <= set(instructions.SCALES) <= set(NAMES)


def test_counting_needs_valgrind(tmp_path):
    with pytest.raises(RuntimeError, match=r"valgrind|x86-64"):
        Callgrind(tmp_path / "out")


@pytest.mark.skipif(
    shutil.which("valgrind") is None or platform.machine() != "x86_64", reason="needs valgrind"
)
def test_a_count_is_the_same_again(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    out = tmp_path / "callgrind.out"
    command = [*COMMAND, f"--callgrind-out-file={out}"]
    with Worker("stock", str(out), under=command, env={"PYTHONHASHSEED": "0"}) as worker:
        worker.ask("call_soon chain", 2)
        once, again, double = (
            worker.ask("call_soon chain", scale)["instructions"] for scale in (2, 2, 4)
        )
    assert once == pytest.approx(again, rel=0.01)
    assert double == pytest.approx(2 * once, rel=0.1)
