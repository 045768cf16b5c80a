"""Context variables across a crossing, both ways, as in a plain ``await``.

The other side runs in a copy of the caller's context, and what it set there is set in the caller's
when the crossing ends. Sharing the one context object would need no second step, but a context
can't be entered while the caller's step still runs in it: an eager first step would cost another
pass of Trio's scheduler, more than all the rest of a short crossing. The difference shows in one
place: a token is good on the side that made it only.

What lives through several calls (a generator, a manager) has a context of its own, where each call
sets what its caller has. The caller gets what the call has set there, and not what other callers
have left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._bridge import below

if TYPE_CHECKING:
    from contextvars import Context

_MISSING: Final = object()


def carry_back(context: Context) -> None:
    """Set what was set in ``context`` in the current context too."""
    for var, value in context.items():
        if var.get(_MISSING) is not value:
            var.set(value)


def carry_over(
    context: Context, since: Context | None = None, caller_since: Context | None = None
) -> None:
    """The same to and from what lives through several calls, some of them perhaps of other callers.

    But not which loop is open: the caller may be in the block of another.

    Args:
      since: a copy of the context, made earlier: only what was set later.
      caller_since: one of the current context, made at the same time, if what ran meanwhile may
        have set variables in it: a value that was set and set back is one of ``since``'s.
    """
    for var, value in context.items():
        now = var.get(_MISSING)
        if now is value or var is below:
            continue
        is_old = since is not None and since.get(var, _MISSING) is value
        if is_old and (caller_since is None or caller_since.get(var, _MISSING) is now):
            continue
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
