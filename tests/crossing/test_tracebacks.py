"""Rule 4.5.3: between two frames of user code at most one of the bridge's, wherever an error goes.

A *way* is a function that calls the next one, of its own side or of the other's. Ways are put on
top of each other, the innermost function fails, and every exception that can be reached from what
comes out is looked at: the members of groups, causes and contexts.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import functools
import gc
import inspect
import itertools
import sys
import threading
import traceback
from types import FunctionType, ModuleType

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._crossing.errors import note_scope, place_of_caller

# ---- what is checked


def owner(frame):
    name = frame.f_globals["__name__"]
    if name == __name__:
        return "user"
    return "bridge" if name.startswith("trio_bridge.") else None  # or plumbing


def frames(exc):
    return [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]


def paths(exc):
    """The ways to every exception that is printed with ``exc``."""
    found, seen = [(exc,)], {id(exc)}
    for path in found:
        one = path[-1]
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for other in (*members, one.__cause__, one.__context__):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                found.append((*path, other))
    return found


def check(exc):
    """The rule, for all that is printed of ``exc``."""
    for *_, one in paths(exc):
        owned = [(owner(frame), frame.f_code.co_name) for frame in frames(one) if owner(frame)]
        users = [index for index, (who, _) in enumerate(owned) if who == "user"]
        for here, there in itertools.pairwise(users):
            assert there - here <= 2, f"{one!r}\n" + "\n".join(map(str, owned[here : there + 1]))


def ways_to(origin, exc):
    """The names of the ways in the tracebacks from ``exc`` to the error that started it all."""
    path = next((path for path in paths(exc) if path[-1] is origin), None)
    if path is None:
        return None
    names = [frame.f_code.co_name for one in path for frame in frames(one)]
    return without_repeats(name for name in names if name in WAYS)


def without_repeats(names):
    return [name for name, _ in itertools.groupby(names)]


# ---- the ways


WAYS = {}
"""For each its name, whether it crosses (or on which side it stays), and how it is made."""


def crosses(make):
    WAYS[make.__name__] = (None, make)


def stays_on(*sides):
    def add(make):
        WAYS[make.__name__] = (sides, make)

    return add


def pile(names, fail):
    """The function of Trio's side that goes these ways, the first one first."""
    side, chosen = "trio", []
    for name in names:
        sides, make = WAYS[name]
        if sides is None:
            chosen.append((make, trio2aio if side == "trio" else aio2trio))
            side = "asyncio" if side == "trio" else "trio"
        elif side in sides:
            chosen.append((make, trio2aio if side == "asyncio" else aio2trio))
    fn = fail
    for make, adapt in reversed(chosen):
        fn = looks(make(adapt, fn))
    return fn, [make.__name__ for make, _ in chosen]


def looks(fn):
    """Look at what comes out of ``fn`` where it does, and not only at the top."""

    async def look():
        try:
            await fn()
        except BaseException as exc:
            check(exc)
            raise

    return look


async def checkpoint():
    if trio.lowlevel.in_trio_task():
        await trio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)


class Thrown(Exception):
    pass


class Thing:
    """An object of one side."""

    def __init__(self, inner, *, fails_at=""):
        self.inner = inner
        self.fails_at = fails_at

    async def call_inner(self):
        await self.inner()

    async def __call__(self):
        await self.inner()

    def __await__(self):
        return (yield from self.inner().__await__())

    def get_coroutine(self):
        return self.inner()

    async def step(self, name):
        await checkpoint()
        if self.fails_at == name:
            await self.inner()

    async def __aenter__(self):
        await self.step("enter")

    async def __aexit__(self, *details):
        await self.step("leave")

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.step("next")

    async def aclose(self):
        await self.step("close")

    @contextlib.asynccontextmanager
    async def manager(self):
        await self.step("enter")
        try:
            yield
        finally:
            await self.step("leave")

    async def generate(self):
        await self.step("first")
        try:
            yield 1
            await self.step("second")
            yield 2
        except Thrown:
            await self.step("throw")
        finally:
            await self.step("close")


@crosses
def function(adapt, inner):
    async def function():
        await adapt(inner)()

    return function


@crosses
def partial(adapt, inner):
    async def partial():
        await adapt(functools.partial(Thing.step, Thing(inner, fails_at="x")))("x")

    return partial


@crosses
def method(adapt, inner):
    async def method():
        await adapt(Thing(inner)).call_inner()

    return method


@crosses
def callable_object(adapt, inner):
    async def callable_object():
        await adapt(Thing(inner))()

    return callable_object


@crosses
def awaitable(adapt, inner):
    async def awaitable():
        await adapt(Thing(inner))

    return awaitable


@crosses
def coroutine(adapt, inner):
    async def coroutine():
        await (trio2aio(inner()) if adapt is trio2aio else aio2trio(Thing(inner)))

    return coroutine


@crosses
def coroutine_of_a_method(adapt, inner):
    async def coroutine_of_a_method():
        await adapt(Thing(inner)).get_coroutine()

    return coroutine_of_a_method


@crosses
def entering(adapt, inner):
    async def entering():
        async with adapt(Thing(inner, fails_at="enter")):
            pass

    return entering


@crosses
def leaving(adapt, inner):
    async def leaving():
        async with adapt(Thing(inner, fails_at="leave")):
            pass

    return leaving


@crosses
def leaving_after_an_error(adapt, inner):
    async def leaving_after_an_error():
        async with adapt(Thing(inner, fails_at="leave")):
            raise KeyError("body")

    return leaving_after_an_error


@crosses
def entering_a_generator(adapt, inner):
    async def entering_a_generator():
        async with adapt(Thing(inner, fails_at="enter").manager)():
            pass

    return entering_a_generator


@crosses
def leaving_a_generator(adapt, inner):
    async def leaving_a_generator():
        async with adapt(Thing(inner, fails_at="leave")).manager():
            raise KeyError("body")

    return leaving_a_generator


@crosses
def iterating(adapt, inner):
    async def iterating():
        async for _ in adapt(Thing(inner, fails_at="next")):
            pass

    return iterating


@crosses
def closing(adapt, inner):
    async def closing():
        iterator = adapt(Thing(inner, fails_at="close"))
        await anext(iterator)
        await iterator.aclose()

    return closing


@crosses
def first_step(adapt, inner):
    async def first_step():
        async for _ in adapt(Thing(inner, fails_at="first").generate)():
            pass

    return first_step


@crosses
def second_step(adapt, inner):
    async def second_step():
        async for _ in adapt(Thing(inner, fails_at="second")).generate():
            pass

    return second_step


@crosses
def throwing(adapt, inner):
    async def throwing():
        steps = adapt(Thing(inner, fails_at="throw").generate())
        await anext(steps)
        await steps.athrow(Thrown)

    return throwing


@crosses
def closing_a_generator(adapt, inner):
    async def closing_a_generator():
        async with contextlib.aclosing(adapt(Thing(inner, fails_at="close").generate)()) as steps:
            await anext(steps)

    return closing_a_generator


@crosses
def view_of_a_module(adapt, inner):
    async def view_of_a_module():
        module = ModuleType("module")
        module.thing = Thing(inner)
        await adapt(module).thing.call_inner()

    return view_of_a_module


@crosses
def scheduler(adapt, inner):
    """A nursery or a task group of the other side."""

    async def scheduler():
        if adapt is aio2trio:
            async with aio2trio(trio.open_nursery()) as nursery:
                nursery.start_soon(inner)
        else:
            async with trio2aio(asyncio.TaskGroup()) as group:
                group.create_task(inner())

    return scheduler


# ---- on one side


@stays_on("trio", "asyncio")
def own_function(adapt, inner):
    async def own_function():
        await adapt(inner)()

    return own_function


@stays_on("trio", "asyncio")
def own_method(adapt, inner):
    async def own_method():
        await adapt(Thing(inner)).call_inner()

    return own_method


@stays_on("trio", "asyncio")
def own_awaitable(adapt, inner):
    async def own_awaitable():
        await adapt(Thing(inner))

    return own_awaitable


@stays_on("trio", "asyncio")
def own_coroutine(adapt, inner):
    async def own_coroutine():
        await adapt(Thing(inner)).get_coroutine()

    return own_coroutine


@stays_on("trio", "asyncio")
def own_generator(adapt, inner):
    async def own_generator():
        async for _ in adapt(Thing(inner, fails_at="second").generate)():
            pass

    return own_generator


@stays_on("trio", "asyncio")
def own_closing(adapt, inner):
    async def own_closing():
        async with contextlib.aclosing(adapt(Thing(inner, fails_at="close").generate)()) as steps:
            await anext(steps)

    return own_closing


@stays_on("trio", "asyncio")
def own_manager(adapt, inner):
    async def own_manager():
        async with adapt(Thing(inner, fails_at="leave")):
            pass

    return own_manager


@stays_on("trio", "asyncio")
def body(adapt, inner):
    adapt = aio2trio if adapt is trio2aio else trio2aio

    async def body():
        async with adapt(Thing(None)):
            await inner()

    return body


@stays_on("trio", "asyncio")
def body_of_a_generator(adapt, inner):
    adapt = aio2trio if adapt is trio2aio else trio2aio

    async def body_of_a_generator():
        async with adapt(Thing(None).manager)():
            await inner()

    return body_of_a_generator


@stays_on("trio", "asyncio")
def body_of_an_own_manager(adapt, inner):
    async def body_of_an_own_manager():
        async with adapt(Thing(None).manager)():
            await inner()

    return body_of_an_own_manager


@stays_on("trio", "asyncio")
def raises_from(adapt, inner):
    async def raises_from():
        try:
            await inner()
        except BaseException as exc:
            raise KeyError("because") from exc

    return raises_from


@stays_on("trio", "asyncio")
def raises_while_handling(adapt, inner):
    async def raises_while_handling():
        try:
            await inner()
        finally:
            raise KeyError("meanwhile")

    return raises_while_handling


@stays_on("trio", "asyncio")
def groups(adapt, inner):
    async def groups():
        try:
            await inner()
        except BaseException as exc:
            raise BaseExceptionGroup("mine", [exc, KeyError("another")])  # noqa: B904

    return groups


@stays_on("trio")
def child(adapt, inner):
    async def child():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inner)

    return child


@stays_on("trio")
def children(adapt, inner):
    async def children():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(inner)
            await trio2aio(asyncio.sleep)(1000)

    return children


@stays_on("asyncio")
def task(adapt, inner):
    async def task():
        await asyncio.create_task(inner())

    return task


@stays_on("asyncio")
def task_group(adapt, inner):
    async def task_group():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1000))
            group.create_task(inner())
            await aio2trio(trio.sleep_forever)()

    return task_group


@stays_on("asyncio")
def gathered(adapt, inner):
    async def gathered():
        await asyncio.gather(asyncio.sleep(0), inner())

    return gathered


@stays_on("asyncio")
def in_time(adapt, inner):
    async def in_time():
        await asyncio.wait_for(inner(), 1000)

    return in_time


# ---- the ways that don't await


class Plain:
    """What fails in plain code of the other side."""

    def __init__(self, error=None):
        self.error = error

    def fail(self, *args):
        raise self.error or ValueError("mine")

    __len__ = __getitem__ = __add__ = __call__ = __iter__ = __reversed__ = fail
    attribute = property(fail, fail, fail)

    def call_back(self, callback):
        callback()

    async def call_back_later(self, callback):
        await checkpoint()
        callback()

    @contextlib.contextmanager
    def manager(self):
        yield
        self.fail()

    def generate(self):
        yield 1
        self.fail()

    def __aiter__(self):
        self.fail()


class FailsToBegin:
    def __init__(self):
        Plain().fail()


async def fails_in_manager(adapt):
    async with adapt(Plain().manager)():
        pass


async def fails_to_iterate(adapt):
    async for _ in adapt(Plain()):
        pass


def fails():
    raise ValueError("mine")


PLAIN = {
    "method": lambda adapt: adapt(Plain()).fail(),
    "function": lambda adapt: adapt(fails)(),
    "class": lambda adapt: adapt(FailsToBegin)(),
    "callable": lambda adapt: adapt(Plain())(),
    "attribute": lambda adapt: adapt(Plain()).attribute,
    "setting": lambda adapt: setattr(adapt(Plain()), "attribute", 1),
    "deleting": lambda adapt: delattr(adapt(Plain()), "attribute"),
    "len": lambda adapt: len(adapt(Plain())),
    "item": lambda adapt: adapt(Plain())[0],
    "operator": lambda adapt: adapt(Plain()) + 1,
    "iteration": lambda adapt: list(adapt(Plain())),
    "reversed": lambda adapt: list(reversed(adapt(Plain()))),
    "generator": lambda adapt: list(adapt(Plain()).generate()),
    "callback": lambda adapt: adapt(Plain()).call_back(fails),
    "async callback": lambda adapt: adapt(Plain()).call_back_later(fails),
    "callback to a view": lambda adapt: adapt(Plain()).call_back(adapt(Plain()).fail),
    "manager": fails_in_manager,
    "async iteration": fails_to_iterate,
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("side", ["trio", "asyncio", "own"])
async def test_plain_code(name, side):
    if (name, side) == ("manager", "own"):
        pytest.skip("on its own side it is what it is, for a plain `with`")

    async def main():
        with pytest.raises(ValueError, match="mine") as caught:
            awaitable = PLAIN[name](aio2trio if side == "asyncio" else trio2aio)
            if inspect.isawaitable(awaitable):
                await awaitable
        check(caught.value)
        assert owner(frames(caught.value)[-1]) == "user"

    await (main if side == "trio" else trio2aio(main))()


# ---- the ways that await


def run(names, *, suspends=True):
    origin = ValueError("mine")

    async def fail():
        if suspends:
            await checkpoint()
        raise origin

    fn, made = pile(names, fail)

    async def main():
        await fn()

    with pytest.raises(BaseException) as caught:
        trio_bridge.run(main)
    way = ways_to(origin, caught.value)
    if way is None:
        # An error that a future throws into a task loses its context where a frame handles another:
        # Python's doing (gen_send_ex), in stock asyncio too.
        assert "raises_while_handling" in made
    else:
        assert way == without_repeats(made), names
    check(caught.value)


@pytest.mark.parametrize("suspends", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("name", WAYS)
def test_4_5_3_one_way(name, suspends):
    run([name], suspends=suspends)
    run(["function", name], suspends=suspends)


@given(names=st.lists(st.sampled_from(list(WAYS)), min_size=1, max_size=8), suspends=st.booleans())
@example(names=["function"] * 8, suspends=True)
@example(names=["child", "scheduler", "task_group", "function"] * 2, suspends=True)
@example(names=["raises_from", "closing", "groups", "leaving_after_an_error"], suspends=False)
@settings(max_examples=200)
def test_4_5_3_ways_on_top_of_each_other(names, suspends):
    run(names, suspends=suspends)


CYCLES_OF_ASYNCIO = {
    (3, 11): ("task_group", "in_time"),
    (3, 12): ("task_group",),
    (3, 13): ("task_group",),
}


@pytest.mark.parametrize("name", WAYS)
async def test_no_cycles(name):
    """Errors and tasks go when they are done with, not at the garbage collector's next run."""
    if name in CYCLES_OF_ASYNCIO.get(sys.version_info[:2], ()):
        pytest.skip("asyncio's own cycles")

    async def fail():
        await checkpoint()
        raise ValueError("mine")

    fn, _ = pile(["function", name, "function"], fail)

    async def call():
        with contextlib.suppress(ValueError, KeyError, BaseExceptionGroup):
            await fn()

    def count():
        kinds = (ValueError, BaseExceptionGroup, asyncio.Future)
        return sum(isinstance(obj, kinds) for obj in gc.get_objects())

    await call()  # what is made once
    gc.collect()
    gc.disable()
    try:
        before = count()
        for _ in range(3):
            await call()
        assert count() <= before
    finally:
        gc.enable()


def test_an_asyncio_first_program():
    """Trio calls of tasks that have no host."""
    origin = ValueError("mine")

    async def fail():
        await checkpoint()
        raise origin

    async def child():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(aio2trio(fail)))

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(aio2trio(child)())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    check(caught.value)
    assert {"main", "child", "fail"} <= {
        frame.f_code.co_name for path in paths(caught.value) for frame in frames(path[-1])
    }


async def test_what_did_not_cross_is_not_touched():
    before = []

    async def fail():
        raise ValueError("mine")

    try:
        raise KeyError("not over there")
    except KeyError as exc:
        handled, before = exc, exc.__traceback__
        with pytest.raises(ValueError) as caught:
            await trio2aio(fail)()
    assert caught.value.__context__ is handled
    assert handled.__traceback__ is before


async def test_the_users_frames_are_the_same_objects():
    async def fail():
        raise ValueError("mine")

    with pytest.raises(ValueError) as caught:
        await trio2aio(fail)()
    first = caught.value
    own = first.__traceback__.tb_next.tb_next
    with pytest.raises(ExceptionGroup) as caught:
        await trio2aio(raises(ExceptionGroup("mine", [first])))()
    assert first.__traceback__.tb_next.tb_next is own


def raises(exc):
    async def raise_it():
        raise exc

    return raise_it


async def test_exceptions_that_are_their_own_context():
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    with pytest.raises(ValueError) as caught:
        await trio2aio(raises(one))()
    check(caught.value)


async def test_an_error_of_use_is_explained_wherever_it_is():
    async def wrong():
        await asyncio.sleep(1)  # in Trio code

    async def wraps():
        try:
            await aio2trio(wrong)()
        except RuntimeError as exc:
            raise KeyError("because") from exc

    async def misuse():
        try:
            await wrong()
        except BaseException as exc:
            raise ExceptionGroup("mine", [KeyError("because")]) from exc

    async def guest():
        await aio2trio(misuse)()

    with pytest.raises(ExceptionGroup) as caught:
        await trio2aio(guest)()
    assert "await trio2aio(asyncio.sleep)(...)" in "".join(
        getattr(caught.value.__cause__, "__notes__", ())
    )


async def test_a_line_that_is_of_the_callers_own_library_is_not_what_was_misused():
    async def guest():
        async with asyncio.timeout(30):
            await asyncio.wait_for(trio.lowlevel.checkpoint(), 30)

    with pytest.raises(RuntimeError) as caught:
        await trio2aio(guest)()
    (note,) = caught.value.__notes__
    assert note.startswith("what belongs to Trio was used directly in asyncio code. Write:\n")
    assert "await aio2trio(fn)(...)" in note


async def fails_while_handling():
    try:
        await checkpoint()
        raise ValueError("mine")
    finally:
        raise KeyError("meanwhile")


@aio2trio
async def in_trio_again():
    await trio2aio(fails_while_handling)()


@pytest.mark.parametrize("fn", [trio2aio(fails_while_handling), trio2aio(in_trio_again)])
async def test_an_error_keeps_its_context_in_trio_code_that_handles_another(fn):
    with pytest.raises(KeyError, match="meanwhile") as caught:
        try:
            raise KeyError("handled")
        except KeyError:
            await fn()
    context = caught.value.__context__
    assert repr(context) == "ValueError('mine')"
    assert repr(context.__context__) == "KeyError('handled')"


async def test_an_error_keeps_its_context_when_a_manager_is_left_with_another():
    with pytest.raises(KeyError, match="meanwhile") as caught:
        async with trio2aio(Thing(fails_while_handling, fails_at="leave")):
            raise KeyError("handled")
    context = caught.value.__context__
    assert repr(context) == "ValueError('mine')"
    assert repr(context.__context__) == "KeyError('handled')"


# ---- the note of a group


def test_the_note_of_a_group_names_the_scope_and_the_line_that_opened_it():
    place = place_of_caller()  # here
    group = ExceptionGroup("mine", [ValueError()])
    note_scope(group, "the asyncio loop of open_loop()", place)
    (note,) = group.__notes__
    assert note == (
        "This group left the asyncio loop of open_loop(), opened here:\n"
        f'  File "{__file__}", line {place.lineno}, in {place.function}\n'
        "    place = place_of_caller()  # here"
    )
    assert place.function == "test_the_note_of_a_group_names_the_scope_and_the_line_that_opened_it"


def test_the_note_of_a_group_with_no_line():
    group = ExceptionGroup("mine", [ValueError()])
    note_scope(group, "the asyncio loop of run()", None)
    assert group.__notes__ == ["This group left the asyncio loop of run()"]


def test_there_is_no_line_where_the_program_is_a_thread_of_its_own(monkeypatch):
    """Below it is no code of the user's, who has started the thread."""
    errors, ended = [], threading.Event()

    def hook(unraisable):
        errors.append(unraisable.exc_value)
        ended.set()

    async def main():
        trio_bridge.current_loop().call_soon(divmod, 1, 0)
        await trio.sleep_forever()

    monkeypatch.setattr(sys, "unraisablehook", hook)
    _thread.start_new_thread(trio_bridge.run, (main,))
    assert ended.wait(30)
    (error,) = errors
    assert error.__notes__ == ["This group left the block of its asyncio loop"]


async def test_the_line_is_the_users_and_not_a_librarys():
    async with contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(place_of_caller_in_manager())
    assert place.function == "test_the_line_is_the_users_and_not_a_librarys"
    here = await trio2aio(in_a_guest)()
    assert here.function == "in_a_guest"


class place_of_caller_in_manager:
    """As the bridge's own managers do."""

    __aenter__ = FunctionType(
        compile("async def f(self): return place_of_caller()", "f", "exec").co_consts[0],
        {"__name__": "trio_bridge._run", "place_of_caller": place_of_caller},
    )

    async def __aexit__(self, *details):
        pass


async def in_a_guest():
    return place_of_caller()
