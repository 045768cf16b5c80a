"""Random awaitables: coroutines, broken ``__await__`` methods, futures; awaited, and once more."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import strategies as st

from .outcomes import outcome, plain_outcome
from .scripts import Script, raises, scripts
from .sides import compare


class Awaits:
    def __init__(self, steps: Any) -> None:
        self._steps = steps

    def __await__(self) -> Any:
        return self._steps(self)


def _fails(awaitable: Any) -> Any:
    raise ValueError("of __await__")


def _yields(*values: Any) -> Any:
    def steps(awaitable: Any) -> Any:
        yield from values
        return 5

    return steps


_BROKEN = {
    "a number": lambda awaitable: 42,
    "a list": lambda awaitable: [1],
    "nothing": lambda awaitable: None,
    "itself": lambda awaitable: awaitable,
    "an iterator": lambda awaitable: iter([]),
    "an iterator of numbers": lambda awaitable: iter([1]),
    "fails": _fails,
    "yields nonsense": _yields("nonsense"),
    "waits and yields nonsense": _yields(None, None, 42),
    "waits": _yields(None, None),
}


def _future(kind: str) -> asyncio.Future[int]:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    if kind == "done":
        future.set_result(5)
    elif kind == "cancelled":
        future.cancel()
    elif kind == "late":
        asyncio.get_running_loop().call_soon(future.set_result, 6)
    else:
        future.set_exception(raises(kind))
        future.exception()  # retrieved
    return future


kinds = st.one_of(
    st.just("coroutine"),
    st.tuples(st.just("awaits"), st.sampled_from(sorted(_BROKEN))),
    st.tuples(st.just("future"), st.sampled_from(["done", "cancelled", "late", "KeyError"])),
    st.just("task"),
)
uses = st.lists(st.sampled_from(["await", "await", "close"]), min_size=1, max_size=3)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def check(  # noqa: C901 -- a case after the other
    engine: str, script: Script, kind: Any, uses: list[str]
) -> None:
    """An asyncio awaitable's view does what the awaitable does."""

    async def program(adapt: Any) -> Any:  # noqa: C901
        log: list[Any] = []
        fn = script.make(log)

        async def task() -> Any:
            return asyncio.create_task(fn())

        async def future() -> Any:
            return _future(kind[1])

        if kind == "coroutine":
            original = fn()
        elif kind == "task":
            original = await adapt(task)()
        elif kind[0] == "future":
            original = await adapt(future)()
        else:
            original = Awaits(_BROKEN[kind[1]])
        view = adapt(original)
        outcomes: list[Any] = []
        for use in uses:
            if use == "await":
                outcomes.append(await outcome(_awaited, view))
            elif kind[0] != "awaits":  # whose views have a close(), to refuse it
                outcomes.append(plain_outcome(lambda: view.close()))
        if kind == "coroutine":
            original.close()
        elif kind == "task" and not original.done():
            await outcome(_awaited, view)
        return outcomes, log

    compare(engine, "asyncio", program)


def check_function(engine: str, side: str, script: Script) -> None:
    """An adapted async function does what the function does."""

    async def program(adapt: Any) -> Any:
        log: list[Any] = []
        return await outcome(adapt(script.make(log))), log

    compare(engine, side, program)


def programs() -> st.SearchStrategy[Any]:
    return st.tuples(scripts("asyncio", is_generator=False), kinds, uses)


def functions(side: str) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(side), scripts(side, is_generator=False))
