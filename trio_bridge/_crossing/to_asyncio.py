"""A Trio task calls asyncio code: the task becomes the *host* of a *guest*, an ``asyncio.Task``.

1. The call is a Trio checkpoint: a pending cancellation is delivered before the body starts, and
   other Trio tasks run even if the body never suspends.
2. On Python 3.12 and later the guest takes its first step at once, in the host's own step: a body
   that doesn't suspend costs no turn of the loop. (On 3.11 it takes it in the next turn; and in
   debug mode, as asyncio reports a slow step only if it was made in a turn.)
3. While the guest runs the host waits, and runs the Trio calls that the guest makes.
4. The call returns when the guest has ended, and never before.

What the host does meanwhile is in :mod:`.host`.
"""

from __future__ import annotations

import asyncio
import sys
from contextvars import copy_context
from threading import get_ident
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import trio

from .._bridge import below, current_bridge, no_bridge
from .._private import get_running_loop, passes_cancel_point, schedule_point
from .context import carry_back
from .errors import readable, result_of
from .host import Host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from contextvars import Context

    from .._bridge import Bridge
    from .host import End

P = ParamSpec("P")
T = TypeVar("T")

_Task: Final[Any] = asyncio.Task  # which has an argument that type checkers know from 3.12 on
_CAN_START_EAGERLY: Final = sys.version_info >= (3, 12)


def crossing_to_asyncio(fn: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """What Trio code calls for ``fn``. In asyncio code it is the original.

    One function, not a chain of small ones, as each of them would cost some per cent of a short
    crossing. What ends at once stays in it; what waits goes on in :class:`Host`.
    """

    @trio.lowlevel.enable_ki_protection
    async def crossing(*args: P.args, **kwargs: P.kwargs) -> T:
        if get_running_loop() is not None:
            return await fn(*args, **kwargs)
        bridge = below.get()
        if bridge is None or bridge.open_in != get_ident():
            raise no_bridge(bridge)
        if not passes_cancel_point(bridge.side.trio_vars):
            await trio.lowlevel.checkpoint_if_cancelled()
        try:
            context = copy_context()
            guest, host = start_guest(bridge, context, fn, args, kwargs)
            try:
                value: T
                if host is not None:
                    value = await host.outcome(context)
                    return value
                await schedule_point()
                is_cancelled = guest.cancelled()
                if is_cancelled:  # perhaps as Trio has cancelled what it waited for
                    await trio.lowlevel.checkpoint_if_cancelled()
                if len(context) > 1:  # one is the bridge's own
                    carry_back(context)
                if is_cancelled or guest.exception() is not None:
                    value = result_of(guest)
                else:
                    value = guest.result()
                return value
            finally:
                del guest, host  # an error leads to this frame, and they to the error: no cycles
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    return crossing


@trio.lowlevel.enable_ki_protection
def call_plain(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a plain function of asyncio's from Trio code, with the loop as the running loop."""
    return current_bridge().side.call_asyncio(fn, *args, **kwargs)


# ---- phase 1: the guest starts


def start_guest(
    bridge: Bridge,
    context: Context,
    fn: Callable[..., Awaitable[Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    end: End | None = None,
) -> tuple[asyncio.Task[Any], Host | None]:
    """The guest, and its host unless the end (``end``, or the guest's) has come at once.

    The host takes part in the guest's first step and in the turns that follow, but is made only
    then, if there is need: what the guest calls meanwhile is kept for it.
    """
    loop, side, pump = bridge.loop, bridge.side, bridge.pump
    guest: Any = None
    host = None
    side.enter()
    is_held = pump.is_held = pump.is_parked
    try:
        coro: Any = fn(*args, **kwargs)
        if type(coro) is not CoroutineType and not asyncio.iscoroutine(coro):
            coro = _await(coro)
        bridge.starting = coro
        if _CAN_START_EAGERLY and loop.get_task_factory() is None and not loop.get_debug():
            guest = _Task(coro, loop=loop, context=context, eager_start=True)
        else:
            # Not the loop's own attribute: a guest has its host, and needs no other owner.
            guest = type(loop).create_task(loop, coro, context=context)
        ending: End = guest if end is None else end
        if not ending.done():
            if is_held and not pump.is_parked:
                bridge.started = guest
                is_held = False
                pump.release(make_turns=True)
            if not ending.done():
                task, call = side.trio_task(), bridge.first_call
                host = Host(bridge, task, guest, ending, bridge.hosts, call)
            bridge.started = bridge.first_call = None
        return guest, host
    except BaseException:
        bridge.started = bridge.first_call = None
        raise
    finally:
        bridge.starting = None
        if is_held:
            if pump.is_parked:
                pump.is_held = False  # the short way: no work for the loop
            else:
                pump.release(make_turns=False)
        side.leave()
        # An error of the first step leads to this frame: no cycles.
        coro = guest = host = end = ending = None  # type: ignore[assignment]


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
