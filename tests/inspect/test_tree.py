"""The tree: what hangs under what, in programs of every shape."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import shapes
import trio
import trio.testing
from shapes import find, outline

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge.inspect import Tree, tree

HERE = Path(__file__).parent
PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)


def run_program(name):
    result = subprocess.run(
        [sys.executable, str(HERE / name)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_three_crossings_in_each_direction_node_by_node(monkeypatch):
    *text, data = run_program("three_crossings.py").splitlines()
    monkeypatch.chdir(HERE)
    found = Tree.from_json(json.loads(data))
    expected = (HERE / "three_crossings.txt").read_text()
    assert str(shapes.settled(found)) + "\n" == expected
    assert "\n".join(text) == str(found)


# ---- programs that start from Trio


async def test_a_guest_hangs_under_its_host_and_a_trio_call_under_its_guest():
    found = []

    async def trio_leaf():
        found.append(tree())
        await trio.sleep(0)
        found.append(tree())

    async def asyncio_code():
        await asyncio.sleep(0)
        await aio2trio(trio_leaf)()

    with trio.move_on_after(1000):
        await trio2aio(asyncio_code)()
    for seen in found:
        scope = find(seen, "cancel scope")
        (guest,) = scope.children
        assert (guest.kind, guest.stack[0].function.split(".")[-1]) == (
            "asyncio task",
            "asyncio_code",
        )
        (call,) = guest.children
        assert call.kind == "Trio call"
        assert call.stack[0].function.endswith("trio_leaf")


async def test_the_scope_that_a_host_keeps_open_for_calls_is_not_shown():
    async def asyncio_code():
        async with aio2trio(trio.open_nursery()):
            await aio2trio(trio.sleep)(0)
            await asyncio.sleep(0)
            found.append(tree())

    found = []
    await trio2aio(asyncio_code)()
    (nursery,) = find(found[0], "asyncio task").children
    assert nursery.kind == "nursery"
    assert not nursery.children


@pytest.mark.parametrize("where", ["first step", "later step", "callback", "plain function"])
async def test_asyncio_code_that_looks_sees_itself(where):
    found = []

    def look():
        found.append(tree())

    async def first_step():
        look()

    async def later_step():
        await asyncio.sleep(0)
        look()

    async def callback():
        asyncio.get_running_loop().call_soon(look)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def plain_function():
        aio2trio(look)()

    code = locals()[where.replace(" ", "_")]
    await trio2aio(code)()
    (seen,) = found
    task = find(seen, "asyncio task")
    assert task.stack[0].function.endswith(where.replace(" ", "_"))
    loop = find(seen, "asyncio loop")
    assert task in loop.children
    if where == "callback":
        assert loop.is_running
        assert not task.is_running
        assert [frame.function for frame in loop.stack] == [look.__qualname__]
    else:
        assert task.is_running
        assert task.stack[-1].function == look.__qualname__


async def test_several_loops_side_by_side_and_nested():
    async def wait():
        await aio2trio(trio.sleep_forever)()

    async def side():
        async with trio_bridge.open_loop(), trio_bridge.open_loop():
            await trio2aio(wait)()

    async def from_a_guest():
        await aio2trio(side)()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(side, name="left")
        nursery.start_soon(trio2aio(from_a_guest), name="right")
        await trio.testing.wait_all_tasks_blocked()
        seen = outline(tree())
        nursery.cancel_scope.cancel()
    assert seen.partition("asyncio loop\n")[2] == (
        "      └─ nursery\n"
        "         ├─ Trio task left\n"
        "         │  └─ asyncio loop\n"
        "         │     └─ asyncio loop\n"
        "         │        └─ asyncio task Task-1"
        f" {wait.__qualname__}\n"
        "         │           └─ Trio call sleep_forever\n"
        f"         └─ asyncio task Task-2 {from_a_guest.__qualname__}\n"
        f"            └─ Trio call {side.__qualname__}\n"
        "               └─ asyncio loop\n"
        "                  └─ asyncio loop\n"
        f"                     └─ asyncio task Task-3 {wait.__qualname__}\n"
        "                        └─ Trio call sleep_forever"
    )


async def test_an_asyncio_nursery_has_the_tasks_that_it_owns():
    async def library():
        await asyncio.gather(*(asyncio.sleep(1000) for _ in range(2)))

    async with trio_bridge.open_asyncio_nursery() as nursery:
        nursery.start_soon(library)
        await trio.testing.wait_all_tasks_blocked()
        shown = find(tree(), "nursery")
        nursery.cancel_scope.cancel()
    assert [child.kind for child in shown.children] == ["asyncio task"] * 3
    gathering = next(child for child in shown.children if child.function.endswith("library"))
    others = {child.name for child in shown.children} - {gathering.name}
    assert set(gathering.waits_for) == others


async def test_a_task_of_asyncios_own_hangs_under_the_loop_and_its_trio_call_under_it():
    async def own():
        with contextlib.suppress(asyncio.CancelledError):
            await aio2trio(trio.sleep)(1000)

    task = trio2aio(asyncio.create_task)(own())
    await trio.testing.wait_all_tasks_blocked()
    loop = find(tree(), "asyncio loop")
    (shown,) = loop.children
    assert shown.kind == "asyncio task"
    (call,) = shown.children
    assert (call.kind, call.name) == ("Trio call", "sleep")
    assert call.children[0].deadline == pytest.approx(1000, abs=60)
    # It has been cancelled, and Trio does not know yet.
    trio2aio(task).cancel()
    shown = find(tree(), "asyncio task")
    assert shown.is_cancelled
    assert shown.children[0].is_cancelled
    await trio2aio(task)


async def test_what_a_manager_or_an_iterator_lives_in():
    async def numbers():
        with trio.CancelScope():
            yield 1
            yield 2

    seen = []

    async def consume():
        async for _ in aio2trio(numbers)():
            seen.append(tree())
            break

    async with trio2aio(asyncio.timeout)(1000):
        owner = find(tree(), "asyncio task")
        assert owner.function == "async with Timeout"
        await trio2aio(consume)()
    iterator = find(seen[0], "Trio task", "steps of an iterator")
    assert [child.kind for child in iterator.children] == ["cancel scope"]


async def test_a_manager_of_trios_is_around_what_its_asyncio_task_does():
    seen = []

    async def asyncio_code():
        async with aio2trio(trio.fail_after)(1000), aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep_forever, name="child")
            await asyncio.sleep(0)
            seen.append(tree())
            nursery.cancel_scope.cancel()

    await trio2aio(asyncio_code)()
    task = find(seen[0], "asyncio task")
    (scope,) = task.children
    (nursery,) = scope.children
    assert (scope.kind, nursery.kind) == ("cancel scope", "nursery")
    assert [child.name for child in nursery.children] == ["child"]


async def test_what_cleans_up_after_a_cancellation_is_shown_without_our_shield(autojump_clock):
    seen = []

    async def stubborn():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(4)

    async def look():
        await trio.sleep(3)
        seen.append(tree())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        with trio.move_on_after(1):
            await trio2aio(stubborn)()
    (scope,) = (
        node for _, node in seen[0].walk() if node.kind == "cancel scope" and node.is_cancelled
    )
    assert scope.deadline == -2
    (guest,) = scope.children
    assert guest.kind == "asyncio task"
    assert guest.is_cancelled


async def test_a_loop_whose_block_is_cancelled_by_an_error_is_shown_so():
    seen = []

    with pytest.raises(ExceptionGroup):
        async with trio_bridge.open_loop() as loop:
            loop.call_soon(divmod, 1, 0)
            try:
                await trio.sleep_forever()
            finally:
                seen.append(tree())
    loops = {node.is_cancelled for _, node in seen[0].walk() if node.kind == "asyncio loop"}
    assert loops == {False, True}  # the test's own, and this one


def test_trio_without_a_loop_is_shown_too():
    async def main():
        with trio.CancelScope(shield=True):
            return tree()

    seen = trio.run(main)
    (run,) = seen.roots
    assert run.kind == "Trio run"
    (task,) = run.children
    assert task.name.endswith("main")
    assert task.children[0].is_shielded


def test_tasks_that_are_nested_very_deep():
    depth = 3000
    seen = []

    async def nest(n):
        if n == 0:
            seen.append(tree())
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nest, n - 1)

    trio.run(nest, depth)
    assert max(level for level, _ in seen[0].walk()) == 2 * depth + 1
    assert str(seen[0]).count("Trio task") == depth + 1


# ---- programs that start from asyncio


def run_asyncio(main, kind):
    factory = trio_bridge.new_event_loop if kind == "ours" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_an_asyncio_program_has_its_loop_as_root(kind):
    async def main():
        before = tree()
        adopted = asyncio.create_task(hold(), name="adopted")
        await aio2trio(trio.sleep)(0)
        await aio2trio(trio.testing.wait_all_tasks_blocked)()
        inside = await aio2trio(look)()
        adopted.cancel()
        await asyncio.wait([adopted])
        return before, inside

    async def hold():
        async with aio2trio(trio.open_nursery)() as nursery:
            nursery.start_soon(trio.sleep_forever, name="child")
            await asyncio.sleep(1000)

    async def look():
        return tree()

    before, inside = run_asyncio(main, kind)
    assert [root.kind for root in before.roots] == ["asyncio loop"]
    assert find(before, "asyncio task").is_running
    assert outline(inside) == (
        "asyncio loop in thread MainThread\n"
        f"├─ asyncio task Task-1 {main.__qualname__}\n"
        f"│  └─ Trio call {look.__qualname__}\n"
        f"└─ asyncio task adopted {hold.__qualname__}\n"
        "   └─ nursery\n"
        "      └─ Trio task child"
    )


def test_looking_does_not_start_trio():
    async def main():
        tree()
        loop = asyncio.get_running_loop()
        assert loop not in trio_bridge._bridge.by_loop
        return tree()

    assert "Trio" not in str(run_asyncio(main, "ours"))


def test_between_two_runs_of_a_loop_what_is_open_is_shown():
    async def set_up():
        manager = aio2trio(trio.open_nursery)()
        nursery = await manager.__aenter__()
        nursery.start_soon(trio.sleep_forever, name="child")
        return manager, nursery

    async def take_down(manager, nursery):
        nursery.cancel_scope.cancel()
        await manager.__aexit__(None, None, None)

    with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
        opened = runner.run(set_up())
        seen = tree()
        runner.run(take_down(*opened))
    assert find(seen, "Trio task", "child")
    assert str(tree()) == "no Trio run and no asyncio loop"


# ---- other threads


def test_another_thread_sees_all_loops():
    seen = []

    async def main():
        with trio.fail_after(1000):
            await trio2aio(asyncio_code)()

    async def asyncio_code():
        await asyncio.get_running_loop().run_in_executor(None, lambda: seen.append(tree()))

    thread = threading.Thread(target=trio_bridge.run, args=(main,), name="the other")
    thread.start()
    thread.join()
    assert seen[0].roots[0].thread == "the other"
    assert find(seen[0], "cancel scope").deadline == pytest.approx(1000, abs=60)
    assert find(seen[0], "asyncio task").stack[0].function.endswith("asyncio_code")


async def test_a_thread_that_looks_all_the_time_meets_no_error():
    async def leaf():
        await trio.sleep(0)

    async def crossing():
        async with asyncio.timeout(1000), aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 0)
            await aio2trio(leaf)()

    counts = {"trees": 0}
    is_done = threading.Event()

    def look():
        while not is_done.is_set():
            str(tree())
            counts["trees"] += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, look)
        try:
            while counts["trees"] < 100:
                for _ in range(5):
                    await trio2aio(crossing)()
                    await trio2aio(trio2aio(asyncio.create_task)(crossing()))
        finally:
            is_done.set()


def test_the_loops_of_a_parent_process_are_not_shown(run_script):
    script = """
import asyncio, os, trio_bridge
from trio_bridge.inspect import tree

async def main():
    await trio_bridge.trio2aio(fork)()

async def fork():
    pid = os.fork()
    if pid == 0:
        try:
            print(len([node for _, node in tree().walk() if node.kind == "asyncio loop"]))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

trio_bridge.run(main)
"""
    result = run_script(script, args=("-W", "ignore"))
    assert result.stdout == "0\n", result.stderr
