"""Ctrl-C and the interpreter's exit, in processes of their own."""

from __future__ import annotations

import pytest
from child_processes import HEAD, TAIL, run_on
from foreign_loops import LOOPS

assert run_on


WHILE_ASYNCIO_WAITS = """
async def main():
    await aio2trio(trio.sleep)(0)
    await asyncio_waits()
"""

WHILE_TRIO_WAITS = """
async def main():
    await aio2trio(trio_waits)()
"""

WHILE_BOTH_WAIT = """
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(aio2trio(trio_waits)())
        await asyncio.sleep(60)
"""

WHILE_ASYNCIO_WAITS_BELOW_TRIO = """
async def main():
    await aio2trio(trio2aio(asyncio_waits))()
"""

IN_A_NURSERYS_BODY = """
async def main():
    await aio2trio(trio.lowlevel.checkpoint)()
    async with aio2trio(trio.open_nursery()) as nursery:
        aio2trio(nursery.start_soon)(trio_waits)
        await asyncio.sleep(60)
"""


VARIANTS = [
    ("stock", "run", "door"),
    ("stock", "bare", "door"),
    ("stock", "bare", "thread"),
    ("uvloop", "run", "door"),
    ("uvloop", "bare", "door"),
    ("bridge", "bare", "door"),
]

ctrl_c_on = pytest.mark.parametrize("variant", VARIANTS, ids="-".join)


@ctrl_c_on
def test_ctrl_c_while_asyncio_waits(run_on, variant):
    out, err = run_on(HEAD + WHILE_ASYNCIO_WAITS + TAIL, *variant)
    assert (out, err) == (["ready", "asyncio cleaned up", "KeyboardInterrupt"], "")


@ctrl_c_on
def test_ctrl_c_while_trio_waits(run_on, variant):
    out, err = run_on(HEAD + WHILE_TRIO_WAITS + TAIL, *variant)
    assert (out, err) == (["ready", "trio cleaned up", "KeyboardInterrupt"], "")


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[4]], ids="-".join)
@pytest.mark.parametrize(
    ("body", "cleaned_up"),
    [
        (WHILE_BOTH_WAIT, "trio cleaned up"),
        (WHILE_ASYNCIO_WAITS_BELOW_TRIO, "asyncio cleaned up"),
        (IN_A_NURSERYS_BODY, "trio cleaned up"),
    ],
    ids=["both wait", "asyncio below Trio", "a nursery's body"],
)
def test_ctrl_c_while_both_wait(run_on, variant, body, cleaned_up):
    out, err = run_on(HEAD + body + TAIL, *variant)
    assert (out, err) == (["ready", cleaned_up, "KeyboardInterrupt"], "")


BUSY_TRIO = """
async def busy_trio():
    try:
        busy()
    finally:
        say("ended")

async def main():
    await aio2trio(busy_trio)()
"""

BUSY_CALLBACK = """
async def main():
    await aio2trio(trio.sleep)(0)
    asyncio.get_running_loop().call_soon(busy)
    try:
        await asyncio.sleep(60)
    finally:
        say("ended")
"""

BARE = [VARIANTS[1], VARIANTS[4]]


@pytest.mark.parametrize("variant", BARE, ids="-".join)
@pytest.mark.parametrize("body", [BUSY_TRIO, BUSY_CALLBACK], ids=["trio", "callback"])
def test_ctrl_c_ends_busy_code_where_nobody_else_handles_it(run_on, variant, body):
    out, err = run_on(HEAD + body + TAIL, *variant)
    assert (out, err) == (["ready", "ended", "KeyboardInterrupt"], "")


FOR_A_WHILE = """
def busy():
    say("ready")
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    say("was not interrupted")

async def trio_code():
    busy()
    try:
        await trio.sleep(60)
    finally:
        say("trio ended")

async def main():
    await aio2trio(trio_code)()
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_under_asyncio_run_waits_for_busy_trio_code_as_for_asyncios(run_on, loop):
    out, err = run_on(HEAD + FOR_A_WHILE + TAIL, loop, "run", "door")
    assert (out, err) == (["ready", "was not interrupted", "trio ended", "KeyboardInterrupt"], "")


NOBODY_INTERRUPTS = """
import trio.testing

def say_when_it_waits():
    pass
"""

NEVER_CLOSED = """
loop = make_loop()

async def main():
    await aio2trio(trio.sleep)(0)
    nursery = await aio2trio(trio.open_nursery()).__aenter__()
    aio2trio(nursery.start_soon)(trio_waits)
    await aio2trio(trio.testing.wait_all_tasks_blocked)(0.001)

loop.run_until_complete(main())
"""

CLOSED_WITH_A_CALL_PENDING = """
def say_when_it_waits():
    pass

loop = make_loop()

async def main():
    task = asyncio.create_task(aio2trio(trio_waits)())
    await aio2trio(trio.testing.wait_all_tasks_blocked)(0.001)
    return task

task = loop.run_until_complete(main())
loop.close()
say("done" if task.done() else "pending")
async def trio_code():
    await trio.sleep(0)
trio.run(trio_code)
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_that_is_never_closed_gives_no_traceback_at_exit(run_on, loop):
    code = HEAD + NOBODY_INTERRUPTS + NEVER_CLOSED
    out, err = run_on(code, loop, "bare", "door", interrupt=False)
    assert out == []
    assert "Traceback" not in "".join(
        line for line in err.splitlines() if "ResourceWarning" not in line
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_closing_a_loop_ends_the_call_that_a_task_waits_for(run_on, loop):
    code = HEAD + NOBODY_INTERRUPTS + CLOSED_WITH_A_CALL_PENDING
    out, err = run_on(code, loop, "bare", "door", interrupt=False)
    assert out == ["trio cleaned up", "done"]
    assert err == ""
