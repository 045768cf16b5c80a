"""Looking changes nothing: no task, no checkpoint, nothing kept, nothing cancelled or retrieved."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
import weakref

import pytest
import trio
import trio.testing

from trio_bridge import aio2trio, trio2aio
from trio_bridge.inspect import print_tree, tree, write_html


@pytest.fixture(params=["tree", "print_tree", "write_html"])
def look(request, tmp_path):
    return {
        "tree": tree,
        "print_tree": lambda: print_tree(io.StringIO()),
        "write_html": lambda: write_html(tmp_path / "tree.html"),
    }[request.param]


async def test_no_task_and_no_checkpoint(look):
    tasks = trio2aio(asyncio.all_tasks)
    before = trio.lowlevel.current_statistics(), len(tasks())
    with trio.testing.assert_no_checkpoints():
        look()
    after = trio.lowlevel.current_statistics(), len(tasks())
    for trio_statistics, asyncio_tasks in (before, after):
        assert trio_statistics.tasks_living == before[0].tasks_living
        assert trio_statistics.run_sync_soon_queue_size == 0
        assert asyncio_tasks == before[1]


async def test_nothing_is_kept(look):
    class Thing:
        pass

    refs = []

    async def asyncio_code():
        thing = Thing()
        refs.append(weakref.ref(thing))
        refs.append(weakref.ref(asyncio.current_task()))
        await aio2trio(trio_code)()

    async def trio_code():
        thing = Thing()
        refs.append(weakref.ref(thing))
        await trio.sleep(0)
        look()

    gc.collect()
    gc.disable()
    try:
        await trio2aio(asyncio_code)()
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


async def test_frames_that_run_are_not_kept(look):
    def plain():
        thing = Thing()
        look()
        return weakref.ref(thing)

    class Thing:
        pass

    gc.disable()
    try:
        assert plain()() is None
        count = sys.getrefcount(plain)
        look()
        assert sys.getrefcount(plain) == count
    finally:
        gc.enable()


async def test_a_scope_whose_deadline_has_passed_is_not_cancelled_by_that(look):
    # The public ``cancel_called`` would do so, and the error of the body would not come out.
    clock = trio.testing.MockClock()

    async def main():
        with trio.CancelScope(deadline=trio.current_time() + 1) as scope:
            clock.jump(5)
            look()
            return scope._cancel_called

    result = await trio.to_thread.run_sync(lambda: trio.run(main, clock=clock))
    assert result is False


@pytest.mark.bridge(on_error="log")
async def test_an_error_stays_unretrieved(look, caplog):
    async def fail():
        raise KeyError("nobody awaits this")

    task = trio2aio(asyncio.create_task)(fail())
    await trio2aio(asyncio.sleep)(0)
    look()
    del task
    gc.collect()
    assert "exception was never retrieved" in caplog.text


async def test_code_of_the_users_is_not_called(look):
    class Touchy:
        def __repr__(self):
            raise AssertionError("its repr was asked for")

        async def __call__(self):
            await trio.sleep_forever()

        async def __aenter__(self):
            return self

        async def __aexit__(self, *exc_info):
            pass

    async def asyncio_code():
        await aio2trio(Touchy().__call__)()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio2aio(asyncio_code))
        async with trio2aio(Touchy()):
            await trio.testing.wait_all_tasks_blocked()
            look()
        nursery.cancel_scope.cancel()


def test_importing_trio_bridge_does_not_import_it(run_script):
    script = """
import sys, trio_bridge
assert not [name for name in sys.modules if name.startswith(("trio_bridge.inspect", "rich"))]
assert trio_bridge.inspect.tree().roots == ()
assert "rich" not in sys.modules
"""
    result = run_script(script)
    assert (result.stderr, result.returncode) == ("", 0)


async def test_a_virtual_clock_is_not_moved(look, autojump_clock):
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 10)
        await trio.lowlevel.checkpoint()
        look()
        assert trio.current_time() == start
        nursery.cancel_scope.cancel()
