"""Somebody who waits for a cancelled task is told whom they wait for, and may ask it again."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import pytest

from trio_bridge import current_loop, trio2aio
from trio_bridge._crossing import cancellation
from trio_bridge._crossing.cancellation import CancelReminder


class Stubborn:
    """A task that takes no notice of a cancellation, but for counting it."""

    def __init__(self, *, uncancels=False):
        self.counts = []
        self.uncancels = uncancels
        self.task = asyncio.create_task(self.run(), name="stubborn")

    async def run(self):
        while True:
            try:
                await asyncio.sleep(1000)  # here
            except asyncio.CancelledError:
                self.counts.append(self.task.cancelling())
                if self.uncancels:
                    self.task.uncancel()
                if len(self.counts) > 10:
                    raise


async def end(task):
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)


@trio2aio
async def remind(guest, seconds, *, warn_after=None, redeliver_after=None):
    """What is warned of in so many seconds."""
    options = {"warn_after": warn_after, "redeliver_after": redeliver_after}
    with warnings.catch_warnings(record=True, action="always") as caught:
        reminder = CancelReminder(guest, "by somebody", **options)
        await asyncio.sleep(seconds)
        reminder.stop()
        await asyncio.sleep(100)
    return caught


@trio2aio
async def stubborn(**options):
    made = Stubborn(**options)
    await asyncio.sleep(0)
    return made


async def test_a_warning_names_the_task_and_the_users_line(autojump_clock):
    guest = await stubborn()
    (warning,) = await remind(guest.task, 3, warn_after=2.5)
    text = str(warning.message)
    assert text.startswith(
        "stubborn was cancelled by somebody 2.5 s ago and has not ended: its code swallowed the "
        "CancelledError, or cleans up for long. The scope waits for it. Pass "
        "redeliver_cancel_after=... to cancel it again. It waits here:\n"
    )
    assert warning.category is RuntimeWarning
    lines = Path(__file__).read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if line.endswith("  # here"))
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert "    await asyncio.sleep(1000)  # here\n" in text
    assert not guest.counts
    await trio2aio(end)(guest.task)


@pytest.mark.parametrize("uncancels", [False, True])
async def test_the_same_asks_again_and_counts_once(autojump_clock, uncancels):
    guest = await stubborn(uncancels=uncancels)
    guest.task.cancel()
    assert await remind(guest.task, 10, redeliver_after=3) == []
    assert guest.counts == [1, 1, 1, 1]
    await trio2aio(end)(guest.task)


async def test_nothing_comes_any_more_when_it_is_stopped(autojump_clock):
    guest = await stubborn()
    assert await remind(guest.task, 4, warn_after=6, redeliver_after=3) == []
    assert guest.counts == [1]
    await trio2aio(end)(guest.task)


async def test_both(autojump_clock):
    guest = await stubborn()
    (warning,) = await remind(guest.task, 7, warn_after=5, redeliver_after=3)
    assert " 5 s ago" in str(warning.message)
    assert guest.counts == [1, 1]
    await trio2aio(end)(guest.task)


async def test_a_task_that_has_ended_since(autojump_clock):
    """The loop was busy for long, and nobody has had the time to stop the reminder."""
    guest = await stubborn()
    await trio2aio(end)(guest.task)
    assert await remind(guest.task, 3, warn_after=2) == []


class Waited(asyncio.Future):
    """What a task factory may return: it has no coroutine, and counts no cancellations."""

    cancels = 0

    def cancel(self, msg=None):
        self.cancels += 1
        return False


async def test_a_future_in_place_of_a_task(autojump_clock):
    guest = Waited(loop=current_loop())
    (warning,) = await remind(guest, 7, warn_after=2, redeliver_after=3)
    assert guest.cancels == 2
    assert str(warning.message).startswith("<Waited pending")
    assert "waits here" not in str(warning.message)
    assert (warning.filename, warning.lineno) == (cancellation.__file__, 0)
