"""The harness itself: nothing that a test does is lost, and no loop but ours goes unnoticed."""

from __future__ import annotations

import pytest
from conftest import PYTHONPATH
from expected import Expected, all_entries
from recheck import settle
from supervisor import SUITE, Report, Result, Supervisor

PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
MODULE = f"{SUITE}.test_sample"
ONE, TWO = f"{MODULE}.Sample.test_one", f"{MODULE}.Sample.test_two"


@pytest.fixture(scope="module")
def misbehaving():
    tests = _run_sample("bridge", "Misbehaving", "BrokenFixture", limit=8)
    return {test_id.rpartition(".")[2]: test for test_id, test in tests.items()}


def test_a_hung_or_crashed_test_takes_nothing_along(misbehaving):
    outcomes = {name: test.outcome for name, test in misbehaving.items() if "_" in name}
    assert outcomes == {
        "test_1_passes": "passed",
        "test_2_hangs": "hung",
        "test_3_is_skipped": "skipped",
        "test_4_crashes": "crashed",
        "test_5_fails_in_a_subtest": "failed",
        "test_6_passes": "passed",
        "test_7_passes_and_fails_to_clean_up": "failed",
        "test_8_leaves_a_broken_object": "passed",
        "test_9_leaves_a_running_loop": "error",
    }


def test_details_say_where(misbehaving):
    assert "in test_2_hangs" in misbehaving["test_2_hangs"].detail
    assert misbehaving["test_3_is_skipped"].detail == "by a decorator"
    assert "exit status -6" in misbehaving["test_4_crashes"].detail
    assert "left as the running loop: <" in misbehaving["test_9_leaves_a_running_loop"].detail
    assert "(number=2)" in misbehaving["test_5_fails_in_a_subtest"].detail


def test_what_is_left_behind_is_noticed(misbehaving):
    assert [name for name, test in misbehaving.items() if test.altered] == [
        "test_8_leaves_a_broken_object"
    ]


def test_a_broken_fixture_is_an_error(misbehaving):
    assert misbehaving["BrokenFixture)"].outcome == "error"


def test_an_interrupt_takes_nothing_along():
    outcomes = {
        test_id: test.outcome for test_id, test in _run_sample("stock", "Interrupted").items()
    }
    assert outcomes == {
        "sample.Interrupted.test_1_interrupts": "error",
        "sample.Interrupted (outside of a test)": "crashed",
        "sample.Interrupted.test_2_passes": "passed",
    }


@pytest.mark.parametrize("mode", ["stock", "bridge", "guest"])
def test_loops_made_in_every_way(mode):
    tests = _run_sample(mode, "Loops", "IsolatedLoop")
    assert not [test for test in tests.values() if test.is_bad]
    stock = tests.pop("sample.Loops.test_stock")
    tests.pop("sample.Loops.test_spawned_process")  # it looks itself
    kind = "stock" if mode == "stock" else "ours"
    assert not [test for test in tests.values() if test.loops != [kind]]
    if mode != "stock":
        assert stock.loops == ["stock"]


def test_trio_starts_once_in_each_loop_that_runs():
    tests = _run_sample("guest", "Loops", "IsolatedLoop")
    assert not [test.failed_starts for test in tests.values() if test.failed_starts]
    assert {test_id.rpartition(".")[2] for test_id, test in tests.items() if test.trio_starts} == {
        "test_runner",
        "test_run",
        "test_isolated",
        "test_trio_starts_first",
    }
    assert max(test.trio_starts for test in tests.values()) == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"outcome": "failed"}, "test_one: failed"),
        ({"outcome": "hung"}, "test_one: hung"),
        ({"outcome": "unexpected success"}, "test_one: unexpected success"),
        ({"outcome": "passed", "loops": ["ours", "stock"]}, "test_one made a loop of the stock"),
        ({"outcome": "passed", "altered": True}, "test_one left something behind"),
        ({"outcome": "passed", "failed_starts": ["E()"]}, "test_one: Trio did not start: E()"),
    ],
)
def test_what_goes_against_the_expectations(fields, problem):
    (found,) = Expected("3.13", {}).problems(_report(Result(ONE, **fields)))
    assert problem in found


def test_a_test_without_outcome_is_noticed():
    (found,) = Expected("3.13", {}).problems(_report(collected=[ONE]))
    assert found == f"{ONE} did not run"


def test_a_listed_test_may_fail_and_becomes_stale():
    expected = Expected("3.13", {"exception": [_entry()]})
    assert expected.problems(_report(Result(ONE, "failed"))) == []
    assert expected.problems(_report(Result(ONE, "passed"))) == [
        "stale: test_sample.Sample.test_one does not fail"
    ]
    assert expected.problems(_report()) == ["stale: test_sample.Sample.test_one is not there"]


def test_an_entry_is_for_its_pythons_and_modes_only():
    failed = _report(Result(ONE, "failed"))
    for change in ({"pythons": ["3.12"]}, {"modes": ["guest"]}):
        data = {"exception": [_entry(**change)]}
        assert len(Expected("3.13", data).problems(failed)) == 1


def test_a_listed_stock_loop_becomes_stale():
    expected = Expected("3.13", {"stock_loop": [_entry()]})
    assert expected.problems(_report(Result(ONE, "passed", loops=["stock"]))) == []
    assert expected.problems(_report(Result(ONE, "passed", loops=["ours"]))) == [
        "stale: test_sample.Sample.test_one makes no stock loop"
    ]


def test_guests_that_never_started_are_noticed():
    report = _report(Result(ONE, "passed", loops=["ours"]))
    assert Expected("3.13", {}).problems(report) == []
    report.mode = "guest"
    assert Expected("3.13", {}).problems(report) == [f"{MODULE}: no loop had Trio in it"]


PASSED, FAILED = Result(ONE, "passed"), Result(ONE, "failed")
ALTERED = Result(ONE, "passed", altered=True)


@pytest.mark.parametrize(
    ("first", "again", "stock", "has_failed", "doubt"),
    [
        (FAILED, FAILED, PASSED, True, ""),
        (FAILED, FAILED, FAILED, False, "on stock asyncio too"),
        (FAILED, PASSED, PASSED, False, "not again"),
        (FAILED, FAILED, None, True, ""),
        (ALTERED, ALTERED, PASSED, True, ""),
        (ALTERED, ALTERED, ALTERED, False, "on stock asyncio too"),
        (PASSED, FAILED, PASSED, False, ""),
        (None, PASSED, PASSED, False, ""),
        (None, FAILED, PASSED, True, ""),
    ],
)
def test_a_failure_counts_if_it_comes_again_and_not_on_stock(
    first, again, stock, has_failed, doubt
):
    reports = [_report(*filter(None, [test]), collected=[ONE]) for test in (first, again, stock)]
    settled = settle(*reports)
    assert bool(Expected("3.13", {}).problems(settled)) == has_failed
    assert doubt in settled.results[ONE].doubt
    assert bool(doubt) == bool(settled.results[ONE].doubt)


def test_a_crash_outside_of_a_test_counts_if_it_comes_again():
    crash = Result(f"{MODULE} (its exit)", "crashed")
    quiet, crashed = _report(PASSED), _report(PASSED, crash)
    for report in (quiet, crashed):
        report.collected = [ONE, TWO]
    assert Expected("3.13", {}).problems(settle(crashed, quiet, quiet)) == []
    assert len(Expected("3.13", {}).problems(settle(crashed, crashed, quiet))) == 1


@pytest.mark.parametrize("python", PYTHONS)
def test_the_list_is_short_and_gives_reasons(python):
    entries = [entry for entry in all_entries() if python in entry.pythons]
    assert len(entries) <= 10
    assert all(len(entry.reason) > 20 for entry in entries)
    assert {name for entry in entries for name in entry.pythons} <= set(PYTHONS)


def _run_sample(mode, *classes, limit=60.0):
    """What became of the tests of some classes of ``sample.py``."""
    supervisor = Supervisor(PYTHONPATH, limit=limit)
    reports = [supervisor.run(f"sample.{name}", mode) for name in classes]
    return {test.id: test for report in reports for test in report.results.values()}


def _report(*tests, collected=()):
    tests = {test.id: test for test in (*tests, Result(TWO, "passed"))}
    return Report(MODULE, "bridge", collected=sorted({*collected, *tests}), results=tests)


def _entry(**changes):
    entry = {"test": "test_sample.Sample.test_one", "pythons": ["3.13"], "reason": "it is private"}
    return entry | changes
