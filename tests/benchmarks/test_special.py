"""Growth, memory, fairness and the pictures: they run, and their bars can be broken."""

from __future__ import annotations

import pytest
from benchmark_scripts import run_script

import fairness  # isort: skip -- benchmark_scripts makes these importable
import growth  # isort: skip
import memory  # isort: skip
from results import Results  # isort: skip
from timing import Times  # isort: skip
from workloads import growing, waking, weighing  # isort: skip


def grown(**contenders):
    """Results of CPU time per crossing with 1 and with 10,000 hosts."""
    results = Results({}, 1, 1)
    for place, size in enumerate((1, 10_000)):
        operations = growing.OPERATIONS[growing.CROSSINGS](size)
        rounds = {
            name.replace("_", "-"): [Times(times[place] * operations, 1)]
            for name, times in contenders.items()
        }
        results.add(growth.key(growing.CROSSINGS, size), rounds, {})
    return results


@pytest.mark.parametrize(
    ("stock", "ours", "holds"),
    [
        ((1, 2), (3, 6), True),
        ((1, 2), (3, 7), False),
        ((1, 0.5), (3, 3), True),  # stock's shrinks, ours doesn't grow
        ((1, 0.5), (3, 4), False),
    ],
)
def test_growth_is_compared_with_stocks(stock, ours, holds):
    failed = growth.failed(grown(stock=stock, bridge_selector=ours))
    assert (failed == []) == holds


def measured(name, figure, contender="bridge-selector", **stock):
    row = {contender: [figure], **({"stock": [stock]} if stock else {})}
    return {"figures": {name: row}, "errors": []}


def test_memory_has_bars():
    name = weighing.TASK
    assert memory.failed(measured(name, {"each": 105.0}, each=100.0)) == []
    (sentence,) = memory.failed(measured(name, {"each": 106.0}, each=100.0))
    assert sentence == f"{name}, bridge-selector: 1.06 of stock asyncio's, bar: 1.05"
    assert memory.failed(measured(name, {"each": 200.0}, "trio-asyncio", each=100.0)) == []


def test_timers_leave_no_trio_task():
    assert memory.failed(measured(weighing.LEFT, {"tasks": 0})) == []
    assert "3 Trio tasks" in memory.failed(measured(weighing.LEFT, {"tasks": 3}))[0]


def test_the_quietest_round_is_what_fairness_means():
    results = measured(waking.BESIDE_TRIO, {"p99": 25.0})
    assert "25.0 ms late" in fairness.failed(results)[0]
    results["figures"][waking.BESIDE_TRIO]["bridge-selector"].append({"p99": 5.0})
    assert fairness.failed(results) == []


@pytest.mark.parametrize(
    ("script", "options", "says"),
    [
        ("growth.py", ("--rounds", 1, "--largest", 10), "growth: crossings, 10"),
        ("memory.py", ("--divide", 1000), "memory: timers, cancelled"),
        ("fairness.py", ("--rounds", 1, "--wakes", 5), "asyncio timer beside a Trio task"),
    ],
)
def test_it_runs(script, options, says, tmp_path):
    kept = tmp_path / "kept.json"
    only = {"growth.py": "crossings", "memory.py": "timers", "fairness.py": "beside a"}[script]
    result = run_script(script, *options, "--only", only, "--on", "bridge-selector", "--json", kept)
    assert result.returncode == 0, result.stdout + result.stderr
    assert says in result.stdout
    assert "bridge-selector" in kept.read_text()


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    machine = dict.fromkeys(("date", "python", "system", "processor", "cores", "load"), "")
    curves = grown(stock=(1, 1), bridge_selector=(2, 2))
    ratios = Results({}, 2, 1)
    twice = [Times(1, 1), Times(2, 2)]
    ratios.add("sleep(0)", {"stock": twice, "bridge-selector": twice}, {})
    for name, results in (("curves", curves), ("ratios", ratios)):
        results.machine |= {**machine, "versions": {"trio": "9.9"}}
        results.save(tmp_path / f"{name}.json")
    files = (tmp_path / "curves.json", tmp_path / "ratios.json")
    result = run_script("plot.py", *files, "--to", tmp_path)
    assert result.returncode == 0, result.stderr
    for name in ("curves", "ratios"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "bridge-selector" in (tmp_path / f"{name}.svg").read_text()
