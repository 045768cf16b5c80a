"""What is done with objects of the user's that may do anything: here they can't do harm.

An error of use says which object was misused, whose ``__repr__`` may raise. What the bridge adds to
an exception (a note) or takes from it (frames) is no reason to lose the exception, which may refuse
to be changed: a frozen dataclass does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, Final

_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__
_set_context: Final = BaseException.__dict__["__context__"].__set__


def shown(x: object) -> str:
    """The ``repr()`` for a message, or what can be said if that fails."""
    try:
        return repr(x)
    except Exception:
        return f"<{type.__dict__['__name__'].__get__(type(x))} object>"


def is_coroutine(x: object) -> bool:
    """Whether it is a coroutine object, of Python's or another, whatever its ``__class__`` says."""
    return type(x) is CoroutineType or issubclass(type(x), Coroutine)


def set_traceback(exc: BaseException, traceback: Any) -> None:
    """As Python itself does it: past ``__setattr__``."""
    _set_traceback(exc, traceback)


def set_context(exc: BaseException, context: BaseException | None) -> None:
    """As Python itself does it: past ``__setattr__``."""
    _set_context(exc, context)


def add_note(exc: BaseException, note: str) -> None:
    """Add a note, if the exception can have one."""
    with contextlib.suppress(Exception):
        BaseException.add_note(exc, note)


def notes_of(exc: BaseException) -> list[str]:
    """What notes it has."""
    with contextlib.suppress(Exception):
        notes = getattr(exc, "__notes__", ())
        if isinstance(notes, list):
            return [note for note in notes if type(note) is str]
    return []
