"""A context manager that is left, by hand, before those that were entered later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from .._exits import bare_exit
from .._untrusted import shown

if TYPE_CHECKING:
    from collections.abc import Sequence


class Entered(Protocol):
    """An ``async with`` of one side around a manager of the other."""

    @property
    def name(self) -> str: ...
    async def leave_here(self, exc: BaseException | None) -> bool: ...


async def leave_out_of_order(first: Entered, later: Sequence[Entered]) -> NoReturn:
    """Leave ``later``, the last first, and then ``first``, with the error that says so.

    What they raise is in the error's notes. But an exit ends the program, with the error as its
    cause.
    """
    error = RuntimeError(
        f"{first.name} was left before {', '.join(manager.name for manager in later)}, which "
        "was entered later. Leave context managers in the reverse order"
    )
    others: list[BaseException] = []
    found = None
    try:
        for manager in (*reversed(later), first):
            try:
                await manager.leave_here(error)
            except BaseException as exc:
                if exc is not error:
                    error.add_note(f"{manager.name} was left with {shown(exc)}")
                    others.append(bare_exit(exc))
        found = next(
            (exc for exc in others if isinstance(exc, SystemExit | KeyboardInterrupt)), None
        )
        if found is not None:
            raise found from error
        raise error
    finally:
        del error, others, found  # no cycles
