"""Rule 4.5.2: ``open_asyncio_nursery`` owns what asyncio starts inside of it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import linecache
import sys
import warnings
import weakref

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, open_asyncio_nursery, open_loop, trio2aio
from trio_bridge._direct_tasks import DirectTasks
from trio_bridge._nursery import BlockNursery


class ExpectedError(Exception):
    """What the code under test raises."""


async def fail(seconds=0):
    await asyncio.sleep(seconds)
    raise ExpectedError("expected")


class Worker:
    """Asyncio code that waits to be cancelled, cleans up for a while, and tells how it ended."""

    def __init__(self, log=None):
        self.log = [] if log is None else log

    async def __call__(self, name="worker"):
        try:
            await asyncio.sleep(1000)
        finally:
            self.log.append(f"{name} cleans up")
            await asyncio.sleep(0.01)
            self.log.append(f"{name} ended")


def other_tasks():
    """The asyncio tasks of the loop."""
    return trio2aio(asyncio.all_tasks)()


# ---- whose tasks they are


async def by_create_task(work):
    asyncio.create_task(work())


async def by_loop(work):
    asyncio.get_running_loop().create_task(work(), name="named")


async def by_ensure_future(work):
    asyncio.ensure_future(work())


async def in_a_context_of_its_own(work):
    asyncio.create_task(work(), context=contextvars.copy_context())


async def by_a_callback(work):
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.create_task(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def deep_in_tasks(work):
    async def outer():
        await asyncio.gather(asyncio.create_task(by_create_task(work)))

    await asyncio.create_task(outer())


async def by_a_task_factory(work):
    loop = asyncio.get_running_loop()

    def factory(loop, coro, **options):
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    try:
        asyncio.create_task(work())
    finally:
        loop.set_task_factory(None)


async def eagerly(work):
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        asyncio.create_task(work())
    finally:
        loop.set_task_factory(None)


async def past_create_task(work):
    """As aiohttp writes."""
    keep = asyncio.Task(work(), loop=asyncio.get_running_loop(), eager_start=True)
    keep.add_done_callback(lambda task: None)


async def in_debug_mode(work):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        asyncio.create_task(work())
    finally:
        loop.set_debug(False)


eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")

WAYS = [
    by_create_task,
    by_loop,
    by_ensure_future,
    in_a_context_of_its_own,
    by_a_callback,
    deep_in_tasks,
    by_a_task_factory,
    pytest.param(eagerly, marks=eager),
    pytest.param(past_create_task, marks=eager),
    in_debug_mode,
]


@pytest.mark.parametrize("start", WAYS)
async def test_4_5_2_leaving_waits_for_every_task_that_was_started_inside(start, autojump_clock):
    ended = []

    async def work():
        await asyncio.sleep(5)
        ended.append(trio.current_time())

    async with open_asyncio_nursery():
        await trio2aio(start)(work)
        assert ended == []
    assert ended == [pytest.approx(5, abs=0.1)]
    assert other_tasks() == set()


@pytest.mark.parametrize("start", WAYS)
async def test_4_5_2_cancelling_the_nursery_cancels_and_awaits_them(start, autojump_clock):
    worker = Worker()
    async with open_asyncio_nursery() as nursery:
        await trio2aio(start)(worker)
        await trio2aio(asyncio.sleep)(0)
        nursery.cancel_scope.cancel()
    assert worker.log == ["worker cleans up", "worker ended"]
    assert nursery.cancel_scope.cancelled_caught or nursery.cancel_scope.cancel_called
    assert other_tasks() == set()


@pytest.mark.parametrize("start", WAYS)
async def test_4_5_2_a_failing_task_cancels_the_rest(start, autojump_clock):
    worker = Worker()
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(worker)
            await trio2aio(asyncio.sleep)(0.01)
            await trio2aio(start)(fail)
            await trio.sleep_forever()
    assert [type(exc) for exc in caught.value.exceptions] == [ExpectedError]
    assert worker.log == ["worker cleans up", "worker ended"]
    assert other_tasks() == set()


async def test_tasks_of_the_same_loop_outside_the_block_are_not_touched(autojump_clock):
    outside = current_loop().create_task(asyncio.sleep(3, "value"))
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 1000)
        await trio2aio(asyncio.sleep)(0)
        nursery.cancel_scope.cancel()
    assert not outside.done()
    assert await trio2aio(outside) == "value"


async def test_a_task_that_starts_when_its_nursery_has_ended_belongs_to_the_one_around_it(
    autojump_clock,
):
    late = []

    async with open_asyncio_nursery():
        async with open_asyncio_nursery() as inner:
            call = trio2aio(contextvars.copy_context)()
        assert "ended" in repr(inner)
        current_loop().call_soon(
            lambda: late.append(asyncio.ensure_future(asyncio.sleep(7))), context=call
        )
        await trio2aio(asyncio.sleep)(0)
    assert late[0].done()
    assert trio.current_time() == pytest.approx(7, abs=0.1)


async def test_a_nursery_that_opens_when_that_around_it_has_ended_is_in_the_next(autojump_clock):
    log = []

    async def late():
        async with aio2trio(open_asyncio_nursery()):
            asyncio.create_task(asyncio.sleep(7))
        log.append(asyncio.get_running_loop().time() - start)

    start = current_loop().time()
    async with open_asyncio_nursery():
        async with open_asyncio_nursery():
            call = trio2aio(contextvars.copy_context)()
        current_loop().call_soon(lambda: asyncio.ensure_future(late()), context=call)
        await trio2aio(asyncio.sleep)(0)
    assert log == [pytest.approx(7)]


async def test_a_generator_that_is_left_alone_does_not_keep_the_block(autojump_clock):
    async def numbers():
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    generator = trio2aio(numbers)()
    with trio.fail_after(5):
        async with open_asyncio_nursery():
            assert await anext(generator) == 0
    assert await anext(generator) == 1
    await generator.aclose()


async def test_two_loops_each_own_their_own(autojump_clock):
    async with open_asyncio_nursery() as outer:
        outer_loop = current_loop()
        async with open_loop() as inner_loop:
            inner_loop.create_task(asyncio.sleep(1000))  # of no nursery: ends with its loop
            task = outer_loop.create_task(asyncio.sleep(2))
            assert "1 by asyncio code" in repr(outer)
        assert not task.done()
    assert task.done()


# ---- start_soon, start


async def test_a_name_is_that_of_the_asyncio_task_too(autojump_clock):
    names = []

    async def work(*, task_status=None):
        names.append(asyncio.current_task().get_name())
        names.append(asyncio.current_task().get_coro().__qualname__.rpartition(".")[2])
        if task_status is not None:
            task_status.started()

    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(work, name="by name")
        await nursery.start(work, name="and by name")
    assert names == ["by name", "work", "and by name", "work"] or names == [
        *("and by name", "work", "by name", "work")
    ]


@pytest.mark.parametrize(("name", "expected"), [("Riri", "Riri"), (None, "{}.<locals>.child")])
async def test_the_trio_task_that_waits_for_a_child_has_a_name_too(name, expected):
    @aio2trio
    async def trio_name():
        return trio.lowlevel.current_task().name

    async def child(task_status=None):
        names.append((await trio_name(), asyncio.current_task().get_name() == name))
        if task_status is not None:
            task_status.started()

    names = []
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(child, name=name)
        await nursery.start(child, name=name)
    expected = expected.format("test_the_trio_task_that_waits_for_a_child_has_a_name_too")
    assert names == 2 * [(expected, name is not None)]


async def test_what_is_no_asyncio_function_is_named():
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(len, "abc")
    (error,) = caught.value.exceptions
    assert isinstance(error, TypeError)
    assert "len, which an asyncio nursery has started, is no asyncio function" in str(error)


async def test_4_5_2_start_soon_runs_asyncio_functions_until_the_end(autojump_clock):
    log = []

    async def work(number, seconds):
        await asyncio.sleep(seconds)
        log.append((number, asyncio.current_task() is not None))

    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(work, 1, 2)
        nursery.start_soon(work, 2, 1, name="a name")
        await trio.lowlevel.checkpoint()
        names = {task.name for task in trio.lowlevel.current_task().child_nurseries[-1].child_tasks}
        assert log == []
    assert log == [(2, True), (1, True)]
    assert "a name" in names
    assert any(name.endswith("work") for name in names)


async def test_start_soon_from_asyncio_code(autojump_clock):
    log = []

    async def work(name):
        await asyncio.sleep(1)
        log.append(name)

    async with open_asyncio_nursery() as nursery:

        @trio2aio
        async def asyncio_code():
            nursery.start_soon(work, "from a guest")
            asyncio.get_running_loop().call_soon(nursery.start_soon, work, "from a callback")

        await asyncio_code()
    assert sorted(log) == ["from a callback", "from a guest"]


async def test_the_tasks_of_a_child_are_the_nurserys_wherever_start_soon_is_called(autojump_clock):
    ended = []

    async def starts_another():
        async def work():
            await asyncio.sleep(3)
            ended.append("task of a child")

        asyncio.create_task(work())

    async with trio.open_nursery() as around, open_asyncio_nursery() as nursery:
        started = trio.Event()

        async def elsewhere():
            await started.wait()
            nursery.start_soon(starts_another)

        async def outside():  # in a context without the nursery
            await elsewhere()

        contextvars.Context().run(around.start_soon, outside)
        nursery.start_soon(asyncio.sleep, 1)
        started.set()
    assert ended == ["task of a child"]


async def test_4_5_2_start_waits_for_started(autojump_clock):
    log = []

    async def serve(port, *, task_status):
        await asyncio.sleep(1)
        task_status.started(port + 1)
        try:
            await asyncio.sleep(1000)
        finally:
            log.append("served")

    async with open_asyncio_nursery() as nursery:
        assert await nursery.start(serve, 80) == 81
        assert trio.current_time() == pytest.approx(1, abs=0.1)
        assert log == []
        nursery.cancel_scope.cancel()
    assert log == ["served"]


async def test_start_raises_what_the_task_raises_before_it_has_started():
    async def fails(*, task_status):
        await fail()

    async def forgets(*, task_status):
        await asyncio.sleep(0)

    async with open_asyncio_nursery() as nursery:
        with pytest.raises(ExpectedError):
            await nursery.start(fails)
        with pytest.raises(RuntimeError, match=r"started\(\)"):
            await nursery.start(forgets)


async def test_start_is_cancelled_with_the_task(autojump_clock):
    worker = Worker()

    async def never_ready(*, task_status):
        await worker()

    async with open_asyncio_nursery() as nursery:
        with trio.move_on_after(1) as scope:
            await nursery.start(never_ready)
        assert scope.cancelled_caught
        assert worker.log == ["worker cleans up", "worker ended"]


# ---- cancellation


async def test_4_5_2_the_scopes_around_the_block_bound_it(autojump_clock):
    worker = Worker()
    with trio.move_on_after(2) as scope:
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(worker, "child")
            await trio2aio(by_create_task)(lambda: worker("task"))
            await trio2aio(asyncio.sleep)(0)
    assert scope.cancelled_caught
    assert sorted(worker.log) == [
        *("child cleans up", "child ended"),
        *("task cleans up", "task ended"),
    ]


async def test_a_task_gets_one_cancelled_error_whoever_else_cancels_it(autojump_clock):
    """The guest that gathers cancels its children, and so does the nursery."""
    log = []

    async def child(number):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            for _ in range(3):
                await asyncio.sleep(0.1)
            log.append(number)
            raise

    @trio2aio
    async def gathers():
        await asyncio.gather(*(child(number) for number in range(5)))

    async with open_asyncio_nursery() as nursery, trio.open_nursery() as trio_nursery:
        trio_nursery.start_soon(gathers)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert sorted(log) == [0, 1, 2, 3, 4]


async def test_a_task_that_cleans_up_may_start_and_await_another(autojump_clock):
    log = []

    async def clean():
        await asyncio.sleep(1)
        log.append("clean")

    async def work():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.create_task(clean())

    async with open_asyncio_nursery() as nursery:
        await trio2aio(by_create_task)(work)
        nursery.start_soon(work)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert log == ["clean", "clean"]


async def test_a_task_that_cancels_all_tasks_does_not_end_the_wait(autojump_clock):
    worker = Worker()

    async def cancels_all():
        await asyncio.sleep(1)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(1)
        worker.log.append("last")

    async with open_asyncio_nursery():
        await trio2aio(by_create_task)(worker)
        await trio2aio(by_create_task)(cancels_all)
    assert worker.log == ["worker cleans up", "worker ended", "last"]


async def test_trio_calls_of_owned_tasks_are_inside_the_nursery(autojump_clock):
    deadlines = []

    @aio2trio
    async def trio_code():
        deadlines.append(trio.current_effective_deadline())
        await trio.sleep_forever()

    async def calls_trio():
        with pytest.raises(asyncio.CancelledError):
            await trio_code()
        deadlines.append("cancelled")
        await aio2trio(trio.sleep)(1)  # it may clean up
        deadlines.append("cleaned up")

    with trio.move_on_after(5):
        async with open_asyncio_nursery():
            await trio2aio(by_create_task)(calls_trio)
    assert deadlines == [5, "cancelled", "cleaned up"]


async def test_a_trio_nursery_that_an_owned_task_has_open_is_inside_too(autojump_clock):
    log = []

    async def trio_child():
        try:
            await trio.sleep_forever()
        finally:
            log.append("child")

    async def opens():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio_child)
            await asyncio.sleep(1000)

    async with open_asyncio_nursery() as nursery:
        await trio2aio(by_create_task)(opens)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert log == ["child"]
    assert trio.current_time() == pytest.approx(1, abs=0.1)


async def test_the_trio_nurseries_of_owned_tasks_are_cancelled_with_them(autojump_clock):
    """At once, and not for one task in two when its body has cleaned up."""
    ended = []

    async def trio_child():
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async def opens():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio_child)
            try:
                await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(1)

    async def is_cancelled():
        try:
            await opens()
        finally:
            assert asyncio.current_task().cancelling() == 1
            ended.append("a body")

    async with open_asyncio_nursery() as nursery:
        for _ in range(20):
            await trio2aio(by_create_task)(is_cancelled)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert ended == [1] * 20 + ["a body"] * 20


@pytest.mark.bridge(cancel_warn_after=2, redeliver_cancel_after=3)
async def test_4_2_row_2_a_task_that_does_not_end_is_named_and_cancelled_again(autojump_clock):
    async def stubborn():
        while True:
            try:
                await asyncio.sleep(1000)
                return
            except asyncio.CancelledError:
                if trio.current_time() > 3:
                    return

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with open_asyncio_nursery() as nursery:
            await trio2aio(by_create_task)(stubborn)
            await trio2aio(asyncio.sleep)(0)
            nursery.cancel_scope.cancel()
    (warning,) = caught
    message = str(warning.message)
    assert "was cancelled by the asyncio nursery that owns it 2 s ago" in message
    assert "in stubborn" in message
    assert "await asyncio.sleep(1000)" in message
    assert warning.filename == __file__
    assert linecache.getline(__file__, warning.lineno).strip() == "await asyncio.sleep(1000)"


@pytest.mark.bridge(cancel_warn_after=2)
async def test_4_2_row_2_a_loop_that_cannot_close_says_what_it_waits_for(autojump_clock):
    async def stubborn():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(3)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with open_loop(cancel_warn_after=2) as loop:
            loop.create_task(stubborn())
            await trio2aio(asyncio.sleep)(0)
    (warning,) = caught
    assert "was cancelled as its loop is closing 2 s ago" in str(warning.message)
    assert "in stubborn" in str(warning.message)


async def test_many_nurseries_that_end_at_once_share_their_look_at_all_tasks(
    autojump_clock, monkeypatch
):
    """Else one for each connection would take a time that grows with their square."""
    looks = 0
    look = DirectTasks._look

    def counting_look(index):
        nonlocal looks
        looks += 1
        look(index)

    monkeypatch.setattr(DirectTasks, "_look", counting_look)

    async def one():
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(asyncio.sleep, 1000)
            await trio.sleep_forever()

    async with trio.open_nursery() as trio_nursery:
        for _ in range(300):
            trio_nursery.start_soon(one)
        await trio.sleep(1)
        trio_nursery.cancel_scope.cancel()
    assert 0 < looks < 30


@eager
@pytest.mark.parametrize("starts_from_asyncio", [False, True])
def test_a_task_that_is_started_directly_after_the_cancellation_is_awaited(starts_from_asyncio):
    log = []

    @aio2trio
    async def trio_code():
        async with open_asyncio_nursery() as nursery:

            @trio2aio
            async def asyncio_code():
                loop = asyncio.get_running_loop()
                nursery.cancel_scope.cancel()
                assert "1 by asyncio code" not in repr(nursery)  # which looks at all tasks
                asyncio.Task(Worker(log)(), loop=loop, eager_start=True)

            await asyncio_code()
        log.append("left")

    if starts_from_asyncio:
        with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
            runner.run(trio_code())
    else:
        trio_bridge.run(trio_code)
    assert log == ["worker cleans up", "worker ended", "left"]


# ---- errors


@pytest.mark.parametrize("later", [False, True], ids=["first of all", "last of all"])
async def test_4_5_2_a_failing_task_is_found_when_the_nursery_only_waits_for_it(
    later, autojump_clock
):
    worker = Worker()

    @trio2aio
    async def starts():
        for work in (worker, fail) if later else (fail, worker):
            asyncio.create_task(work(1) if work is fail else work())

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ExceptionGroup):
            async with open_asyncio_nursery():
                await starts()
    finally:
        gc.enable()
    assert trio.current_time() == 1.01
    assert worker.log == ["worker cleans up", "worker ended"]


async def test_4_5_2_the_bodys_error_cancels_the_tasks(autojump_clock):
    worker = Worker()
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(worker)
            await trio.sleep(1)
            raise ExpectedError("body")
    assert [str(exc) for exc in caught.value.exceptions] == ["body"]
    assert caught.value.message == "errors in an asyncio nursery"
    assert caught.value.__notes__[0].startswith("This group left an asyncio nursery, opened here:")
    assert worker.log == ["worker cleans up", "worker ended"]


async def test_all_errors_are_in_one_group_each_once(autojump_clock):
    async def fails_in_cleanup():
        try:
            await asyncio.sleep(1000)
        finally:
            raise OSError("task's cleanup")

    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(fail)
            await trio2aio(by_create_task)(fails_in_cleanup)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("body")
    assert sorted(type(exc).__name__ for exc in caught.value.exceptions) == [
        *("ExpectedError", "OSError", "ValueError")
    ]


async def test_an_awaited_error_is_reported_by_who_awaits_it_only():
    async def awaits():
        with pytest.raises(ExpectedError):
            await asyncio.create_task(fail())
        await asyncio.gather(fail(), return_exceptions=True)

    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(awaits)
        await trio2aio(by_create_task)(awaits)


async def test_no_error_is_lost_of_tasks_that_end_one_right_after_the_other(autojump_clock):
    async def opens(has_left):
        async with aio2trio(trio.open_nursery()):
            await asyncio.sleep(1)
        has_left.set()
        raise ExpectedError("first")

    async def follows(has_left):
        await has_left.wait()
        raise ExpectedError("second")

    @trio2aio
    async def starts():
        has_left = asyncio.Event()
        asyncio.create_task(opens(has_left))
        asyncio.create_task(follows(has_left))

    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery():
            await starts()
            await trio.sleep_forever()
    assert sorted(str(exc) for exc in caught.value.exceptions) == ["first", "second"]


async def test_an_error_that_two_tasks_have_is_in_the_group_once():
    async def awaits(task):
        await task

    async def twice():
        task = asyncio.create_task(fail())
        for _ in range(2):
            asyncio.create_task(awaits(task))

    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery():
            await trio2aio(twice)()
            await trio.sleep_forever()
    assert [type(exc) for exc in caught.value.exceptions] == [ExpectedError]


async def test_an_exit_of_an_owned_task_leaves_the_loop_bare():
    async def exits():
        raise SystemExit(3)

    worker = Worker()
    with pytest.raises(SystemExit):
        async with open_loop(), open_asyncio_nursery() as nursery:
            nursery.start_soon(worker)
            await trio2aio(by_create_task)(exits)
            await trio.sleep_forever()
    assert worker.log == ["worker cleans up", "worker ended"]


async def test_an_exit_of_on_error_leaves_the_loop_bare():
    def handler(loop, context):
        raise SystemExit(3)

    def crash():
        raise ExpectedError

    worker = Worker()
    with pytest.raises(SystemExit):
        async with open_loop(on_error=handler), open_asyncio_nursery() as nursery:
            nursery.start_soon(worker)
            await trio.testing.wait_all_tasks_blocked()
            current_loop().call_soon(crash)
            await trio.sleep_forever()
    assert worker.log == ["worker cleans up", "worker ended"]


async def ends():
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 0)
        await trio2aio(by_create_task)(lambda: asyncio.sleep(0))


async def is_cancelled():
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(asyncio.sleep, 1000)
        await trio2aio(by_create_task)(lambda: asyncio.sleep(1000))
        nursery.cancel_scope.cancel()


async def fails_with_a_sibling():
    with pytest.raises(ExceptionGroup):
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(asyncio.sleep, 1000)


@pytest.mark.parametrize("once", [ends, is_cancelled, fails_with_a_sibling])
async def test_a_nursery_and_its_tasks_go_when_they_are_done_with(once):
    """Not at the garbage collector's next run."""

    def count():
        kinds = (BlockNursery, asyncio.Future, asyncio.CancelledError, ValueError)
        return sum(isinstance(obj, kinds) for obj in gc.get_objects())

    await once()  # what is made once
    gc.collect()
    gc.disable()
    try:
        await trio2aio(asyncio.sleep)(0)  # the loop remembers who gave it its last turn
        before = count()
        for _ in range(3):
            await once()
        await trio2aio(asyncio.sleep)(0)
        assert count() <= before
    finally:
        gc.enable()


async def test_a_failed_nursery_leaves_no_garbage():
    async def once():
        with pytest.raises(ExceptionGroup):
            async with open_asyncio_nursery() as nursery:
                nursery.start_soon(fail)
                await trio2aio(by_create_task)(fail)
                await trio.sleep_forever()
        return weakref.ref(nursery._owner)

    await once()
    gc.collect()
    gc.disable()
    try:
        reference = await once()
        await trio2aio(asyncio.sleep)(0)  # the loop remembers who gave it its last turn
        # Trio's own nurseries make cycles; what is ours goes with them, and keeps no task.
        gc.collect()
        assert reference() is None
    finally:
        gc.enable()


# ---- where it may stand


async def test_nested_nurseries_own_what_is_started_in_them(autojump_clock):
    log = []

    async def work(name, seconds):
        await asyncio.sleep(seconds)
        log.append(name)

    async with open_asyncio_nursery():
        await trio2aio(by_create_task)(lambda: work("outer", 2))
        async with open_asyncio_nursery():
            await trio2aio(by_create_task)(lambda: work("inner", 1))
        log.append("inner left")
        await trio2aio(by_create_task)(lambda: work("outer again", 3))
    assert log == ["inner", "inner left", "outer", "outer again"]


async def test_a_failing_inner_nursery_fails_the_outer_one():
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asyncio_nursery():
            async with open_asyncio_nursery() as inner:
                inner.start_soon(fail)
    (inner_group,) = caught.value.exceptions
    assert [type(exc) for exc in inner_group.exceptions] == [ExpectedError]


async def test_a_task_of_the_outer_loop_that_code_of_an_inner_one_starts_is_the_outer_nurserys(
    autojump_clock,
):
    """The innermost nursery *of that loop* around the code."""
    worker = Worker()
    async with open_loop() as loop, open_asyncio_nursery() as nursery:
        async with open_loop(), open_asyncio_nursery():
            trio2aio(loop.call_soon_threadsafe)(lambda: loop.create_task(worker()))
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        assert worker.log == ["worker cleans up", "worker ended"]


async def test_several_in_parallel_fail_by_themselves(autojump_clock):
    outcomes = {}

    async def one(number):
        try:
            async with open_asyncio_nursery():
                await trio2aio(by_create_task)(
                    (lambda: fail(1)) if number % 2 else lambda: asyncio.sleep(2)
                )
                await trio.sleep(2)
        except* ExpectedError:
            outcomes[number] = "failed"
        else:
            outcomes[number] = "ended"

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(one, number)
    assert outcomes == {number: "failed" if number % 2 else "ended" for number in range(6)}


async def test_inside_an_asyncio_tasks_trio_call(autojump_clock):
    log = []

    @aio2trio
    async def trio_code():
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(asyncio.sleep, 1)
            await trio2aio(by_create_task)(lambda: asyncio.sleep(2))
        log.append(trio.current_time())

    async def asyncio_code():
        background = asyncio.create_task(asyncio.sleep(5))
        await trio_code()
        assert not background.done()
        await background

    await trio2aio(asyncio_code)()
    assert log == [pytest.approx(2, abs=0.1)]


async def test_as_a_manager_of_asyncio_code(autojump_clock):
    @trio2aio
    async def asyncio_code():
        async with aio2trio(open_asyncio_nursery()) as nursery:
            nursery.start_soon(asyncio.sleep, 1)
            task = asyncio.create_task(asyncio.sleep(2))
        assert task.done()
        after = asyncio.create_task(asyncio.sleep(1000))  # outside again
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(open_asyncio_nursery()) as nursery:
                asyncio.create_task(fail())
                await asyncio.sleep(1000)
        assert caught.group_contains(ExpectedError, depth=1)
        assert asyncio.current_task().cancelling() == 0
        assert not after.done()
        after.cancel()

    await asyncio_code()


async def test_a_task_of_asyncios_own_is_not_in_the_nursery_that_it_opens(autojump_clock):
    ended = []

    async def opens():
        async with aio2trio(open_asyncio_nursery()) as outer:
            outer.start_soon(asyncio.sleep, 3)
            async with aio2trio(open_asyncio_nursery()) as inner:
                inner.start_soon(asyncio.sleep, 1)
                asyncio.create_task(asyncio.sleep(2))
            ended.append(trio_bridge.current_loop().time())
        ended.append(trio_bridge.current_loop().time())

    async with open_asyncio_nursery():
        await trio2aio(by_create_task)(opens)
    assert ended == [2, 3]


@pytest.mark.parametrize("open_nursery", [trio.open_nursery, open_asyncio_nursery])
async def test_a_loop_that_closes_cancels_the_nurseries_of_its_tasks_with_them(
    open_nursery, autojump_clock
):
    log = []

    async def opens():
        worker = Worker(log)
        async with aio2trio(open_nursery()) as nursery:
            nursery.start_soon(worker if open_nursery is open_asyncio_nursery else trio2aio(worker))
            await worker("body")

    async with open_loop():
        await trio2aio(by_create_task)(opens)
        await trio.sleep(1)
    assert sorted(log[:2]) == ["body cleans up", "worker cleans up"]
    assert sorted(log[2:]) == ["body ended", "worker ended"]


@pytest.mark.parametrize("open_nursery", [trio.open_nursery, open_asyncio_nursery])
async def test_a_nursery_that_fails_in_a_task_that_nobody_awaits_is_found_at_once(
    open_nursery, autojump_clock
):
    async def opens():
        async with aio2trio(open_nursery()) as nursery:
            if open_nursery is open_asyncio_nursery:
                nursery.start_soon(fail, 1)
            else:
                nursery.start_soon(trio_fail)
            await asyncio.sleep(1000)

    async def trio_fail():
        await trio.sleep(1)
        raise ExpectedError

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ExceptionGroup) as caught:
            async with open_asyncio_nursery():
                await trio2aio(by_create_task)(opens)
                await trio.sleep(1000)
    finally:
        gc.enable()
    assert caught.group_contains(ExpectedError, depth=2)
    assert trio.current_time() == 1


async def test_a_cancelled_nursery_that_fails_in_a_task_that_nobody_awaits_is_found_at_once(
    autojump_clock,
):
    async def fails_in_cleanup():
        try:
            await trio.sleep_forever()
        finally:
            raise ExpectedError

    async def opens():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(fails_in_cleanup)
            nursery.start_soon(trio.sleep_forever)  # its Cancelled was in the group
            await asyncio.sleep(1)
            nursery.cancel_scope.cancel()

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ExceptionGroup) as caught:
            async with open_asyncio_nursery():
                await trio2aio(by_create_task)(opens)
                await trio.sleep(1000)
    finally:
        gc.enable()
    assert caught.group_contains(ExpectedError, depth=2)
    assert trio.current_time() == 1


async def test_a_failed_task_is_found_while_trio_code_that_it_cancelled_cleans_up(autojump_clock):
    found_at = []

    @aio2trio
    async def cleans_up_for_long():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)

    async def gathers():
        await asyncio.gather(asyncio.sleep(1000), cleans_up_for_long())

    async def trio_fail():
        await trio.sleep(1)
        raise ExpectedError

    async def opens():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio_fail)
            await asyncio.create_task(gathers())

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ExceptionGroup):
            async with open_asyncio_nursery():
                await trio2aio(by_create_task)(opens)
                try:
                    await trio.sleep_forever()
                finally:
                    found_at.append(trio.current_time())
    finally:
        gc.enable()
    assert found_at == [1]
    assert trio.current_time() == 4


@pytest.mark.parametrize(
    "make_loop", [asyncio.SelectorEventLoop, trio_bridge.new_event_loop], ids=["stock", "ours"]
)
def test_in_a_program_that_starts_from_asyncio(make_loop):
    log = []

    @aio2trio
    async def trio_code():
        worker = Worker(log)
        with pytest.raises(ExceptionGroup) as caught:
            async with open_asyncio_nursery() as nursery:
                nursery.start_soon(worker)
                await trio2aio(asyncio.sleep)(0.001)
                await trio2aio(by_create_task)(fail)
                await trio.sleep_forever()
        assert [type(exc) for exc in caught.value.exceptions] == [ExpectedError]

    async def main():
        loop = asyncio.get_running_loop()
        outside = asyncio.create_task(asyncio.sleep(1000))
        await trio_code()
        for name in ("create_task", "default_exception_handler", "set_task_factory", "set_debug"):
            assert name not in vars(loop)
        assert not outside.done()
        outside.cancel()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())
    assert log == ["worker cleans up", "worker ended"]


def test_task_factory_and_debug_mode_work_under_the_exchanged_methods():
    made = []

    def factory(loop, coro, **options):
        made.append(coro.__name__)
        return asyncio.Task(coro, loop=loop, **options)

    async def work():
        pass

    async def main():
        loop = current_loop()
        loop.set_task_factory(factory)
        await trio2aio(loop.create_task(work()))
        assert loop.get_task_factory() is factory
        loop.set_task_factory(None)
        await trio2aio(loop.create_task(work()))
        loop.set_debug(True)
        task = loop.create_task(work())
        created_at = task._source_traceback[-1]
        assert created_at.filename == __file__
        await trio2aio(task)

    trio_bridge.run(main)
    assert made.count("work") == 1


async def test_a_task_factory_may_return_what_cannot_be_weakly_referred_to(autojump_clock):
    class Wrapped:
        __slots__ = ("task",)

        def __init__(self, task):
            self.task = task

        def set_name(self, name):  # asyncio calls it, on Python 3.13.0 for one
            self.task.set_name(name)

    def factory(loop, coro, **options):
        return Wrapped(asyncio.Task(coro, loop=loop, **options))

    async def starts(work):
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        assert type(loop.create_task(work())) is Wrapped
        loop.set_task_factory(None)

    worker = Worker()
    async with open_asyncio_nursery() as nursery:
        await trio2aio(starts)(worker)
        await trio2aio(asyncio.sleep)(0)
        nursery.cancel_scope.cancel()
    if sys.version_info >= (3, 12):  # where tasks tell their context
        assert worker.log == ["worker cleans up", "worker ended"]


async def test_a_named_child_need_not_run_in_a_task():
    class Driven(asyncio.Future):
        def step(self, coro):
            with pytest.raises(StopIteration):
                coro.send(None)
            self.set_result(None)

        def set_name(self, name):
            """asyncio calls it, on Python 3.13.0 for one."""

    def factory(loop, coro, **options):
        future = Driven(loop=loop)
        loop.call_soon(future.step, coro)
        return future

    async def work():
        current.append(asyncio.current_task())

    current = []
    loop = current_loop()
    loop.set_task_factory(factory)
    async with open_asyncio_nursery() as nursery:
        nursery.start_soon(work, name="worker")
        await trio.testing.wait_all_tasks_blocked()
        loop.set_task_factory(None)
    assert current == [None]


@pytest.mark.bridge(cancel_warn_after=1)
async def test_a_future_of_a_task_factory_that_does_not_end_is_named(autojump_clock):
    class Deaf(asyncio.Future):
        def cancel(self, msg=None):
            return False

        def set_name(self, name):
            """asyncio calls it, on Python 3.13.0 for one."""

    def factory(loop, coro, **options):
        coro.close()
        future = Deaf(loop=loop)
        loop.call_later(2, future.set_result, None)
        return future

    async def starts():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        loop.create_task(fail())
        loop.set_task_factory(None)

    async def leave():
        async with open_asyncio_nursery() as nursery:
            await trio2aio(starts)()
            nursery.cancel_scope.cancel()

    with pytest.warns(RuntimeWarning, match="<Deaf pending.*> was cancelled by the asyncio nurs"):
        await leave()


# ---- misuse


async def test_misuse_is_told_what_to_write():
    async with open_asyncio_nursery() as nursery:
        with pytest.raises(TypeError, match=r"nursery\.start_soon\(fail, \.\.\.\)"):
            nursery.start_soon(fail())
        with pytest.raises(TypeError, match="await awaitable"):
            nursery.start_soon(3)
        with pytest.raises(TypeError, match=r"nursery\.start\(fail, \.\.\.\)"):
            await nursery.start(fail())
        with pytest.raises(TypeError, match="await awaitable"):
            await nursery.start(None)
        with pytest.raises(AttributeError):
            nursery.cancel()
    with pytest.raises(RuntimeError, match="this asyncio nursery has ended"):
        nursery.start_soon(fail)
    with pytest.raises(RuntimeError, match="this asyncio nursery has ended"):
        await nursery.start(fail)

    @trio2aio
    async def asyncio_code():
        with pytest.raises(RuntimeError, match=r"async with aio2trio\(open_asyncio_nursery\(\)\)"):
            async with open_asyncio_nursery():
                pass

    await asyncio_code()


async def test_what_could_not_be_started_is_not_waited_for():
    async def starts_on_the_asyncio_side(nursery):
        with pytest.raises(RuntimeError, match=r"await aio2trio\(nursery\.start\)\("):
            await nursery.start(fail)

    async with open_asyncio_nursery() as nursery:
        await trio2aio(starts_on_the_asyncio_side)(nursery)
        with pytest.raises(RuntimeError, match=r"threadsafe\(nursery\.start_soon, \.\.\.\)"):
            await trio.to_thread.run_sync(nursery.start_soon, fail)


async def test_started_in_a_thread_is_told_what_to_write():
    async def starts(task_status):
        with pytest.raises(RuntimeError, match=r"threadsafe\(task_status\.started, \.\.\.\)"):
            await asyncio.to_thread(task_status.started)
        asyncio.get_running_loop().call_soon_threadsafe(task_status.started, "value")
        await asyncio.sleep(0.001)

    async with open_asyncio_nursery() as nursery:
        assert await nursery.start(starts) == "value"


def test_without_a_loop_it_says_so():
    async def main():
        with pytest.raises(RuntimeError, match="no asyncio loop is open here"):
            async with open_asyncio_nursery():
                pass

    trio.run(main)


@pytest.mark.parametrize("block", [open_asyncio_nursery, open_loop])
async def test_4_5_2_who_waits_for_a_failed_task_has_its_error_before_the_block_looks(block):
    """They have it in the turn after the task's last step, in which the block may end."""
    held, seen = [], []

    async def fail():
        raise ZeroDivisionError

    def ended(_):
        task = asyncio.get_running_loop().create_task(fail())
        task.add_done_callback(lambda task: seen.append(task.exception()))
        held.append(task)

    async def start():
        task = asyncio.get_running_loop().create_task(asyncio.sleep(3600))
        task.add_done_callback(ended)

    async with block() as opened:
        await trio2aio(start)()
        if block is open_asyncio_nursery:
            opened.cancel_scope.cancel()
    assert isinstance(seen[0], ZeroDivisionError)


# ---- what the random programs of tests/torture have found


async def shielded(seconds=1):
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)


async def test_a_task_whose_trio_calls_notice_no_cancellation_ends_with_its_nursery(autojump_clock):
    """It gets the value of the call, and is cancelled where it waits next."""
    values = []

    async def polls():
        while True:
            await aio2trio(shielded)()
            values.append(asyncio.current_task().cancelling())

    async with open_asyncio_nursery() as nursery:
        trio2aio(current_loop()).create_task(polls())
        await trio.sleep(1.5)
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 2
    assert values == [0, 0]


async def test_the_next_wait_of_such_a_task_may_be_in_asyncio(autojump_clock):
    async def waits():
        await aio2trio(shielded)()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(1000)
        assert asyncio.current_task().cancelling() == 1
        await aio2trio(trio.sleep)(1)  # its clean-up is left alone
        raise asyncio.CancelledError

    async with open_asyncio_nursery() as nursery:
        task = current_loop().create_task(waits())
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 2
    assert task.cancelled()


async def test_an_error_of_such_a_task_is_not_lost(autojump_clock):
    async def fails():
        await aio2trio(shielded)()
        raise ExpectedError

    with pytest.RaisesGroup(ExpectedError):
        async with open_asyncio_nursery() as nursery:
            trio2aio(current_loop()).create_task(fails())
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()


async def test_a_task_that_has_a_trio_manager_open_cleans_up_undisturbed(autojump_clock):
    """Its nursery cancels it, and the scopes that it has open: it gets one cancellation."""
    log = []

    async def code(cancel):
        async with aio2trio(trio.open_nursery()):
            try:
                cancel()
                await asyncio.sleep(1000)
            finally:
                await aio2trio(shielded)()
                log.append(asyncio.current_task().cancelling())

    async with open_asyncio_nursery() as nursery:
        trio2aio(current_loop()).create_task(code(aio2trio(nursery.cancel_scope.cancel)))
        await trio.sleep(1000)
    assert trio.current_time() == 1
    assert log == [1]


async def test_a_body_that_awaits_a_task_of_its_nursery_which_cancels_that():
    """The cancellation reaches it by the task, before its host knows, and stays in the nursery."""

    async def code():
        async with aio2trio(open_asyncio_nursery()) as nursery:

            async def cancels():
                nursery.cancel_scope.cancel()
                await asyncio.sleep(0)

            async def started(task_status):
                task_status.started()

            await nursery.start(started)
            await asyncio.create_task(cancels())
        return "after"

    assert await trio2aio(code)() == "after"


@pytest.mark.parametrize("end", ["body", "error", "scope", "deadline", "sibling"])
async def test_a_nursery_that_outlives_its_loop_ends_as_any_other(end, autojump_clock):
    """Nothing is left in it: the loop has ended its tasks."""
    opened, closed = trio.Event(), trio.Event()
    ends = []

    async def fails():
        raise ZeroDivisionError

    async def outlives():
        async with open_asyncio_nursery() as nursery:
            nursery.start_soon(asyncio.sleep, 0)
            opened.set()
            try:
                await closed.wait()
                if end == "error":
                    await fails()
                await trio.sleep(1 if end == "body" else 1000)
            finally:
                ends.append(trio.current_time())

    begin = trio.current_time()
    fails_itself = end in ("error", "sibling")
    with pytest.raises(ExceptionGroup) if fails_itself else contextlib.nullcontext():
        async with trio.open_nursery() as nursery:
            async with open_loop():
                nursery.start_soon(outlives)
                await opened.wait()
                await trio.testing.wait_all_tasks_blocked()
            closed.set()
            if end == "scope":
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            if end == "deadline":
                nursery.cancel_scope.deadline = trio.current_time() + 1
            if end == "sibling":
                nursery.start_soon(fails)
    assert [when - begin for when in ends] == [1 if end in ("body", "deadline") else 0]
