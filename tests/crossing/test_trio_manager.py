"""Managers of Trio's in asyncio code: whose they are, and what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import signal
import sys

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, open_loop, trio2aio
from trio_bridge._crossing import trio_manager
from trio_bridge._crossing.host import Host


async def hosted(async_fn):
    """In a guest."""
    return await trio2aio(async_fn)()


async def adopted(async_fn):
    """In a task that asyncio has started."""

    async def guest():
        return await asyncio.create_task(async_fn())

    return await trio2aio(guest)()


BOTH = pytest.mark.parametrize("run", [hosted, adopted])


class Manager:
    """Of Trio's; writes down how it is entered and left."""

    def __init__(self):
        self.log = []

    async def __aenter__(self):
        await trio.lowlevel.checkpoint()
        self.log.append("entered")
        self.task = trio.lowlevel.current_task()

    async def __aexit__(self, exc_type, exc, traceback):
        assert trio.lowlevel.current_task() is self.task
        self.log.append(exc)


def count():
    return asyncio.current_task().cancelling()


# ---- what is counted


@BOTH
async def test_a_cancellation_from_before_stays_counted(run):
    async def program():
        asyncio.current_task().cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        async with aio2trio(Manager()):
            assert count() == 1
        assert count() == 1
        async with aio2trio(trio.CancelScope()) as scope:
            aio2trio(scope.cancel)()
            await asyncio.sleep(1000)
        assert count() == 1

    await run(program)


@BOTH
async def test_a_cancellation_that_a_scope_takes_in_is_not_counted(run):
    async def program():
        for _ in range(2):
            async with aio2trio(trio.CancelScope()) as scope:
                aio2trio(scope.cancel)()
                try:
                    await asyncio.sleep(1000)
                finally:
                    assert count() == 1
            assert scope.cancelled_caught
            assert count() == 0
        await asyncio.sleep(0)

    await run(program)


@BOTH
async def test_asyncios_own_cancellation_goes_on(run):
    async def program():
        manager = Manager()
        with pytest.raises(asyncio.CancelledError):
            async with aio2trio(manager):
                asyncio.current_task().cancel()
                await asyncio.sleep(0)
        assert count() == 1
        assert isinstance(manager.log[1], trio.Cancelled)

    await run(program)


@BOTH
async def test_both_cancel_at_once(run):
    """Somebody else has asked as well: as in ``asyncio.timeout``, that goes on."""

    async def program():
        with pytest.raises(asyncio.CancelledError):
            async with aio2trio(trio.CancelScope()) as scope:
                aio2trio(scope.cancel)()
                try:
                    await asyncio.sleep(1000)
                finally:
                    asyncio.current_task().cancel()
        assert count() == 1

    await run(program)


@BOTH
async def test_a_body_without_a_wait_does_not_see_it(run):
    async def program():
        async with aio2trio(trio.CancelScope()) as scope:
            aio2trio(scope.cancel)()
        assert count() == 0
        await asyncio.sleep(0)
        return "goes on"

    assert await run(program) == "goes on"


class Swallows(Manager):
    async def __aexit__(self, *details):
        await super().__aexit__(*details)
        return True


@BOTH
async def test_a_manager_that_swallows(run):
    async def program():
        manager, error = Swallows(), ValueError()
        async with aio2trio(manager):
            raise error
        assert manager.log == ["entered", error]
        async with aio2trio(manager):
            pass
        return "goes on"

    assert await run(program) == "goes on"


@BOTH
async def test_a_manager_that_swallows_asyncios_cancellation(run):
    """As one of asyncio's does, in asyncio."""

    async def program():
        async with aio2trio(Swallows()):
            asyncio.current_task().cancel()
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return count()

    assert await run(program) == 1


@BOTH
async def test_the_cancellation_after_that_of_a_scope_which_was_left(run):
    """It comes though the guest makes nothing but calls that are no checkpoints."""

    async def no_checkpoint():
        pass

    async def program():
        async with aio2trio(trio.CancelScope()) as outer:
            async with aio2trio(trio.CancelScope()) as inner:
                aio2trio(inner.cancel)()
                await asyncio.Event().wait()
            aio2trio(outer.cancel)()
            for _ in range(1000):
                await aio2trio(no_checkpoint)()
            pytest.fail("it was not cancelled")
        return outer.cancelled_caught

    assert await run(program)


async def test_a_cancellation_that_came_beside_an_error_is_delivered_at_the_enter_of_a_shield(
    autojump_clock,
):
    """In Trio that enter is no checkpoint; in asyncio it is an ``await``."""

    async def fails_when_its_child_has_ended():
        async with aio2trio(trio.open_nursery()) as nursery:
            aio2trio(nursery.start_soon)(shielded)
            raise ValueError

    async def shielded():
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    @trio2aio
    async def guest():
        try:
            await fails_when_its_child_has_ended()
        finally:
            with pytest.raises(asyncio.CancelledError):
                await aio2trio(trio.CancelScope(shield=True)).__aenter__()
            log.append("delivered")

    log = []
    with trio.move_on_after(1):
        with pytest.raises(ExceptionGroup):
            await guest()
    assert log == ["delivered"]


@BOTH
async def test_a_manager_that_swallows_the_cancellation_of_a_scope_around_it(run):
    """In Trio what follows is run up to its next checkpoint, and cancelled there."""

    async def program():
        async with aio2trio(trio.CancelScope()) as scope:
            async with aio2trio(Swallows()):
                aio2trio(scope.cancel)()
                await asyncio.Event().wait()
            pytest.fail("goes on between them")
        assert count() == 0
        return scope.cancelled_caught

    assert await run(program)


async def test_a_cancelled_guest_that_waits_nowhere_leaves_its_manager():
    manager = Manager()

    @trio2aio
    async def guest():
        async with aio2trio(manager):
            await aio2trio(trio.lowlevel.checkpoint)()
            aio2trio(scope.cancel)()

    with trio.CancelScope() as scope:
        await guest()
    assert manager.log[0] == "entered"
    assert len(manager.log) == 2


# ---- whose they are


@pytest.mark.parametrize("run", [hosted, adopted])
async def test_another_task_may_not_leave_it(run):
    async def program():
        manager = Manager()
        view = aio2trio(manager)
        await view.__aenter__()

        async def leaves():
            with pytest.raises(RuntimeError, match=r"entered in .* and left in 'another'"):
                await view.__aexit__(None, None, None)

        await asyncio.create_task(leaves(), name="another")
        assert manager.log == ["entered"]
        await view.__aexit__(None, None, None)
        assert manager.log == ["entered", None]
        with pytest.raises(RuntimeError, match="left already"):
            await view.__aexit__(None, None, None)

    await run(program)


def test_where_asyncio_comes_first_another_task_may_when_the_first_has_ended():
    manager = Manager()
    view = aio2trio(manager)

    async def enters():
        await view.__aenter__()
        has_entered.set()
        await may_end.wait()

    async def main():
        task = asyncio.create_task(enters())
        await has_entered.wait()
        with pytest.raises(RuntimeError, match=r"was entered in .* and left in"):
            await view.__aexit__(None, None, None)
        may_end.set()
        await task
        assert manager.log == ["entered"]
        await view.__aexit__(None, None, None)
        assert manager.log == ["entered", None]

    has_entered, may_end = asyncio.Event(), asyncio.Event()
    loop = trio_bridge.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


def test_where_asyncio_comes_first_two_tasks_leave_it_at_once():
    class Slow(Manager):
        async def __aexit__(self, *details):
            await trio.testing.wait_all_tasks_blocked()
            await super().__aexit__(*details)

    manager = Slow()
    view = aio2trio(manager)

    async def leaves():
        await view.__aexit__(None, None, None)

    async def main():
        await asyncio.create_task(view.__aenter__())
        found = await asyncio.gather(leaves(), leaves(), return_exceptions=True)
        assert found[0] is None
        assert "is being left already" in str(found[1])
        assert manager.log == ["entered", None]

    loop = trio_bridge.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


@BOTH
async def test_the_innermost_of_one_object_is_left(run):
    """One object may be entered several times."""

    async def program():
        manager = Manager()
        view = aio2trio(manager)
        first, second = ValueError("first"), ValueError("second")
        with pytest.raises(ValueError, match="second"):
            async with view:
                try:
                    async with view:
                        raise first
                finally:
                    raise second
        assert manager.log == ["entered", "entered", first, second]

    await run(program)


async def test_managers_of_several_tasks():
    async def one(manager, event):
        async with aio2trio(manager):
            event.set()
            await may_end.wait()

    @trio2aio
    async def guest():
        tasks = []
        for manager in managers:
            event = asyncio.Event()
            tasks.append(asyncio.create_task(one(manager, event)))
            await event.wait()
        may_end.set()
        await asyncio.gather(*tasks)

    may_end = asyncio.Event()
    managers = [Manager(), Manager(), Manager()]
    await guest()
    assert [manager.log for manager in managers] == 3 * [["entered", None]]
    assert len({manager.task for manager in managers}) == 3


async def test_one_adopter_at_a_time():
    """The task goes on for long: nothing of an adopter is kept on it."""

    def hosts():
        return sum(isinstance(obj, Host) for obj in gc.get_objects())

    async def program():
        async with aio2trio(Manager()):
            pass
        await asyncio.sleep(0)
        gc.collect()
        before = hosts()
        for _ in range(5):
            async with aio2trio(Manager()):
                await asyncio.sleep(0)
        await aio2trio(trio.testing.wait_all_tasks_blocked)()
        gc.collect()
        assert hosts() <= before + 1

    await adopted(program)


# ---- entering and leaving


@BOTH
async def test_an_enter_that_is_cancelled_by_a_scope_of_its_own(run):
    class Cancelled(Manager):
        async def __aenter__(self):
            raise ValueError

    async def program():
        with pytest.raises(ValueError):
            async with aio2trio(Cancelled()):
                raise AssertionError("the body runs")
        await aio2trio(trio.lowlevel.checkpoint)()
        await asyncio.sleep(0)

    await run(program)


@BOTH
async def test_asyncio_cancels_a_task_that_enters(run):
    class Slow(Manager):
        async def __aenter__(self):
            is_entering.set()
            await trio.sleep_forever()

    async def program():
        task = asyncio.create_task(enters())
        await aio2trio(is_entering.wait)()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def enters():
        async with aio2trio(Slow()):
            raise AssertionError("the body runs")

    is_entering = trio.Event()
    await run(program)


async def test_ctrl_c_before_a_manager_begins_to_be_left():
    """What would leave it is a coroutine already: it is awaited first."""
    code = trio_manager._interruptible.__code__
    manager = Manager()

    def on_call(frame, event, arg):
        if frame.f_code is code:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)

    @trio2aio
    async def guest():
        async with aio2trio(manager):
            sys.settrace(on_call)

    before = sys.gettrace()
    try:
        with pytest.raises(KeyboardInterrupt):
            await guest()
    finally:
        sys.settrace(before)
    assert manager.log[0] == "entered"
    assert len(manager.log) == 2


@pytest.mark.parametrize("kind", ["coroutine", "awaitable"])
async def test_ctrl_c_while_a_manager_is_left(kind):
    class Leaving:
        def __await__(self):
            raise KeyboardInterrupt
            yield

    class Interrupted(Manager):
        def __aexit__(self, *details):
            return self.leave() if kind == "coroutine" else Leaving()

        async def leave(self):
            await trio.lowlevel.checkpoint()
            raise KeyboardInterrupt

    @trio2aio
    async def guest():
        async with aio2trio(Interrupted()):
            pass

    with pytest.raises(KeyboardInterrupt):
        await guest()


@BOTH
async def test_what_is_never_left_is_left_with_an_error(run):
    outer, inner = Manager(), Manager()

    async def program():
        await aio2trio(outer).__aenter__()
        await aio2trio(inner).__aenter__()

    with pytest.raises(BaseExceptionGroup if run is adopted else RuntimeError) as caught:
        async with open_loop():
            await run(program)
            await trio.sleep(1)
    error = caught.value.exceptions[0] if run is adopted else caught.value
    assert "ended and did not leave" in str(error)
    assert outer.log == inner.log == ["entered", error]


async def never_left(*managers, then=None):
    """The error, where a guest enters managers and ends."""

    @trio2aio
    async def guest():
        for manager in managers:
            await aio2trio(manager).__aenter__()
        if then is not None:
            raise then

    with pytest.raises(Exception) as caught:
        await guest()
    return caught.value


async def test_what_is_never_left_and_swallows_the_error():
    class Swallows(Manager):
        async def __aexit__(self, *details):
            await super().__aexit__(*details)
            return True

    outer, inner = Manager(), Swallows()
    error = await never_left(outer, inner)
    assert "ended and did not leave" in str(error)
    assert outer.log == inner.log == ["entered", error]


async def test_what_is_never_left_and_fails_then():
    class Fails(Manager):
        async def __aexit__(self, *details):
            await super().__aexit__(*details)
            raise OSError

    outer, inner = Manager(), Fails()
    error = await never_left(outer, inner)
    assert isinstance(error, OSError)
    assert outer.log == ["entered", error]
    assert "ended and did not leave" in str(inner.log[1])


@pytest.mark.parametrize("then", [None, ValueError(), asyncio.CancelledError()], ids=repr)
async def test_how_a_task_ended_that_did_not_leave_its_manager(then):
    error = await never_left(Manager(), then=then)
    assert "ended and did not leave" in str(error)
    assert error.__context__ is (then if isinstance(then, ValueError) else None)


@BOTH
async def test_a_nursery_whose_child_fails_while_the_body_cleans_up(run):
    async def fails():
        raise ValueError

    async def program():
        with pytest.raises(ExceptionGroup) as caught:
            async with aio2trio(trio.open_nursery()) as nursery:
                aio2trio(nursery.start_soon)(fails)
                try:
                    await asyncio.sleep(1000)
                finally:
                    assert count() == 1
                    await asyncio.sleep(0)
        assert isinstance(caught.value.exceptions[0], ValueError)
        assert count() == 0

    await run(program)


async def cleans_up():
    """For 0.3 seconds, when it is cancelled."""
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.3)


@BOTH
@pytest.mark.parametrize("seconds", [0.9, 1, 1.1])
async def test_a_deadline_beside_asyncios_cancellation_makes_no_error(run, seconds, autojump_clock):
    """It would be caught, and the cancellation forgotten. The deadline passes before or after."""
    errors = []

    async def tries_again():
        while True:
            try:
                async with aio2trio(trio.fail_after)(seconds):
                    await cleans_up()
            except trio.TooSlowError as exc:
                errors.append(exc)

    async def program():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await tries_again()
        assert count() == 0

    with trio.fail_after(10):
        await run(program)
    # At the very same moment either may be first, and an error is right where the scope is.
    assert len(errors) <= (seconds == 1)


@BOTH
@pytest.mark.parametrize("waits", [True, False])
async def test_an_error_of_a_nursery_does_not_use_asyncios_cancellation_up(
    run, waits, autojump_clock
):
    """Who catches it is cancelled where it waits next, as after an ``asyncio.TaskGroup``."""
    ends = []

    async def child():
        try:
            await trio.sleep(1000)
        finally:
            raise ValueError  # in place of the cancellation

    async def program():
        loop = asyncio.get_running_loop()
        loop.call_later(1, asyncio.current_task().cancel)
        begin = loop.time()
        for _ in range(3):
            try:
                async with aio2trio(trio.open_nursery()) as nursery:
                    aio2trio(nursery.start_soon)(child)
                    if waits:
                        await asyncio.sleep(1000)
            except* ValueError:
                ends.append(loop.time() - begin)
        assert count() == 1
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(1000)
        asyncio.current_task().uncancel()

    with trio.fail_after(10):
        await run(program)
    assert ends == pytest.approx([1, 1, 1], abs=0.01)


async def fails_when_it_is_cancelled():
    try:
        await asyncio.sleep(1000)
    finally:
        raise ValueError


@contextlib.asynccontextmanager
async def bounded():
    """A manager of Trio's with a manager of asyncio's."""
    with contextlib.suppress(TimeoutError):
        async with trio2aio(asyncio.timeout)(1):
            yield


@BOTH
@pytest.mark.parametrize("make", [functools.partial(trio.move_on_after, 1), bounded])
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_task_group_hands_the_scopes_own_cancellation_on(
    run, make, is_cancelled, autojump_clock
):
    """By one more ``cancel()`` (Python 3.13), which the scope takes back. But asyncio's goes on."""

    async def program():
        loop = asyncio.get_running_loop()
        async with aio2trio(make)():
            with pytest.raises(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails_when_it_is_cancelled())
                    if is_cancelled:
                        loop.call_at(loop.time() + 1, asyncio.current_task().cancel)
                    await asyncio.sleep(1000)
        await asyncio.sleep(0.1)
        assert count() == 0

    with trio.fail_after(10):
        if is_cancelled and sys.version_info >= (3, 13):
            with pytest.raises(asyncio.CancelledError):
                await run(program)
        elif not is_cancelled:
            await run(program)


@BOTH
@pytest.mark.skipif(sys.version_info < (3, 13), reason="the group hands on since Python 3.13")
async def test_asyncio_cancels_while_the_scopes_own_cancellation_is_put_off(run, autojump_clock):
    """In the one turn which that takes: both are one ``CancelledError``, and asyncio's goes on."""

    async def program():
        async with aio2trio(trio.move_on_after)(1):
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails_when_it_is_cancelled())
                    await asyncio.sleep(1000)
            asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        raise AssertionError("goes on")

    with trio.fail_after(10), pytest.raises(asyncio.CancelledError):
        await run(program)


@BOTH
@pytest.mark.skipif(sys.version_info < (3, 13), reason="the group hands on since Python 3.13")
async def test_a_task_group_hands_the_cancellation_from_around_the_scope_on(run, autojump_clock):
    """As above, and the scope can't take it back: it comes where the task waits next."""
    reached = []

    async def program():
        async with aio2trio(trio.CancelScope()):
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails_when_it_is_cancelled())
                    await asyncio.sleep(1000)
        reached.append("left")
        await asyncio.sleep(1000)
        reached.append("went on")

    with trio.fail_after(10), trio.move_on_after(1) as scope:
        await run(program)
    assert scope.cancelled_caught
    assert "went on" not in reached
