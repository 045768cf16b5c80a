"""Exits: ``SystemExit`` and ``KeyboardInterrupt``, which leave asyncio's loop at once and bare.

asyncio looks for them by their type. Trio's nurseries put them into groups, where it finds none.
"""

from __future__ import annotations

from ._untrusted import set_context


def bare_exit(error: BaseException) -> BaseException:
    """The error as asyncio's ``TaskGroup`` would raise it: an exit comes out of its group.

    The rest of the group is its context.
    """
    found = _first_exit(error)
    if found is None or not isinstance(error, BaseExceptionGroup):
        return error
    try:
        _, rest = error.split(lambda exc: exc is found)
    except Exception:  # by a derive() of the group's own
        rest = error
    if rest is not None:
        set_context(found, rest)
    return found


def _first_exit(error: BaseException) -> BaseException | None:
    """The exit that the error is, or holds."""
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for exc in error.exceptions if (found := _first_exit(exc))), None)
    return None
