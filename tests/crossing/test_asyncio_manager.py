"""Managers of asyncio's in Trio code: what comes while they are entered and left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Coroutine

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, open_loop, trio2aio
from trio_bridge._bridge import Bridge, by_loop


class Manager:
    """Writes down how it is entered and left."""

    def __init__(self):
        self.log = []
        self.task = None

    async def __aenter__(self):
        self.log.append("entered")
        self.task = asyncio.current_task()
        return self

    async def __aexit__(self, exc_type, exc, traceback):
        self.log.append(exc)


class Request(Manager, Coroutine):
    """Can be awaited and entered, as what aiohttp's ``get()`` returns."""

    closed = False

    def send(self, value):
        raise AssertionError("not awaited")

    throw = send

    def close(self):
        self.closed = True

    def __await__(self):
        raise AssertionError("not awaited")


# ---- entering


async def test_a_coroutine_that_is_not_entered_is_closed():
    """Python would warn that it was never awaited."""
    request = Request()
    with trio.CancelScope() as scope:
        scope.cancel()
        async with trio2aio(request):
            raise AssertionError("entered")
    assert request.closed
    assert request.log == []


async def test_a_coroutine_whose_enter_fails_closes_itself():
    class Fails(Request):
        async def __aenter__(self):
            raise ValueError

    request = Fails()
    with pytest.raises(ValueError):
        async with trio2aio(request):
            pass
    assert not request.closed
    assert request.log == []


async def test_a_manager_that_is_no_coroutine_is_not_closed():
    manager = Manager()
    manager.close = None
    with trio.CancelScope() as scope:
        scope.cancel()
        async with trio2aio(manager):
            pass
    assert manager.log == []


async def test_ctrl_c_on_the_way_back_leaves_what_was_entered():
    class Slow(Manager):
        async def __aenter__(self):
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1000)
            return await super().__aenter__()

    manager = Slow()
    with pytest.raises(KeyboardInterrupt):
        async with trio2aio(manager):
            raise AssertionError("the body runs")
    entered, left = manager.log
    assert entered == "entered"
    assert isinstance(left, asyncio.CancelledError)


async def test_ctrl_c_on_the_way_back_of_what_was_not_entered():
    class Fails(Manager):
        async def __aenter__(self):
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.sleep(1000)

    manager = Fails()
    with pytest.raises(KeyboardInterrupt):
        async with trio2aio(manager):
            raise AssertionError("the body runs")
    assert manager.log == []


async def test_asyncio_cancels_before_the_scope_around_the_body_is_there(autojump_clock):
    class Cancels(Manager):
        async def __aenter__(self):
            await super().__aenter__()
            asyncio.get_running_loop().call_soon(self.task.cancel)
            return self

    manager = Cancels()
    with pytest.raises(asyncio.CancelledError):
        async with trio2aio(manager):
            await trio.sleep(1000)
    assert trio.current_time() < 1000
    assert isinstance(manager.log[1], asyncio.CancelledError)


# ---- leaving


async def test_a_group_is_left_without_asyncios_cancellation():
    manager = Manager()
    error = ValueError()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio2aio(manager):
            trio_bridge.current_loop().call_soon(manager.task.cancel)
            try:
                await trio.sleep_forever()
            except trio.Cancelled as exc:
                raise BaseExceptionGroup("mine", [exc, error]) from None
    assert caught.value.exceptions == (error,)
    (left,) = manager.log[1:]
    assert left.exceptions == (error,)


async def test_a_group_is_left_as_it_is():
    manager = Manager()
    group = ExceptionGroup("mine", [ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with trio2aio(manager):
            raise group
    assert caught.value is group
    assert manager.log[1:] == [group]


async def test_trio_cancels_too_while_asyncios_cancellation_leaves_the_body():
    manager = Manager()
    with trio.CancelScope() as scope:
        async with trio2aio(manager):
            trio_bridge.current_loop().call_soon(manager.task.cancel)
            try:
                await trio.sleep_forever()
            finally:
                scope.cancel()
    assert scope.cancelled_caught
    assert isinstance(manager.log[1], asyncio.CancelledError)


@pytest.mark.parametrize("swallows", [False, True])
async def test_asyncio_cancels_the_body(swallows):
    class Swallows(Manager):
        async def __aexit__(self, *details):
            await super().__aexit__(*details)
            return swallows

    manager = Swallows()
    with contextlib.nullcontext() if swallows else pytest.raises(asyncio.CancelledError):
        async with trio2aio(manager):
            trio_bridge.current_loop().call_soon(manager.task.cancel)
            await trio.sleep_forever()
    assert isinstance(manager.log[1], asyncio.CancelledError)
    await trio.lowlevel.checkpoint()


async def test_a_body_that_takes_asyncios_cancellation_in_ends_as_it_likes():
    manager = Manager()
    async with trio2aio(manager):
        trio_bridge.current_loop().call_soon(manager.task.cancel)
        with contextlib.suppress(trio.Cancelled):
            await trio.sleep_forever()
    assert manager.log[1:] == [None]


async def test_a_generator_that_is_finalized_in_another_task_leaves_its_manager():
    manager = Manager()
    has_begun, has_ended = trio.Event(), trio.Event()

    async def steps():
        async with trio2aio(manager):
            yield

    generator = steps()

    async def begins():
        await anext(generator)
        has_begun.set()
        await has_ended.wait()

    async def finalizes():
        await has_begun.wait()
        try:
            await generator.aclose()
        finally:
            with trio.CancelScope(shield=True), pytest.raises(RuntimeError, match="left already"):
                await trio2aio(manager).__aexit__(None, None, None)
            has_ended.set()

    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(begins)
            nursery.start_soon(finalizes, name="another")
    errors = map(str, caught.value.exceptions)
    (error,) = (error for error in errors if "Cancel scope stack corrupted" not in error)
    assert "and left in 'another'. Leave it in the task that entered it" in error
    assert isinstance(manager.log[1], GeneratorExit)


async def test_an_error_in_another_task_does_not_leave_it():
    manager = Manager()
    view = trio2aio(manager)
    await view.__aenter__()
    with pytest.raises(BaseExceptionGroup):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(view.__aexit__, ValueError, ValueError(), None)
    assert manager.log == ["entered"]
    await view.__aexit__(None, None, None)
    assert manager.log == ["entered", None]


# ---- never left


def test_what_the_manager_raises_when_the_loop_leaves_it_is_in_the_error():
    class Fails(Manager):
        async def __aexit__(self, *details):
            await super().__aexit__(*details)
            raise OSError("fails to close")

    manager = Fails()

    async def main():
        await trio2aio(manager).__aenter__()

    with pytest.raises(BaseExceptionGroup) as caught:
        trio_bridge.run(main)
    (error,) = caught.value.exceptions
    assert "was entered and not left before its loop ended" in str(error)
    assert isinstance(error.__context__, OSError)
    assert isinstance(manager.log[1], asyncio.CancelledError)


@pytest.mark.parametrize("exits", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_4_2_7_an_exit_when_the_loop_leaves_the_manager_leaves_the_block(exits):
    class Exits(Manager):
        async def __aexit__(self, *details):
            await super().__aexit__(*details)
            raise exits

    async def main():
        await trio2aio(Exits()).__aenter__()

    with pytest.raises(type(exits)) as caught:
        trio_bridge.run(main)
    assert caught.value is exits
    assert "was entered and not left before its loop ended" in str(exits.__cause__)


async def test_a_body_that_outlives_its_loop():
    """It is cancelled, and gets the error when it leaves the manager that the loop has left."""
    manager = Manager()
    found = []

    async def body():
        try:
            async with trio2aio(manager):
                entered.set()
                await trio.sleep_forever()
        except RuntimeError as exc:
            found.append(exc)

    entered = trio.Event()
    async with trio.open_nursery() as nursery:
        with pytest.raises(BaseExceptionGroup):
            async with open_loop():
                nursery.start_soon(body)
                await entered.wait()
    (error,) = found
    assert "was entered and not left before its loop ended" in str(error)


async def test_a_body_that_goes_on_when_its_loop_is_closed():
    """As above. The scope around it is left: else Trio finds its scopes in disorder."""
    manager = Manager()
    entered, closed = trio.Event(), trio.Event()
    left_later = []

    async def body():
        with trio.CancelScope() as outer:
            with pytest.raises(RuntimeError, match="was entered and not left before its loop"):
                async with trio2aio(manager):
                    entered.set()
                    with trio.CancelScope(shield=True):
                        await closed.wait()
            outer.cancel()
            await trio.sleep_forever()
        left_later.append(outer.cancelled_caught)

    async with trio.open_nursery() as nursery:
        with pytest.raises(BaseExceptionGroup):
            async with open_loop():
                nursery.start_soon(body)
                await entered.wait()
        closed.set()
    assert left_later == [True]
    assert [type(entry) for entry in manager.log] == [str, asyncio.CancelledError]


async def is_cancelled():
    await trio.sleep_forever()


async def is_shielded():
    with trio.CancelScope(shield=True):
        await trio.sleep(1)


async def swallows():
    with contextlib.suppress(trio.Cancelled):
        await trio.sleep_forever()


async def fails():
    await is_shielded()
    raise ZeroDivisionError


@pytest.mark.parametrize("body", [is_cancelled, is_shielded, swallows, fails])
@pytest.mark.parametrize("around", [0, 1])
@pytest.mark.parametrize("inside", [0, 1])
async def test_a_loop_that_ends_lets_the_trio_body_leave_what_is_open_in_it(
    body, around, inside, autojump_clock
):
    """A nursery of Trio's, held open by a manager: only the Trio task can leave it."""
    log = []
    entered = trio.Event()

    @contextlib.asynccontextmanager
    async def plain(name):
        try:
            yield
        finally:
            log.append(name)

    @contextlib.asynccontextmanager
    async def holds_nursery():
        try:
            async with aio2trio(trio.open_nursery()) as nursery:
                aio2trio(nursery.start_soon)(trio.sleep_forever)
                yield
        finally:
            log.append("nursery")

    async def outlives():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(around):
                await stack.enter_async_context(trio2aio(plain)("around"))
            await stack.enter_async_context(trio2aio(holds_nursery)())
            for _ in range(inside):
                await stack.enter_async_context(trio2aio(plain)("inside"))
            entered.set()
            try:
                await body()
            finally:
                log.append("body")

    with trio.fail_after(60), pytest.raises(BaseException) as raised:
        async with trio.open_nursery() as nursery:
            async with open_loop():
                nursery.start_soon(outlives)
                await entered.wait()
            assert log == ["body", *["inside"] * inside, "nursery", *["around"] * around]
    expected = ZeroDivisionError if body is fails else asyncio.CancelledError
    assert raised.group_contains(expected)
    assert not raised.group_contains(RuntimeError)


async def test_a_loop_does_not_wait_for_a_body_in_the_task_that_ends_it(autojump_clock):
    """Whoever has opened the loop enters a manager by hand, which holds one of Trio's."""

    @contextlib.asynccontextmanager
    async def manager():
        async with aio2trio(contextlib.nullcontext()):
            yield

    with trio.fail_after(60), pytest.raises(BaseExceptionGroup) as raised:
        async with open_loop():
            await trio2aio(manager)().__aenter__()
    assert raised.group_contains(RuntimeError, match="was entered and not left")


async def test_an_asyncio_manager_inside_of_a_trio_manager_inside_of_an_asyncio_manager():
    """All in one Trio task: the innermost is entered while the outermost is being entered."""
    log = []

    @contextlib.asynccontextmanager
    async def noted(name, *inner):
        async with contextlib.AsyncExitStack() as stack:
            for manager in inner:
                await stack.enter_async_context(manager())
            log.append(f"enter {name}")
            yield
            log.append(f"leave {name}")

    def innermost():
        return trio2aio(noted)("innermost")

    def middle():
        return aio2trio(noted)("middle", innermost)

    async with open_loop():
        async with trio2aio(noted)("outermost", middle):
            log.append("body")
    names = ["innermost", "middle", "outermost"]
    entering = [f"enter {name}" for name in names]
    assert log == [*entering, "body", *(f"leave {name}" for name in reversed(names))]


async def test_a_closed_loop_stays_closed_whoever_leaves_managers_later(autojump_clock):
    """A hundred of them, in one Trio task that outlives it."""
    closed = trio.Event()

    async def outlives():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(150):
                await stack.enter_async_context(trio2aio(Manager()))
            entered.set()
            with trio.CancelScope(shield=True):
                await closed.wait()
            with pytest.raises(RuntimeError, match="closed already"):
                await trio2aio(asyncio.sleep)(0)

    entered = trio.Event()
    with pytest.raises(BaseExceptionGroup):
        async with trio.open_nursery() as nursery:
            with pytest.raises(BaseExceptionGroup):
                async with open_loop() as loop:
                    nursery.start_soon(outlives)
                    await entered.wait()
            closed.set()
    assert loop not in by_loop
    for bridge in gc.get_objects():
        if isinstance(bridge, Bridge) and bridge.loop is loop:
            assert not bridge.is_open


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("ends_before", [True, False])
def test_a_loop_does_not_wait_for_a_trio_body_that_is_gone(ends_before):
    """The Trio task ends without leaving the manager: that is its error.

    On a clock that stands still: it is noticed, not looked for from time to time.
    """

    @contextlib.asynccontextmanager
    async def manager():
        async with aio2trio(contextlib.nullcontext()):
            yield

    async def enters_only():
        await trio2aio(manager)().__aenter__()
        entered.set()
        if not ends_before:
            await trio.sleep_forever()

    async def main():
        async with trio.open_nursery() as nursery, open_loop():
            nursery.start_soon(enters_only)
            await entered.wait()

    entered = trio.Event()
    with pytest.raises(BaseExceptionGroup) as raised:
        trio.run(main, clock=trio.testing.MockClock())
    assert raised.group_contains(RuntimeError, match="was entered and not left")


@pytest.mark.parametrize("is_opener", [True, False])
async def test_the_loop_leaves_managers_in_the_reverse_order(is_opener):
    """Many, as the loop cancels their tasks in the order of a set."""
    log = []

    @contextlib.asynccontextmanager
    async def manager(number):
        try:
            yield
        finally:
            await asyncio.sleep(0)
            log.append(number)

    async def enters():
        for number in range(20):
            await trio2aio(manager(number)).__aenter__()
        entered.set()

    async def body():
        async with contextlib.AsyncExitStack() as stack:
            for number in range(20):
                await stack.enter_async_context(trio2aio(manager(number)))
            entered.set()
            await trio.sleep_forever()

    entered = trio.Event()
    with pytest.raises(ExceptionGroup):
        async with trio.open_nursery() as nursery:
            async with open_loop():
                if is_opener:
                    await enters()
                else:
                    nursery.start_soon(body)
                    await entered.wait()
    assert log == list(reversed(range(20)))


async def test_the_loop_leaves_a_manager_when_what_is_inside_of_it_has_failed_to_be_entered():
    log = []

    class Outer(Manager):
        async def __aexit__(self, *details):
            log.append("outer left")

    class Inner(Manager):
        async def __aenter__(self):
            try:
                await asyncio.sleep(3600)
            finally:
                with contextlib.suppress(asyncio.CancelledError):  # perhaps by its caller, too
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                log.append("inner not entered")

    async def body():
        async with trio2aio(Outer()), trio2aio(Inner()):
            raise AssertionError("entered")

    with pytest.raises(BaseExceptionGroup):
        async with trio.open_nursery() as nursery:
            async with open_loop():
                nursery.start_soon(body)
                await trio.testing.wait_all_tasks_blocked()
    assert log == ["inner not entered", "outer left"]


@pytest.mark.parametrize("error", [OSError("no commit"), SystemExit(3)], ids=repr)
async def test_the_loop_leaves_a_manager_before_the_host_that_entered_it_has_run(error):
    """The host is still known, but what the manager raises now is not its to get."""

    class Fails(Manager):
        async def __aenter__(self):
            await may_enter.wait()

        async def __aexit__(self, *details):
            raise error

    async def lets_enter():
        try:
            await asyncio.sleep(3600)
        finally:  # cancelled by the loop, before those that Trio code waits for
            may_enter.set()

    async def body():
        with pytest.raises(RuntimeError, match="was entered and not left before its loop ended"):
            async with trio2aio(Fails()):
                await trio.sleep_forever()

    may_enter = asyncio.Event()
    async with trio.open_nursery() as nursery:
        with pytest.raises((ExceptionGroup, SystemExit)) as caught:
            async with open_loop() as loop:
                task = loop.create_task(lets_enter())
                nursery.start_soon(body)
                await trio.testing.wait_all_tasks_blocked()
    assert task.cancelled()
    if isinstance(error, SystemExit):
        assert caught.value is error
    else:
        assert [exc.__context__ for exc in caught.value.exceptions] == [error]
