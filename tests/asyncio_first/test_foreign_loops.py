"""Bar 5 of the issue: Trio as the guest of a loop that runs already, stock, uvloop or our own.

Each test runs with Trio's descriptor in the loop (``door``), and with Trio's thread waiting for it
(``thread``), which is what is done where the descriptor can't be had.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import signal
import subprocess
import sys
import threading

import pytest
import sniffio
import trio
import trio.testing
from foreign_loops import LOOPS, make_loop, run, variant
from loop_kinds import TIME_LIMIT, descriptors, leaves_nothing, start_trio

import trio_bridge
from trio_bridge import aio2trio, current_loop, trio2aio
from trio_bridge._bridge import by_loop

assert leaves_nothing
assert make_loop
assert run
assert variant

word = contextvars.ContextVar("word", default="unset")

# ---- calls


def test_4_7_2_values_and_errors_come_back(run):
    async def divide(a, b=1):
        await trio.lowlevel.checkpoint()
        return a // b

    async def main():
        assert await aio2trio(divide)(42) == 42
        with pytest.raises(ZeroDivisionError) as excinfo:
            await aio2trio(divide)(42, b=0)
        assert excinfo.value.__context__ is None
        with pytest.raises(TypeError, match="argument"):
            await aio2trio(divide)()
        return await aio2trio(divide)(84, b=2)

    assert run(main) == 42


def test_exception_groups_come_back_as_they_are(run):
    async def fail():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_after, trio.sleep, 0)
            await trio.sleep_forever()

    async def main():
        with pytest.raises(ExceptionGroup) as excinfo:
            await aio2trio(fail)()
        assert [type(exc) for exc in excinfo.value.exceptions] == [ValueError]

    run(main)


async def fails_after(sleep, seconds):
    await sleep(seconds)
    raise ValueError("child")


def test_4_7_2_a_second_use_costs_no_new_trio_run(run):
    async def where():
        return trio.lowlevel.current_root_task(), trio.lowlevel.current_trio_token()

    async def main():
        first = await aio2trio(where)()
        others = await asyncio.gather(*(aio2trio(where)() for _ in range(3)))
        await asyncio.sleep(0.001)
        return {first, *others, await aio2trio(where)()}

    assert len(run(main)) == 1


def test_many_calls_wait_at_once(run):
    async def double(n):
        await trio.sleep(n % 7 / 1000)
        return 2 * n

    async def main():
        return await asyncio.gather(*(aio2trio(double)(n) for n in range(200)))

    assert run(main) == [2 * n for n in range(200)]


def test_calls_go_back_and_forth(run):
    async def down(n):
        await trio.lowlevel.checkpoint()
        return n if n == 0 else 1 + await trio2aio(up)(n - 1)

    async def up(n):
        await asyncio.sleep(0)
        return n if n == 0 else 1 + await aio2trio(down)(n - 1)

    assert run(up, 20) == 20


def test_each_side_knows_its_library_and_loop(run):
    async def trio_code(loop):
        assert sniffio.current_async_library() == "trio"
        assert trio.lowlevel.in_trio_task()
        assert current_loop() is loop
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        await trio2aio(asyncio_code)(loop)
        assert sniffio.current_async_library() == "trio"

    async def asyncio_code(loop):
        assert sniffio.current_async_library() == "asyncio"
        assert not trio.lowlevel.in_trio_task()
        assert asyncio.get_running_loop() is current_loop() is loop
        await asyncio.sleep(0)
        assert not trio.lowlevel.in_trio_task()

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio_code(loop)
        await aio2trio(trio_code)(loop)
        await asyncio_code(loop)

    run(main)


def test_context_variables_flow_both_ways(run):
    async def trio_code():
        assert word.get() == "from asyncio"
        word.set("from trio")
        await trio.lowlevel.checkpoint()
        await trio2aio(asyncio_code)()
        assert word.get() == "from below"

    async def asyncio_code():
        assert word.get() == "from trio"
        await asyncio.sleep(0)
        word.set("from below")

    async def main():
        word.set("from asyncio")
        await aio2trio(trio_code)()
        assert word.get() == "from below"

    run(main)
    assert word.get() == "unset"


# ---- cancellation, from asyncio


class TrioWaits:
    """Trio code that waits, cleans up and takes notes."""

    def __init__(self):
        self.ends = []
        self.started = asyncio.Event()

    async def __call__(self):
        trio2aio(self.started.set)()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.001)
            self.ends.append("cleaned up")
            raise


def test_4_7_2_task_cancel_ends_the_trio_code_first(run):
    async def main():
        waits = TrioWaits()
        task = asyncio.create_task(aio2trio(waits)())
        await waits.started.wait()
        task.cancel("why")
        with pytest.raises(asyncio.CancelledError, match="why"):
            await task
        assert waits.ends == ["cleaned up"]
        assert task.cancelled()
        assert task.cancelling() == 1

    run(main)


async def expire(timeout, waits):
    """Have the timeout expire when the Trio code waits, however long it took until then."""
    await waits.started.wait()
    timeout.reschedule(asyncio.get_running_loop().time() + 0.001)


def test_asyncio_timeout_ends_the_trio_code_first(run):
    async def main():
        waits = TrioWaits()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600) as timeout:
                expiring = asyncio.create_task(expire(timeout, waits))
                await aio2trio(waits)()
        await expiring
        assert waits.ends == ["cleaned up"]
        assert asyncio.current_task().cancelling() == 0

    run(main)


def test_a_task_group_ends_the_trio_code_first(run):
    async def main():
        waits = TrioWaits()
        with pytest.raises(ExceptionGroup) as excinfo:
            async with asyncio.TaskGroup() as group:
                group.create_task(aio2trio(waits)())
                await waits.started.wait()
                group.create_task(fails_after(asyncio.sleep, 0))
        assert [str(exc) for exc in excinfo.value.exceptions] == ["child"]
        assert waits.ends == ["cleaned up"]

    run(main)


def test_a_value_that_comes_despite_the_cancellation_is_not_lost(run):
    async def insists(started):
        trio2aio(started.set)()
        with trio.CancelScope(shield=True):
            await trio.sleep(0.002)
        return "value"

    async def main():
        started = asyncio.Event()
        task = asyncio.create_task(aio2trio(insists)(started))
        await started.wait()
        task.cancel()
        return await task

    assert run(main) == "value"


def test_a_call_cancelled_before_it_starts_does_not_run(run):
    ran = []

    async def trio_code():
        await trio.lowlevel.checkpoint()
        ran.append("trio")

    async def main():
        await start_trio()
        task = asyncio.create_task(aio2trio(trio_code)())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert ran == []


# ---- cancellation, from Trio


def test_4_7_2_move_on_after_cancels_the_asyncio_code(run):
    ends = []

    async def asyncio_code(scope):
        # Not before it is here, however long that took.
        scope.deadline = asyncio.get_running_loop().time() + 0.001
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            ends.append((asyncio.current_task().cancelling(), "cleaned up"))
            raise

    async def trio_code():
        with trio.move_on_after(3600) as scope:
            await trio2aio(asyncio_code)(scope)
        return scope.cancelled_caught

    async def main():
        caught = await aio2trio(trio_code)()
        return caught, asyncio.current_task().cancelling()

    assert run(main) == (True, 0)
    assert ends == [(1, "cleaned up")]


def test_fail_after_raises_too_slow_error(run):
    async def trio_code():
        with trio.fail_after(0.005):
            await trio2aio(asyncio.Event().wait)()

    async def main():
        with pytest.raises(trio.TooSlowError):
            await aio2trio(trio_code)()

    run(main)


def test_a_scope_is_cancelled_through_several_crossings(run):
    ends = []
    started = trio.Event()

    async def innermost():
        try:
            started.set()
            await trio.sleep_forever()
        finally:
            ends.append("trio")

    async def inner():
        try:
            await aio2trio(innermost)()
        finally:
            ends.append("asyncio")

    async def outer(scope_seen):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio2aio(inner))
                await started.wait()
                scope.cancel()
        scope_seen.append(scope.cancelled_caught)

    async def main():
        seen = []
        await aio2trio(outer)(seen)
        return seen

    assert run(main) == [True]
    assert ends == ["trio", "asyncio"]


def test_4_7_2_the_deadline_is_visible_below_all_crossings(run):
    async def deadlines():
        return trio.current_effective_deadline()

    async def trio_code():
        with trio.fail_after(60) as scope:
            assert await trio2aio(aio2trio(deadlines))() == scope.deadline
            assert await trio2aio(asyncio_code)() == scope.deadline
            # Both clocks are one.
            assert scope.deadline - await trio2aio(now)() == pytest.approx(60, abs=1)
        return trio.current_effective_deadline()

    async def now():
        return asyncio.get_running_loop().time()

    async def asyncio_code():
        await asyncio.sleep(0)
        return aio2trio(trio.current_effective_deadline)()

    async def main():
        return await aio2trio(trio_code)()

    assert run(main) == float("inf")


# ---- managers


def test_4_7_2_a_nursery_runs_its_children_while_asyncio_waits(run):
    async def tick(ticks, came):
        while True:
            await trio.sleep(0.001)
            ticks.append(sniffio.current_async_library())
            if len(ticks) == 3:
                trio2aio(came.set)()

    async def main():
        await start_trio()
        ticks, came = [], asyncio.Event()
        async with aio2trio(trio.open_nursery()) as nursery:
            aio2trio(nursery.start_soon)(tick, ticks, came)
            await came.wait()
            aio2trio(nursery.cancel_scope.cancel)()
        assert ticks == ["trio"] * len(ticks)
        assert asyncio.current_task().cancelling() == 0

    run(main)


def test_a_nursery_may_be_the_first_that_is_used_of_trio(run):
    async def main():
        async with aio2trio(trio.open_nursery)() as nursery:
            aio2trio(nursery.start_soon)(trio.sleep, 0)

    run(main)


def test_a_nursery_that_is_made_before_trio_has_started(run, variant):
    if variant != "bridge":
        pytest.skip("trio.open_nursery() is called first, and nothing of ours has run by then")

    async def main():
        async with aio2trio(trio.open_nursery()) as nursery:
            aio2trio(nursery.start_soon)(trio.sleep, 0)

    run(main)


def test_a_failing_child_cancels_the_asyncio_body(run):
    async def main():
        await start_trio()
        with pytest.raises(ExceptionGroup) as excinfo:
            async with aio2trio(trio.open_nursery()) as nursery:
                aio2trio(nursery.start_soon)(fails_after, trio.sleep, 0.001)
                await asyncio.Event().wait()
        assert [str(exc) for exc in excinfo.value.exceptions] == ["child"]
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)

    run(main)


def test_a_cancel_scope_bounds_an_asyncio_body(run):
    async def main():
        async with aio2trio(trio.move_on_after(0.005)) as scope:
            await asyncio.Event().wait()
        assert scope.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        async with aio2trio(trio.CancelScope()) as scope:
            aio2trio(scope.cancel)()
            await asyncio.Event().wait()
        assert scope.cancelled_caught

    run(main)


def test_asyncio_timeout_around_a_nursery_cancels_its_children(run):
    async def main():
        await start_trio()
        waits = TrioWaits()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600) as timeout:
                async with aio2trio(trio.open_nursery()) as nursery:
                    aio2trio(nursery.start_soon)(waits)
                    await expire(timeout, waits)
                    await asyncio.Event().wait()
        assert waits.ends == ["cleaned up"]
        assert asyncio.current_task().cancelling() == 0

    run(main)


def test_iterators_of_either_side_are_iterated_by_the_other(run):
    async def numbers(sleep, library):
        for n in range(3):
            await sleep(0)
            assert sniffio.current_async_library() == library
            yield n

    async def trio_code():
        return [n async for n in trio2aio(numbers)(asyncio.sleep, "asyncio")]

    async def main():
        ours = [n async for n in aio2trio(numbers)(trio.sleep, "trio")]
        return ours, await aio2trio(trio_code)()

    assert run(main) == ([0, 1, 2], [0, 1, 2])


# ---- Trio's own services


@pytest.mark.parametrize("cushion", [0, 0.01])
def test_wait_all_tasks_blocked(run, cushion):
    async def trio_code():
        log = []

        async def child():
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            log.append("child waits")
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            before = trio.current_time()
            await trio.testing.wait_all_tasks_blocked(cushion)
            # uvloop's clock ticks in milliseconds, and not while callbacks run.
            assert trio.current_time() - before >= cushion - 0.002
            log.append("all wait")
            nursery.cancel_scope.cancel()
        return log

    async def main():
        first = await aio2trio(trio_code)()
        # While timers and descriptors of asyncio are waited for.
        sleeping = asyncio.create_task(asyncio.sleep(3600))
        both = await asyncio.gather(aio2trio(trio_code)(), aio2trio(trio_code)())
        sleeping.cancel()
        return [first, *both]

    assert run(main) == [["child waits", "all wait"]] * 3


def test_wait_all_tasks_blocked_is_cancelled_and_times_out(run):
    async def trio_code():
        with trio.move_on_after(0.005) as scope:
            await trio.testing.wait_all_tasks_blocked(3600)
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.001)

    run(aio2trio(trio_code))


def test_threads(run):
    async def trio_code():
        here = threading.get_ident()
        assert await trio.to_thread.run_sync(threading.get_ident) != here
        assert await trio.to_thread.run_sync(ask_back) == here
        assert await trio.to_thread.run_sync(ask_asyncio) == here
        token = trio.lowlevel.current_trio_token()
        assert await trio2aio(asyncio.to_thread)(ask_with, token) == here
        called = trio.Event()
        await trio.testing.wait_all_tasks_blocked()
        thread = threading.Thread(target=token.run_sync_soon, args=(called.set,))
        thread.start()
        await called.wait()
        thread.join()

    async def where(sleep):
        await sleep(0.001)
        return threading.get_ident()

    def ask_back():
        return trio.from_thread.run(where, trio.sleep)

    def ask_asyncio():
        return trio.from_thread.run(trio2aio(where), asyncio.sleep)

    def ask_with(token):
        return trio.from_thread.run(where, trio.sleep, trio_token=token)

    async def main():
        await aio2trio(trio_code)()

    run(main)


def test_a_trio_server_and_an_asyncio_client(run):
    async def echo(stream):
        async for data in stream:
            await stream.send_all(data.upper())

    async def main():
        await start_trio()
        async with aio2trio(trio.open_nursery()) as nursery:
            listeners = await aio2trio(nursery.start)(
                functools.partial(trio.serve_tcp, echo, 0, host="127.0.0.1")
            )
            port = aio2trio(listeners[0].socket.getsockname)()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for line in (b"riri\n", b"fifi\n", b"loulou\n"):
                writer.write(line)
                assert await reader.readline() == line.upper()
            writer.close()
            await writer.wait_closed()
            aio2trio(nursery.cancel_scope.cancel)()

    run(main)


def test_an_asyncio_server_and_a_trio_client(run):
    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()
        await writer.wait_closed()

    async def client(port):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for line in (b"riri\n", b"fifi\n", b"loulou\n"):
                await stream.send_all(line)
                assert await stream.receive_some() == line.upper()
            await stream.send_eof()
            assert await stream.receive_some() == b""

    async def main():
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            await aio2trio(client)(server.sockets[0].getsockname()[1])

    run(main)


def test_a_trio_process(run):
    async def trio_code():
        async with trio.open_nursery() as nursery:
            process = await trio.lowlevel.open_process(
                ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            nursery.start_soon(process.wait)
            await process.stdin.send_all(b"quack")
            await process.stdin.aclose()
            assert await process.stdout.receive_some() == b"quack"
            assert await process.stdout.receive_some() == b""
            await process.stdout.aclose()
        result = await trio.run_process(
            ["sh", "-c", "echo out; exit 3"], capture_stdout=True, check=False
        )
        return process.returncode, result.returncode, result.stdout

    async def main():
        return await aio2trio(trio_code)()

    assert run(main) == (0, 3, b"out\n")


def test_trios_signal_receiver(run):
    async def trio_code():
        with trio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as signals:
            for sig in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
                await trio.testing.wait_all_tasks_blocked()
                os.kill(os.getpid(), sig)
                assert await anext(signals) == sig

    async def main():
        before = signal.getsignal(signal.SIGUSR1)
        await aio2trio(trio_code)()
        assert signal.getsignal(signal.SIGUSR1) == before

    run(main)


def test_a_signal_to_another_thread_wakes_trios_receiver(run):
    def signal_this_thread():
        # No system call of the main thread is interrupted by this.
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    async def trio_code():
        with trio.open_signal_receiver(signal.SIGUSR1) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, signal_this_thread)
                assert await anext(signals) == signal.SIGUSR1

    run(aio2trio(trio_code))


def test_a_loop_opened_in_trio_code_of_a_guest(run):
    async def asyncio_code(expected):
        assert asyncio.get_running_loop() is expected
        await asyncio.sleep(0.001)
        reading = await asyncio.to_thread(threading.get_ident)
        assert reading != threading.get_ident()
        return await aio2trio(trio_code)(expected)

    async def trio_code(expected):
        assert current_loop() is expected
        await trio.sleep(0.001)
        return "value"

    async def open_inner(outer):
        assert current_loop() is outer
        async with trio_bridge.open_loop() as inner:
            assert inner is not outer
            assert await trio2aio(asyncio_code)(inner) == "value"
            with trio.move_on_after(0.005) as scope:
                await trio2aio(asyncio.Event().wait)()
            assert scope.cancelled_caught
        assert inner.is_closed()
        assert current_loop() is outer
        return await trio2aio(asyncio_code)(outer)

    async def main():
        outer = asyncio.get_running_loop()
        assert await aio2trio(open_inner)(outer) == "value"
        both = await asyncio.gather(aio2trio(open_inner)(outer), aio2trio(open_inner)(outer))
        assert asyncio.get_running_loop() is outer
        return both

    assert run(main) == ["value", "value"]


def test_neither_side_starves_the_other(run):
    counts = {"trio": 0, "asyncio": 0}

    async def spin(checkpoint, name, done):
        while not done:
            await checkpoint()
            counts[name] += 1

    async def main():
        done = []
        spinning = asyncio.gather(
            aio2trio(spin)(trio.lowlevel.checkpoint, "trio", done),
            spin(lambda: asyncio.sleep(0), "asyncio", done),
        )
        while min(counts.values()) <= 5:
            await asyncio.sleep(0.001)
            await aio2trio(trio.sleep)(0.001)
        done.append(True)
        await spinning

    run(main)


def test_timers_of_both_sides_ring_in_order(run):
    rung = []

    async def ring(sleep, name, seconds):
        await sleep(seconds)
        rung.append(name)

    async def main(pause):
        await start_trio()
        trio_ring = aio2trio(ring)
        await asyncio.gather(
            trio_ring(trio.sleep, 4, 4 * pause),
            ring(asyncio.sleep, 3, 3 * pause),
            trio_ring(trio.sleep, 2, 2 * pause),
            ring(asyncio.sleep, 1, pause),
        )

    # A busy machine that stops us for as long as a pause makes two of them due at once, and then
    # their order is nobody's promise: so the pause may have to be longer.
    for pause in (0.01, 0.03, 0.1, 0.3, 1):
        rung.clear()
        run(main, pause)
        if rung == [1, 2, 3, 4]:
            break
    assert rung == [1, 2, 3, 4]


def test_a_deadline_that_is_moved_nearer_is_kept(run):
    async def trio_code():
        with trio.CancelScope(deadline=trio.current_time() + 3600) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio2aio(move), scope)
                await trio.sleep_forever()
        return scope.cancelled_caught

    async def move(scope):
        await asyncio.sleep(0.001)
        aio2trio(setattr)(scope, "deadline", asyncio.get_running_loop().time() + 0.001)
        await asyncio.sleep(3600)

    async def main():
        return await aio2trio(trio_code)()

    assert run(main)


# ---- the end


def test_4_7_2_trio_runs_afterwards(run):
    async def trio_code():
        await trio.sleep(0)
        return sniffio.current_async_library()

    for _ in range(2):
        run(start_trio)
        assert trio.run(trio_code) == "trio"
        assert trio_bridge.run(trio_code) == "trio"


def test_a_hundred_loops_one_after_the_other(run):
    async def main():
        await aio2trio(trio.sleep)(0)
        return asyncio.get_running_loop()

    before = descriptors()
    for _ in range(100):
        assert run(main).is_closed()
    assert descriptors() == before
    assert not by_loop


def test_run_until_complete_and_close(make_loop):
    loop = make_loop()
    waits = None

    async def main():
        nonlocal waits
        waits = TrioWaits()
        aio_task = asyncio.create_task(aio2trio(waits)())
        await waits.started.wait()
        return aio_task

    task = loop.run_until_complete(main())
    loop.close()
    assert waits.ends == ["cleaned up"]
    assert loop.is_closed()
    # What stock asyncio does with a task that is pending then.
    assert task.done()


def test_only_close(make_loop):
    make_loop().close()


def test_4_7_2_closing_ends_trio_tasks_that_need_asyncio_to_clean_up(make_loop):
    ends = []

    async def child():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio2aio(asyncio.sleep)(0)
                ends.append(await trio2aio(asyncio.to_thread)(str, "asyncio"))
                await trio.sleep(0.001)
                ends.append("trio")

    async def main():
        await start_trio()
        nursery = await aio2trio(trio.open_nursery()).__aenter__()
        aio2trio(nursery.start_soon)(child)
        await aio2trio(trio.testing.wait_all_tasks_blocked)()

    loop = make_loop()
    errors = []
    loop.set_exception_handler(lambda loop, context: errors.append(context.get("exception")))
    loop.run_until_complete(main())
    loop.close()
    assert ends == ["asyncio", "trio"]
    assert ["did not leave" in repr(error) for error in errors] == [True]


def test_errors_of_trio_tasks_at_the_end_go_to_the_exception_handler(make_loop):
    async def child():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("at the end")

    async def main():
        await start_trio()
        trio_nursery = aio2trio(trio.open_nursery())
        nursery = await trio_nursery.__aenter__()
        aio2trio(nursery.start_soon)(child)
        await aio2trio(trio.testing.wait_all_tasks_blocked)()

    loop = make_loop()
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    loop.run_until_complete(main())
    loop.close()
    texts = "".join(repr(context) for context in contexts)
    assert "at the end" in texts


def test_a_loop_closed_from_inside_another_running_loop(make_loop):
    inner = make_loop()
    waits = []

    async def in_inner():
        waits.append(TrioWaits())
        waiting = asyncio.create_task(aio2trio(waits[0])())
        await waits[0].started.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
        waits.append(TrioWaits())
        nursery = aio2trio(trio.open_nursery())
        await nursery.__aenter__()

    async def in_outer():
        inner.close()
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    inner.set_exception_handler(lambda loop, context: None)
    inner.run_until_complete(in_inner())
    assert asyncio.run(in_outer()).is_closed()
    assert inner.is_closed()
    assert not by_loop


def test_a_loop_closed_from_inside_another_that_has_trio_too(make_loop):
    inner = trio_bridge.new_event_loop()
    inner.run_until_complete(start_trio())
    seen = []

    async def in_outer():
        await start_trio()
        inner.close()
        await aio2trio(trio.sleep)(0.001)
        seen.append(asyncio.get_running_loop())

    outer = make_loop()
    outer.run_until_complete(in_outer())
    assert seen == [outer]
    outer.close()
    assert not by_loop


def test_a_loop_that_fails_closes_all_the_same(make_loop):
    async def main():
        await start_trio()
        raise SystemExit(3)

    with pytest.raises(SystemExit), asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())


def test_a_loop_runs_in_a_worker_thread(run):
    outcome = []

    async def trio_code():
        await trio.sleep(0.001)
        await trio2aio(asyncio.sleep)(0.001)
        assert await trio.to_thread.run_sync(threading.get_ident) != threading.get_ident()
        return threading.get_ident()

    async def main():
        return await aio2trio(trio_code)()

    thread = threading.Thread(target=lambda: outcome.append(run(main)))
    thread.start()
    thread.join()
    assert outcome == [thread.ident]


def test_loops_in_two_threads_at_once(run):
    barrier = threading.Barrier(2)
    tokens = []

    async def trio_code():
        for _ in range(10):
            await trio.to_thread.run_sync(barrier.wait)
            await trio2aio(asyncio.sleep)(0)
        return trio.lowlevel.current_trio_token()

    async def main():
        tokens.append(await aio2trio(trio_code)())

    thread = threading.Thread(target=run, args=(main,))
    thread.start()
    run(main)
    thread.join()
    assert len(set(tokens)) == 2


def test_a_loop_that_is_never_closed_is_collected_or_kept_without_harm(variant, make_loop):
    loop = make_loop()
    loop.run_until_complete(start_trio())
    assert list(by_loop) == [loop]
    loop.close()
    assert not by_loop


def test_debug_mode(run, caplog):
    async def trio_code():
        await trio.sleep(0.001)
        return await trio2aio(asyncio.sleep)(0.001, "value")

    async def main():
        asyncio.get_running_loop().slow_callback_duration = TIME_LIMIT  # of a busy machine, too
        await start_trio()
        async with aio2trio(trio.open_nursery()) as nursery:
            aio2trio(nursery.start_soon)(trio_code)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aio2trio(trio.sleep_forever)(), 0.001)
        return await aio2trio(trio_code)()

    assert run(main, debug=True) == "value"
    assert [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")] == []


def test_an_idle_trio_makes_no_turns(run):
    class Turns(trio.abc.Instrument):
        count = 0

        def before_io_wait(self, timeout):
            self.count += 1

    turns = Turns()

    async def trio_code():
        trio.lowlevel.add_instrument(turns)
        await trio.lowlevel.checkpoint()

    async def main():
        await aio2trio(trio_code)()
        # The ticks of the call itself may come late, of a thread even later.
        counts = []
        while len(counts) < 5 and 0 not in counts:
            before = turns.count
            for _ in range(100):
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            counts.append(turns.count - before)
        return counts

    assert run(main)[-1] == 0


def test_trio_that_runs_by_other_means_is_refused(make_loop):
    async def trio_main():
        loop = make_loop()
        try:
            loop.run_until_complete(refused())
        finally:
            loop.close()

    async def refused():
        with pytest.raises(RuntimeError, match=r"trio_bridge\.run\(main\)"):
            await start_trio()

    trio.run(trio_main)


# ---- in processes of their own: Ctrl-C, and the interpreter's exit

HEAD = """
import asyncio, gc, logging, os, signal, sys, threading, time, trio, trio_bridge, warnings
from trio_bridge import aio2trio, trio2aio

LOOP, RUNNER, WAY = sys.argv[1:]
# Debug mode finds callbacks slow on a machine that is busy with other things.
logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())

if WAY == "thread":
    class NoDoor:
        def __init__(self, tick):
            raise AttributeError
    trio_bridge._private.GuestDoor = NoDoor

def make_loop():
    if LOOP == "uvloop":
        import uvloop
        return uvloop.new_event_loop()
    return trio_bridge.new_event_loop() if LOOP == "bridge" else asyncio.SelectorEventLoop()

def run(main):
    if RUNNER == "run" and LOOP == "stock":
        asyncio.run(main())
    elif RUNNER == "run":
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(main())
    else:
        loop = make_loop()
        try:
            loop.run_until_complete(main())
        finally:
            if tasks := asyncio.all_tasks(loop):
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.wait(tasks))
            loop.close()

def say(text):
    print(text, flush=True)

def say_when_it_waits():
    trio_bridge.current_loop().call_later(0.02, say, "ready")

async def trio_waits():
    try:
        say_when_it_waits()
        await trio.sleep(60)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.001)
        say("trio cleaned up")

async def asyncio_waits():
    try:
        say_when_it_waits()
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.001)
        say("asyncio cleaned up")

def busy():
    say("ready")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pass
    say("was not interrupted")
"""

TAIL = """
try:
    run(main)
except KeyboardInterrupt:
    say("KeyboardInterrupt")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(2)
async def trio_code():
    await trio.sleep(0)
trio.run(trio_code)
"""

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


@pytest.fixture
def run_on(tmp_path):
    """Run a script; interrupt it when it says so."""

    def run_on(code, *variant, interrupt=True):
        if variant[0] == "uvloop":
            pytest.importorskip("uvloop")
        script = tmp_path / "script.py"
        script.write_text(code)
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", str(script), *variant],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.path.dirname(os.path.dirname(trio_bridge.__file__)),
            },
            start_new_session=True,
        )
        with process:
            out = ""
            if interrupt:
                out = process.stdout.readline()
                if out == "ready\n":
                    process.send_signal(signal.SIGINT)
            try:
                rest, err = process.communicate(timeout=TIME_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                rest, err = process.communicate()
                raise AssertionError(f"hung; stdout:\n{out + rest}\nstderr:\n{err}") from None
        return (out + rest).split("\n")[:-1], err

    return run_on


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
