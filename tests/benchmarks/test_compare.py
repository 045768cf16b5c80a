"""The benchmark runs, and its ``--check`` can fail."""

from __future__ import annotations

import json
import os

import pytest
from benchmark_scripts import run_script
from conftest import PYTHONPATH

from bars import Bar  # isort: skip -- benchmark_scripts makes these importable
from processes import Worker, WorkerError  # isort: skip
from results import Results, spread  # isort: skip
from rounds import alternate  # isort: skip
from timing import Times  # isort: skip


@pytest.fixture(autouse=True)
def import_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)


def test_a_worker_runs_rounds():
    with Worker("bridge-selector") as worker:
        assert worker.unavailable is None
        assert "sleep(0)" in worker.workloads
        first = worker.run("sleep(0)", 1)
        second = worker.run("sleep(0)", 1)  # the same process is asked again
    assert 0 < first.cpu < 10
    assert 0 < second.wall < 10


def test_what_reads_has_a_round_where_each_read_maps_memory():
    with Worker("stock-cramped") as worker:
        assert "asyncpg" in worker.workloads
        assert "timeouts" not in worker.workloads
        assert 0 < worker.run("echo, streams, 1", 1).cpu < 10


def test_a_round_where_reads_map_no_memory_is_none(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(2**24))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", str(2**24))
    result = run_script("cramped.py", "echo, streams, 1", 1)
    assert result.returncode == 1
    assert "A read mapped no memory" in result.stderr


def test_a_client_in_another_process_wakes_the_server():
    with Worker("bridge-selector") as worker:
        assert 0 < worker.run("wakes, 4 connections", 1).cpu < 10


def test_what_a_read_costs_is_measured():
    result = run_script("reads.py", "trio", "bridge-selector")
    assert result.returncode == 0, result.stderr
    cost = json.loads(result.stdout)
    assert cost["faults"] < 0.1
    assert 0 < cost["microseconds"] < 10_000


def test_a_worker_says_why_it_can_not_run(monkeypatch, tmp_path):
    (tmp_path / "trio_asyncio.py").write_text("raise AttributeError('policies are gone')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{PYTHONPATH}")
    with Worker("trio-asyncio") as worker:
        assert worker.unavailable == "trio-asyncio: policies are gone"


def test_an_error_in_a_round_comes_back_and_the_worker_lives_on():
    with Worker("stock") as worker:
        with pytest.raises(WorkerError, match=r"(?s)stock, asyncpg:\nTraceback .*BENCHMARK_POSTGR"):
            worker.run("asyncpg", 1)
        assert worker.run("sleep(0)", 1).cpu > 0


def test_a_worker_that_hangs_is_ended():
    with Worker("stock", hang=5) as worker:
        worker._hang = 0.2
        with pytest.raises(WorkerError, match="hung or died"):
            worker.run("sleep(0)", 10**9)
        with pytest.raises(WorkerError):
            worker.run("sleep(0)", 1)


class Fake:
    """A worker that notes its rounds."""

    def __init__(self, name, log):
        self.contender = name
        self.workloads = ["timeouts"]
        self._log = log

    def run(self, workload, scale):
        self._log.append(self.contender)
        return Times(len(self._log), 1)


def test_rounds_alternate_and_start_with_another_each_time():
    log = []
    workers = [Fake(name, log) for name in "abc"]
    rounds, errors = alternate("timeouts", workers, rounds=2, scale=1)
    assert "".join(log) == "abc" + "bca" + "cab"
    assert not errors
    assert [times.cpu for times in rounds["a"]] == [6, 8]  # the first round doesn't count


def test_the_ratio_is_of_rounds_that_ran_beside_each_other():
    results = Results({}, 3, 1)
    quick = [Times(cpu, 1) for cpu in (1, 10, 100)]
    slow = [Times(cpu, 1) for cpu in (2, 30, 200)]
    results.add("timeouts", {"stock": quick, "thread": slow}, {})
    ratio = results.ratio(("timeouts", "thread"), ("timeouts", "stock"))
    assert (ratio.median, ratio.least, ratio.most) == (2, 2, 3)
    assert results.ratio(("timeouts", "thread"), ("timeouts", "uvloop")) is None
    assert spread([5]).quarter == 5


def test_the_rounds_of_several_processes_count_together_unless_one_has_failed():
    results = Results({}, 2, 1)
    results.add("timeouts", {"stock": [Times(1, 1)], "thread": [Times(2, 1)]}, {})
    results.add("timeouts", {"stock": [Times(1, 1)], "thread": [Times(4, 1)]}, {})
    ratio = results.ratio(("timeouts", "thread"), ("timeouts", "stock"))
    assert (ratio.median, ratio.least, ratio.most) == (3, 2, 4)
    results.add("timeouts", {"stock": [Times(1, 1)]}, {"thread": "it failed"})
    results.add("timeouts", {"stock": [Times(1, 1)], "thread": [Times(4, 1)]}, {})
    assert results.ratio(("timeouts", "thread"), ("timeouts", "stock")) is None
    assert results.errors == {"timeouts": {"thread": "it failed"}}


def test_a_bar_that_is_broken_is_found():
    results = Results({}, 1, 1)
    results.add("timeouts", {"stock": [Times(1, 1)], "thread": [Times(1.2, 1)]}, {})
    assert not results.failed([Bar("timeouts", "thread", 1.25)])
    assert not results.failed([Bar("timeouts", "uvloop", 1.25)])  # not measured
    (sentence,) = results.failed([Bar("timeouts", "thread", 1.15)])
    assert sentence == "timeouts, thread: 1.200 of stock, where 1.15 is the bar"
    results.add("aiohttp", {}, {"thread": "no such module"})
    assert results.failed([Bar("aiohttp", "thread", 9)]) == ["no such module"]


def test_a_run_gives_a_table_and_json(tmp_path):
    kept = tmp_path / "kept.json"
    options = (
        "--rounds",
        "2",
        "--scale",
        "1",
        "--only",
        "crossing that",
        "--on",
        "bridge-selector",
    )
    result = run_script("compare.py", *options, "--json", kept)
    assert result.returncode == 0, result.stderr
    assert "Ratio to stock asyncio" in result.stdout
    assert "crossing that suspends" in result.stdout
    assert "Bars (CPU time)" in result.stdout
    figures = json.loads(kept.read_text())["seconds"]["crossing that suspends"]
    assert set(figures) == {"stock", "bridge-selector"}
    assert len(figures["stock"]["cpu"]) == 2
    assert all(seconds > 0 for seconds in figures["bridge-selector"]["wall"])


@pytest.mark.parametrize(("seconds", "status"), [(0.1, 0), (100, 1)])
def test_check_fails_when_a_bar_is_broken(tmp_path, seconds, status):
    results = Results({"versions": {}}, 1, 1)
    rounds = {"stock": [Times(0.1, 0.1)], "bridge-selector": [Times(seconds, seconds)]}
    results.add("sleep(0)", rounds, {})
    results.machine |= dict.fromkeys(("date", "python", "system", "processor", "cores", "load"), 1)
    kept = tmp_path / "kept.json"
    results.save(kept)
    result = run_script("compare.py", "--report", kept, "--check")
    assert result.returncode == status, result.stdout + result.stderr
    assert ("over" in result.stdout) == bool(status)
    assert run_script("compare.py", "--report", kept).returncode == 0
