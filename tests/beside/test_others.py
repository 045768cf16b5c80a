"""The README's table of others: what each cell says, found out by running it.

Each program is run with the library named, in a process of its own; what it prints is the cell.
"""

from __future__ import annotations

import importlib.util
import sys

import pytest

OURS, OLD, ANYIO, STOCK = "trio_bridge", "trio_asyncio", "anyio", "asyncio"

HEAD = """
import asyncio, gc, logging, sys
import trio, trio.testing

logging.disable()

def has(name):
    print(name)

NAME = sys.argv[1]
if NAME == "trio_bridge":
    from trio_bridge import aio_as_trio, run, trio_as_aio
if NAME == "trio_asyncio":
    from trio_asyncio import aio_as_trio, run, trio_as_aio
if NAME == "anyio":
    import anyio
"""

# A thread and a timeout stand for what libraries of asyncio use.
IN_A_TRIO_PROGRAM = """
async def library():
    return await asyncio.wait_for(asyncio.to_thread(int, "7"), 10)

async def main():
    assert await aio_as_trio(library)() == 7

if NAME == "anyio":
    async def main():
        await library()
    try:
        anyio.run(main, backend="trio")
    except RuntimeError as exc:
        assert "no running event loop" in str(exc)
        has("no")
else:
    run(main)
    has("yes")
"""

AS_A_WHOLE = """
async def main():
    try:
        queue = aio_as_trio(asyncio).Queue()
        await queue.put(1)
    except AttributeError:
        has("no")
    else:
        has("yes")

run(main)
"""

DEADLINE = """
@trio_as_aio
async def inner():
    return trio.current_effective_deadline()

@aio_as_trio
async def library():
    return await inner()

async def main():
    with trio.move_on_after(1000):
        has("yes" if await library() < float("inf") else "no")

run(main)
"""

# A call of gather's fails; then the block is left. Is the other call still there?
LEFT_RUNNING = """
left = []

async def slow():
    try:
        await asyncio.sleep(1000)
    finally:
        left.clear()

async def library():
    left.append(asyncio.ensure_future(slow()))
    await asyncio.sleep(0)
    await asyncio.gather(left[0], fail())

async def fail():
    raise ZeroDivisionError

def end():
    has("still running" if left else "ended")

async def main():
    if NAME == "trio_bridge":
        import trio_bridge
        try:
            async with trio_bridge.open_asyncio_nursery():
                await aio_as_trio(library)()
        except* ZeroDivisionError:
            end()
    else:
        try:
            async with trio.open_nursery():
                await aio_as_trio(library)()
        except* ZeroDivisionError:
            end()

async def anyio_main():
    try:
        async with anyio.create_task_group():
            await library()
    except* ZeroDivisionError:
        end()

async def asyncio_main():
    try:
        async with asyncio.TaskGroup():
            await library()
    except* ZeroDivisionError:
        end()

if NAME == "anyio":
    anyio.run(anyio_main)
elif NAME == "asyncio":
    asyncio.run(asyncio_main())
else:
    run(main)
"""

# A callback fails, and the program goes on to do something else.
ERROR_OF_A_CALLBACK = """
def fail():
    raise ZeroDivisionError

async def library():
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0.01)

async def main():
    await (aio_as_trio(library)() if NAME.startswith("trio") else library())

try:
    if NAME == "anyio":
        anyio.run(main)
    elif NAME == "asyncio":
        asyncio.run(main())
    else:
        run(main)
except* ZeroDivisionError:
    has("ends it")
else:
    has("logged")
"""

# trio_bridge has a nursery around a part of the program; the rest goes on.
ERROR_ENDS_A_PART = """
import trio_bridge

def fail():
    raise ZeroDivisionError

@aio_as_trio
async def library():
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(1000)

async def main():
    try:
        async with trio_bridge.open_asyncio_nursery():
            await library()
    except* ZeroDivisionError:
        pass
    await aio_as_trio(asyncio.sleep)(0)
    has("a part")

run(main)
"""

VIRTUAL_TIME = """
import time

async def main():
    if NAME == "trio_asyncio":
        import trio_asyncio
        async with trio_asyncio.open_loop():
            await aio_as_trio(asyncio.sleep)(1000)
    else:
        import trio_bridge
        async with trio_bridge.open_loop():
            await aio_as_trio(asyncio.sleep)(1000)

began = time.monotonic()
trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
assert time.monotonic() - began < 500
has("yes")
"""

CELLS = [
    (IN_A_TRIO_PROGRAM, {OURS: "yes", OLD: "yes", ANYIO: "no"}),
    (AS_A_WHOLE, {OURS: "yes", OLD: "no"}),
    (DEADLINE, {OURS: "yes", OLD: "no"}),
    (LEFT_RUNNING, {OURS: "ended", **dict.fromkeys((OLD, ANYIO, STOCK), "still running")}),
    (ERROR_OF_A_CALLBACK, {OURS: "ends it", OLD: "ends it", ANYIO: "logged", STOCK: "logged"}),
    (ERROR_ENDS_A_PART, {OURS: "a part"}),
    (VIRTUAL_TIME, {OURS: "yes", OLD: "yes"}),
]
NAMES = {id(value): name.lower() for name, value in list(globals().items()) if name.isupper()}


@pytest.mark.parametrize(
    ("program", "library", "cell"),
    [
        pytest.param(program, library, cell, id=f"{NAMES[id(program)]}-{library}")
        for program, cells in CELLS
        for library, cell in cells.items()
    ],
)
def test_the_table_is_true(run_script, program, library, cell):
    if library == OLD and sys.version_info >= (3, 14):
        pytest.skip("trio-asyncio doesn't import on Python 3.14")
    if not importlib.util.find_spec(library):
        pytest.skip(f"{library} is not installed")
    result = run_script(f"import sys\nsys.argv[1:] = [{library!r}]\n{HEAD}{program}")
    assert result.stdout == f"{cell}\n", result.stderr


@pytest.mark.skipif(sys.version_info < (3, 14), reason="it has policies, which trio-asyncio needs")
def test_trio_asyncio_does_not_import_on_python_3_14(run_script):
    if not importlib.util.find_spec(OLD):
        pytest.skip("trio-asyncio is not installed")
    result = run_script("import trio_asyncio")
    assert "AttributeError: module 'asyncio.events' has no attribute" in result.stderr
