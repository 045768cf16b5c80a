"""Each non-public name of others that ``_private`` lists is there and does what we think."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import math
import select
import signal
import sys
import threading
import time
import types
import typing
import weakref
from unittest import mock

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import _private, current_loop, open_asyncio_nursery, open_loop, trio2aio


@pytest.fixture
def loop():
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.close()


def test_run_once_runs_what_is_ready(loop):
    ran = []
    loop.call_soon(ran.append, 1)
    assert [handle._args for handle in _private.ready_queue(loop)] == [(1,)]
    _private.run_once(loop)()
    assert ran == [1]
    assert not _private.ready_queue(loop)


def test_the_ready_queue_is_one_object(loop):
    queue = _private.ready_queue(loop)
    for _ in range(3):
        loop.call_soon(lambda: None)
        _private.run_once(loop)()
    assert _private.ready_queue(loop) is queue


def test_next_timer(loop):
    assert _private.next_timer(loop) == float("inf")
    loop.call_at(20, lambda: None)
    loop.call_at(10, lambda: None)
    assert _private.next_timer(loop) == 10


def test_begin_and_end_running(loop):
    assert not loop.is_running()
    loop.set_debug(True)
    _private.begin_running(loop)
    assert loop.is_running()
    assert sys.get_coroutine_origin_tracking_depth() > 0
    loop._check_thread()
    _private.end_running(loop)
    assert not loop.is_running()
    assert sys.get_coroutine_origin_tracking_depth() == 0


def test_running_loop(loop):
    assert _private.get_running_loop() is None
    _private.set_running_loop(loop)
    assert asyncio.get_running_loop() is loop
    _private.set_running_loop(None)
    assert _private.get_running_loop() is None


def test_asyncgen_hooks(loop):
    closed = []

    async def generator():
        try:
            yield 1
        finally:
            closed.append(True)

    agen = generator()
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(*_private.asyncgen_hooks(loop))
    try:
        with pytest.raises(StopIteration):
            agen.__anext__().send(None)
    finally:
        sys.set_asyncgen_hooks(*before)
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert closed


def test_trio_run_vars_hold_the_task():
    async def main():
        task = trio.lowlevel.current_task()
        run_vars = _private.trio_run_vars()
        assert run_vars["task"] is task
        del run_vars["task"]
        with pytest.raises(RuntimeError, match="must be called from async context"):
            trio.lowlevel.current_task()
        assert trio.current_time() > 0  # what needs no task still works
        run_vars["task"] = task
        assert trio.lowlevel.current_task() is task

    trio.run(main)


def test_system_clock():
    async def main():
        return _private.is_system_clock(trio.lowlevel.current_clock())

    class OtherClock(trio.abc.Clock):
        def start_clock(self):
            pass

        def current_time(self):
            return time.monotonic()

        def deadline_to_sleep_time(self, deadline):
            return deadline - time.monotonic()

    assert trio.run(main) is True
    assert trio.run(main, clock=trio.testing.MockClock()) is False
    assert trio.run(main, clock=OtherClock()) is False


def test_without_trios_names_misuse_is_still_an_error(monkeypatch):
    monkeypatch.setattr(_private.trio_scheduler, "_run_context", None)
    monkeypatch.setattr(_private.trio_scheduler, "_system_clock", None)
    assert _private.trio_run_vars() == {}
    assert _private.is_system_clock(trio.testing.MockClock()) is False
    assert _private.is_system_clock(object()) is True


def test_without_trios_run_context_trio_cannot_be_a_guest(monkeypatch):
    monkeypatch.setattr(_private.trio_scheduler, "_run_context", None)
    with pytest.raises(RuntimeError, match="can't be the guest of an asyncio loop"):
        asyncio.run(trio_bridge.aio2trio(trio.lowlevel.checkpoint)())


# ---- Trio's checkpoint


def test_a_schedule_point_lets_others_run_and_counts():
    ran = []

    async def main():
        async with trio.open_nursery() as nursery:

            async def other():
                ran.append("other")

            nursery.start_soon(other)
            with pytest.raises(AssertionError), trio.testing.assert_checkpoints():
                await _private.schedule_point()  # half of a checkpoint
            await _private.schedule_point()  # the other may come after us in a pass
            assert ran == ["other"]
            run_vars = _private.trio_run_vars()
            with trio.testing.assert_checkpoints():
                await _private.schedule_point()
                assert _private.passes_cancel_point(run_vars)  # and the other half
            with trio.CancelScope() as scope:
                scope.cancel()
                await _private.schedule_point()
            assert not scope.cancelled_caught

    trio.run(main)


def test_no_cancel_point_is_passed_by_who_is_to_be_interrupted():
    run_vars = _private.trio_run_vars()
    assert not _private.passes_cancel_point(run_vars)  # nobody is there

    @trio.lowlevel.enable_ki_protection
    async def main():
        assert _private.passes_cancel_point(run_vars)
        with trio.CancelScope() as scope:
            scope.cancel()
            assert not _private.passes_cancel_point(run_vars)
            with trio.CancelScope(shield=True):
                assert _private.passes_cancel_point(run_vars)
        signal.raise_signal(signal.SIGINT)
        assert not _private.passes_cancel_point(run_vars)
        with pytest.raises(KeyboardInterrupt):
            await trio.lowlevel.checkpoint_if_cancelled()
        assert _private.passes_cancel_point(run_vars)

    trio.run(main)


def test_without_trios_names_the_public_function_is_asked():
    assert _private.passes_cancel_point is not _private.trio_scheduler._never  # this Trio has them
    assert not _private.trio_scheduler._never({})


# ---- whether Trio has anything else to do

can_ask = pytest.mark.skipif(sys.version_info < (3, 13), reason="PEP 667 made it cheap")


@can_ask
def test_others_can_run_if_they_are_scheduled_or_still_to_run_in_this_pass():
    answers = []

    async def main():
        tasks = _private.trio_tasks_here()
        await trio.testing.wait_all_tasks_blocked()  # Trio's own
        assert not tasks.others_can_run()

        async def look():
            answers.append(tasks.others_can_run())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            nursery.start_soon(look)
            assert tasks.others_can_run()
        assert answers == [True, False]  # the second is the last of its pass

    for _ in range(10):  # in either order
        answers.clear()
        trio.run(main)


@can_ask
def test_with_an_instrument_others_can_always_run():
    class Silent(trio.abc.Instrument):
        pass

    class Watches(Silent):
        def before_io_wait(self, timeout):
            pass

    async def main():
        tasks = _private.trio_tasks_here()
        await trio.testing.wait_all_tasks_blocked()
        for instrument, is_noticed in ((Silent(), False), (Watches(), True)):
            trio.lowlevel.add_instrument(instrument)
            assert tasks.others_can_run() is is_noticed
            trio.lowlevel.remove_instrument(instrument)
            assert not tasks.others_can_run()

    trio.run(main)


@can_ask
def test_seconds_to_trios_next_deadline():
    async def main():
        tasks = _private.trio_tasks_here()
        assert tasks.clock is trio.lowlevel.current_clock()
        assert tasks.seconds_to_deadline() == math.inf
        with trio.move_on_after(10), trio.move_on_after(20):
            assert 0 < tasks.seconds_to_deadline() <= 10
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.testing.wait_all_tasks_blocked, 0.01)
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            assert tasks.seconds_to_deadline() == 0  # who waits for all is to see that we wait

    trio.run(main)


@can_ask
def test_trios_descriptor_is_readable_when_trio_is_called():
    async def main():
        tasks = _private.trio_tasks_here()
        await trio.testing.wait_all_tasks_blocked()
        poll = select.poll()
        poll.register(tasks.descriptor, select.POLLIN)
        assert poll.poll(0) == []
        trio.lowlevel.current_trio_token().run_sync_soon(int)
        assert poll.poll(0) == [(tasks.descriptor, select.POLLIN)]
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        assert poll.poll(0) == []

    trio.run(main)


@can_ask
def test_a_schedule_point_without_a_pass_is_counted():
    async def main():
        tasks = _private.trio_tasks_here()
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_checkpoints():
            assert tasks.passes_schedule_point()
            assert _private.passes_cancel_point(_private.trio_run_vars())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint)
            with pytest.raises(AssertionError), trio.testing.assert_checkpoints():
                assert not tasks.passes_schedule_point()
                assert _private.passes_cancel_point(_private.trio_run_vars())

    trio.run(main)


@can_ask
def test_who_is_cancelled_in_the_middle_of_a_step_may_hear_of_it_at_once():
    heard = []

    def cancelled(raise_cancel):
        with pytest.raises(trio.Cancelled) as caught:
            raise_cancel()
        heard.append(caught.value)
        return trio.lowlevel.Abort.FAILED  # nobody is to wake the task: it runs

    async def main():
        tasks = _private.trio_tasks_here()
        with trio.CancelScope() as outer, trio.CancelScope() as scope:
            tasks.set_abort(cancelled)
            scope.cancel()
            assert len(heard) == 1
            outer.cancel()  # it comes once, as to a task that waits
            assert len(heard) == 1
            tasks.set_abort(cancelled)
            tasks.set_abort(None)
            trio.CancelScope().cancel()
            await trio.lowlevel.checkpoint()
        assert len(heard) == 1

    trio.run(main)


@pytest.mark.parametrize(
    ("name", "value"), [("_BATCH", "batches"), ("_scheduler_code", None), ("_BATCH", "runner")]
)
def test_a_trio_that_keeps_its_tasks_elsewhere_is_not_asked(name, value, monkeypatch):
    async def main():
        assert _private.trio_tasks_here() is None
        async with open_loop():
            for _ in range(3):
                assert await trio2aio(asyncio.sleep)(0.001, "value") == "value"

    monkeypatch.setattr(_private.trio_tasks, name, value)
    trio.run(main)


def test_trios_tasks_are_not_asked_from_outside_or_in_a_guest():
    assert _private.trio_tasks_here() is None

    async def main():
        return _private.trio_tasks_here()

    assert asyncio.run(trio_bridge.aio2trio(main)()) is None
    assert (trio.run(main) is not None) == (sys.version_info >= (3, 13))


# ---- what the task tree reads


def test_scopes_of_a_task_outermost_first():
    async def main():
        task = trio.lowlevel.current_task()
        with trio.CancelScope() as outer, trio.CancelScope() as inner:
            inner.cancel()
            async with trio.open_nursery() as nursery:
                scopes = [(outer, False), (inner, True), (nursery.cancel_scope, False)]
                assert _private.scopes_of(task) == scopes
                nursery.start_soon(child)

    async def child():
        with trio.CancelScope() as own:
            assert _private.scopes_of(trio.lowlevel.current_task()) == [(own, False)]

    trio.run(main)


def test_a_nursery_that_is_half_made_is_left_out():
    """Trio lists it first, and a signal that comes then asks for the tree."""

    class Task:
        child_nurseries: typing.ClassVar = [
            made := types.SimpleNamespace(cancel_scope=None, child_tasks=frozenset()),
            types.SimpleNamespace(cancel_scope=None),
            types.SimpleNamespace(),
        ]

    assert _private.nurseries_of(Task()) == [Task.made]


def test_without_trios_names_the_tree_has_the_nurseries():
    class FutureTask:
        parent_nursery = None
        child_nurseries = ()

    assert _private.scopes_of(FutureTask()) == []
    assert _private.birth_of(FutureTask()) == 0
    assert _private.clock_of(FutureTask()) is None
    assert _private.waited_for_by(FutureTask()) == []


def test_birth_clock_and_root_of_trios_tasks():
    clock = trio.testing.MockClock()
    births = []

    async def child():
        task = trio.lowlevel.current_task()
        births.append((task.name, _private.birth_of(task)))
        assert _private.clock_of(task) is clock

    async def main():
        assert _private.trio_root_here() is trio.lowlevel.current_root_task()
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(child, name=name)

    assert _private.trio_root_here() is None
    trio.run(main, clock=clock)
    births.sort()
    assert births == sorted(births, key=lambda item: item[1])


def test_what_an_asyncio_task_waits_for():
    async def main():
        future = asyncio.get_running_loop().create_future()

        async def wait():
            await future

        async def gather():
            await asyncio.gather(waiting, future)

        waiting = asyncio.create_task(wait())
        gathering = asyncio.create_task(gather())
        assert _private.waited_for_by(waiting) == []
        await asyncio.sleep(0)
        assert _private.waited_for_by(waiting) == [future]
        assert _private.waited_for_by(gathering) == [waiting, future]
        future.set_result(None)
        await gathering

    asyncio.run(main())


def test_the_code_of_a_turn_is_on_the_stack_of_a_callback(loop):
    codes = []

    def callback():
        frame = _private.frames_by_thread()[threading.get_ident()]
        while frame is not None:
            codes.append(frame.f_code)
            frame = frame.f_back

    loop.call_soon(callback)
    _private.run_once(loop)()
    assert callback.__code__ in codes
    assert _private.TURNS.intersection(codes)


async def test_a_loop_keeps_its_attributes_in_itself():
    """What :class:`RoomyLoop` is for; see there. The stock loop alone comes near the limit."""
    async with open_asyncio_nursery():
        loop = current_loop()
        exchanged = {"call_soon", "call_at", "create_task", "default_exception_handler"}
        assert exchanged <= set(vars(loop))
        assert len(vars(loop)) <= 29


def test_what_is_rarely_used_of_a_loop_is_where_the_stock_loop_looks_for_it():
    loop = trio_bridge.new_event_loop()
    try:
        loop.set_exception_handler(print)
        assert loop._exception_handler is print
        assert loop.get_exception_handler() is print
        assert "_exception_handler" not in vars(loop)
        assert loop.settings_changes == []
        assert "settings_changes" not in vars(loop)
    finally:
        loop.close()


def test_what_is_rarely_used_of_a_loop_may_be_patched():
    """As tests of users' do with ``mock.patch.object``, which deletes what it has set."""
    loop = trio_bridge.new_event_loop(engine="selector")
    try:
        with mock.patch.object(loop, "_exception_handler", print):
            assert loop.get_exception_handler() is print
        assert loop.get_exception_handler() is None
        for _ in range(2):
            with pytest.raises(AttributeError):
                del loop._signal_handlers, loop._signal_handlers
            loop._signal_handlers = {}
    finally:
        loop.close()


async def test_what_tells_of_unretrieved_errors_and_of_sources():
    @trio2aio
    async def asyncio_code():
        async def fails():
            raise ValueError

        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        task = asyncio.Task(fails(), loop=loop)
        loop.set_debug(False)
        await asyncio.wait([task])
        assert _private.is_unretrieved(task)
        assert task._source_traceback[-1].filename == __file__
        _private.forget_source_frames(task, __file__)
        assert task._source_traceback[-1].filename != __file__
        task.exception()
        assert not _private.is_unretrieved(task)
        handle = loop.call_soon(int)
        var = contextvars.ContextVar("var")
        var.set(1)
        assert var not in _private.context_of(handle)
        assert _private.context_of(loop.call_soon(int))[var] == 1
        if _private.TASKS_TELL_CONTEXT:
            assert _private.context_of(asyncio.current_task())[var] == 1

    await asyncio_code()


def test_a_deadline_of_trios_calls_once():
    called = []

    async def main():
        deadline = _private.make_trio_deadline(lambda: called.append(trio.current_time()))
        deadline.set(7)
        deadline.set(5)
        await trio.sleep(10)
        assert called == [5]
        deadline.set(trio.current_time() + 1)
        deadline.set(math.inf)
        await trio.sleep(10)
        assert called == [5]

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


class _ForgetsOthers:
    def __init__(self):
        self.scopes = []

    def add(self, deadline, scope):
        self.scopes.append(scope)

    def remove(self, deadline, scope):
        self.scopes.remove(scope)

    def next_deadline(self):
        return 1.0

    def expire(self, now):
        return False


class _AsksForMore(trio._core._run.Deadlines):
    def expire(self, now):
        for _, _, scope in self._heap:
            scope.a_name_of_the_future()


@pytest.mark.parametrize("kind", [_ForgetsOthers, _AsksForMore, object, type(None)])
def test_deadlines_that_trio_keeps_in_another_way_are_left_alone(kind, monkeypatch):
    class Runner:
        is_guest = False
        deadlines = kind()

    monkeypatch.setattr(
        "trio_bridge._private.trio_deadlines.trio_run_vars", lambda: {"runner": Runner}
    )
    assert _private.make_trio_deadline(lambda: None) is None


def test_outside_of_trio_there_is_no_deadline():
    assert _private.make_trio_deadline(lambda: None) is None


# ---- names that objects of ours have, for asyncio to find


def test_which_classes_are_of_futures():
    assert _private.is_future_type(asyncio.Future)
    assert _private.is_future_type(asyncio.Task)
    assert not _private.is_future_type(asyncio.Handle)


def test_a_loop_that_was_never_made_is_closed_for_asyncio():
    loop = asyncio.SelectorEventLoop()
    loop.close()
    loop._closed = False
    _private.was_never_made(loop)
    assert loop.is_closed()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("base_events", "_start_tls_compatible"),
        ("sslproto", "_force_close"),
        ("events", "_timer_handle_cancelled"),
    ],
)
def test_asyncio_looks_for_names_of_ours(module, name):
    assert name in inspect.getsource(importlib.import_module(f"asyncio.{module}"))


class PressesCtrlC(set):
    """What a weak collection takes a dead reference out of."""

    def discard(self, reference):
        signal.raise_signal(signal.SIGINT)
        super().discard(reference)


def test_ctrl_c_in_the_callback_of_a_weak_set_is_not_lost():
    """Python drops what such a callback raises."""
    reached = []

    async def main():
        thing = type("Thing", (), {})()
        things = weakref.WeakSet([thing])
        things.data = PressesCtrlC(things.data)
        del thing
        reached.append("after the callback")
        await trio.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert reached == ["after the callback"]


@pytest.mark.parametrize(
    "make", [weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary]
)
def test_the_callbacks_of_weak_collections_are_known(make):
    assert inspect.isfunction(make()._remove)
