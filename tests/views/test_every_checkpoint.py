"""Managers and generators that cross, cancelled at every one of their checkpoints in turn.

Each story is run again and again, with one cancellation that comes one step later each time, until
it ends before that. However early or late it comes: nothing hangs, no task is left, what was
entered is left exactly once and in the reverse order, and the cancellation comes out, or the value.

What cancels, and when:

- a Trio scope around the story, before each step of any Trio task;
- the same, from the asyncio side: in each turn of the loop;
- ``Task.cancel()`` of the asyncio task that the story runs in, in each turn of the loop;
- ``Task.cancel()`` of each asyncio task in which a manager or a generator lives, in each turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools

import pytest
import trio
import trio.testing
from ways import ASYNCIO, TRIO, WAYS, living_tasks, nothing_is_left

import trio_bridge
from trio_bridge import aio2trio, trio2aio

WAYS_OF_USE = [name for name in WAYS if name != "trio below a task uses asyncio"]


# ---- what cancels


class AtStep(trio.abc.Instrument):
    """Cancels before the n-th step of Trio's tasks."""

    def __init__(self, n, cancel):
        self.n = n
        self.cancel = cancel
        self.has_cancelled = False

    def begin(self):
        trio.lowlevel.add_instrument(self)

    def end(self):
        trio.lowlevel.remove_instrument(self)

    def before_task_step(self, task):
        self.n -= 1
        if self.n == -1:
            self.has_cancelled = True
            self.cancel()


class AtTurn:
    """Cancels in the n-th turn of the loop."""

    def __init__(self, n, cancel):
        self.n = n
        self.cancel = cancel
        self.has_cancelled = False

    def begin(self):
        self.handle = trio_bridge.current_loop().call_soon(self.turn)

    def end(self):
        self.handle.cancel()

    def turn(self):
        self.n -= 1
        if self.n == -1:
            self.has_cancelled = True
            self.cancel()
        else:
            self.handle = asyncio.get_running_loop().call_soon(self.turn)


# ---- managers and generators that log


class Tracked:
    """A manager of either side, with a checkpoint before and after each thing that it does."""

    def __init__(self, own, log, name="manager"):
        self.own = own
        self.log = log
        self.name = name

    async def __aenter__(self):
        await self.own.checkpoint()
        self.log.append(("enter", self.name))
        return self

    async def __aexit__(self, *details):
        self.log.append(("exit", self.name))
        await self.own.checkpoint()


class Sync:
    def __init__(self, own, log, name="sync"):
        self.log = log
        self.name = name

    def __enter__(self):
        self.log.append(("enter", self.name))
        return self

    def __exit__(self, *details):
        self.log.append(("exit", self.name))


@contextlib.asynccontextmanager
async def tracked(own, log, name="from a generator"):
    await own.checkpoint()
    log.append(("enter", name))
    try:
        yield
        await own.checkpoint()
    finally:
        log.append(("exit", name))
        await own.checkpoint()


async def items(own, log, inside=contextlib.nullcontext):
    log.append(("enter", "generator"))
    try:
        await own.checkpoint()
        async with inside():
            for i in range(3):
                yield i
                await own.checkpoint()
    finally:
        log.append(("exit", "generator"))
        await own.checkpoint()


class Iterator:
    def __init__(self, own, n=3):
        self.own = own
        self.items = iter(range(n))

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.own.checkpoint()
        for item in self.items:
            return item
        raise StopAsyncIteration

    async def aclose(self):
        await self.own.checkpoint()


# ---- stories, told by the user's code


async def body(way):
    await way.user.checkpoint()
    await way.adapt(way.own.checkpoint)()
    await way.user.checkpoint()


async def a_class(way, log):
    async with way.adapt(Tracked(way.own, log)):
        await body(way)


async def a_sync_class(way, log):
    async with way.adapt(Sync(way.own, log)):
        await body(way)


async def a_function(way, log):
    async with way.adapt(tracked)(way.own, log):
        await body(way)


async def an_empty_body(way, log):
    async with way.adapt(Tracked(way.own, log)):
        pass


async def several(way, log):
    async with way.adapt(Tracked(way.own, log, 1)), way.adapt(tracked)(way.own, log, 2):
        await body(way)
        async with way.adapt(Sync(way.own, log, 3)), way.adapt(Tracked(way.own, log, 4)):
            await body(way)
        await body(way)


async def one_after_the_other(way, log):
    for name in (1, 2):
        async with way.adapt(Tracked(way.own, log, name)):
            await body(way)


async def a_failing_body(way, log):
    with contextlib.suppress(OSError):
        async with way.adapt(tracked(way.own, log)):
            await body(way)
            raise OSError


async def both_sides(way, log):
    """Out and back, with a manager at each level."""

    async def inner():
        async with way.user.adapt(Tracked(way.user, log, 2)):
            await way.own.checkpoint()
            await way.user.adapt(innermost)()

    async def innermost():
        async with way.adapt(Tracked(way.own, log, 3)):
            await body(way)

    async with way.adapt(Tracked(way.own, log, 1)):
        await way.adapt(inner)()
        await way.user.checkpoint()


async def a_manager_around_one_of_the_other_side(way, log):
    @contextlib.asynccontextmanager
    async def outer():
        async with way.user.adapt(Tracked(way.user, log, 1)):
            await way.own.checkpoint()
            yield

    async with way.adapt(outer()):
        await body(way)


async def a_generator(way, log):
    async with contextlib.aclosing(way.adapt(items)(way.own, log)) as it:
        assert [item async for item in it] == [0, 1, 2]


async def a_generator_with_a_body(way, log):
    async with contextlib.aclosing(way.adapt(items)(way.own, log)) as it:
        async for _ in it:
            await body(way)


async def a_generator_left_early(way, log):
    async with contextlib.aclosing(way.adapt(items)(way.own, log)) as it:
        async for item in it:
            await way.user.checkpoint()
            if item == 1:
                break


async def a_generator_that_is_thrown_into(way, log):
    async with contextlib.aclosing(way.adapt(items)(way.own, log)) as it:
        await it.asend(None)
        await it.asend("value")
        with pytest.raises(OSError):
            await it.athrow(OSError())


async def a_generator_with_a_manager(way, log):
    inside = functools.partial(Tracked, way.own, log, "inside")
    async with contextlib.aclosing(way.adapt(items)(way.own, log, inside)) as it:
        async for _ in it:
            await body(way)


async def a_generator_with_a_manager_of_the_other_side(way, log):
    def inside():
        return way.user.adapt(Tracked(way.user, log, "inside"))

    await iterate(way, way.adapt(items)(way.own, log, inside))


async def an_iterator(way, log):
    async with contextlib.aclosing(way.adapt(Iterator(way.own))) as it:
        async for _ in it:
            await way.user.checkpoint()


EITHER_WAY = [
    a_class,
    a_sync_class,
    a_function,
    an_empty_body,
    several,
    one_after_the_other,
    a_failing_body,
    both_sides,
    a_manager_around_one_of_the_other_side,
    a_generator,
    a_generator_with_a_body,
    a_generator_left_early,
    a_generator_that_is_thrown_into,
    a_generator_with_a_manager,
    a_generator_with_a_manager_of_the_other_side,
    an_iterator,
]


async def between(way, log, manager, then=None):
    """A manager between two that log. (No context manager itself, as its body may be skipped.)"""
    async with way.adapt(Tracked(way.own, log, "around")), manager as value:
        async with way.adapt(Tracked(way.own, log, "inside")):
            await body(way)
            if then is not None:
                await then(value)
        await body(way)


async def iterate(way, it):
    """A nursery puts the GeneratorExit of aclose() into a group, on Trio's side too."""
    try:
        async with contextlib.aclosing(it):
            async for _ in it:
                await body(way)
    except BaseExceptionGroup as group:
        rest = group.split(GeneratorExit)[1]
        if rest is not None:
            raise rest from None


async def asyncio_timeout(way, log):
    await between(way, log, trio2aio(asyncio.timeout)(1000))


async def asyncio_timeout_that_fires(way, log):
    with contextlib.suppress(TimeoutError):
        await between(way, log, trio2aio(asyncio.timeout)(0), lambda _: trio.sleep(1000))


async def asyncio_task_group(way, log):
    async def then(group):
        group.create_task(asyncio.sleep(0))
        group.create_task(aio2trio(trio.lowlevel.checkpoint)())

    await between(way, log, trio2aio(asyncio.TaskGroup()), then)


async def asyncio_task_group_that_fails(way, log):
    async def fail():
        await asyncio.sleep(0)
        raise OSError

    async def then(group):
        group.create_task(fail())
        await trio.sleep(1000)

    with contextlib.suppress(ExceptionGroup):
        await between(way, log, trio2aio(asyncio.TaskGroup()), then)


async def anyio_task_group(way, log):
    anyio = pytest.importorskip("anyio")

    async def then(group):
        group.start_soon(anyio.sleep, 0)

    await between(way, log, trio2aio(anyio.create_task_group)(), then)


async def asyncio_lock(way, log):
    lock = asyncio.Lock()
    try:
        await between(way, log, trio2aio(lock))
    finally:
        assert not lock.locked()


async def asyncio_generator_with_a_timeout(way, log):
    inside = functools.partial(asyncio.timeout, 1000)
    await iterate(way, trio2aio(items)(ASYNCIO, log, inside))


async def asyncio_generator_with_a_nursery(way, log):
    await iterate(way, trio2aio(items)(ASYNCIO, log, aio2trio(trio.open_nursery)))


TO_ASYNCIO = [
    asyncio_timeout,
    asyncio_timeout_that_fires,
    asyncio_task_group,
    asyncio_task_group_that_fails,
    anyio_task_group,
    asyncio_lock,
    asyncio_generator_with_a_timeout,
    asyncio_generator_with_a_nursery,
]


async def trio_scope(way, log):
    await between(way, log, aio2trio(trio.CancelScope()))


async def trio_scope_that_is_cancelled(way, log):
    async def then(scope):
        scope.cancel()
        await asyncio.sleep(1000)

    await between(way, log, aio2trio(trio.CancelScope()), then)


async def trio_deadline_that_has_passed(way, log):
    await between(way, log, aio2trio(trio.move_on_after(0)), lambda _: asyncio.sleep(1000))


async def trio_nursery(way, log):
    async def then(nursery):
        nursery.start_soon(trio.lowlevel.checkpoint)
        nursery.start_soon(trio2aio(asyncio.sleep), 0)

    await between(way, log, aio2trio(trio.open_nursery()), then)


async def trio_nursery_that_fails(way, log):
    async def fail():
        await trio.lowlevel.checkpoint()
        raise OSError

    async def then(nursery):
        nursery.start_soon(fail)
        await asyncio.sleep(1000)

    with contextlib.suppress(ExceptionGroup):
        await between(way, log, aio2trio(trio.open_nursery()), then)


async def trio_nursery_that_starts_a_service(way, log):
    async def service(*, task_status):
        await trio.lowlevel.checkpoint()
        task_status.started()
        await trio.sleep_forever()

    async def then(nursery):
        await nursery.start(service)
        nursery.cancel_scope.cancel()
        await asyncio.sleep(1000)

    await between(way, log, aio2trio(trio.open_nursery()), then)


async def trio_nursery_in_asyncio_timeout(way, log):
    async with asyncio.timeout(1000):
        await trio_nursery(way, log)


async def trio_scope_around_an_asyncio_task_group(way, log):
    async with aio2trio(trio.CancelScope()), asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
        await between(way, log, aio2trio(trio.CancelScope()))


async def trio_generator_with_a_nursery(way, log):
    await iterate(way, aio2trio(items)(TRIO, log, trio.open_nursery))


TO_TRIO = [
    trio_scope,
    trio_scope_that_is_cancelled,
    trio_deadline_that_has_passed,
    trio_nursery,
    trio_nursery_that_fails,
    trio_nursery_that_starts_a_service,
    trio_nursery_in_asyncio_timeout,
    trio_scope_around_an_asyncio_task_group,
    trio_generator_with_a_nursery,
]

STORIES = [
    pytest.param(name, story)
    for name in WAYS_OF_USE
    for story in EITHER_WAY + (TO_ASYNCIO if WAYS[name].own is ASYNCIO else TO_TRIO)
]


# ---- the test


def left_once_and_in_order(log):
    open_ = []
    for what, name in log:
        if what == "enter":
            open_.append(name)
        else:
            assert open_.pop() == name
    assert open_ == []


async def run_story(name, story, kind, n, log):
    """Run it with one cancellation; whether there was one, and what came out."""
    way = WAYS[name]
    scope = trio.CancelScope()
    told_in = []

    async def tell():
        if way.user is ASYNCIO:
            told_in.append(asyncio.current_task())
        await story(way, log)
        log_of_value.append("value")
        if way.user is ASYNCIO and kind != "the task":
            # The cancellation of a scope is still counted where it has not yet been delivered.
            assert told_in[0].cancelling() <= 1

    def cancel():
        if kind.startswith("a scope"):
            scope.cancel()
        elif kind == "the task":
            for task in told_in:  # it may not have begun
                task.cancel()
        else:
            for owner in list(bridge.asyncio_owners):
                owner._task.cancel()

    log_of_value = []
    bridge = trio_bridge._bridge.current_bridge()
    canceller = (AtStep if kind == "a scope, at a step" else AtTurn)(n, cancel)
    error = None
    with trio.fail_after(30) as guard:
        with scope:
            canceller.begin()
            try:
                await way.code(tell)()
            except asyncio.CancelledError as exc:
                error = exc
            finally:
                canceller.end()
    assert not guard.cancelled_caught
    return canceller.has_cancelled, bool(log_of_value), scope.cancelled_caught, error


async def every_checkpoint(name, story, kind, at_least):
    await trio.testing.wait_all_tasks_blocked()
    tasks = living_tasks()
    n = 0
    while True:
        log = []
        try:
            has_cancelled, has_value, is_caught, error = await run_story(name, story, kind, n, log)
            left_once_and_in_order(log)
            await nothing_is_left(tasks)
            await trio2aio(asyncio.sleep)(0)
            if not has_cancelled:
                assert has_value
                assert error is None
                break
            if kind.startswith("a scope"):
                assert error is None
                assert has_value or is_caught
            else:
                assert has_value or error is not None
        except BaseException as exc:
            exc.add_note(f"cancelled at {n}: {log}")
            raise
        n += 1
    assert n >= at_least


@pytest.mark.parametrize(("name", "story"), STORIES)
async def test_a_scope_is_cancelled_at_every_step(name, story):
    await every_checkpoint(name, story, "a scope, at a step", 2)


@pytest.mark.parametrize(("name", "story"), STORIES)
async def test_a_scope_is_cancelled_in_every_turn(short_batches, name, story):
    await every_checkpoint(name, story, "a scope, in a turn", 1)


@pytest.mark.parametrize(
    ("name", "story"), [story for story in STORIES if WAYS[story.values[0]].user is ASYNCIO]
)
async def test_the_task_is_cancelled_in_every_turn(short_batches, name, story):
    await every_checkpoint(name, story, "the task", 1)


@pytest.mark.parametrize(
    ("name", "story"), [story for story in STORIES if WAYS[story.values[0]].own is ASYNCIO]
)
async def test_the_owners_are_cancelled_in_every_turn(short_batches, name, story):
    await every_checkpoint(name, story, "the owners", 1)
