"""Random context managers, some of them broken, around random bodies."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st

from .outcomes import outcome
from .scripts import SLEEPS, Script, raises, scripts
from .sides import compare


class Unsure:
    """An answer that can't be asked."""

    def __bool__(self) -> bool:
        raise ValueError("of __bool__")


class Broken:
    """Not what a method of this kind returns."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return repr(self._value)

    def make(self, log: Any) -> Any:
        return None if self._value is None else lambda *args: self._value


broken = st.sampled_from([42, None, "s"]).map(Broken)


def methods(side: str) -> st.SearchStrategy[Any]:
    return st.one_of(*[scripts(side, is_generator=False)] * 4, broken)


bodies = st.lists(
    st.one_of(
        st.just(("sleep",)),
        st.tuples(st.just("raise"), st.sampled_from(["ValueError", "KeyError", "StopIteration"])),
    ),
    max_size=3,
)


def check(
    engine: str, side: str, enter: Any, leave: Any, is_generator: bool, body: list[Any]
) -> None:
    """A manager's view does what the manager does. Its ``__aenter__`` may be missing."""

    async def program(adapt: Any) -> Any:
        log: list[Any] = []
        if is_generator:
            view = adapt(contextlib.asynccontextmanager(enter.make(log)))()
        else:
            names = {"__aenter__": enter.make(log), "__aexit__": leave and leave.make(log)}
            given = {name: fn for name, fn in names.items() if fn is not None}
            view = adapt(type("Manager", (), given)())

        async def use() -> Any:
            async with view:
                for name, *args in body:
                    log.append(name)
                    if name == "raise":
                        raise raises(*args)
                    await _own_sleep(side, adapt)

        return await outcome(use), log

    compare(engine, side, program)


async def _own_sleep(side: str, adapt: Any) -> None:
    await adapt(SLEEPS[side])()


def programs(side: str) -> st.SearchStrategy[Any]:
    plain = st.tuples(
        st.just(side), methods(side), st.none() | methods(side), st.just(False), bodies
    )
    generators = st.tuples(
        st.just(side), scripts(side, is_generator=True), st.none(), st.just(True), bodies
    )
    return plain | generators


__all__ = ["Script", "check", "programs"]
