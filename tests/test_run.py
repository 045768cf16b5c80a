"""Rules 4.4: a loop's life. Also ``run``, ``open_loop``, ``current_loop``."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import re
import signal
import socket
import threading
import time
import warnings
import weakref

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio
from trio_bridge._bridge import by_loop

# ---- run


def test_run_returns_the_value_and_passes_arguments():
    async def main(a, b):
        return a + b

    assert trio_bridge.run(main, 1, 2) == 3


def test_run_takes_the_options_of_trio_run():
    class Instrument(trio.abc.Instrument):
        ran = False

        def before_run(self):
            self.ran = True

    async def main():
        start = trio.current_time()
        await trio2aio(asyncio.sleep)(1000)
        return trio.current_time() - start

    instrument = Instrument()
    clock = trio.testing.MockClock(autojump_threshold=0)
    took = trio_bridge.run(
        main,
        clock=clock,
        instruments=[instrument],
        strict_exception_groups=True,
        restrict_keyboard_interrupt_to_checkpoints=True,
    )
    assert took == pytest.approx(1000)
    assert instrument.ran


@pytest.mark.parametrize("suspends", [False, True])
def test_run_a_single_exception_comes_out_bare(suspends):
    error = ValueError("mine")

    @trio2aio
    async def fail():
        if suspends:
            await asyncio.sleep(0)
        raise error

    with pytest.raises(ValueError) as caught:
        trio_bridge.run(fail)
    assert caught.value is error


def test_run_a_users_own_group_stays_a_group():
    async def fail():
        raise ValueError("child")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(fail))

    with pytest.raises(ExceptionGroup) as caught:
        trio_bridge.run(main)
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]


def test_run_twice_in_one_thread_and_in_others():
    async def main():
        return await trio2aio(asyncio.sleep)(0, threading.get_ident())

    results = [trio_bridge.run(main), trio_bridge.run(main)]
    threads = [threading.Thread(target=lambda: results.append(trio_bridge.run(main))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[:2] == [threading.get_ident()] * 2
    assert len(results) == 4


# ---- 4.4.1


@pytest.mark.bridge(on_error="log")
async def test_4_4_1_phases_in_order(autojump_clock):
    log = []

    async def background():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(1)
            log.append("task")

    async def generator():
        try:
            yield
        finally:
            await asyncio.sleep(1)
            log.append("generator")

    async with open_loop() as loop:

        @trio2aio
        async def start():
            agen = generator()
            log.append((agen, asyncio.create_task(background())))  # keep them alive
            await anext(agen)
            await asyncio.sleep(0)  # it begins
            await asyncio.to_thread(lambda: None)

        await start()
        close, shutdown = loop.close, loop.shutdown_default_executor

        async def shutdown_and_log():
            await shutdown()
            await asyncio.sleep(1)
            log.append("executor")

        loop.shutdown_default_executor = shutdown_and_log
        loop.close = lambda: (close(), log.append("close"))
    assert log[1:] == ["task", "generator", "executor", "close"]
    assert loop.is_closed()
    assert trio.current_time() == pytest.approx(3)


async def test_4_4_1_tasks_started_by_cleanup_are_ended_too():
    ended = []

    async def child(depth):
        try:
            await asyncio.sleep(1000)
        finally:
            if depth:
                late.append(asyncio.create_task(child(depth - 1)))
                await asyncio.sleep(0)
            ended.append(depth)

    late = []
    async with open_loop() as loop:
        loop.create_task(child(3))
        await trio2aio(asyncio.sleep)(0)
    assert sorted(ended) == [0, 1, 2, 3]
    assert all(task.done() for task in late)


async def test_4_4_1_a_second_cancellation_does_not_skip_a_phase(autojump_clock):
    log = []

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            for i in range(4):
                await asyncio.sleep(1)
                log.append(i)

    with trio.CancelScope() as outermost, trio.CancelScope() as outer:
        outermost.deadline = trio.current_time() + 2
        outer.deadline = trio.current_time() + 1
        async with open_loop() as loop:
            loop.create_task(background())
            await trio.sleep_forever()
    assert log == [0, 1, 2, 3]
    assert loop.is_closed()
    assert outer.cancelled_caught or outermost.cancelled_caught


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def threads():
    """Those that run, but for those that Trio keeps for its next call, and ends when it likes."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors by /proc")
def test_4_4_1_a_thousand_loops_leak_nothing():
    async def one_loop():
        async with open_loop() as loop:
            loops.add(loop)

            @trio2aio
            async def use_it(depth):
                asyncio.get_running_loop().create_task(asyncio.sleep(1000))
                await asyncio.sleep(0)
                if depth == 0:
                    await asyncio.to_thread(lambda: None)
                await aio2trio(trio.lowlevel.checkpoint)()

            await use_it(counter % 10)

    async def main():
        nonlocal counter
        await trio.sleep(0)
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        for counter in range(1000):
            await one_loop()
            if counter == 4:
                gc.collect()
                descriptors_after_five = descriptors()
                threads_after_five = threads()
        assert trio.lowlevel.current_statistics().tasks_living == tasks_before
        gc.collect()
        assert descriptors() == descriptors_after_five
        assert threads() - threads_after_five == set()

    counter = 0
    loops = weakref.WeakSet()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trio.run(main)
    assert len(loops) == 0


# ---- 4.4.2


async def test_4_4_2_trio_calls_work_while_asyncio_tasks_clean_up(autojump_clock):
    log = []

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            await aio2trio(trio.sleep)(2)
            log.append("trio call in clean-up")

    with trio.move_on_after(1) as scope:
        async with open_loop() as loop:
            loop.create_task(background())
            await trio.sleep_forever()
    assert log == ["trio call in clean-up"]
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(3)


async def test_4_4_2_asyncio_calls_work_while_trio_tasks_clean_up(autojump_clock):
    log = []

    async def trio_task():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio2aio(asyncio.sleep)(2)
            log.append("asyncio call in clean-up")

    with trio.move_on_after(1):
        async with open_loop(), trio.open_nursery() as nursery:
            nursery.start_soon(trio_task)
    assert log == ["asyncio call in clean-up"]


# ---- 4.4.3


@pytest.mark.parametrize("cancel_at", range(8))
async def test_4_4_3_cancelled_at_any_checkpoint_it_behaves_the_same(autojump_clock, cancel_at):
    """Cancelled before it opens, at each checkpoint of the body, and while it closes."""
    log = []

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            log.append("background")

    with trio.CancelScope() as scope:
        if cancel_at == 0:
            scope.cancel()
        async with open_loop() as loop:
            loop.create_task(background())
            try:
                for checkpoint in range(1, 6):
                    if cancel_at == checkpoint:
                        scope.cancel()
                    await trio2aio(asyncio.sleep)(0)
                if cancel_at == 6:
                    scope.deadline = trio.current_time() + 0.5  # while it closes
            finally:
                log.append("body")
    assert log[0] == "body"
    assert log == ["body", "background"]
    assert loop.is_closed()
    # As with a nursery: a cancellation that finds nothing but clean-up has nothing to interrupt.
    assert scope.cancelled_caught == (cancel_at < 6)


async def test_a_trio_task_that_outlives_the_block_does_not_hang():
    ended = []

    async def outlives():
        with pytest.raises(RuntimeError, match="the task outlived its `async with trio_bridge"):
            while True:
                with contextlib.suppress(asyncio.CancelledError):  # a call that the loop has ended
                    await trio2aio(asyncio.sleep)(0)
        ended.append("told")

    async with trio.open_nursery() as nursery, open_loop():
        for _ in range(5):
            nursery.start_soon(outlives)
        await trio2aio(asyncio.sleep)(0)
    assert ended == 5 * ["told"]


async def waits_in_a_call():
    await trio2aio(asyncio.sleep)(1)


async def endless():
    while True:
        await asyncio.sleep(1)
        yield


async def waits_in_a_generator():
    async for _ in trio2aio(endless)():
        pass


@contextlib.asynccontextmanager
async def slow_to_enter():
    await asyncio.sleep(1)
    yield


async def waits_in_a_manager():
    async with trio2aio(slow_to_enter)():
        pass


async def swallows_the_cancellation():
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(1)


async def polls():
    await trio2aio(swallows_the_cancellation)()


async def waits_in_a_body():
    async with trio2aio(asyncio.timeout)(30):
        await trio.sleep_forever()


@pytest.mark.filterwarnings("ignore:.*scheduled after loop.shutdown_asyncgens:ResourceWarning")
@pytest.mark.parametrize(
    "wait", [waits_in_a_call, waits_in_a_generator, waits_in_a_manager, polls, waits_in_a_body]
)
async def test_a_trio_task_that_tries_again_at_once_lets_its_loop_close(wait, autojump_clock):
    """It takes the cancellation for a failure: after a hundred it may not cross any more."""
    tries = 0
    errors = []

    async def outlives():
        nonlocal tries
        while "under is clos" not in str(errors[-1:]):
            tries += 1
            try:
                await wait()
            except (asyncio.CancelledError, RuntimeError) as exc:
                errors.append(exc)
        with pytest.raises(RuntimeError, match="under is clos"):
            await wait()

    with contextlib.suppress(BaseExceptionGroup):  # of managers that weren't left
        async with trio.open_nursery() as nursery, open_loop():
            nursery.start_soon(outlives)
            await trio.sleep(0.5)
    assert 100 <= tries < 1000


async def test_who_is_told_that_the_loop_closes_lets_others_run():
    """Whatever it makes of the error: the loop closes, and a cancellation ends the task."""
    tries = 0

    async def outlives():
        nonlocal tries
        while True:
            tries += 1
            with contextlib.suppress(asyncio.CancelledError, RuntimeError):
                await trio2aio(asyncio.sleep)(1)

    async with trio.open_nursery() as nursery:
        async with open_loop():
            nursery.start_soon(outlives)
            await trio.testing.wait_all_tasks_blocked()
        assert tries > 100
        nursery.cancel_scope.cancel()


async def test_only_who_outlives_the_loop_is_told():
    """A hundred cancelled crossings of a task inside of the loop's block are no reason."""
    told = []

    async def inside(bridge):
        for _ in range(200):
            bridge.crossing_was_cancelled(trio.lowlevel.current_task())
        told.append(bridge.admits_caller() or bridge.open_in == threading.get_ident())

    async with open_loop() as loop:
        bridge = by_loop[loop]
        bridge.is_ending = True
        bridge.nursery.start_trio_task(inside, bridge, name="inside")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="is closing"):
            for _ in range(200):
                bridge.crossing_was_cancelled(trio.lowlevel.current_task())
        with pytest.raises(RuntimeError, match="is closing"):
            await trio2aio(asyncio.sleep)(0)
    assert told == [True]


async def test_a_task_of_the_loop_may_make_many_crossings_to_clean_up(autojump_clock):
    """It doesn't outlive its loop, and the loop waits for it."""
    ended = []

    async def slow(number):
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(number / 100)

    async def start():
        return [asyncio.create_task(slow(number)) for number in range(150)]

    async def end(task):
        await task

    async def trio_code():
        tasks = await trio2aio(start)()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                for task in tasks:
                    with pytest.raises(asyncio.CancelledError):
                        await trio2aio(end)(task)
                    ended.append(task)

    async def in_a_task():
        return asyncio.create_task(aio2trio(trio_code)())

    async with open_loop():
        task = await trio2aio(in_a_task)()
        await trio.sleep(0.1)
    assert task.done()
    assert len(ended) == 150


@pytest.mark.filterwarnings("ignore:.*scheduled after loop.shutdown_asyncgens:ResourceWarning")
@pytest.mark.parametrize("passes", range(4))
@pytest.mark.parametrize("tries", range(2, 5))
async def test_a_generator_begun_while_the_loop_ends_is_closed_between_steps(
    tries, passes, autojump_clock
):
    """asyncio's ``shutdown_asyncgens()`` would close it in the middle of one, and fail."""

    async def outlives():
        for _ in range(tries):
            with contextlib.suppress(asyncio.CancelledError, RuntimeError):
                async for _ in trio2aio(endless)():
                    pass
            for _ in range(passes):
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery, open_loop():
        nursery.start_soon(outlives)
        await trio.sleep(0.5)


async def numbers(closes):
    try:
        yield 1
        yield 2
    finally:
        closes.set()
        await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def manager(closes):
    try:
        yield
    finally:
        closes.set()
        await asyncio.sleep(1)


async def step_of_a_generator(closes):
    async with contextlib.aclosing(trio2aio(numbers)(closes)) as generator:
        assert await anext(generator) == 1
        await closes.wait()  # by the loop, which ends
        await anext(generator)


async def end_of_a_generator(closes):
    async with contextlib.aclosing(trio2aio(numbers)(closes)) as generator:
        assert await anext(generator) == 1
        await closes.wait()
    raise RuntimeError("closed already")


async def end_of_a_manager(closes):
    async with trio2aio(manager)(closes):
        with trio.CancelScope(shield=True):
            await closes.wait()


@pytest.mark.parametrize("use", [step_of_a_generator, end_of_a_generator, end_of_a_manager])
async def test_a_trio_task_that_asks_for_a_step_while_the_loop_ends_it_does_not_hang(
    use, autojump_clock
):
    """The asyncio task that takes the steps is about to end, with the loop, and takes no other."""
    errors = []

    async def outlives(closes):
        try:
            await use(closes)
        except RuntimeError as exc:
            errors.append(str(exc))

    with trio.fail_after(10), contextlib.suppress(ExceptionGroup):  # of a manager that isn't left
        async with trio.open_nursery() as nursery, open_loop():
            nursery.start_soon(outlives, trio.Event())
            await trio.sleep(0.1)
    (error,) = errors
    assert re.search("is closing|closed already|not left before its loop ended", error)


class Numbers:
    """An iterator that is no generator: a cancelled step isn't its end."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(1)
        return 1


@pytest.mark.parametrize("passes", range(12))
async def test_a_trio_task_that_keeps_an_iterator_does_not_hold_its_loop(passes, autojump_clock):
    """Wherever the loop's cancellation meets the step: before it, in it, or as it is asked for."""
    go, has_ended = trio.Event(), trio.Event()

    async def outlives(task_status):
        items = trio2aio(Numbers())
        assert await anext(items) == 1
        task_status.started()
        await go.wait()
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        with pytest.raises((asyncio.CancelledError, RuntimeError)):
            await anext(items)
        await has_ended.wait()
        del items

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            async with open_loop():
                await nursery.start(outlives)
                go.set()
                if not passes:
                    await trio.sleep(0.5)
            has_ended.set()


@trio.lowlevel.enable_ki_protection
def press_ctrl_c():
    """It is pending then: a checkpoint of the main task raises it."""
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("use", ["step", "end"])
async def test_ctrl_c_in_any_pass_of_the_scheduler_while_the_loop_ends(use, autojump_clock):
    """By whom a step is asked for that the loop's end has taken, or is about to take."""

    async def loop_of_its_own(task_status):
        async with open_loop():
            generator = trio2aio(numbers)(trio.Event())
            await anext(generator)
            go = trio.Event()
            task_status.started((generator, go))
            await go.wait()

    for passes in range(20):
        async with trio.open_nursery() as nursery:
            generator, go = await nursery.start(loop_of_its_own)
            go.set()
            for _ in range(passes):
                await trio.lowlevel.checkpoint()
            press_ctrl_c()
            with pytest.raises(KeyboardInterrupt):
                with contextlib.suppress(RuntimeError, StopAsyncIteration):
                    await (anext(generator) if use == "step" else generator.aclose())
                await trio.lowlevel.checkpoint()


async def test_data_that_arrives_while_the_loop_closes():
    """The pump's tasks may be scheduled already when the loop goes."""

    async def feed(sock):
        with contextlib.suppress(OSError):
            while True:
                sock.send(b"x")
                await trio.lowlevel.checkpoint()

    for _ in range(50):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        with ours, theirs:
            async with trio.open_nursery() as nursery:
                async with open_loop() as loop:
                    loop.add_reader(ours, ours.recv, 100)
                    nursery.start_soon(feed, theirs)
                    await trio2aio(asyncio.sleep)(0)
                nursery.cancel_scope.cancel()


async def test_clean_up_that_cancels_all_tasks_does_not_skip_a_phase():
    log = []

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0.01)
            log.append("cleaned up")

    async with open_loop() as loop:
        task = loop.create_task(background())
        await trio2aio(asyncio.sleep)(0)
    assert log == ["cleaned up"]
    assert task.cancelled()
    assert loop.is_closed()


async def test_a_generator_that_cancels_all_tasks_when_it_is_finalized_does_not_skip_it():
    log = []

    async def generate(cleanup):
        try:
            yield
        finally:
            cleanup()
            await asyncio.sleep(0.01)
            log.append(cleanup.__name__)

    def cancel_all():
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def nothing():
        pass

    async with open_loop() as loop:
        kept = [generate(cancel_all), generate(nothing)]
        for generator in kept:
            await trio2aio(generator.asend)(None)
    assert set(log) <= {"cancel_all", "nothing"}
    assert loop.is_closed()
    for generator in kept:  # none is left half closed
        assert generator.ag_frame is None


async def test_a_task_that_a_generator_starts_when_it_is_finalized_is_ended():
    log = []

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0)
            log.append("ended")

    async def generate():
        try:
            yield
        finally:
            log.append(asyncio.create_task(background()))
            await asyncio.sleep(0)

    async with open_loop():
        kept = generate()
        await trio2aio(kept.asend)(None)
    task, *rest = log
    assert task.cancelled()
    assert rest == ["ended"]


async def test_open_loop_restores_what_was_current():
    outer = trio_bridge.current_loop()
    async with open_loop() as inner:
        assert trio_bridge.current_loop() is inner
        async with open_loop() as innermost:
            assert trio_bridge.current_loop() is innermost
        assert trio_bridge.current_loop() is inner
    assert trio_bridge.current_loop() is outer


async def test_two_loops_side_by_side_run_independently():
    async def one(name, log):
        async with open_loop():
            for _ in range(3):
                await trio2aio(asyncio.sleep)(0)
                log.append(name)

    log = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "a", log)
        nursery.start_soon(one, "b", log)
    assert sorted(log) == ["a"] * 3 + ["b"] * 3


async def test_the_body_may_raise_while_tasks_are_left():
    error = OSError("body")
    with pytest.raises(OSError) as caught:
        async with open_loop() as loop:
            loop.create_task(asyncio.sleep(1000))
            raise error
    assert caught.value is error


async def test_current_loop_from_both_sides():
    @trio2aio
    async def in_asyncio():
        return trio_bridge.current_loop()

    loop = trio_bridge.current_loop()
    assert await in_asyncio() is loop
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


# ---- fairness


class Ticks:
    """A tick every 5 ms beside a task that never waits: how late is each?

    Lateness is CPU time: what we spent from when the busy task found a tick due until it came. What
    other programs take from us meanwhile is not the loop's doing.
    """

    def __init__(self):
        self._due = time.perf_counter()
        self._found_due = None
        self.lateness = []
        self.rounds = 0

    async def tick(self, sleep):
        for _ in range(200):
            self._due += 0.005
            self._found_due = None
            await sleep(max(0, self._due - time.perf_counter()))
            now = time.thread_time()
            self.lateness.append(now - (self._found_due or now))

    async def be_busy(self, checkpoint):
        while True:
            await checkpoint()
            self.rounds += 1
            if self._found_due is None and time.perf_counter() >= self._due:
                self._found_due = time.thread_time()

    def check(self):
        assert self.rounds > 1000
        assert sorted(self.lateness)[179] < 0.005  # nine of ten


def test_a_trio_task_keeps_ticking_beside_a_busy_asyncio_task():
    """Beside ``while True: await sleep(0)``, a tick every 5 ms comes on time."""
    ticks = Ticks()

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(ticks.be_busy), functools.partial(asyncio.sleep, 0))
            await ticks.tick(trio.sleep)
            nursery.cancel_scope.cancel()

    trio_bridge.run(main)
    ticks.check()


def test_an_asyncio_task_keeps_ticking_beside_a_busy_trio_task():
    ticks = Ticks()

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ticks.be_busy, trio.lowlevel.checkpoint)
            await trio2aio(ticks.tick)(asyncio.sleep)
            nursery.cancel_scope.cancel()

    trio_bridge.run(main)
    ticks.check()


async def test_asyncio_timers_do_not_starve_and_many_timers_fire_in_order(autojump_clock):
    fired = []
    loop = trio_bridge.current_loop()
    for i in range(100, 0, -1):
        loop.call_later(i, fired.append, i)
    cancelled = loop.call_later(50.5, fired.append, "cancelled")
    cancelled.cancel()
    await trio2aio(asyncio.sleep)(101)
    assert fired == list(range(1, 101))


# ---- the loop ends, and Trio code that a task has called uses asyncio code


@contextlib.asynccontextmanager
async def asyncio_manager(log):
    try:
        yield
    finally:
        await asyncio.sleep(1)
        log.append("left")


async def asyncio_generator(log):
    try:
        while True:
            yield
    finally:
        await asyncio.sleep(1)
        log.append("left")


async def in_a_manager(log):
    async with trio2aio(asyncio_manager)(log):
        await trio.sleep(1000)


async def in_a_generator(log):
    async with contextlib.aclosing(trio2aio(asyncio_generator)(log)) as items:
        async for _ in items:
            await trio.sleep(1000)


async def in_a_shield(log):
    with trio.CancelScope(shield=True):
        await trio2aio(asyncio.sleep)(1)
        log.append("left")


async def in_a_shielded_nursery(log):
    with trio.CancelScope(shield=True):
        async with open_asyncio_nursery():
            await trio2aio(current_loop().create_task(asyncio.sleep(1)))
            log.append("left")


async def in_a_timeout(log):
    async with trio2aio(asyncio.timeout)(1):
        with trio.CancelScope(shield=True):  # the timeout comes while it cleans up
            await trio.sleep(1.5)
            log.append("left")


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        (in_a_manager, 1.5),
        (in_a_generator, 1.5),
        (in_a_timeout, 1.5),
        (in_a_shield, 1),
        (in_a_shielded_nursery, 1),
    ],
)
async def test_4_4_1_trio_code_leaves_what_it_has_of_asyncio_when_its_task_is_cancelled(
    code, seconds, autojump_clock
):
    log = []
    began = trio.current_time()
    async with open_loop() as loop:
        task = trio2aio(loop).create_task(aio2trio(code)(log))
        await trio.sleep(0.5)
        assert not task.done()
    assert log == ["left"]
    assert trio.current_time() - began == seconds
