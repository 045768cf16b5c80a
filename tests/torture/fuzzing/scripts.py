"""Random async functions, as source text: they sleep, yield, fail, catch what they shouldn't."""

from __future__ import annotations

import asyncio
from typing import Any

import trio
from hypothesis import strategies as st

from trio_bridge import new_event_loop

ERRORS = {
    "ValueError": ValueError,
    "KeyError": KeyError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "RuntimeError": RuntimeError,
    "CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
}
# asyncio throws the GeneratorExit of a future into its task, where it closes the inner coroutines.
RAISED = sorted(set(ERRORS) - {"GeneratorExit"})
CAUGHT = (*ERRORS, "Exception", "BaseException")


class Nonsense:
    """Awaiting it yields a number to whoever drives the task."""

    def __await__(self):
        yield 42


def raises(name: str) -> BaseException:
    return ERRORS[name](name)


def _foreign_future() -> Any:
    loop = new_event_loop(engine="selector")
    loop.close()
    return asyncio.Future(loop=loop)


NAMES = {
    **ERRORS,
    "raises": raises,
    "nonsense": Nonsense,
    "foreign_future": _foreign_future,
}
SLEEPS = {"asyncio": lambda: asyncio.sleep(0), "Trio": trio.lowlevel.checkpoint}


def simple(side: str, *, is_generator: bool, is_cleaning: bool = False) -> st.SearchStrategy[str]:
    """One line."""
    numbers = st.integers(0, 9)
    lines = [
        st.just("await sleep()"),
        st.builds("log.append({})".format, numbers),
        st.builds("raise raises('{}')".format, st.sampled_from(RAISED)),
        st.just("await nonsense()"),
        st.just("return") if is_generator else st.builds("return {}".format, numbers),
    ]
    if side == "asyncio":
        lines.append(st.just("await foreign_future()"))
    if is_generator:
        lines += [st.builds("log.append((yield {}))".format, numbers)] * 4
    return st.one_of(lines)


def block(side: str, *, is_generator: bool) -> st.SearchStrategy[list[Any]]:
    """Lines, and ``try`` statements: lists of blocks."""
    line = simple(side, is_generator=is_generator)

    def attempts(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        body = st.lists(inner, min_size=1, max_size=3)
        return st.tuples(
            body, st.none() | st.tuples(st.sampled_from(CAUGHT), body), st.none() | body
        ).filter(lambda parts: any(parts[1:]))

    statement = st.recursive(line, attempts, max_leaves=6)
    return st.lists(statement, min_size=1, max_size=4)


def source(statements: list[Any], indent: str = "    ") -> list[str]:
    """As text."""
    lines = []
    for statement in statements:
        if isinstance(statement, str):
            lines.append(indent + statement)
            continue
        body, handler, final = statement
        lines += [f"{indent}try:", *source(body, indent + "    ")]
        if handler is not None:
            lines += [f"{indent}except {handler[0]}:", *source(handler[1], indent + "    ")]
        if final is not None:
            lines += [f"{indent}finally:", *source(final, indent + "    ")]
    return lines


class Script:
    """An async function or generator function, of one side, made anew with a log of its own."""

    def __init__(self, side: str, statements: list[Any], *, is_generator: bool) -> None:
        self.side = side
        end = ["    if 0: yield"] if is_generator else []
        self.text = "\n".join(["async def script(*args):", *source(statements), *end])
        self._code = compile(self.text, "<a random script>", "exec", dont_inherit=True)

    def make(self, log: list[Any]) -> Any:
        namespace = {**NAMES, "sleep": SLEEPS[self.side], "log": log}
        exec(self._code, namespace)
        return namespace["script"]

    def __repr__(self) -> str:
        return f"\n{self.text}\n"


def scripts(side: str, *, is_generator: bool) -> st.SearchStrategy[Script]:
    """Scripts of one side."""
    return st.builds(
        lambda statements: Script(side, statements, is_generator=is_generator),
        block(side, is_generator=is_generator),
    )
