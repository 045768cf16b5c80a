"""What a bad input is, and how it is given."""

from __future__ import annotations

import contextvars
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

import trio_bridge
from trio_bridge import trio2aio

if TYPE_CHECKING:
    from collections.abc import Callable


class BadInput(NamedTuple):
    """A function that does one thing wrong."""

    mistake: str
    """For a reader: the function's docstring."""
    give: Callable[[], Any]
    where: str
    error: type[BaseException]
    words: tuple[str, ...]
    is_own: bool
    """Whether the error is that of the caller's object, or of Python, which comes as it is."""

    def __repr__(self) -> str:
        return self.give.__name__

    async def given(self) -> BaseException | None:
        """What comes out of it, in Trio code with a loop open; alone in a thread if ``outside``."""
        try:
            if self.where == "outside":
                await trio.to_thread.run_sync(_in_a_clean_thread, self.give)
            elif self.where == "run":
                run = functools.partial(trio_bridge.run, self.give)
                await trio.to_thread.run_sync(_in_a_clean_thread, run)
            elif self.where == "asyncio":
                await trio2aio(self.give)()
            else:
                await self.give()
        except BaseException as exc:
            return exc
        return None

    def check(self, exc: BaseException | None) -> None:
        """It is the error that is documented, and says what it should."""
        assert exc is not None, f"{self!r}: no error"
        said = said_by(exc)
        assert type(exc) is self.error, f"{self!r}: {type(exc).__name__}: {said}"
        for word in self.words:
            assert word in said, f"{self!r}: no {word!r} in\n{said}"


class CommandLine(NamedTuple):
    """What follows ``python -m trio_bridge``."""

    mistake: str
    args: tuple[str, ...]
    status: int
    words: tuple[str, ...]

    def __repr__(self) -> str:
        return " ".join(self.args) or "nothing"


def bad(
    error: type[BaseException], *words: str, where: str = "Trio", is_own: bool = False
) -> Callable[[Callable[[], Any]], BadInput]:
    """Put a function into the catalogue. Its docstring names the mistake."""

    def enter(give: Callable[[], Any]) -> BadInput:
        mistake = " ".join((give.__doc__ or "").split()).rstrip(".")
        return BadInput(mistake, give, where, error, words, is_own)

    return enter


in_a_run = functools.partial(bad, where="run")
outside = functools.partial(bad, where="outside")
asyncio_side = functools.partial(bad, where="asyncio")
own = functools.partial(bad, is_own=True)
asyncio_own = functools.partial(bad, where="asyncio", is_own=True)


def said_by(exc: BaseException) -> str:
    """What a person reads: the messages and notes, of a group's members too."""
    lines = [str(exc), *getattr(exc, "__notes__", ())]
    if isinstance(exc, BaseExceptionGroup):
        lines += [said_by(member) for member in exc.exceptions]
    return "\n".join(lines)


def _in_a_clean_thread(give: Callable[[], Any]) -> None:
    """Without the context that says which loop is open: nothing runs here."""
    contextvars.Context().run(give)
