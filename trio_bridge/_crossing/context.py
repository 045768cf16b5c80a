"""Context variables across a crossing, both ways, as in a plain ``await``.

The other side runs in a copy of the caller's context, and what it set there is set in the caller's
when the crossing ends. Sharing the one context object would need no second step, but a context
can't be entered while the caller's step still runs in it: an eager first step would cost another
pass of Trio's scheduler, more than all the rest of a short crossing. The difference shows in one
place: a token is good on the side that made it only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contextvars import Context

_MISSING: Final = object()


def carry_back(context: Context) -> None:
    """Set what was set in ``context`` in the current context too."""
    for var, value in context.items():
        if var.get(_MISSING) is not value:
            var.set(value)


def holds_the_same(one: Context, other: Context) -> bool:
    """Whether the two have the same variables, and of each the very same value.

    Not ``==``, which asks values of the user's whether they are equal.
    """
    if one is other:
        return True
    if len(one) != len(other):
        return False
    # Not "all(...)", whose generator costs as much as the rest.
    for var, value in one.items():  # noqa: SIM110
        if other.get(var, _MISSING) is not value:
            return False
    return True
