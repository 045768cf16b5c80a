"""Calls, managers and the services of either side, on loops that run already."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import signal
import subprocess
import threading

import pytest
import sniffio
import trio
import trio.testing
from foreign_loops import TrioWaits, expire, fails_after, run, variant
from loop_kinds import leaves_nothing, start_trio

import trio_bridge
from trio_bridge import aio2trio, current_loop, trio2aio

assert leaves_nothing
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


def test_a_plain_function_that_trio_code_calls_knows_its_library(run):
    """And Trio tasks that asyncio code has started know the loop."""
    seen = []

    async def asyncio_code():
        return sniffio.current_async_library()

    async def trio_code():
        seen.append(trio2aio(sniffio.current_async_library)())
        seen.append(await trio2aio(asyncio_code)())
        seen.append(sniffio.current_async_library())

    async def main():
        await aio2trio(trio_code)()
        async with aio2trio(trio.open_nursery)() as nursery:
            nursery.start_soon(trio_code)
        seen.append(sniffio.current_async_library())

    run(main)
    assert seen == ["asyncio", "asyncio", "trio"] * 2 + ["asyncio"]


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
