"""A Trio task calls asyncio code: the task becomes the *host* of a *guest*, an ``asyncio.Task``.

1. The call is a Trio checkpoint: a pending cancellation is delivered before the body starts, and
   other Trio tasks run even if the body never suspends.
2. On Python 3.12 and later the guest takes its first step at once, in the host's own step: a body
   that doesn't suspend costs no turn of the loop. (It takes it in the next turn on 3.11; in debug
   mode, as asyncio reports a slow step only if it was made in a turn; and with a task factory,
   which decides that itself.)
3. While the guest runs the host waits, and runs the Trio calls that the guest makes.
4. The call returns when the guest has ended, and never before.

What the host does meanwhile is in :mod:`.host`.
"""

from __future__ import annotations

import asyncio
import inspect
from contextvars import copy_context
from threading import get_ident
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import trio

from .._bridge import below, can_start_eagerly, current_bridge, refuse
from .._private import get_running_loop, passes_cancel_point, schedule_point
from .._untrusted import is_coroutine, shown
from .context import carry_back
from .errors import readable, result_of
from .host import Host

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context

    from .._bridge import Bridge
    from .changes import Changes
    from .host import End

P = ParamSpec("P")
T = TypeVar("T")

_Task: Final[Any] = asyncio.Task  # which has an argument that type checkers know from 3.12 on


def crossing_to_asyncio(  # noqa: C901, PLR0915 -- see below
    fn: Callable[P, Awaitable[T]], changes: Changes | None = None
) -> Callable[P, Coroutine[Any, Any, T]]:
    """What Trio code calls for ``fn``. In asyncio code it is the original.

    One function, not a chain of small ones, as each of them would cost some per cent of a short
    crossing. What ends at once stays in it; what waits goes on in :class:`Host`.

    Args:
      fn: is called asyncio-side.
      changes: what becomes of its arguments and its result on the way; ``None``: nothing.
    """
    function: Any = fn
    change_arguments = change_result = None
    own: Any = fn
    if changes is not None:
        change_arguments, change_result, own = changes.arguments, changes.result, changes.own(fn)

    @trio.lowlevel.enable_ki_protection
    async def crossing(*args: Any, **kwargs: Any) -> Any:  # noqa: C901
        if get_running_loop() is not None:
            return await own(*args, **kwargs)
        bridge = below.get()
        if bridge is None or (bridge.open_in != get_ident() and not bridge.admits_caller()):
            await refuse(bridge)
        side, pump = bridge.side, bridge.pump
        if not passes_cancel_point(side.trio_vars):
            await trio.lowlevel.checkpoint_if_cancelled()
        guest: Any = None
        host = coro = None
        try:
            if change_arguments is not None:
                args, kwargs = change_arguments(args, kwargs)
            context = copy_context()
            try:
                side.enter()  # as in start_guest(), here in line
                pump.hold_for_code()
                try:
                    coro = function(*args, **kwargs) if kwargs else function(*args)
                    if bridge.starts_eagerly and type(coro) is CoroutineType:
                        bridge.starting = coro
                        guest = _Task(coro, loop=bridge.loop, context=context, eager_start=True)
                    else:
                        guest = new_guest(bridge, coro, context)
                    if not guest.done():
                        host = make_host(bridge, guest, guest)
                finally:
                    bridge.starting = None
                    if pump.is_parked and not pump.hides_work:
                        pump.is_held = False  # the short way: no work for the loop
                    elif pump.is_held:
                        pump.release(make_turns=pump.hides_work)
                    side.leave()
                if host is not None:
                    value = await host.outcome(context)
                else:
                    if pump.trio_pass.is_due():
                        await schedule_point()
                    is_cancelled = guest.cancelled()
                    if is_cancelled:  # perhaps as Trio has cancelled what it waited for
                        await trio.lowlevel.checkpoint_if_cancelled()
                    if len(context) > 1:  # one is the bridge's own
                        carry_back(context)
                    if is_cancelled or guest.exception() is not None:
                        return result_of(guest)
                    value = guest.result()
                return value if change_result is None else change_result(value)
            finally:
                del coro, guest, host  # an error leads to this frame: no cycles
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    return crossing


@trio.lowlevel.enable_ki_protection
def call_plain(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a plain function of asyncio's from Trio code, with the loop as the running loop."""
    return current_bridge().call_asyncio(fn, *args, **kwargs)


# ---- the guest starts


def start_guest(
    bridge: Bridge, context: Context, coro: Coroutine[Any, Any, Any], end: End
) -> tuple[asyncio.Task[Any], Host | None]:
    """The guest, and its host unless ``end`` has come at once.

    The host takes part in the guest's first step and in the turns that follow, but is made only
    then, if there is need: what the guest calls meanwhile is kept for it.
    """
    side, pump = bridge.side, bridge.pump
    guest: Any = None
    host = None
    side.enter()
    pump.hold_for_code()
    try:
        guest = new_guest(bridge, coro, context)
        if not end.done():
            host = make_host(bridge, guest, end)
        return guest, host
    finally:
        bridge.starting = None
        if pump.is_held:
            pump.release(make_turns=pump.hides_work)
        side.leave()
        # An error of the first step leads to this frame: no cycles.
        coro = guest = host = end = None  # type: ignore[assignment]


def new_guest(bridge: Bridge, awaitable: Awaitable[Any], context: Context) -> Any:
    """Make the task. It takes its first step in here, if it can."""
    coro: Any = awaitable if is_coroutine(awaitable) else _await(awaitable)
    loop = bridge.loop
    bridge.starting = coro
    try:
        if can_start_eagerly(loop):
            return _Task(coro, loop=loop, context=context, eager_start=True)
        # Not the loop's own attribute: a guest has its host, and needs no other owner.
        task: Any
        try:
            task = type(loop).create_task(loop, coro, context=context)
        except AttributeError as exc:
            if exc.name != "set_name":
                raise
            task = exc.obj  # pragma: no cover -- CPython 3.13 names whatever a task factory returns
        if not asyncio.isfuture(task):
            raise TypeError(
                f"the loop's task factory returned {shown(task)}, which is no task. Write\n"
                "    return asyncio.Task(coro, loop=loop, **options)\n"
                "in the factory, or loop.set_task_factory(None)"
            )
        return task
    except BaseException:
        is_ours = type(coro) is CoroutineType
        if is_ours and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
            coro.close()  # else Python warns that it was never awaited: nobody will
        raise
    finally:
        del awaitable, coro  # as in start_guest()


def make_host(bridge: Bridge, guest: asyncio.Task[Any], end: End) -> Host | None:
    """The host of a guest that goes on, unless ``end`` comes in the turns that are made here."""
    pump = bridge.pump
    try:
        if pump.is_held and (pump.hides_work or not pump.is_parked):
            bridge.started = guest
            pump.release(make_turns=True)
        if end.done():
            return None
        task = bridge.side.trio_task()
        return Host(bridge, task, guest, end, bridge.hosts, bridge.first_call)
    finally:
        bridge.started = bridge.first_call = None
        del guest, end  # as in start_guest()


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
