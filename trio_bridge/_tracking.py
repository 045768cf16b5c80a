"""What asyncio starts on a loop, and what it would log, comes to the nursery that owns it.

For that methods of the loop are exchanged, as instance attributes: no subclass, so engines need not
know, and it can be done on any loop.

1. ``create_task`` makes each task known to the nursery in whose context it was started.
2. ``default_exception_handler`` is where asyncio would log. A handler that is set with
   ``loop.set_exception_handler`` wins, as it does in asyncio.
3. An error belongs to the nursery in whose context its task, its callback or the code that reports
   it was started; if that nursery has ended, to the one around it.
4. What has no exception is logged. So is a future's ``CancelledError`` that nobody retrieves: no
   error is lost with it.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from . import _private
from ._bridge import nearest, owning
from ._direct_tasks import DirectTasks
from ._task_creation import TaskCreation, started_in
from ._untrusted import add_note, notes_of, set_context, shown

if TYPE_CHECKING:
    from ._task_nursery import LoopNursery, TaskNursery

ErrorContext: TypeAlias = dict[str, Any]
ErrorHandler: TypeAlias = Callable[[asyncio.AbstractEventLoop, ErrorContext], object]
OnError: TypeAlias = Literal["raise", "log"] | ErrorHandler

_HANDLER: Final = "default_exception_handler"

# Nobody's error: what whoever connects to a server can cause, of which asyncio speaks in debug
# mode only; and that no descriptor is left for a client, who is asked in a second later.
_FOR_LOG: Final = frozenset(
    {
        "Error on transport creation for incoming connection",
        "socket.accept() out of system resource",
    }
)


def check_on_error(on_error: OnError) -> None:
    """Refuse what is no ``on_error``, before anything is opened."""
    is_word = isinstance(on_error, str) and on_error in ("raise", "log")
    if not is_word and not callable(on_error):
        raise ValueError(
            f"on_error={shown(on_error)}: write on_error='raise', on_error='log', "
            "or a function that takes the loop and asyncio's context dict"
        )
    if _is_async(on_error):  # nobody would await it, and the error would be lost
        raise ValueError(
            f"on_error={shown(on_error)}: write a plain function; it may start a task with\n"
            "    loop.create_task(report(context))"
        )


def _is_async(handler: Any) -> bool:
    functions = handler, getattr(type(handler), "__call__", None)  # noqa: B004 -- it is looked at
    return any(
        inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn) for fn in functions
    )


class Tracking:
    """The exchanged methods of one loop.

    Args:
      root: owns what no nursery of the user's owns. ``None``: that is asyncio's own business, as it
        is in a program that starts from asyncio.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, root: LoopNursery | None, on_error: OnError
    ) -> None:
        self._loop: Final = loop
        self._root: Final = root
        self._on_error: Final = on_error
        self.direct: Final = DirectTasks(loop)
        self._log: Final = loop.default_exception_handler
        self._creation: Final = TaskCreation(loop, root)
        self._exchange_handler(self.handle)

    def nursery_opens(self) -> None:
        """A nursery of the user's."""
        self._creation.count_nurseries(1)

    def nursery_closes(self) -> bool:
        """Whether it was the last, with which tracking is to end, as no loop's block needs it."""
        return self._creation.count_nurseries(-1) == 0 and self._root is None

    def handle(self, context: ErrorContext) -> None:
        """Take what asyncio would log."""
        exc = context.get("exception")
        if _has_left(exc) or _is_cancelled_handler(exc, context):
            return
        nursery = self._owner(context)
        is_for_log = self._on_error == "log" or context.get("message") in _FOR_LOG
        if exc is None or nursery is None or is_for_log:
            self._log(context)
        elif self._on_error == "raise":
            if _is_cancellation(exc, context):
                self._log(context)
                return
            _add_asyncios_words(exc, context)
            nursery.fail(exc)
        else:
            assert callable(self._on_error)
            try:
                self._on_error(self._loop, context)
            except (SystemExit, KeyboardInterrupt) as handler_exit:
                nursery.exit(handler_exit)
            except BaseException as handler_exc:
                if handler_exc.__context__ is None:
                    set_context(handler_exc, exc)  # else it would be lost
                nursery.fail(handler_exc)

    def _owner(self, context: ErrorContext) -> TaskNursery | None:
        things = (context.get(key) for key in ("task", "future", "handle"))
        thing = next((thing for thing in things if thing is not None), None)  # a task may be falsy
        if thing is not None:
            innermost = started_in(thing)
        elif (of_transport := _private.context_of(context.get("transport"))) is not None:
            innermost = of_transport.get(owning)  # uvloop's; it is not the current one any more
        else:
            innermost = owning.get()
        return nearest(innermost, self._loop) or self._root

    def close(self) -> None:
        """Let go of the loop: what fails after this (garbage, at most) is logged."""
        self._creation.close()
        if self._root is None:
            delattr(self._loop, _HANDLER)
            return
        loop = weakref.ref(self._loop)

        def log(context: ErrorContext) -> None:
            closed_loop = loop()
            if closed_loop is not None and not _has_left(context.get("exception")):
                type(closed_loop).default_exception_handler(closed_loop, context)

        self._exchange_handler(log)

    def _exchange_handler(self, handler: Callable[[ErrorContext], None]) -> None:
        setattr(self._loop, _HANDLER, handler)


def _add_asyncios_words(exc: BaseException, context: ErrorContext) -> None:
    """Note what asyncio would have logged, and of which task."""
    task = context.get("task") or context.get("future")
    name = f" (task {task.get_name()!r})" if isinstance(task, asyncio.Task) else ""
    note = f"asyncio: {context.get('message')}{name}"
    if note not in notes_of(exc):
        add_note(exc, note)


def _is_cancellation(exc: BaseException, context: ErrorContext) -> bool:
    """Whether what a future stood for was cancelled, in a thread for one, where it is an exception.

    From Python 3.14 on ``asyncio.shield`` reports it: asgiref's ``sync_to_async`` would end the
    program when a client of Django goes away. A callback that raises it has failed.
    """
    return isinstance(exc, asyncio.CancelledError) and "future" in context


def _is_cancelled_handler(exc: BaseException | None, context: ErrorContext) -> bool:
    """Whether a handler of ``asyncio.start_server`` was cancelled: that is no error.

    Python 3.11 and the first releases of 3.12 ask its task for its error without looking whether it
    has one, and fail themselves; later ones look.
    """
    asks = "StreamReaderProtocol.connection_made.<locals>.callback"
    return isinstance(exc, asyncio.CancelledError) and asks in str(context.get("message"))


def _has_left(exc: BaseException | None) -> bool:
    """Whether it is an exit: those leave the turn at once, and nobody needs to retrieve them."""
    return isinstance(exc, SystemExit | KeyboardInterrupt)
