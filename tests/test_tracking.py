"""Rule 4.5.1: an error that asyncio would only log leaves the scope that owns it.

The table: each source of such an error, in the loop's block and in an asyncio nursery, with each
``on_error``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, open_asyncio_nursery, open_loop, trio2aio


class HandlerCrashedError(Exception):
    """What the asyncio code under test raises."""


def crash(*args):
    raise HandlerCrashedError("crash")


async def crash_in_a_task():
    await asyncio.sleep(0)
    crash()


def start_task(loop):
    loop.create_task(crash_in_a_task())


def call_back(loop):
    loop.call_soon(crash)


def call_back_later(loop):
    loop.call_later(0.001, crash)


async def talk_to(server):
    """Send a line to a server, and wait until somebody has had enough."""
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            writer.write(b"\n")
            await asyncio.sleep(1000)
        finally:
            writer.close()


def serve(loop):
    async def handle(reader, writer):
        try:
            await reader.readline()
            crash()
        finally:
            writer.close()

    async def main():
        await talk_to(await asyncio.start_server(handle, "127.0.0.1", 0))

    loop.create_task(main())


def use_protocol(loop):
    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            crash()

    async def main():
        await talk_to(await loop.create_server(Protocol, "127.0.0.1", 0))

    loop.create_task(main())


def drop_a_generator(loop):
    async def generator():
        try:
            yield
        finally:
            crash()

    async def main():
        await anext(generator())

    loop.create_task(main())


def start_task_that_calls_trio(loop):
    async def trio_code():
        await trio.lowlevel.checkpoint()
        crash()

    async def main():
        await aio2trio(trio_code)()

    loop.create_task(main())


def start_eagerly(loop):
    """A task that passes create_task by, as aiohttp's do."""
    if sys.version_info < (3, 12):
        loop.create_task(crash_in_a_task())
        return

    async def main():
        asyncio.Task(crash_in_a_task(), loop=loop, eager_start=True)
        await asyncio.sleep(0)

    loop.create_task(main())


def fail_deep_in_tasks(loop):
    async def main():
        async def deeper():
            asyncio.create_task(crash_in_a_task())
            await asyncio.sleep(0.01)

        await asyncio.create_task(deeper())

    loop.create_task(main())


SOURCES = [
    start_task,
    call_back,
    call_back_later,
    serve,
    use_protocol,
    drop_a_generator,
    start_task_that_calls_trio,
    start_eagerly,
    fail_deep_in_tasks,
]


@contextlib.asynccontextmanager
async def only_the_loop():
    yield


@contextlib.asynccontextmanager
async def cancelled_at_its_end(block):
    """A nursery would wait for what the sources have left running."""
    async with block() as nursery:
        yield
        if nursery is not None:
            nursery.cancel_scope.cancel()


@pytest.fixture(params=[only_the_loop, open_asyncio_nursery], ids=["loop", "nursery"])
def block(request):
    """What is around the source: the loop's own block only, or an asyncio nursery in it."""
    return request.param


@pytest.mark.parametrize("source", SOURCES)
async def test_4_5_1_the_error_leaves_the_scope_that_owns_it_at_once_as_a_group(source, block):
    ended = []

    async def sibling():
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("sibling")

    with trio.fail_after(30):
        async with open_loop() as loop:
            with pytest.raises(ExceptionGroup) as caught:
                # The nursery's own block, or else the loop's, in a second loop.
                async with block() if block is open_asyncio_nursery else open_loop() as opened:
                    if block is only_the_loop:
                        loop = opened
                    loop.create_task(sibling())
                    await trio2aio(asyncio.sleep)(0)
                    source(loop)
                    await trio.sleep_forever()
            await trio.lowlevel.checkpoint()  # nothing else is cancelled
    assert caught.group_contains(HandlerCrashedError, match="crash", depth=1)
    assert len(caught.value.exceptions) == 1
    assert ended == ["sibling"]
    names = [
        entry.name for entry in pytest.ExceptionInfo.from_exception(error_of(caught)).traceback
    ]
    assert names[-1] == "crash"


def error_of(caught):
    (error,) = caught.value.exceptions
    return error


@pytest.mark.parametrize("source", SOURCES)
async def test_4_5_1_log_is_asyncios_way(source, block, caplog):
    async with open_loop(on_error="log") as loop, cancelled_at_its_end(block):
        source(loop)
        with trio.fail_after(30):
            while not caplog.records:
                await trio.sleep(0.001)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("asyncio", logging.ERROR)
    assert record.exc_info[0] is HandlerCrashedError


@pytest.mark.parametrize("source", SOURCES)
async def test_4_5_1_a_function_gets_the_loop_and_the_context(source, block):
    came = trio.Event()
    calls = []

    def handler(loop, context):
        calls.append((loop, context["exception"]))
        came.set()

    async with open_loop(on_error=handler) as loop, cancelled_at_its_end(block):
        source(loop)
        with trio.fail_after(30):
            await came.wait()
    ((handlers_loop, error),) = calls
    assert handlers_loop is loop
    assert type(error) is HandlerCrashedError


@pytest.mark.parametrize("source", SOURCES)
async def test_4_5_1_a_handler_set_on_the_loop_wins_over_all(source, block):
    came = trio.Event()
    errors = []

    def handler(loop, context):
        errors.append(context["exception"])
        came.set()

    async with open_loop() as loop:
        loop.set_exception_handler(handler)
        async with cancelled_at_its_end(block):
            source(loop)
            with trio.fail_after(30):
                await came.wait()
    assert [type(error) for error in errors] == [HandlerCrashedError]


@pytest.mark.parametrize("in_cycle", [False, True], ids=["held", "in a cycle"])
async def test_4_5_1_a_failed_task_that_somebody_holds_is_found_at_the_end(block, in_cycle):
    held = []

    async def fails():
        task = asyncio.current_task()
        if not in_cycle:
            held.append(task)
        await asyncio.sleep(0)
        crash()

    gc.disable()
    try:
        with pytest.raises(ExceptionGroup) as caught:
            async with block() if block is open_asyncio_nursery else open_loop():
                loop = trio_bridge.current_loop()
                loop.create_task(fails())
                for _ in range(5):
                    await trio2aio(asyncio.sleep)(0)
        assert [type(exc) for exc in caught.value.exceptions] == [HandlerCrashedError]
    finally:
        gc.enable()
    held.clear()
    gc.collect()  # reports nothing: the test's own loop would fail


async def test_what_asyncio_would_have_said_is_a_note():
    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop() as loop:
            loop.create_task(crash_in_a_task(), name="nightly")
            await trio.sleep_forever()
    assert error_of(caught).__notes__ == [
        "asyncio: Task exception was never retrieved (task 'nightly')"
    ]


async def test_4_5_1_what_the_function_raises_leaves_the_block():
    def handler(loop, context):
        raise OSError("the handler's own")

    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop(on_error=handler) as loop:
            loop.call_soon(crash)
            await trio.sleep_forever()
    assert caught.group_contains(OSError, match="the handler's own", depth=1)
    assert isinstance(error_of(caught).__context__, HandlerCrashedError)


async def test_4_5_1_what_the_function_raises_about_a_task_has_the_tasks_error_as_context():
    """Python gives it one only where the error is being handled."""

    def handler(loop, context):
        raise OSError("the handler's own")

    async def crashes():
        crash()

    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop(on_error=handler) as loop:
            loop.create_task(crashes())
            await trio.sleep_forever()
    assert isinstance(error_of(caught).__context__, HandlerCrashedError)


async def test_an_error_of_a_loop_that_is_closed_is_logged(caplog):
    async with open_loop() as loop:
        future = loop.create_future()
    future.set_exception(ValueError("too late"))
    del future
    gc.collect()
    (record,) = caplog.records
    assert record.message.startswith("Future exception was never retrieved")
    assert str(record.exc_info[1]) == "too late"


async def test_4_5_1_a_handler_set_on_the_loop_wins():
    came = trio.Event()

    async with open_loop() as loop:
        loop.set_exception_handler(lambda loop, context: came.set())
        loop.call_soon(crash)
        with trio.fail_after(30):
            await came.wait()


async def test_4_5_1_a_context_without_an_exception_is_logged(caplog):
    trio_bridge.current_loop().call_exception_handler({"message": "a mere message"})
    assert [record.message for record in caplog.records] == ["a mere message"]


async def test_a_cancellation_that_comes_out_of_a_thread_is_no_error(caplog):
    def end(future):
        future.set_exception(asyncio.CancelledError("in a thread"))

    async with open_asyncio_nursery():
        loop = trio_bridge.current_loop()
        loop.call_soon(end, loop.create_future())
        await trio2aio(asyncio.sleep)(0.001)
        gc.collect()
    [record] = caplog.records
    assert record.message.startswith("Future exception was never retrieved")
    assert isinstance(record.exc_info[1], asyncio.CancelledError)


async def test_a_callback_that_raises_a_cancellation_has_failed():
    def fail():
        raise asyncio.CancelledError

    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_asyncio_nursery():
            trio_bridge.current_loop().call_soon(fail)
            await trio.sleep_forever()
    assert [type(exc) for exc in caught.value.exceptions] == [asyncio.CancelledError]


async def test_4_5_1_the_bodys_own_error_is_in_the_group_too():
    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop() as loop:
            loop.call_soon(crash)
            try:
                await trio.sleep_forever()
            finally:
                raise OSError("body")
    assert [str(exc) for exc in caught.value.exceptions] == ["body", "crash"]


async def test_4_5_1_errors_while_the_loop_closes_leave_too():
    async def fails_late():
        try:
            await asyncio.sleep(1000)
        finally:
            crash()

    with pytest.raises(ExceptionGroup) as caught:
        async with open_loop() as loop:
            loop.create_task(fails_late())
            await trio2aio(asyncio.sleep)(0)
    assert caught.group_contains(HandlerCrashedError, depth=1)


@pytest.mark.parametrize("cancelled_by", ["the loop's end", "hand"])
async def test_a_cancelled_handler_of_a_server_is_no_error(cancelled_by, caplog):
    handlers = []

    async def handle(reader, writer):
        handlers.append(asyncio.current_task())
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    async def serve():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        while not handlers:
            await asyncio.sleep(0)
        if cancelled_by == "hand":
            handlers[0].cancel()
            await reader.read()
        server.close()
        writer.close()

    async with open_loop():
        await trio2aio(serve)()
    assert handlers[0].cancelled()
    assert not caplog.records


async def test_4_5_1_a_task_that_somebody_awaits_is_no_business_of_the_scope():
    @trio2aio
    async def awaits_it():
        with pytest.raises(HandlerCrashedError):
            await asyncio.create_task(crash_in_a_task())

    await awaits_it()


async def test_4_5_1_an_error_found_in_another_thread_leaves_at_once():
    """The last reference to a failed task may go anywhere."""
    with trio.fail_after(30), pytest.raises(ExceptionGroup) as caught:
        async with open_loop() as loop:
            tasks = [loop.create_task(crash_in_a_task())]
            await trio2aio(asyncio.sleep)(0.01)
            await trio.to_thread.run_sync(tasks.clear)
            await trio.sleep_forever()
    assert caught.group_contains(HandlerCrashedError, depth=1)


async def test_a_task_that_is_false_is_its_nurserys_all_the_same():
    class Falsy(asyncio.Task):
        def __bool__(self):
            return False

    async def fail():
        await asyncio.sleep(0)
        raise ValueError("expected")

    async def starts():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: Falsy(coro, loop=loop, **options))
        asyncio.create_task(fail())
        loop.set_task_factory(None)
        await asyncio.sleep(0.001)

    async with open_loop():
        with pytest.raises(ExceptionGroup) as excinfo:
            async with open_asyncio_nursery():
                await trio2aio(starts)()
    assert str(excinfo.value.exceptions[0]) == "expected"


async def test_a_task_that_the_function_starts_at_the_blocks_end_is_the_nurserys(autojump_clock):
    reported = []

    async def report(exc):
        await asyncio.sleep(1)
        reported.append(str(exc))

    async def fail():
        raise ValueError("expected")

    async def starts():
        held.append(asyncio.create_task(fail()))

    def on_error(loop, context):
        loop.create_task(report(context["exception"]))

    held = []
    async with open_loop(on_error=on_error), open_asyncio_nursery():
        await trio2aio(starts)()
    assert reported == ["expected"]


async def test_an_exit_that_the_function_raises_leaves_bare():
    def handler(loop, context):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        async with open_loop(on_error=handler) as loop:
            loop.call_soon(crash)
            await trio.sleep_forever()


async def test_an_unknown_on_error_is_refused():
    with pytest.raises(ValueError, match="write on_error='raise'"):
        async with open_loop(on_error="ignore"):
            pass

    async def report(loop, context):
        """Nobody would await it."""

    with pytest.raises(ValueError, match=r"loop\.create_task\(report\(context\)\)"):
        async with open_loop(on_error=report):
            pass
