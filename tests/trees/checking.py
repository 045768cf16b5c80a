"""Compares what a program did with what the model says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model import predict
from running import Recorder, run

if TYPE_CHECKING:
    from programs import Ended, Node


def check(program: Node) -> Recorder:
    """Run a program, and see that it does what the model says, and leaves nothing."""
    expected = predict(program)
    actual = run(program)
    assert actual.complaints == []
    assert not (difference := differences(actual.log, expected.log)), difference
    assert (actual.outcome, actual.time) == (expected.outcome, expected.time)
    assert actual.left_tasks == []
    place = {ended.name: number for number, ended in enumerate(actual.log)}
    is_cancelled = {ended.name: ended.is_cancelled for ended in expected.log}
    for ended in expected.log:
        late = [name for name in ended.after if place[name] > place[ended.name]]
        assert late == [], f"they outlived {ended.name}"
    for name, time, count in actual.cancelling:
        assert is_cancelled[name] or not count, f"{name}: cancelling() is {count} at {time}"
    return actual


def differences(actual: list[Ended], expected: tuple[Ended, ...]) -> str:
    """What ended otherwise than it should, for a person; the first thing first."""
    wrong = [(ended, "did, and should not") for ended in actual if ended not in expected]
    wrong += [(ended, "should, and did not") for ended in expected if ended not in actual]
    wrong += [(ended, "did twice") for ended in set(actual) if actual.count(ended) > 1]
    return "".join(
        f"\n{ended.name} {what}: end at {ended.time} by {ended.outcome}"
        for ended, what in sorted(wrong, key=lambda pair: pair[0].time)
    )
