"""Async generators and iterators that cross: one contract, for both directions.

``way`` is as in ``test_managers.py``: each test runs for Trio code that iterates over what belongs
to asyncio, and for asyncio code, as a guest and as asyncio's own task, that iterates over Trio's.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import typing

import pytest
import sniffio
import trio
import trio.testing
from ways import ASYNCIO, TRIO, WAYS, fails_after, in_a_task, leaves_nothing  # noqa: F401

import trio_bridge
from trio_bridge import aio2trio, trio2aio

WAYS_OF_ITERATION = {name: way for name, way in WAYS.items() if "below" not in name}
TO_TRIO = [name for name, way in WAYS_OF_ITERATION.items() if way.own is TRIO]


@pytest.fixture(params=WAYS_OF_ITERATION)
def way(request):
    return WAYS[request.param]


@pytest.fixture(params=TO_TRIO)
def asyncio_code(request):
    return WAYS[request.param].code


# ---- kinds of iterators, all of which log what happens to them


async def generator(own, log, n=3):
    log.append(("begin", own.current_task()))
    try:
        for i in range(n):
            await own.checkpoint()
            log.append(("step", own.current_task()))
            yield i
        await own.checkpoint()
    finally:
        log.append(("end", own.current_task()))


class Iterator:
    def __init__(self, own, log, n=3):
        self.own = own
        self.log = log
        self.items = iter(range(n))

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.own.checkpoint()
        self.log.append(("step", self.own.current_task()))
        for item in self.items:
            return item
        raise StopAsyncIteration


class ClosableIterator(Iterator):
    async def aclose(self):
        await self.own.checkpoint()
        self.log.append(("end", self.own.current_task()))


class Iterable:
    def __init__(self, *args):
        self.args = args

    def __aiter__(self):
        return generator(*self.args)


class IterableOfIterators(Iterable):
    def __aiter__(self):
        return ClosableIterator(*self.args)


KINDS = [generator, Iterator, ClosableIterator, Iterable, IterableOfIterators]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def one_task(log):
    tasks = {task for _, task in log}
    assert len(tasks) == 1
    assert None not in tasks
    return True


def ended_once(log):
    assert [what for what, _ in log].count("end") == 1
    return one_task(log)


# ---- steps


async def test_every_step_in_one_task(way, kind):
    log = []

    @way.code
    async def user():
        items = []
        async for item in way.adapt(kind(way.own, log)):
            assert sniffio.current_async_library() == way.user.name
            await way.user.checkpoint()
            await way.adapt(way.own.checkpoint)()
            items.append(item)
        return items

    assert await user() == [0, 1, 2]
    assert one_task(log)


async def test_a_function_called_twice(way):
    log = []
    function = way.adapt(generator)

    @way.code
    async def user():
        return [item async for item in function(way.own, log)]

    assert await user() == await user() == [0, 1, 2]
    assert len({task for _, task in log}) == 2


async def test_an_empty_one(way, kind):
    @way.code
    async def user():
        return [item async for item in way.adapt(kind(way.own, [], 0))]

    assert await user() == []


async def test_steps_without_a_checkpoint(way):
    @way.adapt
    async def numbers():
        for i in range(100):
            yield i

    @way.code
    async def user():
        return [item async for item in numbers()]

    assert await user() == list(range(100))


async def test_on_its_own_side_it_is_itself(way):
    log = []

    @way.code
    async def user():
        async def own_code():
            log.append(("own", way.own.current_task()))
            return [item async for item in way.adapt(generator)(way.own, log)]

        return await way.adapt(own_code)()

    assert await user() == [0, 1, 2]
    assert ended_once(log)


async def test_on_its_own_side_it_is_given_errors(way):
    async def answers():
        try:
            yield "first"
        except ValueError as exc:
            yield f"caught {exc}"

    @way.code
    async def user():
        async def own_code():
            async with contextlib.aclosing(way.adapt(answers)()) as generator:
                return [await anext(generator), await generator.athrow(ValueError("it"))]

        return await way.adapt(own_code)()

    assert await user() == ["first", "caught it"]


async def test_exhausted(way, kind):
    @way.code
    async def user():
        iterator = aiter(way.adapt(kind(way.own, [])))
        async for _ in iterator:
            pass
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(iterator)
        assert await anext(iterator, "default") == "default"
        await iterator.aclose()
        await iterator.aclose()

    await user()


@pytest.mark.parametrize("function", [True, False])
async def test_an_early_break_with_aclosing(way, kind, function):
    log = []

    @way.code
    async def user():
        iterator = way.adapt(kind)(way.own, log) if function else way.adapt(kind(way.own, log))
        async with contextlib.aclosing(aiter(iterator)) as items:
            async for item in items:
                if item == 1:
                    break
        with pytest.raises(StopAsyncIteration):
            await anext(items)
            if kind in (Iterator, ClosableIterator, IterableOfIterators):
                raise StopAsyncIteration  # these go on, as they would on their own side
        await items.aclose()

    await user()
    if kind in (generator, Iterable):
        assert ended_once(log)
    elif kind is not Iterator:
        assert [what for what, _ in log][:3] == ["step", "step", "end"]
        assert one_task(log[:3])


async def test_aclose_before_the_first_step(way, kind):
    log = []

    @way.code
    async def user():
        iterator = aiter(way.adapt(kind(way.own, log)))
        await iterator.aclose()

    await user()
    assert [what for what, _ in log] in ([], ["end"])


async def test_a_generator_that_is_never_begun(way):
    @way.code
    async def user():
        way.adapt(generator)(way.own, [])
        way.adapt(generator(way.own, []))
        aiter(way.adapt(Iterable(way.own, [])))
        way.adapt(Iterator(way.own, []))

    await user()
    gc.collect()


async def test_clean_up_that_awaits_when_it_is_closed(way, autojump_clock):
    log = []

    @way.adapt
    async def it():
        try:
            yield 1
        finally:
            with trio.CancelScope(shield=True) if way.own is TRIO else contextlib.nullcontext():
                await way.own.sleep(2)
            log.append("clean")

    @way.code
    async def user():
        async with contextlib.aclosing(it()) as items:
            async for _ in items:
                break
            assert log == []
        assert log == ["clean"]

    await user()
    assert trio.current_time() == pytest.approx(2)


async def echo(own, log):
    try:
        value = "first"
        while True:
            await own.checkpoint()
            try:
                value = yield value
            except ValueError as exc:
                log.append(("threw", own.current_task()))
                value = f"caught {exc}"
            log.append(("step", own.current_task()))
    finally:
        log.append(("end", own.current_task()))


async def test_asend_athrow_and_aclose(way):
    log = []

    @way.code
    async def user():
        it = way.adapt(echo)(way.own, log)
        assert await it.asend(None) == "first"
        assert await it.asend("second") == "second"
        assert await it.athrow(ValueError("third")) == "caught third"
        with pytest.raises(OSError, match="not caught") as caught:
            await it.athrow(OSError("not caught"))
        assert caught.value.__context__ is None
        with pytest.raises(StopAsyncIteration):
            await it.asend("after the end")

    await user()
    assert ended_once(log)


async def test_athrow_of_stop_iterations(way):
    """As Python does: they become a RuntimeError."""

    @way.code
    async def user():
        for stop in (StopAsyncIteration, StopIteration):
            it = way.adapt(echo)(way.own, [])
            await anext(it)
            with pytest.raises(RuntimeError):
                await it.athrow(stop())
        it = way.adapt(echo)(way.own, [])
        await anext(it)
        with pytest.raises(GeneratorExit):
            await it.athrow(GeneratorExit())

    await user()


async def test_a_generator_that_yields_when_it_is_closed(way):
    @way.adapt
    async def ignores_exit():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    @way.code
    async def user():
        it = ignores_exit()
        await anext(it)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            await it.aclose()

    await user()


async def test_an_exception_in_a_step(way):
    error = OSError("in the generator")

    @way.adapt
    async def fails():
        yield 1
        await way.own.checkpoint()
        raise error

    @way.code
    async def user():
        it = fails()
        with pytest.raises(OSError, match="in the generator") as caught:
            async for _ in it:
                pass
        assert caught.value is error
        assert error.__context__ is None
        with pytest.raises(StopAsyncIteration):
            await anext(it)

    await user()


async def test_an_exception_in_the_first_step(way):
    @way.adapt
    async def fails():
        raise OSError("at once")
        yield

    @way.code
    async def user():
        with pytest.raises(OSError, match="at once"):
            await anext(fails())

    await user()


async def test_an_exception_in_a_step_of_an_iterator_that_goes_on(way):
    class FailsOnce(Iterator):
        failed = False

        async def __anext__(self):
            if not self.failed:
                self.failed = True
                raise OSError
            return await super().__anext__()

    log = []

    @way.code
    async def user():
        it = way.adapt(FailsOnce(way.own, log))
        with pytest.raises(OSError):
            await anext(it)
        return [item async for item in it]

    assert await user() == [0, 1, 2]
    assert one_task(log)


async def test_an_exception_in_the_body_of_the_loop(way):
    log = []

    @way.code
    async def user():
        async with contextlib.aclosing(way.adapt(generator)(way.own, log)) as items:
            async for _ in items:
                raise OSError("in the body")

    with pytest.raises(OSError, match="in the body"):
        await user()
    assert ended_once(log)


# ---- functions


class Methods:
    @staticmethod
    def of(own):
        adapt = own.adapt

        class It:
            log: typing.ClassVar = []

            @adapt
            async def method(self, value):
                """The docs."""
                self.log.append(own.current_task())
                await own.checkpoint()
                yield self, value
                self.log.append(own.current_task())

            @staticmethod
            @adapt
            async def static(value):
                """The docs."""
                It.log.append(own.current_task())
                yield It, value
                It.log.append(own.current_task())

            @adapt
            @staticmethod
            async def static_above(value):
                """The docs."""
                It.log.append(own.current_task())
                yield It, value
                It.log.append(own.current_task())

            @classmethod
            @adapt
            async def of_class(cls, value):
                """The docs."""
                cls.log.append(own.current_task())
                yield cls, value
                cls.log.append(own.current_task())

            @adapt
            @classmethod
            async def of_class_above(cls, value):
                """The docs."""
                cls.log.append(own.current_task())
                yield cls, value
                cls.log.append(own.current_task())

        return It


@pytest.mark.parametrize("through", ["instance", "class"])
@pytest.mark.parametrize("name", ["method", "static", "static_above", "of_class", "of_class_above"])
async def test_functions_and_methods(way, name, through):
    It = Methods.of(way.own)
    it = It()
    if through == "instance":
        fn, args = getattr(it, name), ("value",)
    else:
        fn, args = getattr(It, name), (it, "value") if name == "method" else ("value",)
    assert inspect.isasyncgenfunction(fn)
    assert fn.__name__ == name
    assert fn.__doc__ == "The docs."

    @way.code
    async def user():
        ((of, value),) = [item async for item in fn(*args)]
        assert trio_bridge.unview(of) is (it if name == "method" else It)
        return value

    assert await user() == "value"
    assert len(It.log) == 2
    assert len(set(It.log)) == 1


async def test_the_signature_and_the_names_are_kept(way):
    async def numbers(a: int, *, b: str = "b"):
        yield a, b

    adapted = way.adapt(numbers)
    assert inspect.isasyncgenfunction(adapted)
    assert inspect.signature(adapted) == inspect.signature(numbers)
    assert (adapted.__name__, adapted.__qualname__) == (numbers.__name__, numbers.__qualname__)

    @way.code
    async def user():
        generator = adapted(1, b="c")
        assert inspect.isasyncgen(generator)
        generator_of_object = way.adapt(numbers(1, b="d"))
        assert inspect.isasyncgen(generator_of_object)
        assert generator_of_object.__name__ == "numbers"
        return [item async for item in generator], [item async for item in generator_of_object]

    assert await user() == ([(1, "c")], [(1, "d")])


async def test_a_partial(way):
    log = []
    function = way.adapt(functools.partial(generator, way.own, n=1))

    @way.code
    async def user():
        return [item async for item in function(log)]

    assert await user() == [0]


# ---- several tasks


async def test_used_from_several_tasks_in_turn(way, kind):
    log = []
    iterator = []

    @way.code
    async def begin():
        iterator.append(aiter(way.adapt(kind(way.own, log))))

    @way.code
    async def step():
        return await anext(iterator[0])

    @way.code
    async def end():
        with pytest.raises(StopAsyncIteration):
            await anext(iterator[0])

    await begin()
    assert [await step() for _ in range(3)] == [0, 1, 2]
    await end()
    assert one_task(log)


async def test_concurrent_use_of_a_generator(way, autojump_clock):
    """Python's own error, and the step that was first goes on."""
    log = []
    it = []
    errors = []

    @way.adapt
    async def slow():
        for i in range(2):
            with trio.CancelScope(shield=True) if way.own is TRIO else contextlib.nullcontext():
                await way.own.sleep(0.01)
            yield i

    @way.code
    async def begin():
        it.append(slow())

    @way.code
    async def step():
        try:
            log.append(await anext(it[0]))
        except RuntimeError as exc:
            errors.append(str(exc))

    @way.code
    async def close():
        await it[0].aclose()

    await begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(step)
        nursery.start_soon(step)
    assert log == [0]
    assert "already running" in errors[0]
    await step()
    assert log == [0, 1]
    await close()


async def test_concurrent_use_of_an_iterator_that_allows_it(way, autojump_clock):
    it = []
    items = []

    class Slow(Iterator):
        async def __anext__(self):
            item = await super().__anext__()
            await self.own.sleep(1)
            return item

    @way.code
    async def begin():
        it.append(way.adapt(Slow(way.own, [])))

    @way.code
    async def step():
        items.append(await anext(it[0]))

    @way.code
    async def close():
        await it[0].aclose()

    await begin()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(step)
    assert sorted(items) == [0, 1, 2]
    assert trio.current_time() == pytest.approx(1)
    await close()


async def test_closing_an_iterator_twice_at_once(autojump_clock):
    closed = []

    class Slow(Iterator):
        async def aclose(self):
            await asyncio.sleep(1)
            closed.append(self)

    items = aiter(trio2aio(Slow(ASYNCIO, [])))
    await anext(items)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(items.aclose)
        nursery.start_soon(items.aclose)
    assert len(closed) == 2  # as often as it was asked for


@pytest.mark.parametrize("debug", [False, True])
async def test_closing_an_iterator_whose_first_step_was_cancelled(debug, autojump_clock):
    """Undisturbed, as after any other step: in a scope that is cancelled already too."""
    trio_bridge.current_loop().set_debug(debug)
    closed = []

    class Slow(Iterator):
        async def aclose(self):
            await asyncio.sleep(1)
            closed.append(self)

    with trio.CancelScope() as scope:
        async with contextlib.aclosing(aiter(trio2aio(Slow(ASYNCIO, [])))) as items:
            scope.cancel()
            await anext(items)
    assert scope.cancelled_caught
    assert len(closed) == 1


async def test_closing_an_iterator_while_a_step_is_taken(way, autojump_clock):
    it = []

    class Slow(Iterator):
        async def __anext__(self):
            await self.own.sleep(1)
            return await super().__anext__()

    @way.code
    async def step():
        it.append(way.adapt(Slow(way.own, [])))
        assert await anext(it[0]) == 0

    @way.code
    async def close_too_early():
        with pytest.raises(RuntimeError, match=r"Slow.*is closed while another task waits"):
            await it[0].aclose()

    @way.code
    async def close():
        await it[0].aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(step)
        await trio.sleep(0.5)
        await close_too_early()
    await close()


async def test_an_asyncio_queue_for_several_trio_tasks(autojump_clock):
    class Items:
        def __init__(self):
            self.queue = asyncio.Queue()

        def __aiter__(self):
            return self

        async def __anext__(self):
            return await self.queue.get()

    items = trio2aio(Items())
    received = []

    async def consume():
        received.append(await anext(items))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(consume)
        await trio.sleep(1)
        for i in range(3):
            items.queue.put_nowait(i)
    assert sorted(received) == [0, 1, 2]
    await items.aclose()


async def test_trios_memory_channel(asyncio_code):
    send, receive = trio.open_memory_channel(0)

    async def produce():
        async with send:
            for i in range(5):
                await send.send(i)

    @asyncio_code
    async def consume():
        async with aio2trio(receive) as channel:
            return [item async for item in channel]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        assert await consume() == [0, 1, 2, 3, 4]


async def test_a_stream_reader():
    """An asyncio object that iterates by itself."""
    reader = trio2aio(asyncio.StreamReader)()
    reader.feed_data(b"one\ntwo\n")
    reader.feed_eof()
    assert [line async for line in reader] == [b"one\n", b"two\n"]


# ---- context variables

var = contextvars.ContextVar("var", default="outside")


async def test_context_variables(way):
    seen = []

    @way.adapt
    async def it():
        seen.append(var.get())
        token = var.set("in the generator")
        yield 1
        seen.append(var.get())
        await way.own.checkpoint()
        yield 2
        var.reset(token)

    @way.code
    async def user():
        var.set("before")
        items = it()
        await anext(items)
        assert var.get() == "in the generator"
        var.set("in the body")
        await anext(items)
        assert var.get() == "in the body"
        assert await anext(items, None) is None
        assert var.get() == "before"

    await user()
    assert seen == ["before", "in the body"]


# ---- cancel scopes and timeouts in generators


async def test_an_asyncio_timeout_around_the_yields(autojump_clock):
    log = []

    @trio2aio
    async def it(seconds):
        try:
            async with asyncio.timeout(seconds):
                for i in range(3):
                    yield i
                    await asyncio.sleep(1)
        except TimeoutError:
            log.append(asyncio.current_task().cancelling())
            yield "timeout"

    assert [item async for item in it(100)] == [0, 1, 2]
    assert [item async for item in it(1.5)] == [0, 1, "timeout"]
    items = []
    async for item in it(1.5):  # it fires between two steps
        await trio.sleep(1.25)
        items.append(item)
    assert items == [0, "timeout"]
    assert log == [0, 0]
    await trio.sleep(10)


async def test_an_asyncio_task_group_around_the_yields(autojump_clock):
    @trio2aio
    async def it():
        async with asyncio.TaskGroup() as group:
            group.create_task(fails_after(asyncio.sleep, 1))
            yield 1
            yield 2

    with pytest.raises(ExceptionGroup) as caught:
        async for _ in it():
            await trio.sleep(2)
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]
    await trio.sleep(1)


async def test_a_cancel_scope_around_the_yields(autojump_clock, asyncio_code):
    """It bounds the generator's own waits, and the body's are the consumer's."""

    @aio2trio
    async def it(seconds):
        with trio.move_on_after(seconds) as scope:
            for i in range(3):
                yield i
                await trio.sleep(1)
        if scope.cancelled_caught:
            yield "timeout"

    @asyncio_code
    async def code():
        assert [item async for item in it(100)] == [0, 1, 2]
        assert [item async for item in it(1.5)] == [0, 1, "timeout"]
        items = []
        async for item in it(1.5):
            await asyncio.sleep(1.25)
            items.append(item)
        assert items == [0, "timeout"]
        await asyncio.sleep(10)
        return asyncio.current_task().cancelling()

    assert await code() == 0


async def test_a_nursery_around_the_yields(autojump_clock, asyncio_code):
    log = []

    async def child():
        try:
            await trio.sleep(1000)
        finally:
            log.append("child")

    @aio2trio
    async def it(fails):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            if fails:
                nursery.start_soon(fails_after, trio.sleep, 1)
            yield 1
            await trio.sleep(2)
            yield 2
            nursery.cancel_scope.cancel()

    @asyncio_code
    async def code():
        assert [item async for item in it(fails=False)] == [1, 2]
        with pytest.raises(ExceptionGroup) as caught:
            assert [item async for item in it(fails=True)] == [1, 2]
        assert [str(exc) for exc in caught.value.exceptions] == ["child"]
        with pytest.raises(ExceptionGroup):
            async for _ in it(fails=True):
                await asyncio.sleep(5)
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert log == ["child"] * 3


async def test_a_nursery_in_a_generator_that_is_closed_early(autojump_clock, asyncio_code):
    log = []

    async def child():
        try:
            await trio.sleep(1000)
        finally:
            log.append("child")

    @aio2trio
    async def it():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            await trio.sleep(1)
            try:
                while True:
                    yield
            finally:
                nursery.cancel_scope.cancel()

    @asyncio_code
    async def code():
        with pytest.raises(BaseExceptionGroup) as caught:  # as on Trio's side
            async with contextlib.aclosing(it()) as items:
                async for _ in items:
                    break
        assert caught.group_contains(GeneratorExit)
        return asyncio.current_task().cancelling()

    assert await code() == 0
    assert log == ["child"]


async def test_the_consumers_deadline_is_seen_in_a_step(autojump_clock):
    @aio2trio
    async def deadlines():
        while True:
            yield trio.current_effective_deadline()

    @trio2aio
    async def guest():
        async with contextlib.aclosing(deadlines()) as items:
            first = await anext(items)
            async with aio2trio(trio.move_on_after(5)):
                second = await anext(items)
            third = await anext(items)
        return first, second, third

    with trio.move_on_after(10):
        assert await guest() == pytest.approx((10, 5, 10))


# ---- cancellation


async def waits(own, log):
    try:
        yield 1
        await own.sleep(1000)
        yield 2
    except own.Cancelled:
        log.append("cancelled")
        with trio.CancelScope(shield=True) if own is TRIO else contextlib.nullcontext():
            await own.sleep(2)
        log.append("clean")
        raise
    finally:
        log.append("end")


async def test_cancelled_at_a_step(way, autojump_clock):
    log = []
    it = []

    @way.code
    async def user():
        it.append(way.adapt(waits)(way.own, log))
        async for _ in it[0]:
            pass

    @way.code
    async def after():
        with pytest.raises(StopAsyncIteration):
            await anext(it[0])

    with trio.move_on_after(1) as scope:
        await user()
    assert scope.cancelled_caught
    assert log == ["cancelled", "clean", "end"]
    assert trio.current_time() == pytest.approx(3)
    await after()


async def test_cancelled_between_two_steps(way, autojump_clock):
    log = []

    @way.code
    async def user():
        async with contextlib.aclosing(way.adapt(waits)(way.own, log)) as items:
            async for _ in items:
                await way.user.sleep(1000)

    with trio.move_on_after(1) as scope:
        await user()
    assert scope.cancelled_caught
    assert log == ["end"]


async def test_a_step_in_a_scope_that_is_cancelled_already(way, autojump_clock):
    """The generator gets it where it stands, as on its own side."""
    log = []

    @way.code
    async def user():
        async with contextlib.aclosing(way.adapt(waits)(way.own, log)) as items:
            await anext(items)
            scope.cancel()
            with contextlib.suppress(way.user.Cancelled):
                await way.user.sleep(0.1)
            if way.user is ASYNCIO:
                asyncio.current_task().cancel()  # the first was swallowed
            await anext(items)
            raise AssertionError

    with trio.CancelScope() as scope:
        with contextlib.suppress(asyncio.CancelledError):
            await user()
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert log == ["cancelled", "clean", "end"]


async def test_a_generator_that_swallows_the_cancellation_goes_on(way, autojump_clock):
    """The consumer got its item; a cancellation that is still there is the next checkpoint's."""

    @way.adapt
    async def it():
        yield 1
        with contextlib.suppress(way.own.Cancelled):
            await way.own.sleep(1000)
        yield 2
        yield 3

    log = []

    @way.code
    async def user():
        async with contextlib.aclosing(it()) as items:
            while True:
                log.append(await anext(items))

    with trio.move_on_after(1), contextlib.suppress(StopAsyncIteration):
        await user()
    assert log[:2] == [1, 2]


async def test_a_swallowed_cancellation_is_not_counted_in_the_owner(autojump_clock):
    counts = []

    @trio2aio
    async def it():
        for _ in range(3):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                counts.append(asyncio.current_task().cancelling())
            yield asyncio.current_task().cancelling()
            counts.append(asyncio.current_task().cancelling())

    items = it()
    with trio.move_on_after(1) as scope:
        assert await anext(items) == 1
    assert not scope.cancelled_caught
    await anext(items)
    assert counts == [1, 0]
    await items.aclose()


async def test_cancelled_at_a_step_of_an_iterator_that_goes_on(way, autojump_clock):
    """It is not closed by that: asked again, it gives its next item."""

    class Slow(Iterator):
        async def __anext__(self):
            await self.own.sleep(1)
            return await super().__anext__()

    it = []
    log = []

    @way.code
    async def step():
        if not it:
            it.append(way.adapt(Slow(way.own, log)))
        return await anext(it[0])

    @way.code
    async def close():
        await it[0].aclose()

    assert await step() == 0
    with trio.move_on_after(0.5) as scope:
        await step()
    assert scope.cancelled_caught
    assert await step() == 1
    assert one_task(log)
    await close()


async def test_asyncio_cancels_a_consumer_of_a_trio_generator(autojump_clock, asyncio_code):
    log = []

    @asyncio_code
    async def code():
        task = asyncio.current_task()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                async for _ in aio2trio(waits)(TRIO, log):
                    pass
        assert task.cancelling() == 0
        await asyncio.sleep(1)
        return task.cancelling()

    assert await code() == 0
    assert log == ["cancelled", "clean", "end"]
    assert trio.current_time() == pytest.approx(4)


async def test_a_step_that_did_not_notice_its_cancellation(asyncio_code):
    """The generator holds a scope open over its yields, and has no checkpoint at this step."""

    @aio2trio
    async def it():
        with trio.CancelScope():
            yield 1
            yield 2
            await trio.lowlevel.checkpoint()
            yield 3

    @asyncio_code
    async def code():
        task = asyncio.current_task()
        async with contextlib.aclosing(it()) as items:
            await anext(items)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                assert await anext(items) == 2
                await anext(items)
            return task.uncancel()

    with trio.fail_after(30):
        assert await code() == 0


async def test_a_step_that_comes_after_a_cancellation_by_the_loop_is_not_taken(autojump_clock):
    """The task was in Trio code that didn't notice. It ends all the same, at its next wait."""
    log = []

    @aio2trio
    async def notices_nothing():
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    @aio2trio
    async def items():
        log.append("step")
        yield

    async def consume():
        await notices_nothing()
        log.append("noticed nothing")
        async for _ in items():
            pass

    async with trio_bridge.open_loop() as loop:
        task = loop.create_task(consume())
        await trio.sleep(1)
    assert task.cancelled()
    assert log == ["noticed nothing"]


def test_an_iterator_that_breaks_the_task_of_its_steps(autojump_clock):
    """It leaves a scope open, as no code of Trio's may. Trio's error is not lost, nothing hangs."""

    class Breaks:
        def __aiter__(self):
            return self

        async def __anext__(self):
            trio.CancelScope().__enter__()
            await trio.sleep(10)

    ends = []

    @trio2aio
    async def guest():
        items = aiter(aio2trio(Breaks()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(items)
        for _ in range(2):
            try:
                await anext(items)
            except (asyncio.CancelledError, RuntimeError) as exc:
                ends.append(type(exc))

    with pytest.raises(ExceptionGroup) as caught:
        trio_bridge.run(guest, clock=autojump_clock)
    assert caught.group_contains(RuntimeError, match="Cancel scope stack corrupted")
    assert ends == [asyncio.CancelledError, RuntimeError]


async def test_a_scope_around_an_unhosted_consumer(autojump_clock):
    """A task of asyncio's own, whose Trio calls are in the loop's nursery."""
    log = []

    async def consume():
        async with aio2trio(trio.move_on_after(1)) as scope:
            async for _ in aio2trio(waits)(TRIO, log):
                pass
        assert scope.cancelled_caught
        return asyncio.current_task().cancelling()

    assert await in_a_task(consume)() == 0
    assert log == ["cancelled", "clean", "end"]


async def test_closing_in_a_cancelled_scope(way, autojump_clock):
    """aclose() runs the clean-up, whatever is cancelled around it."""
    log = []

    @way.adapt
    async def it():
        try:
            yield 1
        finally:
            with trio.CancelScope(shield=True) if way.own is TRIO else contextlib.nullcontext():
                await way.own.sleep(1)
            log.append("clean")

    @way.code
    async def user():
        items = it()
        await anext(items)
        try:
            scope.cancel()
            await way.user.sleep(1000)
        finally:
            await items.aclose()
            log.append("closed")

    with trio.CancelScope() as scope:
        await user()
    assert scope.cancelled_caught
    assert log[0] == "clean"


# ---- garbage


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # Trio's own way
@pytest.mark.parametrize("kind", [generator, Iterable])
async def test_garbage_is_finalized(way, kind):
    log = []

    @way.code
    async def user():
        items = aiter(way.adapt(kind(way.own, log)))
        await anext(items)

    await user()
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()
    await trio.lowlevel.checkpoint()
    assert ended_once(log)


@pytest.mark.parametrize("kind", [Iterator, ClosableIterator])
async def test_a_garbage_iterator_lets_go_of_its_task(way, kind):
    log = []

    @way.code
    async def user():
        await anext(way.adapt(kind(way.own, log)))

    await user()
    gc.collect()
    assert [what for what, _ in log] == ["step"]  # nobody closes such an iterator on its own side


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # Trio's own way
async def test_a_break_without_aclosing(way, autojump_clock):
    log = []

    @way.code
    async def user():
        async for _ in way.adapt(generator)(way.own, log):
            break
        gc.collect()
        await way.user.sleep(0.01)
        return [what for what, _ in log]

    assert (await user())[-1] == "end"
    assert ended_once(log)


# ---- the loop's end


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # Trio's own way
@pytest.mark.parametrize("kind", [generator, Iterator, ClosableIterator])
@pytest.mark.parametrize("name", WAYS_OF_ITERATION)
def test_the_loop_ends_while_one_is_half_way(kind, name):
    way = WAYS[name]
    log = []
    kept = []

    async def main():
        @way.code
        async def user():
            kept.append(aiter(way.adapt(kind(way.own, log))))
            await anext(kept[0])

        async with trio_bridge.open_loop():
            await user()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == tasks

    async def outer():
        nonlocal tasks
        tasks = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(30):
            await main()
            kept.clear()
            gc.collect()
            await trio.testing.wait_all_tasks_blocked()

    tasks = 0
    trio.run(outer)
    if kind is generator:
        assert ended_once(log)


async def test_a_step_after_the_loop_has_ended():
    async with trio_bridge.open_loop():
        items = trio2aio(Iterator(ASYNCIO, []))
        await anext(items)
        begun = trio2aio(generator)(ASYNCIO, [])
        await anext(begun)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="is closed already"):
            await anext(items)
    with pytest.raises((RuntimeError, StopAsyncIteration)):
        await anext(begun)
    await begun.aclose()
    await items.aclose()


@pytest.mark.parametrize("is_closed", [False, True], ids=["exhausted", "closed"])
def test_an_iterator_that_had_ended_before_its_loop_stays_so(is_closed):
    """Unlike one that its loop has cut short."""

    async def main():
        async with trio_bridge.open_loop():
            items = aiter(trio2aio(ClosableIterator(ASYNCIO, [], 1)))
            assert await anext(items) == 0
            if is_closed:
                await items.aclose()
            else:
                with pytest.raises(StopAsyncIteration):
                    await anext(items)
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(items)

    trio.run(main)


def test_a_step_of_a_trio_iterator_on_the_next_loop():
    items = aio2trio(Iterator(TRIO, []))

    async def step():
        return await anext(items)

    first, second = trio_bridge.new_event_loop(), trio_bridge.new_event_loop()
    assert first.run_until_complete(step()) == 0
    first.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"was begun on an asyncio loop that has ended"):
            second.run_until_complete(step())
    second.close()


def test_a_step_of_a_trio_generator_on_the_next_loop():
    log = []

    async def step():
        return await anext(half_way)

    half_way = aio2trio(generator)(TRIO, log)
    first, second = trio_bridge.new_event_loop(), trio_bridge.new_event_loop()
    assert first.run_until_complete(step()) == 0
    first.close()
    assert ended_once(log)
    with pytest.raises(RuntimeError, match=r"was begun on an asyncio loop that has ended.*Begin"):
        second.run_until_complete(step())
    second.close()


# ---- real generators that use both sides


async def test_an_asyncio_generator_that_calls_trio(autojump_clock):
    tasks = []

    async def current():
        await trio.sleep(1)
        return trio.lowlevel.current_task()

    @trio2aio
    async def it():
        for _ in range(3):
            tasks.append(await aio2trio(current)())
            yield

    async for _ in it():
        pass
    assert set(tasks) == {trio.lowlevel.current_task()}
    assert trio.current_time() == pytest.approx(3)


async def test_an_asyncio_generator_that_enters_a_trio_manager(autojump_clock):
    """Its next step may have another host: so it has an adopter."""
    tasks = []

    async def current():
        await trio.sleep(1)
        return trio.lowlevel.current_task()

    @trio2aio
    async def it():
        async with aio2trio(trio.move_on_after(2.5)) as scope:
            while True:
                tasks.append(await aio2trio(current)())
                yield "item"
        assert scope.cancelled_caught
        yield asyncio.current_task().cancelling()

    assert [item async for item in it()] == ["item", "item", 0]
    assert len(set(tasks)) == 1
    assert trio.lowlevel.current_task() not in tasks


async def test_an_asyncio_generator_in_a_trio_manager_that_is_cancelled_between_steps(
    autojump_clock,
):
    @trio2aio
    async def it():
        async with aio2trio(trio.open_nursery()) as nursery:
            nursery.start_soon(fails_after, trio.sleep, 1)
            yield 1
            yield 2

    items = []
    with pytest.raises(ExceptionGroup) as caught:
        async for item in it():
            items.append(item)
            await trio.sleep(2)
    assert items == [1]
    assert [str(exc) for exc in caught.value.exceptions] == ["child"]
    await trio.sleep(1)


async def test_a_trio_generator_that_calls_asyncio(autojump_clock, asyncio_code):
    @aio2trio
    async def it():
        for _ in range(3):
            async with trio2aio(asyncio.timeout)(10):
                await trio2aio(asyncio.sleep)(1)
            yield sniffio.current_async_library()

    @asyncio_code
    async def code():
        return [item async for item in it()]

    assert await code() == ["trio"] * 3
    assert trio.current_time() == pytest.approx(3)


async def test_a_generator_of_a_generator(way):
    log = []

    @way.adapt
    async def outer():
        async with contextlib.aclosing(inner()) as items:
            async for item in items:
                await way.own.checkpoint()
                yield item

    @way.user.adapt
    async def inner():
        async with contextlib.aclosing(generator(way.user, log)) as items:
            async for item in items:
                yield item

    @way.code
    async def user():
        return [item async for item in outer()]

    assert await user() == [0, 1, 2]
    assert ended_once(log)


async def test_a_view_of_a_generators_view_is_the_generator(way):
    @way.code
    async def user():
        original = generator(way.own, [])
        view = way.adapt(original)
        assert way.adapt(view) is view
        assert trio_bridge.unview(view) is original
        await view.aclose()

    await user()
