"""Random generators, and what is done with them."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st

from .outcomes import outcome
from .scripts import ERRORS, SLEEPS, Script, raises, scripts
from .sides import compare

# athrow(GeneratorExit) is aclose() for a view: it has no other way to hear of its end.
_THROWN = sorted(set(ERRORS) - {"GeneratorExit"})

operations = st.lists(
    st.one_of(
        st.just(("anext",)),
        st.just(("anext",)),
        st.tuples(st.just("asend"), st.integers(0, 9)),
        st.tuples(st.just("athrow"), st.sampled_from(_THROWN)),
        st.just(("aclose",)),
        st.just(("sleep",)),
    ),
    min_size=1,
    max_size=6,
)


async def _operate(generator: Any, operation: tuple[Any, ...], side: str) -> Any:
    name, *args = operation
    if name == "anext":
        return await anext(generator)
    if name == "asend":
        return await generator.asend(*args)
    if name == "athrow":
        return await generator.athrow(raises(*args))
    if name == "aclose":
        return await generator.aclose()
    return None


def check(engine: str, side: str, script: Script, operations: list[Any]) -> None:
    """A generator's view does what the generator does."""

    async def program(adapt: Any) -> Any:
        log: list[Any] = []
        generator = adapt(script.make(log))()
        outcomes = []
        for operation in operations:
            outcomes.append(await outcome(_operate, generator, operation, side))
            if operation == ("aclose",) and outcomes[-1][0] == "error":
                break  # a view has ended then; a generator goes on to ignore its end
        done = list(log)
        for _ in range(10):  # until it has ended, however often it yields once more
            with contextlib.suppress(BaseException):
                await generator.aclose()
        return outcomes, done

    compare(engine, side, program)


def programs(side: str) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(side), scripts(side, is_generator=True), operations)


__all__ = ["SLEEPS", "check", "programs"]
