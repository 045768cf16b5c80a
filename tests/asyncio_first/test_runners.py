"""Who runs the loop: runners, run after run, threads, unittest, and pytest's asyncio plugins."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import unittest
import weakref
from pathlib import Path

import pytest
import sniffio
import trio
import trio.testing
from loop_kinds import TIME_LIMIT, descriptors, threads, threads_left_since

import trio_bridge
from trio_bridge import aio2trio, new_event_loop

PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)


def runner():
    return asyncio.Runner(loop_factory=new_event_loop)


@pytest.fixture
def loop():
    loop = new_event_loop()
    yield loop
    loop.close()


async def double(x):
    assert sniffio.current_async_library() == "trio"
    await trio.sleep(0)
    return 2 * x


async def calls_trio(x=1):
    """Asyncio code that goes to Trio, sees asyncio's timers, and opens a nursery."""
    done = []
    async with aio2trio(trio.open_nursery)() as nursery:
        nursery.start_soon(append_doubled, x, done)
        await asyncio.sleep(0.001)
    assert done == [2 * x]
    return await aio2trio(double)(x)


async def append_doubled(x, done):
    done.append(await double(x))


def in_thread(fn, *args):
    """What ``fn(*args)`` returns or raises in a thread of its own."""
    results = []

    def target():
        try:
            results.append((fn(*args), None))
        except BaseException as exc:
            results.append((None, exc))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join(TIME_LIMIT)
    assert results, "the thread hangs"
    value, error = results[0]
    if error is not None:
        raise error
    return value


class Steps:
    """A Trio child that counts the steps it is told to make: does it live?"""

    def __init__(self):
        self._send, self._receive = trio.open_memory_channel(0)
        self.made = 0
        self.was_cancelled = False

    async def __call__(self):
        try:
            async for done in self._receive:
                await trio.lowlevel.checkpoint()
                self.made += 1
                done.set()
        except trio.Cancelled:
            self.was_cancelled = True
            raise

    async def make(self):
        """Have a step made. Asyncio code."""
        await aio2trio(self._make)()

    async def _make(self):
        done = trio.Event()
        await self._send.send(done)
        await done.wait()


# ---- Runner


def test_a_runner_runs_several_times_on_one_loop():
    with runner() as run:
        loop = run.get_loop()
        assert [run.run(calls_trio(x)) for x in range(5)] == [0, 2, 4, 6, 8]
        assert run.get_loop() is loop
    assert loop.is_closed()


def test_the_first_call_into_trio_may_be_the_nursery():
    async def main():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 0)
        return "done"

    with runner() as run:
        assert run.run(main()) == "done"


def test_the_first_call_into_trio_may_wait_until_all_tasks_are_blocked():
    async def main():
        async with asyncio.timeout(TIME_LIMIT):
            await aio2trio(trio.testing.wait_all_tasks_blocked)()

    with runner() as run:
        run.run(main())


def test_a_trio_task_waits_until_the_others_are_blocked_while_one_of_them_sleeps():
    async def in_trio():
        order = []

        async def idle():
            await trio.testing.wait_all_tasks_blocked()
            order.append("idle")
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(idle)
            await trio.sleep(TIME_LIMIT)
            order.append("slept")
        return order

    with runner() as run:
        assert run.run(asyncio.wait_for(aio2trio(in_trio)(), TIME_LIMIT)) == ["idle"]


def test_an_error_of_one_run_leaves_the_next_alone():
    async def fail():
        await trio.sleep(0)
        raise KeyError("no")

    with runner() as run:
        for _ in range(3):
            with pytest.raises(KeyError):
                run.run(aio2trio(fail)())
            assert run.run(calls_trio(4)) == 8


def test_a_run_that_ends_in_the_middle_of_a_trio_call_leaves_the_next_alone():
    cleaned_up = []

    async def wait():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0)
            cleaned_up.append(True)

    async def main():
        task = asyncio.create_task(aio2trio(wait)())
        await asyncio.sleep(0.001)
        return task

    with runner() as run:
        task = run.run(main())
        assert not task.done()
        assert run.run(calls_trio(4)) == 8
        assert cleaned_up == []
    assert cleaned_up == [True]
    assert task.cancelled()


def test_4_7_1_a_nursery_lives_from_run_to_run():
    steps = Steps()
    with runner() as run:

        async def enter():
            manager = aio2trio(trio.open_nursery)()
            nursery = await manager.__aenter__()
            nursery.start_soon(steps)
            return manager, nursery

        manager, nursery = run.run(enter())
        for _ in range(5):
            run.run(steps.make())
        assert steps.made == 5

        async def leave():
            nursery.cancel_scope.cancel()
            await manager.__aexit__(None, None, None)

        run.run(leave())
        assert steps.was_cancelled
        assert run.run(calls_trio(4)) == 8


def test_a_timeout_that_is_opened_in_one_run_bounds_only_what_is_inside():
    with runner() as run:

        async def enter():
            manager = aio2trio(trio.move_on_after(60))
            await manager.__aenter__()
            return manager

        manager = run.run(enter())
        assert run.run(calls_trio(1)) == 2
        run.run(manager.__aexit__(None, None, None))
        assert run.run(calls_trio(2)) == 4


# ---- run_until_complete, run_forever


def test_4_7_1_a_loop_runs_until_complete_fifty_times(loop):
    assert [loop.run_until_complete(calls_trio(x)) for x in range(50)] == list(range(0, 100, 2))


def test_fifty_loops_leave_nothing_behind():
    def one():
        loop = new_event_loop()
        try:
            loop.run_until_complete(calls_trio())
        finally:
            loop.close()
        return weakref.ref(loop)

    one()
    gc.collect()
    descriptors_before, threads_before = descriptors(), threads()
    loops = [one() for _ in range(50)]
    gc.collect()
    assert [ref for ref in loops if ref() is not None] == []
    assert threads_left_since(threads_before) == set()
    assert descriptors() == descriptors_before


def test_4_7_1_a_loop_runs_forever_is_stopped_and_runs_again(loop):
    results = []

    async def main(x):
        results.append(await calls_trio(x))
        loop.stop()

    for x in range(3):
        task = loop.create_task(main(x))
        loop.run_forever()
        loop.run_until_complete(task)
    assert results == [0, 2, 4]


def test_a_trio_call_that_was_stopped_in_the_middle_goes_on_in_the_next_run(loop):
    async def in_trio():
        await event.wait()
        return "went on"

    async def make_event():
        return trio.Event()

    event = loop.run_until_complete(aio2trio(make_event)())
    task = loop.create_task(aio2trio(in_trio)())
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert not task.done()

    async def set_it():
        event.set()

    loop.run_until_complete(aio2trio(set_it)())
    assert loop.run_until_complete(task) == "went on"


def test_4_7_1_a_trio_deadline_that_passes_between_two_runs_counts_in_the_next(loop):
    async def in_trio():
        with trio.move_on_after(0.01) as scope:
            await trio.sleep_forever()
        return scope.cancelled_caught

    task = loop.create_task(aio2trio(in_trio)())
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    time.sleep(0.02)  # nothing runs
    assert loop.run_until_complete(task)


def test_trio_runs_by_itself_in_the_thread_between_two_runs(loop):
    steps = Steps()

    async def enter():
        manager = aio2trio(trio.open_nursery)()
        nursery = await manager.__aenter__()
        nursery.start_soon(steps)
        return manager, nursery

    async def alone():
        assert sniffio.current_async_library() == "trio"
        with trio.move_on_after(0.001):
            await trio.sleep_forever()
        return await double(4)

    manager, nursery = loop.run_until_complete(enter())
    for _ in range(3):
        loop.run_until_complete(steps.make())
        assert trio.run(alone) == 8
        with pytest.raises(RuntimeError):
            trio.lowlevel.current_task()

    async def leave():
        nursery.cancel_scope.cancel()
        await manager.__aexit__(None, None, None)

    loop.run_until_complete(leave())
    assert steps.made == 3


@pytest.mark.parametrize("turns", range(6))
def test_tasks_that_clean_up_when_their_loop_is_closed_may_call_trio(loop, turns):
    ends = []

    async def task():
        try:
            await aio2trio(trio.sleep_forever)()
        finally:
            for _ in range(turns):
                await asyncio.sleep(0)
            await aio2trio(trio.sleep)(0)
            ends.append("cleaned up")

    async def main():
        started.append(asyncio.create_task(task()))
        await aio2trio(trio.testing.wait_all_tasks_blocked)()

    started = []
    loop.run_until_complete(main())
    loop.close()
    assert ends == ["cleaned up"]
    assert started[0].cancelled()


def test_trio_code_never_sees_a_cancellation_taken_back(loop):
    # Trio's checkpoint_if_cancelled() raises AssertionError then.
    async def play(send, receive):
        while True:
            await send.send("ball")
            await receive.receive()

    async def two_players():
        (left, right), (back, forth) = trio.open_memory_channel(0), trio.open_memory_channel(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play, left, forth)
            while True:
                await right.receive()
                await back.send("ball")

    async def main():
        games.extend(asyncio.create_task(aio2trio(two_players)()) for _ in range(50))
        await asyncio.sleep(0.001)

    games = []
    loop.run_until_complete(main())
    loop.close()
    assert all(game.cancelled() for game in games)


def test_what_is_called_between_two_runs_works_or_is_refused_before_it_changes_anything(run_child):
    # In unittest: a plain tearDown(), or addCleanup(nursery.cancel_scope.cancel).
    code = """
        import faulthandler, trio
        from trio_bridge import aio2trio, new_event_loop
        faulthandler.dump_traceback_later(40, exit=True)

        async def enter():
            manager = aio2trio(trio.open_nursery)()
            nursery = await manager.__aenter__()
            nursery.start_soon(child)
            return manager, nursery

        async def child():
            try:
                await event.wait()
            finally:
                print("the child has ended")

        async def call():
            await trio.sleep(0)

        event = trio.Event()
        loop = new_event_loop()
        manager, nursery = loop.run_until_complete(enter())
        loop.run_until_complete(aio2trio(call)())
        try:
            nursery.cancel_scope.cancel()
        except RuntimeError as exc:
            assert "run" in str(exc)
        loop.close()
    """
    result = run_child("-c", textwrap.dedent(code))
    assert result.stdout == "the child has ended\n", result.stderr
    assert result.returncode == 0


def test_trio_bridge_runs_in_the_thread_between_two_runs(loop):
    async def main():
        return await trio_bridge.trio2aio(calls_trio)(4)

    for _ in range(3):
        assert loop.run_until_complete(calls_trio(1)) == 2
        assert trio_bridge.run(main) == 8


def test_a_plain_call_between_two_runs_is_for_the_one_loop_that_has_trio(loop):
    event = trio.Event()
    assert loop.run_until_complete(calls_trio(1)) == 2
    with runner() as run:
        assert run.run(calls_trio(1)) == 2
        with pytest.raises(RuntimeError, match="there are several loops that have Trio in them"):
            aio2trio(event.set)()
    assert not event.is_set()
    aio2trio(event.set)()
    assert event.is_set()


def test_two_loops_take_turns_in_one_thread(loop):
    with runner() as run:
        for x in range(3):
            assert loop.run_until_complete(calls_trio(x)) == 2 * x
            assert run.run(calls_trio(x)) == 2 * x


# ---- threads


def test_4_7_1_a_loop_runs_in_a_worker_thread():
    def work():
        with runner() as run:
            return [run.run(calls_trio(x)) for x in range(3)]

    assert in_thread(work) == [0, 2, 4]


def test_two_loops_run_in_two_threads_at_once():
    barrier = threading.Barrier(3, timeout=TIME_LIMIT)
    rounds = 5

    async def meet():
        await aio2trio(trio.to_thread.run_sync)(barrier.wait)

    async def main(name):
        results = []
        async with aio2trio(trio.open_nursery)() as nursery:
            for x in range(rounds):
                nursery.start_soon(append_doubled, x, results)
                await meet()
        return name, sorted(results)

    def work(name):
        with runner() as run:
            return run.run(main(name))

    results = {}
    others = [
        threading.Thread(target=lambda name=name: results.update([work(name)])) for name in "ab"
    ]
    for thread in others:
        thread.start()
    results.update([work("c")])
    for thread in others:
        thread.join(TIME_LIMIT)
    assert results == {name: [0, 2, 4, 6, 8] for name in "abc"}


def test_a_loop_that_was_made_in_one_thread_runs_in_another(loop):
    assert in_thread(loop.run_until_complete, calls_trio(4)) == 8


def test_a_loop_moves_from_thread_to_thread(loop):
    assert loop.run_until_complete(calls_trio(1)) == 2
    assert in_thread(loop.run_until_complete, calls_trio(2)) == 4
    assert in_thread(loop.run_until_complete, calls_trio(3)) == 6
    assert loop.run_until_complete(calls_trio(4)) == 8
    in_thread(loop.close)


def test_4_7_1_a_nursery_is_open_while_its_loop_moves_from_thread_to_thread(loop):
    steps = Steps()

    async def enter():
        manager = aio2trio(trio.open_nursery)()
        nursery = await manager.__aenter__()
        nursery.start_soon(steps)
        return manager, nursery

    manager, nursery = in_thread(loop.run_until_complete, enter())
    loop.run_until_complete(steps.make())
    for _ in range(3):
        in_thread(loop.run_until_complete, steps.make())
    assert steps.made == 4

    async def leave():
        nursery.cancel_scope.cancel()
        await manager.__aexit__(None, None, None)

    in_thread(loop.run_until_complete, leave())
    assert steps.was_cancelled
    assert trio.run(double, 4) == 8


def test_trio_code_goes_to_a_thread_and_back_on_a_loop_that_has_moved(loop):
    async def there_and_back():
        def work():
            return trio.from_thread.run(double, 4), threading.get_ident()

        return await trio.to_thread.run_sync(work)

    assert loop.run_until_complete(calls_trio()) == 2
    value, thread = in_thread(loop.run_until_complete, aio2trio(there_and_back)())
    assert value == 8
    assert thread != threading.get_ident()


# ---- unittest


class ByFactory(unittest.IsolatedAsyncioTestCase):
    """Has our loop, by the class attribute of Python 3.13 or else by hand."""

    loop_factory = staticmethod(new_event_loop)

    if sys.version_info < (3, 13):

        def _setupAsyncioRunner(self):
            self._asyncioRunner = asyncio.Runner(debug=True, loop_factory=new_event_loop)


def run_unittest(case, *, failures=0):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    problems = result.errors + result.failures
    assert len(problems) == failures, "\n".join(text for _, text in problems)
    return result


def test_4_7_1_a_unittest_opens_a_nursery_that_lives_through_the_test():
    seen = []

    class Case(ByFactory):
        async def asyncSetUp(self):
            self.steps = Steps()
            self.nursery = await self.enterAsyncContext(aio2trio(trio.open_nursery()))
            self.nursery.start_soon(self.steps)

        async def test_one(self):
            await self.steps.make()
            await self.steps.make()
            assert self.steps.made == 2

        async def test_two(self):
            self.nursery.start_soon(self.steps._make)
            await self.steps.make()

        async def asyncTearDown(self):
            await self.steps.make()
            self.nursery.cancel_scope.cancel()
            seen.append(self.steps)

    assert run_unittest(Case).testsRun == 2
    assert [(steps.made, steps.was_cancelled) for steps in seen] == [(3, True)] * 2


def test_a_unittest_enters_and_leaves_a_nursery_by_hand():
    seen = []

    class Case(ByFactory):
        async def asyncSetUp(self):
            self.steps = Steps()
            self.manager = aio2trio(trio.open_nursery())
            self.nursery = await self.manager.__aenter__()
            self.nursery.start_soon(self.steps)

        async def test_it(self):
            await self.steps.make()
            await asyncio.sleep(0)
            seen.append(self.steps)

        async def asyncTearDown(self):
            self.nursery.cancel_scope.cancel()
            await self.manager.__aexit__(None, None, None)

    assert run_unittest(Case).testsRun == 1
    assert [(steps.made, steps.was_cancelled) for steps in seen] == [(1, True)]


def test_a_cleanup_of_a_unittest_leaves_a_nursery():
    ends = []

    class Case(ByFactory):
        async def test_it(self):
            nursery = await self.enterAsyncContext(aio2trio(trio.open_nursery)())
            self.addAsyncCleanup(self.release, trio.Event(), nursery)

        async def release(self, event, nursery):
            async def child():
                await event.wait()
                ends.append("child")

            nursery.start_soon(child)
            await aio2trio(trio.lowlevel.checkpoint)()
            event.set()

    run_unittest(Case)
    assert ends == ["child"]


def test_a_child_that_fails_during_a_unittest_is_an_error_of_the_test():
    async def fail():
        raise KeyError("child")

    class Case(ByFactory):
        async def asyncSetUp(self):
            self.nursery = await self.enterAsyncContext(aio2trio(trio.open_nursery)())

        async def test_it(self):
            self.nursery.start_soon(fail)
            async with asyncio.timeout(TIME_LIMIT):
                await aio2trio(trio.testing.wait_all_tasks_blocked)(0.001)

    result = run_unittest(Case, failures=1)
    assert "KeyError: 'child'" in result.errors[0][1]


def test_4_7_1_a_nursery_that_is_never_closed_gives_an_error_that_names_it(caplog):
    steps = Steps()

    class Case(ByFactory):
        async def asyncSetUp(self):
            nursery = await aio2trio(trio.open_nursery)().__aenter__()
            nursery.start_soon(steps)

        async def test_it(self):
            await steps.make()

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        run_unittest(Case)
    assert steps.was_cancelled
    assert [record.name for record in caplog.records] == ["asyncio"]
    assert "did not leave aio2trio(NurseryManager(" in caplog.text


# ---- the policy, in processes of their own


@pytest.fixture
def run_child(tmp_path):
    """Run Python with ``args`` in an empty folder where no warning is let pass."""

    def run_child(*args, cwd=tmp_path):
        return subprocess.run(
            [sys.executable, "-W", "error", *map(str, args)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run_child


@pytest.fixture
def run_policy(run_child, tmp_path):
    """Run ``code`` after what makes asyncio's loops ours."""

    def run_policy(code, install="trio_bridge.install()"):
        head = f"""
            import asyncio, logging, sys, threading, unittest
            import trio, trio_bridge
            from trio_bridge import aio2trio

            # To unittest's debug mode a busy machine makes callbacks slow.
            logging.getLogger("asyncio").addFilter(lambda r: " took " not in r.getMessage())

            {install}
            made = trio_bridge.new_event_loop()
            OURS = type(made)
            made.close()

            async def double(x):
                await trio.sleep(0)
                return 2 * x

            async def main(x=1):
                assert type(asyncio.get_running_loop()) is OURS
                return await aio2trio(double)(x)
        """
        script = tmp_path / "script.py"
        script.write_text(textwrap.dedent(head) + textwrap.dedent(code))
        result = run_child(script)
        assert (result.stderr, result.returncode) == ("", 0)
        return result.stdout

    return run_policy


needs_policies = pytest.mark.skipif(
    sys.version_info >= (3, 16), reason="this Python has no event loop policies any more"
)


@needs_policies
def test_asyncio_run_makes_our_loops_after_install(run_policy):
    assert run_policy("print(asyncio.run(main(1)), asyncio.run(main(2)))") == "2 4\n"


@needs_policies
def test_asyncio_run_makes_our_loops_with_the_policy_set_by_hand(run_policy):
    install = "asyncio.set_event_loop_policy(trio_bridge.EventLoopPolicy())"
    if sys.version_info >= (3, 14):  # it is asyncio's function that warns
        install = "import warnings; warnings.simplefilter('ignore'); " + install
    assert run_policy("print(asyncio.run(main(1)))", install) == "2\n"


@needs_policies
def test_new_event_loop_and_runner_make_our_loops_after_install(run_policy):
    code = """
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        print(asyncio.get_event_loop() is loop, loop.run_until_complete(main(1)))
        asyncio.set_event_loop(None)
        loop.close()
        with asyncio.Runner() as runner:
            print(runner.run(main(2)), runner.run(main(3)))
        thread = threading.Thread(target=lambda: print(asyncio.run(main(4))))
        thread.start()
        thread.join()
    """
    assert run_policy(code) == "True 2\n4 6\n8\n"


@needs_policies
def test_a_unittest_gets_our_loop_by_the_policy(run_policy):
    code = """
        class Case(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                self.nursery = await self.enterAsyncContext(aio2trio(trio.open_nursery()))
                self.event = trio.Event()
                self.nursery.start_soon(self.child)

            async def child(self):
                await self.event.wait()
                print("child")

            async def test_it(self):
                assert await main(1) == 2
                print("test")

            async def asyncTearDown(self):
                self.event.set()
                print("tear down")

        class Result(unittest.TestResult):
            def addError(self, test, error):
                raise error[1]

        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(Result())
    """
    assert run_policy(code) == "test\ntear down\nchild\n"


@needs_policies
def test_child_processes_and_signals_work_with_the_policy(run_policy):
    code = """
        async def spawn():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print('out')", stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            return out.decode().strip(), process.returncode, await main(1)

        print(asyncio.run(spawn()))
    """
    assert run_policy(code) == "('out', 0, 2)\n"


# ---- pytest's plugins, in processes of their own


@pytest.fixture
def run_pytest(run_child, tmp_path):
    """Run ``test_it.py`` by a pytest that has only ``plugin`` of those that are installed."""

    def run_pytest(plugin, conftest, tests, ini=""):
        (tmp_path / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{ini}")
        (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
        (tmp_path / "test_it.py").write_text(
            "import asyncio, pytest, trio, trio_bridge\n"
            "from trio_bridge import aio2trio\n" + textwrap.dedent(tests)
        )
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        try:
            result = run_child("-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider")
        finally:
            del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run_pytest


PLUGIN_TESTS = """
    async def double(x):
        await trio.sleep(0)
        return 2 * x

    def loop_is_ours():
        return type(asyncio.get_running_loop()).__module__.startswith("trio_bridge")

    async def test_calls(nursery):
        assert loop_is_ours()
        assert await aio2trio(double)(4) == 8

    async def test_nursery_of_a_fixture(nursery):
        event = trio.Event()
        nursery.start_soon(event.wait)
        done = []
        async def child():
            done.append(await double(1))
            event.set()
        nursery.start_soon(child)
        await aio2trio(event.wait)()
        assert done == [2]

    async def test_timeout(nursery):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await aio2trio(trio.sleep_forever)()

    async def test_fails():
        with pytest.raises(ExceptionGroup):
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(int, "x")
                await asyncio.sleep(10)
"""
NURSERY = """
    import pytest, trio
    from trio_bridge import aio2trio, new_event_loop

    @{fixture}
    async def nursery({args}):
        async with aio2trio(trio.open_nursery)() as nursery:
            nursery.start_soon(trio.sleep_forever)
            yield nursery
            nursery.cancel_scope.cancel()
"""


@pytest.mark.parametrize("scope", ["function", "module"])
def test_anyios_plugin_runs_tests_and_fixtures_on_our_loop(run_pytest, scope):
    pytest.importorskip("anyio")
    conftest = textwrap.dedent(
        NURSERY.format(fixture=f"pytest.fixture(scope={scope!r})", args="anyio_backend")
    ) + textwrap.dedent(
        """
        @pytest.fixture(scope="session")
        def anyio_backend():
            return "asyncio", {"loop_factory": new_event_loop}
        """
    )
    tests = "pytestmark = pytest.mark.anyio\n" + textwrap.dedent(PLUGIN_TESTS)
    assert "4 passed" in run_pytest("anyio.pytest_plugin", conftest, tests)


@pytest.mark.skipif(
    importlib.util.find_spec("pytest_asyncio") is None, reason="pytest-asyncio is not installed"
)
@pytest.mark.parametrize("scope", ["function", "module"])
def test_pytest_asyncios_plugin_runs_tests_and_fixtures_on_our_loop(run_pytest, scope):
    conftest = textwrap.dedent(
        NURSERY.format(
            fixture=f"pytest_asyncio.fixture(scope={scope!r}, loop_scope={scope!r})", args=""
        )
    ) + textwrap.dedent(
        """
        import pytest_asyncio

        def pytest_asyncio_loop_factories(config, item):
            return {"trio_bridge": new_event_loop}
        """
    )
    conftest = "import pytest_asyncio\n" + conftest
    mark = f"pytestmark = pytest.mark.asyncio(loop_scope={scope!r})\n"
    tests = mark + textwrap.dedent(PLUGIN_TESTS)
    ini = "asyncio_default_fixture_loop_scope = function\n"
    assert "4 passed" in run_pytest("pytest_asyncio.plugin", conftest, tests, ini)
