"""Context managers that cross: one contract, for both directions and for every kind of caller.

Each test with ``way`` runs for all that ``WAYS`` names: Trio code that enters a manager of
asyncio's and asyncio code that enters one of Trio's, where the code may be started by either side.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import math
import re
import signal
import sys
import time
import typing

import pytest
import sniffio
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from ways import (  # noqa: F401
    ASYNCIO,
    TO_ASYNCIO,
    TO_TRIO,
    TRIO,
    WAYS,
    Way,
    fails_after,
    in_a_task,
    leaves_nothing,
    living_tasks,
    nothing_is_left,
)

import trio_bridge
from trio_bridge import aio2trio, trio2aio


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture(params=TO_TRIO)
def asyncio_code(request):
    """Starts asyncio code, as a guest or as asyncio's own task."""
    return WAYS[request.param].code


# ---- kinds of managers, all of which log what happens to them


class AsyncClass:
    def __init__(self, own, log, on_exit=None):
        self.own = own
        self.log = log
        self.on_exit = on_exit

    async def __aenter__(self):
        self.log.append(("enter", self.own.current_task()))
        await self.own.checkpoint()
        return "value"

    async def __aexit__(self, exc_type, exc, traceback):
        assert exc_type is (exc and type(exc))
        assert traceback is (exc and exc.__traceback__)
        self.log.append(("exit", self.own.current_task()))
        await self.own.checkpoint()
        return self.on_exit(exc) if self.on_exit else None


class SyncClass:
    def __init__(self, own, log, on_exit=None):
        self.own = own
        self.log = log
        self.on_exit = on_exit

    def __enter__(self):
        self.log.append(("enter", self.own.current_task()))
        return "value"

    def __exit__(self, exc_type, exc, traceback):
        self.log.append(("exit", self.own.current_task()))
        return self.on_exit(exc) if self.on_exit else None


@contextlib.asynccontextmanager
async def async_generator(own, log, on_exit=None):
    log.append(("enter", own.current_task()))
    await own.checkpoint()
    try:
        yield "value"
    except BaseException as exc:
        log.append(("exit", own.current_task()))
        await own.checkpoint()
        if not (on_exit and on_exit(exc)):
            raise
    else:
        log.append(("exit", own.current_task()))
        await own.checkpoint()
        if on_exit:
            on_exit(None)


@contextlib.contextmanager
def sync_generator(own, log, on_exit=None):
    log.append(("enter", own.current_task()))
    try:
        yield "value"
    except BaseException as exc:
        log.append(("exit", own.current_task()))
        if not (on_exit and on_exit(exc)):
            raise
    else:
        log.append(("exit", own.current_task()))
        if on_exit:
            on_exit(None)


KINDS = [AsyncClass, SyncClass, async_generator, sync_generator]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def entered_and_left_once(log):
    """... in one task."""
    assert [what for what, _ in log] == ["enter", "exit"]
    assert log[0][1] is log[1][1]
    assert log[0][1] is not None
    return True


# ---- entering and leaving


async def test_entered_and_left_in_one_task(way, kind):
    log = []

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log)) as value:
            assert sniffio.current_async_library() == way.user.name
            await way.user.checkpoint()
            await way.adapt(way.own.checkpoint)()
            assert len(log) == 1
        assert sniffio.current_async_library() == way.user.name
        return value

    assert await user() == "value"
    assert entered_and_left_once(log)


async def test_a_body_that_does_not_wait(way, kind):
    log = []

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log)) as value:
            pass
        return value

    assert await user() == "value"
    assert entered_and_left_once(log)


async def test_an_exception_passes(way, kind):
    log = []
    seen = []
    error = OSError("in the body")

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log, seen.append)):
            await way.user.checkpoint()
            raise error

    with pytest.raises(OSError, match="in the body") as caught:
        await user()
    assert caught.value is error
    assert seen == [error]
    assert error.__context__ is None
    assert error.__cause__ is None
    assert entered_and_left_once(log)


async def test_an_exception_group_passes(way, kind):
    log = []
    error = ExceptionGroup("in the body", [OSError(), ValueError()])

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log)):
            raise error

    with pytest.raises(ExceptionGroup) as caught:
        await user()
    assert caught.value is error
    assert entered_and_left_once(log)


async def test_an_exception_is_swallowed(way, kind):
    log = []

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log, lambda exc: isinstance(exc, OSError))):
            raise OSError
        await way.user.checkpoint()
        return "goes on"

    assert await user() == "goes on"
    assert entered_and_left_once(log)


async def test_an_exception_is_replaced(way, kind):
    log = []
    error = OSError("in the body")

    def replace(exc):
        raise ValueError("instead")

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log, replace)):
            raise error

    with pytest.raises(ValueError, match="instead") as caught:
        await user()
    assert caught.value.__context__ is error
    assert caught.value.__cause__ is None
    assert entered_and_left_once(log)


async def test_an_exception_is_replaced_with_a_cause(way, kind):
    log = []
    error = OSError("in the body")

    def replace(exc):
        raise ValueError("instead") from exc

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log, replace)):
            raise error

    with pytest.raises(ValueError, match="instead") as caught:
        await user()
    assert caught.value.__cause__ is error
    assert entered_and_left_once(log)


async def test_an_error_of_exit_without_one_in_the_body(way, kind):
    log = []

    def fail(exc):
        raise ValueError("in exit")

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log, fail)):
            pass

    with pytest.raises(ValueError, match="in exit") as caught:
        await user()
    assert caught.value.__context__ is None
    assert entered_and_left_once(log)


async def test_an_error_of_enter(way):
    log = []

    class Fails(AsyncClass):
        async def __aenter__(self):
            await super().__aenter__()
            raise OSError("in enter")

    @way.code
    async def user():
        async with way.adapt(Fails(way.own, log)):
            raise AssertionError

    with pytest.raises(OSError, match="in enter") as caught:
        await user()
    assert caught.value.__context__ is None
    assert [what for what, _ in log] == ["enter"]


@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration, GeneratorExit])
async def test_the_exceptions_of_generators_pass(way, kind, stop):
    log = []
    seen = []
    error = stop("in the body")

    @way.code
    async def user():
        with pytest.raises(stop) as caught:
            async with way.adapt(kind(way.own, log, seen.append)):
                raise error
        return caught.value

    assert await user() is error
    assert seen == [error]
    assert entered_and_left_once(log)


@pytest.mark.parametrize("how", ["return", "break"])
async def test_a_body_that_is_left_early(way, kind, how):
    log = []

    @way.code
    async def user():
        for _ in range(3):
            async with way.adapt(kind(way.own, log)) as value:
                if how == "return":
                    return value
                break
        return value

    assert await user() == "value"
    assert entered_and_left_once(log)


async def test_what_enter_returns_is_adapted(way):
    class ReturnsItself(AsyncClass):
        async def __aenter__(self):
            await super().__aenter__()
            return self

        async def method(self):
            return self.own.current_task()

    log = []

    @way.code
    async def user():
        manager = way.adapt(ReturnsItself(way.own, log))
        async with manager as entered:
            assert entered is manager
            assert await entered.method() is not None

    await user()
    assert entered_and_left_once(log)


async def test_on_its_own_side_a_view_is_the_manager_itself(way):
    log = []
    inner = []

    @way.code
    async def user():
        async def own_code():
            async with way.adapt(AsyncClass(way.own, log)) as value:
                inner.append(way.own.current_task())
            with way.adapt(SyncClass(way.own, [])):
                return value

        return await way.adapt(own_code)()

    assert await user() == "value"
    assert entered_and_left_once(log)
    assert log[0][1] is inner[0]


# ---- functions


class Methods:
    """As a class of the own side's library, or of the user's own, would have them."""

    @staticmethod
    def of(own):
        adapt = own.adapt
        manager = contextlib.asynccontextmanager

        class It:
            log: typing.ClassVar = []

            @adapt
            @manager
            async def method(self, value):
                """The docs."""
                self.log.append(("enter", own.current_task()))
                await own.checkpoint()
                yield self, value
                self.log.append(("exit", own.current_task()))

            @manager
            @adapt
            async def method_below(self, value):
                """The docs."""
                self.log.append(("enter", own.current_task()))
                await own.checkpoint()
                yield self, value
                self.log.append(("exit", own.current_task()))

            @staticmethod
            @adapt
            @manager
            async def static(value):
                """The docs."""
                It.log.append(("enter", own.current_task()))
                await own.checkpoint()
                yield It, value
                It.log.append(("exit", own.current_task()))

            @adapt
            @staticmethod
            @manager
            async def static_above(value):
                """The docs."""
                It.log.append(("enter", own.current_task()))
                await own.checkpoint()
                yield It, value
                It.log.append(("exit", own.current_task()))

            @classmethod
            @adapt
            @manager
            async def of_class(cls, value):
                """The docs."""
                cls.log.append(("enter", own.current_task()))
                await own.checkpoint()
                yield cls, value
                cls.log.append(("exit", own.current_task()))

            @adapt
            @classmethod
            @manager
            async def of_class_above(cls, value):
                """The docs."""
                cls.log.append(("enter", own.current_task()))
                await own.checkpoint()
                yield cls, value
                cls.log.append(("exit", own.current_task()))

            @adapt
            @contextlib.contextmanager
            def sync(self, value):
                """The docs."""
                self.log.append(("enter", own.current_task()))
                yield self, value
                self.log.append(("exit", own.current_task()))

        return It


@pytest.mark.parametrize("through", ["instance", "class"])
@pytest.mark.parametrize(
    "name",
    ["method", "method_below", "static", "static_above", "of_class", "of_class_above", "sync"],
)
async def test_functions_and_methods(way, name, through):
    It = Methods.of(way.own)
    it = It()
    if through == "instance":
        fn = getattr(it, name)
    elif name in ("method", "method_below", "sync"):
        fn = functools.partial(getattr(It, name), it)
    else:
        fn = getattr(It, name)

    @way.code
    async def user():
        async with fn("value") as (of, value):
            assert trio_bridge.unview(of) is (It if name.startswith(("static", "of_class")) else it)
            return value

    assert await user() == "value"
    assert entered_and_left_once(It.log)
    function = fn.func if isinstance(fn, functools.partial) else fn
    assert function.__name__ == name
    assert function.__doc__ == "The docs."


async def test_the_signature_is_kept(way):
    @contextlib.asynccontextmanager
    async def manager(a: int, *, b: str = "b"):
        yield a, b

    adapted = way.adapt(manager)
    assert inspect.signature(adapted) == inspect.signature(manager)
    assert (adapted.__name__, adapted.__qualname__) == (manager.__name__, manager.__qualname__)

    @way.code
    async def user():
        async with adapted(1, b="c") as value:
            return value

    assert await user() == (1, "c")


# ---- reuse and concurrency of one object


async def test_one_object_is_used_again(way):
    log = []
    manager = way.adapt(AsyncClass(way.own, log))

    @way.code
    async def user():
        for _ in range(2):
            async with manager:
                pass

    await user()
    await user()
    assert [what for what, _ in log] == ["enter", "exit"] * 4


async def test_one_object_is_entered_twice_at_once_by_one_task(way):
    log = []
    manager = way.adapt(AsyncClass(way.own, log))

    @way.code
    async def user():
        async with manager, manager:
            pass

    await user()
    assert [what for what, _ in log] == ["enter", "enter", "exit", "exit"]
    assert log[0][1] is log[3][1]
    assert log[1][1] is log[2][1]


async def test_one_object_is_entered_by_several_tasks_at_once(way, autojump_clock):
    log = []
    manager = way.adapt(AsyncClass(way.own, log))

    @way.code
    async def user(seconds):
        async with manager:
            await way.user.sleep(seconds)

    async with trio.open_nursery() as nursery:
        for seconds in (3, 1, 2):
            nursery.start_soon(user, seconds)
    assert [what for what, _ in log] == ["enter"] * 3 + ["exit"] * 3
    entered = [task for what, task in log if what == "enter"]
    left = [task for what, task in log if what == "exit"]
    assert len(set(entered)) == 3
    assert set(entered) == set(left)


@pytest.mark.parametrize("make", [asyncio.Lock, functools.partial(asyncio.Semaphore, 1)])
async def test_an_asyncio_lock_for_trio_tasks(autojump_clock, make):
    log = []
    lock = trio2aio(make())

    async def user(i):
        async with lock:
            log.append(i)
            await trio.sleep(1)
            log.append(i)

    async with trio.open_nursery() as nursery:
        for i in range(5):
            nursery.start_soon(user, i)
    assert log[::2] == log[1::2]
    assert sorted(log[::2]) == list(range(5))
    assert trio.current_time() == pytest.approx(5)
    assert not lock.locked()


async def test_a_trio_lock_for_asyncio_tasks(autojump_clock, asyncio_code):
    log = []
    lock = aio2trio(trio.Lock())

    @asyncio_code
    async def user(i):
        async with lock:
            log.append(i)
            await asyncio.sleep(1)
            log.append(i)

    async with trio.open_nursery() as nursery:
        for i in range(5):
            nursery.start_soon(user, i)
    assert log[::2] == log[1::2]
    assert sorted(log[::2]) == list(range(5))
    assert trio.current_time() == pytest.approx(5)


async def test_waiting_for_an_asyncio_lock_is_cancelled(autojump_clock):
    lock = asyncio.Lock()

    async def second():
        with trio.move_on_after(1) as scope:
            async with trio2aio(lock):
                raise AssertionError
        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(1)

    async with trio2aio(lock), trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await trio.sleep(2)
    async with trio2aio(lock):
        pass
    assert not lock.locked()


async def test_an_asyncio_condition(autojump_clock):
    condition = trio2aio(asyncio.Condition())
    log = []

    async def waiter():
        async with condition:
            await condition.wait()
            log.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter)
        nursery.start_soon(waiter)
        await trio.sleep(1)
        async with condition:
            condition.notify_all()
    assert log == pytest.approx([1, 1])


# ---- context variables

var = contextvars.ContextVar("var", default="outside")


async def test_context_variables(way):
    seen = []

    @contextlib.asynccontextmanager
    async def manager():
        seen.append(var.get())
        token = var.set("in the manager")
        await way.own.checkpoint()
        try:
            yield
        finally:
            seen.append(var.get())
            await way.own.checkpoint()
            var.reset(token)

    @way.code
    async def user():
        var.set("before")
        async with way.adapt(manager()):
            assert var.get() == "in the manager"
            await way.user.checkpoint()
            assert var.get() == "in the manager"
            var.set("in the body")
        assert var.get() == "before"

    await user()
    assert seen == ["before", "in the body"]


async def test_context_variables_that_no_manager_touches(way, kind):
    @way.code
    async def user():
        async with way.adapt(kind(way.own, [])):
            token = var.set("in the body")
        assert var.get() == "in the body"
        var.reset(token)
        assert var.get() == "outside"

    await user()


async def test_sniffio_in_the_manager(way, kind):
    libraries = []

    @way.code
    async def user():
        manager = kind(way.own, [], lambda exc: libraries.append(sniffio.current_async_library()))
        async with way.adapt(manager):
            libraries.append(sniffio.current_async_library())

    await user()
    assert libraries == [way.user.name, way.own.name]


# ---- cancellation


@pytest.mark.parametrize("where", ["the user's side", "the manager's side"])
async def test_a_cancelled_transaction_rolls_back(way, autojump_clock, where):
    log = []

    @contextlib.asynccontextmanager
    async def transaction():
        await way.own.sleep(1)
        try:
            yield
        except way.own.Cancelled:
            log.append("rollback")
            with trio.CancelScope(shield=True) if way.own is TRIO else contextlib.nullcontext():
                await way.own.sleep(2)
            log.append("rolled back")
            raise
        else:
            log.append("commit")

    @way.code
    async def user():
        try:
            async with way.adapt(transaction()):
                wait = way.user.sleep if where == "the user's side" else way.adapt(way.own.sleep)
                await wait(1000)
        except way.user.Cancelled:
            log.append(f"{way.user.name} cancelled")
            raise

    with trio.move_on_after(3) as scope:
        await user()
    assert scope.cancelled_caught
    assert log == ["rollback", "rolled back", f"{way.user.name} cancelled"]
    assert trio.current_time() == pytest.approx(5)


async def test_closing_is_not_lost_in_a_scope_that_is_cancelled_already(way, kind):
    log = []

    @way.code
    async def user():
        async with way.adapt(kind(way.own, log)):
            scope.cancel()
            if way.user is ASYNCIO:
                await asyncio.sleep(1000)  # asyncio tasks are told later

    with trio.CancelScope() as scope:
        await user()
    assert scope.cancelled_caught
    assert entered_and_left_once(log)


async def test_pending_at_the_end_of_a_trio_body_a_transaction_rolls_back(autojump_clock):
    log = []

    @trio2aio
    @contextlib.asynccontextmanager
    async def transaction():
        try:
            yield
        except asyncio.CancelledError:
            assert asyncio.current_task().cancelling() == 1
            await asyncio.sleep(1)
            log.append("rolled back")
            raise
        else:
            log.append("commit")

    with trio.CancelScope() as scope:
        async with transaction():
            scope.cancel()
    assert scope.cancelled_caught
    assert log == ["rolled back"]
    assert trio.current_time() == pytest.approx(1)


async def test_cancelled_before_it_is_entered(way, kind):
    log = []

    @way.code
    async def user():
        with contextlib.suppress(AttributeError):
            scope.cancel()
        if way.user is ASYNCIO:
            asyncio.current_task().cancel()
        async with way.adapt(kind(way.own, log)):
            await way.user.sleep(1000)  # a manager without a checkpoint is entered all the same
            raise AssertionError

    with trio.CancelScope() as scope:
        with contextlib.suppress(asyncio.CancelledError):
            await user()
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert [what for what, _ in log] in ([], ["enter"], ["enter", "exit"])


async def test_cancelled_while_entering(way, autojump_clock):
    log = []

    @contextlib.asynccontextmanager
    async def manager():
        try:
            await way.own.sleep(1000)
        except way.own.Cancelled:
            log.append("cancelled")
            raise
        yield

    @way.code
    async def user():
        async with way.adapt(manager()):
            raise AssertionError

    with trio.move_on_after(1) as scope:
        await user()
    assert scope.cancelled_caught
    assert log == ["cancelled"]


@pytest.mark.parametrize("cleanup", [0, 2])
async def test_cancelled_while_leaving(way, autojump_clock, cleanup):
    log = []

    @contextlib.asynccontextmanager
    async def manager():
        yield
        try:
            await way.own.sleep(1000)
        except way.own.Cancelled:
            if cleanup:
                with trio.CancelScope(shield=True) if way.own is TRIO else contextlib.nullcontext():
                    await way.own.sleep(cleanup)
            log.append("cancelled")
            raise

    @way.code
    async def user():
        async with way.adapt(manager()):
            await way.user.sleep(1)
        raise AssertionError

    with trio.move_on_after(2) as scope:
        await user()
    assert scope.cancelled_caught
    assert log == ["cancelled"]
    assert trio.current_time() == pytest.approx(2 + cleanup)


async def test_exit_replaces_the_cancellation(way, autojump_clock):
    log = []

    def fail(exc):
        if isinstance(exc, way.own.Cancelled):
            raise OSError("rollback failed")

    @way.code
    async def user():
        async with way.adapt(SyncClass(way.own, log, fail)):
            await way.user.sleep(1000)

    with pytest.raises(OSError, match="rollback failed"), trio.move_on_after(1):
        await user()
    assert entered_and_left_once(log)


async def test_an_asyncio_cancel_in_an_asyncio_body(autojump_clock, kind):
    """Not by Trio: the manager gets a trio.Cancelled, the task its CancelledError."""
    log = []
    seen = []

    async def body():
        with pytest.raises(asyncio.CancelledError, match="a reason"):
            async with aio2trio(kind(TRIO, log, lambda exc: seen.append(type(exc)))):
                await asyncio.sleep(1000)
        return asyncio.current_task().uncancel()

    @trio2aio
    async def guest():
        task = asyncio.create_task(body())
        await asyncio.sleep(1)
        task.cancel("a reason")
        return await task

    assert await guest() == 0
    assert entered_and_left_once(log)
    assert seen in ([trio.Cancelled], [])  # an async one has a checkpoint before


# ---- asyncio's managers in Trio code

asyncio_timeout = trio2aio(asyncio.timeout)


async def test_asyncio_timeout_that_fires(autojump_clock):
    with trio.CancelScope() as scope:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio_timeout(1) as timeout:
                await trio.sleep(1000)
        assert trio.current_time() == pytest.approx(1)
        assert timeout.expired()
        await trio.sleep(1)  # the task is not left cancelled
    assert not scope.cancelled_caught
    assert not isinstance(caught.value, BaseExceptionGroup)


async def test_asyncio_timeout_that_fires_while_the_body_is_in_asyncio(autojump_clock):
    with pytest.raises(TimeoutError):
        async with asyncio_timeout(1):
            await trio2aio(asyncio.sleep)(1000)
    assert trio.current_time() == pytest.approx(1)
    await trio2aio(asyncio.sleep)(1)


async def test_asyncio_timeout_that_fires_in_a_body_with_a_nursery(autojump_clock):
    log = []

    async def child():
        try:
            await trio.sleep(1000)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            log.append("child")

    with pytest.raises(TimeoutError):
        async with asyncio_timeout(1), trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(trio2aio(asyncio.sleep), 1000)
    assert log == ["child"]
    assert trio.current_time() == pytest.approx(2)


async def test_asyncio_timeout_that_does_not_fire(autojump_clock):
    async with asyncio_timeout(2) as timeout:
        await trio.sleep(1)
    assert not timeout.expired()
    await trio.sleep(10)
    assert trio.current_time() == pytest.approx(11)


async def test_asyncio_timeout_is_rescheduled(autojump_clock):
    with pytest.raises(TimeoutError):
        async with asyncio_timeout(None) as timeout:
            assert timeout.when() is None
            loop = trio_bridge.current_loop()
            timeout.reschedule(loop.time() + 3)
            assert timeout.when() == pytest.approx(loop.time() + 3)
            await trio.sleep(1000)
    assert trio.current_time() == pytest.approx(3)


async def test_asyncio_timeout_that_has_passed_already(autojump_clock):
    with pytest.raises(TimeoutError):
        async with asyncio_timeout(-1):
            await trio.sleep(1000)
    assert trio.current_time() == 0


async def test_asyncio_timeout_and_an_error_of_the_body(autojump_clock):
    with pytest.raises(OSError, match="body"):
        async with asyncio_timeout(1):
            raise OSError("body")
    with pytest.raises(OSError, match="clean-up"):
        async with asyncio_timeout(1):
            try:
                await trio.sleep(1000)
            finally:
                raise OSError("clean-up")
    await trio.sleep(10)


async def test_asyncio_timeout_that_fires_when_trio_code_is_shielded(autojump_clock):
    with pytest.raises(TimeoutError):
        async with asyncio_timeout(1):
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            await trio.sleep(1000)
    assert trio.current_time() == pytest.approx(3)


async def test_asyncio_timeout_fires_and_the_body_ends_without_a_checkpoint(autojump_clock):
    """A body that ends by itself was not cancelled, as with a cancel scope of Trio's."""
    async with asyncio_timeout(1) as timeout:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)
    assert timeout.expired()
    await trio.sleep(1)


async def test_a_trio_scope_inside_and_outside_of_asyncio_timeout(autojump_clock):
    with trio.move_on_after(1) as outer:
        async with asyncio_timeout(2):
            await trio.sleep(1000)
    assert outer.cancelled_caught
    async with asyncio_timeout(2):
        with trio.move_on_after(1) as inner:
            await trio.sleep(1000)
        assert inner.cancelled_caught
    assert trio.current_time() == pytest.approx(2)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_two_asyncio_timeouts(autojump_clock, order):
    outer_seconds, inner_seconds = order
    log = []
    try:
        async with asyncio_timeout(outer_seconds):
            try:
                async with asyncio_timeout(inner_seconds):
                    await trio.sleep(1000)
            except TimeoutError:
                log.append("inner")
            await trio.sleep(1000)
    except TimeoutError:
        log.append("outer")
    assert log == (["outer"] if outer_seconds == 1 else ["inner", "outer"])
    assert trio.current_time() == pytest.approx(outer_seconds)


async def test_asyncio_task_group_with_a_failing_child(autojump_clock):
    with pytest.raises(ExceptionGroup) as caught, trio.fail_after(100):
        async with trio2aio(asyncio.TaskGroup()) as group:
            group.create_task(fails_after(asyncio.sleep, 1))
            group.create_task(asyncio.sleep(1000))
            await trio.sleep(1000)
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]
    assert trio.current_time() == pytest.approx(1)
    await trio.sleep(1)


async def test_asyncio_task_group_with_a_failing_body(autojump_clock):
    cancelled = []

    async def child():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(ExceptionGroup) as caught:
        async with trio2aio(asyncio.TaskGroup()) as group:
            group.create_task(child())
            await trio.sleep(1)
            raise OSError("body")
    assert [str(exc) for exc in caught.value.exceptions] == ["body"]
    assert cancelled == [True]


async def test_asyncio_task_group_waits_for_its_children(autojump_clock):
    async with trio2aio(asyncio.TaskGroup()) as group:
        task = group.create_task(asyncio.sleep(3, "value"))
    assert trio.current_time() == pytest.approx(3)
    assert task.result() == "value"


@pytest.mark.parametrize("where", ["body", "exit"])
async def test_asyncio_task_group_in_a_cancelled_scope(autojump_clock, where):
    cancelled = []

    async def child():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            cancelled.append(asyncio.current_task().cancelling())

    with trio.move_on_after(1) as scope:
        async with trio2aio(asyncio.TaskGroup()) as group:
            group.create_task(child())
            if where == "body":
                await trio.sleep(1000)
    assert scope.cancelled_caught
    assert cancelled == [1]
    assert trio.current_time() == pytest.approx(2)


async def test_asyncio_task_group_in_a_cancelled_scope_with_a_child_that_fails_then(autojump_clock):
    async def child():
        try:
            await asyncio.sleep(1000)
        finally:
            raise ValueError("clean-up")

    with pytest.raises(ExceptionGroup) as caught, trio.move_on_after(1):
        async with trio2aio(asyncio.TaskGroup()) as group:
            group.create_task(child())
            await trio.sleep(1000)
    assert [str(exc) for exc in caught.value.exceptions] == ["clean-up"]


async def test_asyncio_task_group_starts_trio_functions(autojump_clock):
    async with trio2aio(asyncio.TaskGroup()) as group:
        task = group.create_task(aio2trio(trio.sleep)(2))
    assert task.done()
    assert trio.current_time() == pytest.approx(2)


async def test_anyio_task_group(autojump_clock):
    anyio = pytest.importorskip("anyio")
    with pytest.raises(ExceptionGroup) as caught:
        async with trio2aio(anyio.create_task_group)() as group:
            group.start_soon(fails_after, anyio.sleep, 1)
            await trio.sleep(1000)
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]
    assert trio.current_time() == pytest.approx(1)

    async with trio2aio(anyio.create_task_group)() as group:
        group.start_soon(anyio.sleep, 1)
    assert trio.current_time() == pytest.approx(2)
    await trio.sleep(1)


async def test_anyio_task_group_is_cancelled(autojump_clock):
    anyio = pytest.importorskip("anyio")
    async with trio2aio(anyio).create_task_group() as group:
        group.start_soon(anyio.sleep, 1000)
        group.cancel_scope.cancel()
    with trio.move_on_after(1) as scope:
        async with trio2aio(anyio).create_task_group() as group:
            group.start_soon(anyio.sleep, 1000)
            await trio.sleep(1000)
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(1)
    await trio.sleep(1)


async def test_anyio_scopes_on_asyncio(autojump_clock):
    """In asyncio code they belong to asyncio. In Trio code the same calls make Trio's."""
    anyio = pytest.importorskip("anyio")

    class AnyioOnAsyncio:
        @trio2aio
        def move_on_after(self, seconds):
            return anyio.move_on_after(seconds)

        @trio2aio
        def fail_after(self, seconds):
            return anyio.fail_after(seconds)

    on_asyncio = AnyioOnAsyncio()
    async with on_asyncio.move_on_after(1) as scope:
        await trio.sleep(1000)
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(1)
    with pytest.raises(TimeoutError):
        async with on_asyncio.fail_after(1):
            await trio.sleep(1000)
    assert trio.current_time() == pytest.approx(2)
    async with on_asyncio.fail_after(2):
        await trio.sleep(1)
    await trio.sleep(10)


async def test_cancelled_before_the_owners_first_step():
    """In debug mode (and before 3.12) that is made in a turn of the loop."""
    loop = trio_bridge.current_loop()
    loop.set_debug(True)
    busy = loop.create_task(keep_the_loop_busy())
    await trio.sleep(0.01)

    async def user():
        async with trio2aio(AsyncClass(ASYNCIO, [])):
            await trio.sleep_forever()

    with trio.fail_after(30):
        for _ in range(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(user)
                await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
    busy.cancel()


async def keep_the_loop_busy():
    while True:
        await asyncio.sleep(0)


async def test_asyncio_cancels_the_owner_and_the_manager_swallows_it(autojump_clock):
    @trio2aio
    @contextlib.asynccontextmanager
    async def manager():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_later(1, task.cancel)
        try:
            yield
        except asyncio.CancelledError:
            task.uncancel()

    async with manager():
        await trio.sleep(1000)
    assert trio.current_time() == pytest.approx(1)
    await trio.sleep(1)


async def test_asyncio_cancels_the_owner_and_the_manager_does_not_swallow_it(autojump_clock):
    @trio2aio
    @contextlib.asynccontextmanager
    async def manager():
        asyncio.get_running_loop().call_later(1, asyncio.current_task().cancel, "a reason")
        yield

    with pytest.raises(asyncio.CancelledError, match="a reason"):
        async with manager():
            await trio.sleep(1000)
    await trio.sleep(1)


async def test_a_real_exit_stack_of_both_sides(autojump_clock):
    lock = asyncio.Lock()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(trio2aio(lock))
        nursery = await stack.enter_async_context(trio.open_nursery())
        await stack.enter_async_context(asyncio_timeout(10))
        nursery.start_soon(trio.sleep, 1)
        assert lock.locked()
    assert not lock.locked()


# ---- Trio's managers in asyncio code (rule 4.3.3)


async def test_4_3_3_the_host_task_enters_and_leaves():
    log = []

    @trio2aio
    async def guest():
        async with aio2trio(AsyncClass(TRIO, log)):
            log.append(("body", await aio2trio(current_trio_task)()))

    await guest()
    here = trio.lowlevel.current_task()
    assert log == [("enter", here), ("body", here), ("exit", here)]


async def current_trio_task():
    await trio.lowlevel.checkpoint()
    return trio.lowlevel.current_task()


async def test_4_3_3_one_adopter_for_all_of_an_asyncio_tasks_managers():
    log = []

    @in_a_task
    async def task():
        async with aio2trio(AsyncClass(TRIO, log)):
            log.append(("body", await aio2trio(current_trio_task)()))
            async with aio2trio(AsyncClass(TRIO, log)):
                log.append(("body", await aio2trio(current_trio_task)()))
            log.append(("body", await aio2trio(current_trio_task)()))

    await task()
    assert len({trio_task for _, trio_task in log}) == 1
    assert log[0][1] is not trio.lowlevel.current_task()


async def test_4_3_3_a_nursery_waits_for_its_children(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 2)
            nursery.start_soon(aio2trio(trio.sleep), 3)
            await asyncio.sleep(1)
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(3)


async def test_4_3_3_a_failing_child_cancels_the_body(autojump_clock, asyncio_code):
    log = []

    @asyncio_code
    async def code():
        task = asyncio.current_task()
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(fails_after, trio.sleep, 1)
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    log.append(task.cancelling())
                    raise
        assert [str(exc) for exc in caught.value.exceptions] == ["child"]
        log.append(task.cancelling())
        await asyncio.sleep(1)
        return task.cancelling()

    assert await code() == 0
    assert log == [1, 0]
    assert trio.current_time() == pytest.approx(2)


@pytest.mark.parametrize("in_trio", [False, True])
async def test_4_3_3_a_failing_child_and_a_body_that_cleans_up(
    autojump_clock, asyncio_code, in_trio
):
    @asyncio_code
    async def code():
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(fails_after, trio.sleep, 1)
                try:
                    await (aio2trio(trio.sleep) if in_trio else asyncio.sleep)(1000)
                finally:
                    await asyncio.sleep(2)
                    raise OSError("clean-up")
        assert sorted(map(str, caught.value.exceptions)) == ["child", "clean-up"]
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(3)


async def test_4_3_3_a_failing_child_while_the_exit_waits(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(fails_after, trio.sleep, 1)
                nursery.start_soon(trio.sleep, 1000)
        assert [str(exc) for exc in caught.value.exceptions] == ["child"]
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(1)


async def test_4_3_3_a_failing_body_cancels_the_children(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(trio.sleep, 1000)
                await asyncio.sleep(1)
                raise OSError("body")
        assert [str(exc) for exc in caught.value.exceptions] == ["body"]
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(1)


async def test_4_3_3_a_body_that_swallows_the_cancellation(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(fails_after, trio.sleep, 1)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1000)
                await asyncio.sleep(1)
        assert [str(exc) for exc in caught.value.exceptions] == ["child"]
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)

    await code()
    assert trio.current_time() == pytest.approx(3)


async def test_4_3_3_nursery_start(autojump_clock, asyncio_code):
    async def service(seconds, *, task_status):
        await trio.sleep(seconds)
        task_status.started("started")
        await trio.sleep(seconds)

    @asyncio_code
    async def code():
        async with aio2trio(trio.open_nursery()) as nursery:
            value = await nursery.start(service, 1)
            await asyncio.sleep(0)
            assert value == "started"
            assert len(nursery.child_tasks) == 1
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(2)


@pytest.mark.parametrize("then", ["sleeps", "ends", "calls trio"])
async def test_4_3_3_the_nursery_is_cancelled(autojump_clock, asyncio_code, then):
    @asyncio_code
    async def code():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 1000)
            await asyncio.sleep(1)
            nursery.cancel_scope.cancel()
            if then == "sleeps":
                await asyncio.sleep(1000)
                raise AssertionError
            if then == "calls trio":
                await aio2trio(trio.sleep)(1000)
                raise AssertionError
        assert nursery.cancel_scope.cancelled_caught or then == "ends"
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)

    await code()
    assert trio.current_time() == pytest.approx(2)


@pytest.mark.parametrize("in_trio", [False, True])
async def test_4_3_3_move_on_after(autojump_clock, asyncio_code, in_trio):
    @asyncio_code
    async def code():
        async with aio2trio(trio.move_on_after(1)) as scope:
            await (aio2trio(trio.sleep) if in_trio else asyncio.sleep)(1000)
            raise AssertionError
        assert scope.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        async with aio2trio(trio.move_on_after(2)) as scope:
            await (aio2trio(trio.sleep) if in_trio else asyncio.sleep)(1)
        assert not scope.cancelled_caught
        await asyncio.sleep(10)

    await code()
    assert trio.current_time() == pytest.approx(12)


async def test_4_3_3_fail_after(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        with pytest.raises(trio.TooSlowError):
            async with aio2trio(trio.fail_after(1)):
                await asyncio.sleep(1000)
        assert asyncio.current_task().cancelling() == 0
        async with aio2trio(trio).fail_after(2):
            await asyncio.sleep(1)
        await asyncio.sleep(10)

    await code()
    assert trio.current_time() == pytest.approx(12)


async def test_4_3_3_a_scope_is_cancelled_from_its_body(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        async with aio2trio(trio.CancelScope()) as scope:
            scope.cancel()
            await asyncio.sleep(1000)
            raise AssertionError
        assert scope.cancelled_caught
        async with aio2trio(trio.CancelScope()) as scope:
            scope.cancel()
        assert not scope.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)
        assert asyncio.current_task().cancelling() == 0

    await code()
    assert trio.current_time() == pytest.approx(1)


@pytest.mark.parametrize("first", ["inner", "outer"])
async def test_4_3_3_nested_scopes(autojump_clock, asyncio_code, first):
    outer_seconds, inner_seconds = (2, 1) if first == "inner" else (1, 2)

    @asyncio_code
    async def code():
        task = asyncio.current_task()
        async with aio2trio(trio.move_on_after(outer_seconds)) as outer:
            async with aio2trio(trio.move_on_after(inner_seconds)) as inner:
                await asyncio.sleep(1000)
            assert first == "inner"
            assert inner.cancelled_caught
            assert task.cancelling() == 0
            await asyncio.sleep(1000)
        assert outer.cancelled_caught
        assert inner.cancelled_caught == (first == "inner")
        assert task.cancelling() == 0
        await asyncio.sleep(1)

    await code()
    assert trio.current_time() == pytest.approx(outer_seconds + 1)


async def test_4_3_3_both_scopes_expire_at_once(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        async with aio2trio(trio.move_on_after(1)) as outer:
            async with aio2trio(trio.move_on_after(1)) as inner:
                await asyncio.sleep(1000)
            await asyncio.sleep(1000)
        assert outer.cancelled_caught
        assert not inner.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)

    await code()
    assert trio.current_time() == pytest.approx(2)


async def test_4_3_3_the_outer_scope_expires_while_the_inner_one_cleans_up(
    autojump_clock, asyncio_code
):
    @asyncio_code
    async def code():
        task = asyncio.current_task()
        async with aio2trio(trio.move_on_after(2)) as outer:
            async with aio2trio(trio.move_on_after(1)) as inner:
                try:
                    await asyncio.sleep(1000)
                finally:
                    await asyncio.sleep(3)
            await asyncio.sleep(1000)
            raise AssertionError
        assert outer.cancelled_caught
        assert task.cancelling() == 0
        await asyncio.sleep(1)
        return inner.cancelled_caught

    await code()
    assert trio.current_time() == pytest.approx(5)


async def test_4_3_3_a_shield(autojump_clock, asyncio_code):
    log = []

    @asyncio_code
    async def code():
        async with aio2trio(trio.move_on_after(1)) as scope:
            async with aio2trio(trio.CancelScope(shield=True)):
                await asyncio.sleep(2)
                log.append("asyncio's sleep")
                await aio2trio(trio.sleep)(2)
                log.append("trio's sleep")
            await asyncio.sleep(1000)
            raise AssertionError
        assert scope.cancelled_caught
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert log == ["asyncio's sleep", "trio's sleep"]
    assert trio.current_time() == pytest.approx(4)


async def test_4_3_3_a_shield_does_not_keep_asyncios_cancellation_out(autojump_clock, asyncio_code):
    """It is Trio's. The ``CancelledError`` goes on, through the shield."""

    @asyncio_code
    async def code():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), aio2trio(trio.CancelScope(shield=True)):
                await asyncio.sleep(1000)
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(1)


async def test_4_3_3_a_shield_against_the_scopes_around_the_guest(autojump_clock):
    log = []

    @trio2aio
    async def guest():
        async with aio2trio(trio.CancelScope(shield=True)):
            await asyncio.sleep(2)
            log.append("shielded")
        await asyncio.sleep(1000)

    with trio.move_on_after(1) as scope:
        await guest()
    assert scope.cancelled_caught
    assert log == ["shielded"]
    assert trio.current_time() == pytest.approx(2)


async def test_4_3_3_the_effective_deadline_in_the_body(autojump_clock, asyncio_code):
    deadline = aio2trio(trio.current_effective_deadline)
    at_most = math.inf if asyncio_code == WAYS["a task uses trio"].code else 20

    async def deadline_in_trio():
        await trio.lowlevel.checkpoint()
        return trio.current_effective_deadline()

    async def called():
        return await trio2aio(calls)()

    async def calls():
        return await aio2trio(deadline_in_trio)()

    @asyncio_code
    async def code():
        async with aio2trio(trio.CancelScope()):
            assert deadline() == pytest.approx(at_most)
        async with aio2trio(trio.move_on_after(10)):
            assert deadline() == pytest.approx(10)
            async with aio2trio(trio.move_on_after(5)) as scope:
                assert deadline() == pytest.approx(5)
                scope.deadline += 1
                assert deadline() == pytest.approx(6)
                assert await calls() == pytest.approx(6)
                assert await aio2trio(called)() == pytest.approx(6)
            assert deadline() == pytest.approx(10)
        async with aio2trio(trio.CancelScope(shield=True)):
            assert deadline() == math.inf

    with trio.move_on_after(20):
        await code()


async def test_4_3_3_in_asyncio_timeout(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        task = asyncio.current_task()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(trio.sleep, 1000)
                await asyncio.sleep(1000)
        assert task.cancelling() == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(trio.sleep, 1000)  # the exit waits
        assert task.cancelling() == 0
        async with asyncio.timeout(3), aio2trio(trio.move_on_after(1)) as scope:
            await asyncio.sleep(1000)
        assert scope.cancelled_caught
        assert task.cancelling() == 0
        await asyncio.sleep(10)
        return task.cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(13)


async def test_4_3_3_around_asyncio_timeout(autojump_clock, asyncio_code):
    @asyncio_code
    async def code():
        task = asyncio.current_task()
        async with aio2trio(trio.move_on_after(2)) as scope:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.sleep(1000)
            assert task.cancelling() == 0
            await asyncio.sleep(1000)
        assert scope.cancelled_caught
        async with aio2trio(trio.move_on_after(1)) as scope, asyncio.timeout(2):
            await asyncio.sleep(1000)
        assert scope.cancelled_caught
        assert task.cancelling() == 0
        await asyncio.sleep(10)
        return task.cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(13)


@pytest.mark.parametrize("outer", ["asyncio", "trio"])
async def test_4_3_3_asyncio_timeout_and_scope_at_once(autojump_clock, asyncio_code, outer):
    """The one or the other, and in either case the count is right."""

    @asyncio_code
    async def code():
        task = asyncio.current_task()
        try:
            if outer == "asyncio":
                async with asyncio.timeout(1), aio2trio(trio.move_on_after(1)):
                    await asyncio.sleep(1000)
                    raise AssertionError
            else:
                async with aio2trio(trio.move_on_after(1)), asyncio.timeout(1):
                    await asyncio.sleep(1000)
                    raise AssertionError
        except TimeoutError:
            pass
        assert task.cancelling() == 0
        await asyncio.sleep(10)
        return task.cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(11)


async def test_4_3_3_in_an_asyncio_task_group(autojump_clock, asyncio_code):
    async def child(seconds):
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 1000)
            await asyncio.sleep(seconds)
            raise ValueError("body of a child")

    @asyncio_code
    async def code():
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(child(1))
                group.create_task(child(1000))
                async with aio2trio(trio.open_nursery()) as nursery:
                    nursery.start_soon(trio.sleep, 1000)
        (error,) = caught.value.exceptions
        assert isinstance(error, ExceptionGroup)
        assert [str(exc) for exc in error.exceptions] == ["body of a child"]
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(1)


async def test_4_3_3_around_an_asyncio_task_group(autojump_clock, asyncio_code):
    log = []

    async def child():
        try:
            await asyncio.sleep(1000)
        finally:
            log.append("cancelled")

    @asyncio_code
    async def code():
        async with aio2trio(trio.move_on_after(1)) as scope, asyncio.TaskGroup() as group:
            group.create_task(child())
        assert scope.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        async with aio2trio(trio.move_on_after(1)) as scope, asyncio.TaskGroup() as group:
            group.create_task(child())
            await asyncio.sleep(1000)
        assert scope.cancelled_caught
        assert asyncio.current_task().cancelling() == 0
        with pytest.raises(ExceptionGroup):
            async with aio2trio(trio.move_on_after(2)), asyncio.TaskGroup() as group:
                group.create_task(fails_after(asyncio.sleep, 1))
                await asyncio.sleep(1000)
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1)

    await code()
    assert log == ["cancelled"] * 2
    assert trio.current_time() == pytest.approx(4)


async def test_4_3_3_asyncio_cancels_the_body(autojump_clock):
    log = []

    async def child():
        try:
            await trio.sleep(1000)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            log.append("child")

    async def task():
        try:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(child)
                await asyncio.sleep(1000)
        except asyncio.CancelledError as exc:
            log.append(str(exc))
            log.append(asyncio.current_task().cancelling())
            raise

    @trio2aio
    async def guest():
        created = asyncio.create_task(task())
        await asyncio.sleep(1)
        created.cancel("a reason")
        await asyncio.wait([created])
        assert created.cancelled()

    await guest()
    assert log == ["child", "a reason", 1]
    assert trio.current_time() == pytest.approx(2)


async def test_4_3_3_asyncio_cancels_while_the_exit_waits(autojump_clock):
    log = []

    async def child():
        try:
            await trio.sleep(1000)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            log.append("child")

    async def task():
        try:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(child)
        except asyncio.CancelledError as exc:
            log.append(str(exc))
            log.append(asyncio.current_task().cancelling())
            raise

    @trio2aio
    async def guest():
        created = asyncio.create_task(task())
        await asyncio.sleep(1)
        created.cancel("a reason")
        await asyncio.wait([created])
        assert created.cancelled()

    await guest()
    assert log == ["child", "a reason", 1]
    assert trio.current_time() == pytest.approx(2)


async def test_4_3_3_a_scope_around_the_guest_is_cancelled(autojump_clock):
    """It goes through the nursery: the count is for the cancellation that is still going on."""
    log = []

    @trio2aio
    async def guest():
        try:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(trio.sleep, 1000)
                await asyncio.sleep(1000)
        except asyncio.CancelledError:
            log.append(asyncio.current_task().cancelling())
            await asyncio.sleep(1)  # one cancel, and no more
            raise

    with trio.move_on_after(1) as scope:
        await guest()
    assert scope.cancelled_caught
    assert log == [1]
    assert trio.current_time() == pytest.approx(2)


async def test_4_3_3_three_levels(autojump_clock):
    log = []

    @trio2aio
    async def outer_guest():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(fails_after, trio.sleep, 1)
            log.append("outer")
            await aio2trio(middle)()

    async def middle():
        async with asyncio_timeout(100):
            log.append("middle")
            await inner_guest()

    @trio2aio
    async def inner_guest():
        try:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(trio.sleep, 1000)
                log.append("inner")
                await asyncio.sleep(1000)
        finally:
            log.append(asyncio.current_task().cancelling())

    with pytest.raises(ExceptionGroup) as caught:
        await outer_guest()
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]
    assert log == ["outer", "middle", "inner", 1]
    assert trio.current_time() == pytest.approx(1)
    await trio.sleep(1)


async def test_4_3_3_a_scope_in_a_trio_call_in_a_manager(autojump_clock, asyncio_code):
    """Scopes of the body's Trio calls nest in those of its managers."""

    async def call():
        with trio.move_on_after(1) as scope:
            await trio.sleep(1000)
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            await trio.sleep(1000)
        assert not scope.cancelled_caught

    @asyncio_code
    async def code():
        async with aio2trio(trio.move_on_after(2)) as scope:
            await aio2trio(call)()
        assert scope.cancelled_caught
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(2)


@pytest.mark.parametrize("awaits", [True, False])
async def test_4_3_3_asyncio_code_in_a_child_of_the_nursery(autojump_clock, asyncio_code, awaits):
    log = []

    @trio2aio
    async def child():
        async with aio2trio(trio.move_on_after(1)) as scope:
            await asyncio.sleep(1000)
        log.append(scope.cancelled_caught)
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    @asyncio_code
    async def code():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(child)
            await asyncio.sleep(2)
            nursery.cancel_scope.cancel()
            if awaits:
                await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert log == [True, "cancelled"]
    assert trio.current_time() == pytest.approx(2)


async def test_4_3_3_the_tasks_that_the_body_starts_are_not_in_its_scopes(autojump_clock):
    """A task that asyncio starts is asyncio's own, in the loop's nursery (rule 4.3.2)."""

    async def background():
        await aio2trio(trio.sleep)(3)
        return "value"

    @trio2aio
    async def guest():
        async with aio2trio(trio.move_on_after(1)):
            task = asyncio.create_task(background())
            await asyncio.sleep(1000)
        return await task

    assert await guest() == "value"


async def test_4_3_3_trio_streams():
    async def echo(stream):
        async for chunk in stream:
            await stream.send_all(chunk)

    @trio2aio
    async def guest(port):
        async with await aio2trio(trio).open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"hello")
            return await stream.receive_some(100)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(
            functools.partial(trio.serve_tcp, echo, 0, host="127.0.0.1")
        )
        with trio.fail_after(30):
            assert await guest(listener.socket.getsockname()[1]) == b"hello"
        nursery.cancel_scope.cancel()


async def test_4_3_3_trio_processes(asyncio_code):
    code_of_process = "import sys; sys.stdout.write(sys.stdin.read().upper())"

    @asyncio_code
    async def code():
        async with aio2trio(trio.open_nursery()) as nursery:
            process = await nursery.start(
                functools.partial(
                    trio.run_process,
                    [sys.executable, "-c", code_of_process],
                    stdin=-1,
                    stdout=-1,
                )
            )
            async with process.stdin as stdin:
                await stdin.send_all(b"hello")
            async with process.stdout as stdout:
                return b"".join([chunk async for chunk in stdout])

    with trio.fail_after(30):
        assert await code() == b"HELLO"


async def test_4_3_3_a_trio_process_is_killed_with_its_nursery(asyncio_code):
    @asyncio_code
    async def code():
        async with (
            aio2trio(trio.move_on_after(60)) as scope,
            aio2trio(trio.open_nursery()) as nursery,
        ):
            process = await nursery.start(
                functools.partial(trio.run_process, ["sleep", "60"], check=False)
            )
            scope.deadline = -math.inf
            await asyncio.sleep(60)
        assert scope.cancelled_caught
        return process.returncode

    with trio.fail_after(30):
        assert await code() == -15


@pytest.mark.parametrize("through", ["the module's view", "a function"])
async def test_4_3_3_memory_channels(asyncio_code, through):
    @aio2trio
    def open_channel(size):
        return trio.open_memory_channel(size)

    @asyncio_code
    async def code():
        if through == "a function":
            send, receive = open_channel(0)
        else:
            send, receive = aio2trio(trio).open_memory_channel(0)
        received = []

        async def consume():
            async with receive:
                received.extend([item async for item in receive])

        async with asyncio.TaskGroup() as group:
            group.create_task(consume())
            async with send:
                for item in range(3):
                    await send.send(item)
        return received

    with trio.fail_after(30):
        assert await code() == [0, 1, 2]


async def test_4_3_3_a_plain_with_says_what_to_write():
    @trio2aio
    async def guest():
        with pytest.raises(RuntimeError, match="async with aio2trio"), aio2trio(trio.CancelScope()):
            raise AssertionError

    await guest()


async def test_another_error_in_a_plain_with_comes_as_it_is():
    class Fails(SyncClass):
        def __enter__(self):
            raise RuntimeError("no more")

    @trio2aio
    async def guest():
        with pytest.raises(RuntimeError, match="no more"), aio2trio(Fails(TRIO, [])):
            pass

    await guest()


async def test_4_3_3_a_scope_of_a_trio_function_made_with_contextmanager(
    autojump_clock, asyncio_code
):
    @aio2trio
    @contextlib.contextmanager
    def at_most(seconds):
        with trio.move_on_after(seconds) as scope:
            yield scope

    @asyncio_code
    async def code():
        async with at_most(1) as scope:
            await asyncio.sleep(1000)
        assert scope.cancelled_caught
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert trio.current_time() == pytest.approx(1)


async def test_4_3_3_a_nursery_of_a_trio_function_made_with_asynccontextmanager(
    autojump_clock, asyncio_code
):
    log = []

    @aio2trio
    @contextlib.asynccontextmanager
    async def service():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_after, trio.sleep, 1)
            try:
                yield nursery
            finally:
                log.append("left")

    @asyncio_code
    async def code():
        with pytest.raises(ExceptionGroup) as caught:
            async with service():
                await asyncio.sleep(1000)
        assert [str(exc) for exc in caught.value.exceptions] == ["child"]
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert log == ["left"]


async def test_the_body_of_a_trio_manager_was_uncancelled_by_asyncio(autojump_clock, asyncio_code):
    """A body that takes the Trio cancellation back by itself is not counted below what it was."""

    @asyncio_code
    async def code():
        task = asyncio.current_task()
        async with aio2trio(trio.move_on_after(1)):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                task.uncancel()
        assert task.cancelling() == 0
        await asyncio.sleep(1)

    await code()


# ---- misuse


def view_calls(view):
    """For tests that call by hand what ``async with`` calls."""
    return view.__aenter__, functools.partial(view.__aexit__, None, None, None)


async def test_left_but_not_entered(way):
    log = []

    @way.code
    async def user():
        _, leave = view_calls(way.adapt(AsyncClass(way.own, log)))
        with pytest.raises(RuntimeError, match=r"AsyncClass.*was not entered"):
            await leave()

    await user()
    assert log == []


async def test_left_twice(way):
    log = []

    @way.code
    async def user():
        enter, leave = view_calls(way.adapt(AsyncClass(way.own, log)))
        await enter()
        await leave()
        with pytest.raises(RuntimeError, match=r"AsyncClass.*left already"):
            await leave()

    await user()
    assert entered_and_left_once(log)


class Named(AsyncClass):
    def __init__(self, name, own, log):
        super().__init__(own, log)
        self.name = name

    def __repr__(self):
        return f"<{self.name}>"

    async def __aenter__(self):
        self.log.append(f"enter {self.name}")
        await self.own.checkpoint()

    async def __aexit__(self, *details):
        await self.own.checkpoint()
        self.log.append(f"exit {self.name}")


async def test_left_out_of_order(way):
    log = []

    @way.code
    async def user():
        enter_a, leave_a = view_calls(way.adapt(Named("a", way.own, log)))
        enter_b, leave_b = view_calls(way.adapt(Named("b", way.own, log)))
        await enter_a()
        await enter_b()
        with pytest.raises(RuntimeError, match=r"<a>.*left before.*<b>"):
            await leave_a()
        with pytest.raises(RuntimeError, match=r"<b>.*left already"):
            await leave_b()
        await way.user.checkpoint()

    with trio.fail_after(30):
        await user()
    assert log == ["enter a", "enter b", "exit b", "exit a"]


async def test_left_in_another_task(way):
    """An error where that is tried; the task that entered the manager may still leave it."""
    log = []

    @way.code
    async def user():
        enter, leave = view_calls(way.adapt(Named("a", way.own, log)))

        async def elsewhere():
            with pytest.raises(RuntimeError, match=r"<a>.* was entered in .* and left in"):
                await leave()

        await enter()
        if way.user is TRIO:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(elsewhere)
            with contextlib.suppress(RuntimeError):  # it may be left already
                await leave()
        else:
            await asyncio.create_task(elsewhere())
            await leave()
        await way.user.checkpoint()

    with trio.fail_after(30):
        await user()
    assert log == ["enter a", "exit a"]


def half_way_in(manager):
    """A Trio generator that stands still in the body of a manager, and is closed by another task.

    Returns:
      What the main task is told when it closes the generator.
    """

    async def generate():
        async with manager:
            yield

    async def main():
        generator = generate()

        async def first(task_status):
            task_status.started(await anext(generator))
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            await nursery.start(first)
            with pytest.raises(RuntimeError) as caught:
                await generator.aclose()
            nursery.cancel_scope.cancel()
        return str(caught.value)

    return main


async def test_a_generator_that_another_task_closes_in_an_asyncio_manager():
    """Nobody would come back to leave the manager: it is left, and there is an error."""
    log = []
    error = await half_way_in(trio2aio(Named("a", ASYNCIO, log)))()
    assert "<a>) was entered in the Trio task " in error
    assert log == ["enter a", "exit a"]


def test_a_generator_that_another_task_closes_in_a_trio_manager_in_an_asyncio_manager():
    """The manager is left, but what it has entered in Trio was entered in another Trio task."""
    log = []

    @trio2aio
    @contextlib.asynccontextmanager
    async def manager():
        async with aio2trio(trio.CancelScope()):
            try:
                yield
            finally:
                log.append("left")

    error = trio_bridge.run(half_way_in(manager()))
    assert re.match(r"aio2trio\(.*CancelScope.*\) is left where the Trio task that entered", error)
    assert log == ["left"]


@pytest.mark.parametrize("start", TO_ASYNCIO)
def test_an_asyncio_manager_that_is_never_left_is_left_by_its_loop(start):
    log = []

    async def main():
        @WAYS[start].code
        async def user():
            await trio2aio(Named("a", ASYNCIO, log)).__aenter__()

        await user()

    with pytest.raises(ExceptionGroup) as caught:
        trio_bridge.run(main)
    text = str(caught.value.exceptions)  # Trio may have found the scope around the body too
    assert "<a>) was entered and not left" in text
    assert "async with trio2aio(" in text
    assert log == ["enter a", "exit a"]


@pytest.mark.parametrize("start", TO_ASYNCIO)
def test_what_it_fails_with_then_is_the_context_of_the_loops_error(start):
    class Fails(Named):
        async def __aexit__(self, *details):
            raise OSError("can't be left")

    async def main():
        @WAYS[start].code
        async def user():
            await trio2aio(Fails("a", ASYNCIO, [])).__aenter__()

        await user()

    with pytest.raises(ExceptionGroup) as caught:
        trio_bridge.run(main)
    error = next(exc for exc in caught.value.exceptions if "and not left" in str(exc))
    assert repr(error.__context__) == repr(OSError("can't be left"))


def test_an_asyncio_manager_whose_body_outlives_its_loop(autojump_clock):
    """The loop has left it; the body is cancelled, takes its time, and is told."""
    log, errors = [], []

    async def generate():
        try:
            yield
        finally:
            await asyncio.sleep(2)
            log.append("the loop can end")

    async def takes_its_time(task_status):
        with pytest.raises(RuntimeError, match=r"<a>.* was entered and not left before its"):
            async with trio2aio(Named("a", ASYNCIO, log)):
                task_status.started()
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(1)
        log.append("told")

    async def main():
        async with trio.open_nursery() as nursery:
            try:
                async with trio_bridge.open_loop():
                    half_way = generate()
                    await trio2aio(half_way.asend)(None)
                    await nursery.start(takes_its_time)
            except* RuntimeError as group:
                errors.extend(group.exceptions)

    trio.run(main, clock=autojump_clock)
    assert log == ["enter a", "exit a", "told", "the loop can end"]
    (error,) = errors
    assert "<a>) was entered and not left" in str(error)


async def test_a_trio_manager_that_a_guest_never_leaves():
    log = []

    @trio2aio
    async def guest(error=None):
        await aio2trio(Named("a", TRIO, log)).__aenter__()
        await aio2trio(Named("b", TRIO, log)).__aenter__()
        if error is not None:
            raise error

    with pytest.raises(RuntimeError, match=r"did not leave aio2trio\(<a>\), aio2trio\(<b>\)"):
        await guest()
    assert log == ["enter a", "enter b", "exit b", "exit a"]
    error = OSError()
    with pytest.raises(RuntimeError, match="did not leave") as caught:
        await guest(error)
    assert caught.value.__context__ is error
    await trio.lowlevel.checkpoint()


def test_a_trio_manager_that_an_asyncio_task_never_leaves():
    log = []

    async def main():
        async def code():
            await aio2trio(Named("a", TRIO, log)).__aenter__()

        await in_a_task(code)()
        await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        trio_bridge.run(main)
    (error,) = caught.value.exceptions
    assert "did not leave aio2trio(<a>)" in str(error)
    assert log == ["enter a", "exit a"]


async def test_a_nursery_that_a_guest_never_leaves(autojump_clock):
    """Its children are cancelled: nothing hangs."""

    @trio2aio
    async def guest():
        nursery = await aio2trio(trio.open_nursery()).__aenter__()
        nursery.start_soon(trio.sleep, 1000)
        await asyncio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await guest()
    assert caught.value.split(trio.Cancelled)[0] is None
    assert caught.group_contains(RuntimeError, match="did not leave aio2trio")
    assert trio.current_time() == pytest.approx(1)


async def test_a_trio_manager_entered_in_a_step_of_an_asyncio_manager(autojump_clock):
    """Rule 2 of trio_manager: a task that lives in steps has an adopter."""
    log = []

    @trio2aio
    @contextlib.asynccontextmanager
    async def service():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(fails_after, trio.sleep, 1)
            try:
                yield nursery
            finally:
                log.append("left")

    with pytest.raises(ExceptionGroup) as caught:
        async with service():
            await trio.sleep(1000)
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]
    assert log == ["left"]
    assert trio.current_time() == pytest.approx(1)
    await trio.sleep(1)


async def test_a_trio_manager_left_in_a_step_of_an_asyncio_manager(autojump_clock):
    log = []

    @trio2aio
    @contextlib.asynccontextmanager
    async def service():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(trio.sleep, 1)
            yield
        log.append("left")

    async with service():
        await trio.sleep(2)
    assert log == ["left"]


async def test_an_asyncio_manager_entered_in_a_trio_manager(autojump_clock, asyncio_code):
    log = []

    @aio2trio
    @contextlib.asynccontextmanager
    async def service():
        async with asyncio_timeout(1):
            try:
                yield
            finally:
                log.append("left")

    @asyncio_code
    async def code():
        with pytest.raises(TimeoutError):
            async with service():
                await asyncio.sleep(1000)
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert log == ["left"]
    assert trio.current_time() == pytest.approx(1)


async def test_the_owner_of_an_asyncio_manager_is_in_trios_scopes(autojump_clock):
    """What the manager calls in Trio while it enters runs in the task that enters it."""

    @trio2aio
    @contextlib.asynccontextmanager
    async def manager():
        yield await aio2trio(current_trio_task)()

    async with manager() as task:
        assert trio_bridge.unview(task) is trio.lowlevel.current_task()


@pytest.mark.parametrize("how", ["cancelled", "ends"])
def test_the_loop_ends_while_asyncios_tasks_are_in_managers(how):
    log = []

    async def main():
        async def code():
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(trio.sleep, 1000)
                async with aio2trio(AsyncClass(TRIO, log)):
                    try:
                        await asyncio.sleep(1000)
                    finally:
                        await asyncio.sleep(0)
                        log.append(("cleaned up", None))

        with trio.CancelScope() as scope:
            async with trio_bridge.open_loop() as loop:
                loop.create_task(code())
                await trio.testing.wait_all_tasks_blocked()
                if how == "cancelled":
                    scope.cancel()

    with contextlib.suppress(trio.Cancelled):
        trio_bridge.run(main)
    # A loop that is cancelled may cancel such a task twice.
    cleaned_up = ["cleaned up"] * (("cleaned up", None) in log or how == "ends")
    assert [what for what, _ in log] == ["enter", *cleaned_up, "exit"]


# ---- half a manager


class EnteredPlainly:
    def __enter__(self):
        raise AssertionError("it isn't a manager")


class LeftAsync(EnteredPlainly):
    async def __aexit__(self, *details):
        raise AssertionError("it isn't a manager")


class LeftPlainly:
    def __exit__(self, *details):
        raise AssertionError("it isn't a manager")


class EnteredAsync(LeftPlainly):
    async def __aenter__(self):
        raise AssertionError("it isn't a manager")


@pytest.mark.parametrize("half", [EnteredPlainly, LeftAsync, LeftPlainly, EnteredAsync])
def test_half_a_manager_is_refused_as_it_is_without_a_view(half):
    async def main():
        with pytest.raises(TypeError, match="asynchronous context manager") as of_view:
            async with trio2aio(half()):
                raise AssertionError("it isn't a manager")
        with pytest.raises(TypeError, match="asynchronous context manager") as of_original:
            async with half():
                raise AssertionError("it isn't a manager")
        if half in (LeftAsync, EnteredAsync):
            assert str(of_view.value) == str(of_original.value)

    trio_bridge.run(main)


# ---- Ctrl-C


def test_ctrl_c_while_an_asyncio_manager_is_entered_which_goes_on():
    """It is entered then, and so it is left; the body is not run."""
    log = []

    class Manager(AsyncClass):
        async def __aenter__(self):
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            log.append("entered")

        async def __aexit__(self, exc_type, exc, traceback):
            log.append(exc_type)

    async def main():
        async with trio2aio(Manager(ASYNCIO, log)):
            log.append("body")

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(main)
    assert log == ["entered", asyncio.CancelledError]


def test_ctrl_c_in_the_exit_of_a_trio_manager():
    log = []

    class Manager(AsyncClass):
        async def __aexit__(self, *details):
            signal.raise_signal(signal.SIGINT)
            log.append("not reached: Trio's code can be interrupted")

    @trio2aio
    async def guest():
        async with aio2trio(Manager(TRIO, log)):
            pass

    with pytest.raises(KeyboardInterrupt):
        trio_bridge.run(guest)
    assert [what for what, _ in log] == ["enter"]


HEAD = """
import asyncio, contextlib, signal, time, trio, trio_bridge
from trio_bridge import aio2trio, trio2aio

class Manager:
    def __init__(self, sleep): self.sleep = sleep
    async def __aenter__(self): pass
    async def __aexit__(self, exc_type, exc, traceback):
        is_trio = self.sleep is trio.sleep
        with trio.CancelScope(shield=True) if is_trio else contextlib.nullcontext():
            await self.sleep(0.01)
        print("left with", exc_type.__name__, flush=True)
"""
CTRL_C = {
    "trio body": """
async def main():
    async with trio2aio(Manager(asyncio.sleep)):
        print("waiting", flush=True)
        await trio.sleep(60)
""",
    "trio body in asyncio": """
async def main():
    async with trio2aio(Manager(asyncio.sleep)):
        print("waiting", flush=True)
        await trio2aio(asyncio.sleep)(60)
""",
    "busy trio body": """
async def main():
    async with trio2aio(Manager(asyncio.sleep)):
        print("waiting", flush=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass
""",
    "asyncio body": """
async def guest():
    async with aio2trio(Manager(trio.sleep)):
        print("waiting", flush=True)
        await asyncio.sleep(60)
async def main():
    await trio2aio(guest)()
""",
    "asyncio body in trio": """
async def guest():
    async with aio2trio(Manager(trio.sleep)):
        print("waiting", flush=True)
        await aio2trio(trio.sleep)(60)
async def main():
    await trio2aio(guest)()
""",
    "asyncio body with a nursery": """
async def guest():
    async with aio2trio(Manager(trio.sleep)), aio2trio(trio.open_nursery()) as nursery:
        nursery.start_soon(trio.sleep, 60)
        print("waiting", flush=True)
async def main():
    await trio2aio(guest)()
""",
    "an asyncio task's body": """
async def task():
    async with aio2trio(Manager(trio.sleep)):
        print("waiting", flush=True)
        await asyncio.sleep(60)
async def main():
    trio_bridge.current_loop().create_task(task())
    await trio.sleep(60)
""",
}
TAIL = """
try:
    trio_bridge.run(main)
except KeyboardInterrupt:
    print("KeyboardInterrupt", flush=True)
"""
LEFT_WITH = {
    "trio body": "CancelledError",
    "trio body in asyncio": "CancelledError",
    "busy trio body": "CancelledError",
    "asyncio body": "Cancelled",
    "asyncio body in trio": "Cancelled",
    "asyncio body with a nursery": "BaseExceptionGroup",  # the nursery got the KeyboardInterrupt
    "an asyncio task's body": "Cancelled",
}


@pytest.mark.parametrize("where", CTRL_C)
def test_ctrl_c_in_a_body(run_script, where):
    result = run_script(HEAD + CTRL_C[where] + TAIL, interrupt_at="waiting")
    lines = result.stdout.splitlines()
    assert lines[0] == "waiting", result
    assert lines[-1] == "KeyboardInterrupt", result
    assert lines[1:-1] == [f"left with {LEFT_WITH[where]}"], result
    assert result.stderr == ""
    assert result.returncode == 0


# ---- random nestings

LAYERS = ["timeout", "deadline", "nursery", "failing nursery", "task group", "failing task group"]


class Nest:
    """Managers of both sides around one sleep, in code that changes its side at will.

    Each manager is logged as it is entered and left. The model: of all events that end a part of
    the nest, the earliest wins, and everything outside of that part goes on and sleeps one hundred
    seconds less. As equal times are races, the model is for distinct times.
    """

    def __init__(self, layers):
        self.layers = layers
        self.log = []

    async def trio_code(self, i):
        if i == len(self.layers):
            await trio.sleep(10)
            return
        kind, seconds, crosses = self.layers[i]
        if crosses:
            await trio2aio(self.asyncio_code)(i, True)
        else:
            await self._trio_layer(i, kind, seconds)

    async def asyncio_code(self, i, has_crossed=False):
        if i == len(self.layers):
            await asyncio.sleep(10)
            return
        kind, seconds, crosses = self.layers[i]
        task = asyncio.current_task()
        before = task.cancelling()
        if crosses and not has_crossed:
            await aio2trio(self.trio_layer_of)(i)
        else:
            await self._asyncio_layer(i, kind, seconds)
            self.log.append(("cancelling", before, task.cancelling()))

    async def trio_layer_of(self, i):
        kind, seconds, _ = self.layers[i]
        await self._trio_layer(i, kind, seconds)

    async def _trio_layer(self, i, kind, seconds):
        self.log.append(("begin", i))
        try:
            if kind == "timeout":
                async with asyncio_timeout(seconds):
                    await self.trio_code(i + 1)
            elif kind == "deadline":
                with trio.move_on_after(seconds):
                    await self.trio_code(i + 1)
            elif kind.endswith("nursery"):
                async with trio.open_nursery() as nursery:
                    may_end = trio.Event()
                    if kind == "failing nursery":
                        nursery.start_soon(fails_unless, may_end, seconds)
                    await self.trio_code(i + 1)
                    may_end.set()
            else:
                async with trio2aio(asyncio.TaskGroup()) as group:
                    if kind == "failing task group":
                        task = group.create_task(fails_after(asyncio.sleep, seconds))
                    await self.trio_code(i + 1)
                    if kind == "failing task group":
                        task.cancel()
        except TimeoutError:
            assert kind == "timeout"
        except ExceptionGroup as group:
            check_group(kind, group)
        finally:
            self.log.append(("end", i, trio.current_time()))

    async def _asyncio_layer(self, i, kind, seconds):
        self.log.append(("begin", i))
        try:
            if kind == "timeout":
                async with asyncio.timeout(seconds):
                    await self.asyncio_code(i + 1)
            elif kind == "deadline":
                async with aio2trio(trio.move_on_after(seconds)):
                    await self.asyncio_code(i + 1)
            elif kind.endswith("nursery"):
                async with aio2trio(trio.open_nursery()) as nursery:
                    may_end = trio.Event()
                    if kind == "failing nursery":
                        nursery.start_soon(fails_unless, may_end, seconds)
                    await self.asyncio_code(i + 1)
                    aio2trio(may_end).set()
            else:
                async with asyncio.TaskGroup() as group:
                    if kind == "failing task group":
                        task = group.create_task(fails_after(asyncio.sleep, seconds))
                    await self.asyncio_code(i + 1)
                    if kind == "failing task group":
                        task.cancel()
        except TimeoutError:
            assert kind == "timeout"
        except ExceptionGroup as group:
            check_group(kind, group)
        finally:
            self.log.append(("end", i, trio_bridge.current_loop().time()))


def check_group(kind, group):
    assert kind.startswith("failing")
    assert [str(exc) for exc in group.exceptions] == ["child"]


async def fails_unless(may_end, seconds):
    with trio.move_on_after(seconds) as scope:
        await may_end.wait()
    if scope.cancelled_caught:
        raise ValueError("child")


def model(layers, cancel_at):
    """When each layer ends: the minimum of its own time and of those around it, or at 10."""
    ends = []
    until = cancel_at
    for kind, seconds, _ in layers:
        if kind not in ("nursery", "task group"):
            until = min(until, seconds)
        ends.append(until)
    # A layer ends when its body does: by the body's own end, or by a layer around it.
    result = []
    inner = 10.0
    for i in reversed(range(len(layers))):
        inner = min(inner, ends[i])
        result.append(inner)
    return result[::-1]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(LAYERS), st.booleans()), min_size=1, max_size=5).flatmap(
        lambda layers: st.permutations([2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13]).map(
            lambda seconds: [
                (kind, 1.0 * time, crosses)
                for (kind, crosses), time in zip(layers, seconds, strict=False)
            ]
        )
    ),
    st.integers(0, 14).map(lambda seconds: seconds + 0.5),
    st.sampled_from(["trio", "guest", "task"]),
)
def test_random_nestings(layers, cancel_at, start):
    nest = Nest(layers)

    async def main():
        await trio.testing.wait_all_tasks_blocked()
        tasks = living_tasks()
        began = trio.current_time()
        with trio.fail_after(100), trio.move_on_after(cancel_at) as scope:
            if start == "trio":
                await nest.trio_code(0)
            elif start == "guest":
                await trio2aio(nest.asyncio_code)(0, True)
            else:
                await in_a_task(nest.asyncio_code)(0, True)
        expected = model(layers, cancel_at)
        assert trio.current_time() - began == pytest.approx(expected[0])
        assert scope.cancelled_caught == (expected[0] == cancel_at)
        begun = [entry[1] for entry in nest.log if entry[0] == "begin"]
        ended = [entry[1:] for entry in nest.log if entry[0] == "end"]
        assert begun == list(range(len(layers)))
        assert [i for i, _ in ended] == begun[::-1]
        for entry in nest.log:
            # Before 3.13 a TaskGroup whose child fails keeps the count of its own cancel().
            if entry[0] == "cancelling" and sys.version_info >= (3, 13):
                assert entry[1] == entry[2]
        await nothing_is_left(tasks)

    began = time.monotonic()
    trio_bridge.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert time.monotonic() - began < 10


async def test_a_group_of_cancellations_from_a_trio_call_stays_in_the_cancelled_scope(
    asyncio_code, autojump_clock
):
    """The body has no wait between the call and the end of the scope."""

    async def fails_in_cleanup():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            raise ValueError

    @aio2trio
    async def call():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_in_cleanup)
            await trio.sleep_forever()

    async def code():
        async with aio2trio(trio.move_on_after(1)) as scope:
            try:
                await call()
            except* ValueError:
                pass
        assert asyncio.current_task().cancelling() == 0
        return scope.cancelled_caught

    assert await asyncio_code(code)()
    assert trio.current_time() == 2


async def test_a_scope_that_ends_together_with_what_is_around_it_keeps_one_cancellation_of_two(
    asyncio_code, autojump_clock
):
    """As in asyncio, where of two timeouts of the same moment the outer one fires."""

    async def inner():
        async with aio2trio(trio.move_on_after(1)):
            await asyncio.sleep(1000)
        await asyncio.sleep(1000)

    async def code():
        await asyncio.create_task(inner())

    with trio.move_on_after(1) as scope:
        await asyncio_code(code)()
    assert scope.cancelled_caught
    assert trio.current_time() == 1


async def test_a_cancellation_while_a_scope_is_entered_is_not_lost(asyncio_code):
    """Entering a scope notices none, and the body has no wait."""

    async def code():
        task = asyncio.current_task()
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            async with aio2trio(trio.CancelScope()):
                pass
        assert task.uncancel() == 0

    await asyncio_code(code)()
