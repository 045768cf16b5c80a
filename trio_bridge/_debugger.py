"""``pdb`` for two worlds: a crossing is stepped over, and looked through, as a plain await is.

1. ``where`` shows the caller across a crossing, and ``up`` gets there.
2. ``next``, ``until`` and ``return`` stop in the frame that they were given in or in a caller of
   its, whichever runs a line next. The callers wait for the frame, here or across a crossing: one
   that runs has got its outcome.
3. Nothing stops in the bridge's frames, or in those of Trio's and asyncio's schedulers, but for a
   breakpoint that was set there. ``step`` goes through them, to the first line on the other side,
   and takes no notice of coroutines that suspend and go on.
4. Ctrl-C at the prompt is for the prompt, however protected the code is that is looked at.
"""

from __future__ import annotations

import inspect
import opcode
import pdb
import sys
from typing import TYPE_CHECKING, Any, Final

import trio

from ._crossing.callers import stack_of
from ._frames import module_of, package_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType, TracebackType

_HIDDEN: Final = (
    *("trio_bridge", "trio._core", "outcome", "sniffio", "selectors"),
    *("asyncio.base_events", "asyncio.events", "asyncio.runners", "asyncio.selector_events"),
    *("asyncio.unix_events", "asyncio.base_futures", "asyncio.base_tasks"),
)

_HELPERS: Final = sys.stdlib_module_names | {"trio", "attr", "sortedcontainers"}

_SUSPENDS: Final = ("YIELD_VALUE", "RESUME")  # the latter follows, and Python 3.13 is there already


class Pdb(pdb.Pdb):
    """The standard library's ``Pdb``, and the rules above."""

    _callers: frozenset[FrameType] = frozenset()
    """The frames that wait for the one in which a command was given."""
    _traced: tuple[FrameType, ...] = ()
    """Those that nobody else traces."""
    _is_entering = False
    """Whether to stop at once, wherever that is: at a breakpoint, or at Ctrl-C."""

    # ---- what is shown

    def get_stack(
        self, f: FrameType | None, t: TracebackType | None
    ) -> tuple[list[tuple[FrameType, int]], int]:
        """The stack across crossings (rule 1), and the index of ``f`` in it."""
        self._is_entering = False
        stack, index = super().get_stack(f, t)
        if f is None:
            return stack, index
        frames = stack_of(f)
        if self.botframe in frames:
            frames = frames[frames.index(self.botframe) :]
        shown = [(frame, frame.f_lineno) for frame in frames]
        return shown + stack[index + 1 :], len(shown) - 1

    @trio.lowlevel.disable_ki_protection
    def cmdloop(self, intro: Any | None = None) -> None:
        """Read commands (rule 4)."""
        super().cmdloop(intro)

    # ---- where it stops

    def set_trace(self, frame: FrameType | None = None, **options: Any) -> None:
        """Stop as soon as may be, in the frame (the caller's) or in what runs next."""
        sys.settrace(None)  # before Python 3.13 it would stop in what follows
        here = inspect.currentframe()
        super().set_trace(frame or (here and here.f_back), **options)

    def reset(self) -> None:
        """Begin."""
        super().reset()
        self._is_entering = True

    def stop_here(self, frame: FrameType) -> bool:
        """Whether to stop at this line, call, return or exception (rules 2 and 3)."""
        if frame in self._callers or self._is_entering:
            return True
        if not super().stop_here(frame):
            return False
        return frame is self.stopframe or not (_is_hidden(frame) or _works_for_hidden(frame))

    def dispatch_call(self, frame: FrameType, arg: Any) -> Any:
        """Stop at a call, but not where ``step`` sees a coroutine go on."""
        if self._steps_through(frame) and frame.f_lineno != frame.f_code.co_firstlineno:
            return self.trace_dispatch
        return super().dispatch_call(frame, arg)

    def dispatch_return(self, frame: FrameType, arg: Any) -> Any:
        """Stop at a return, but not where ``step`` sees a coroutine suspend."""
        if self._steps_through(frame) and opcode.opname[_operation(frame)] in _SUSPENDS:
            return self.trace_dispatch
        return super().dispatch_return(frame, arg)

    def _steps_through(self, frame: FrameType) -> bool:
        is_coroutine = bool(frame.f_code.co_flags & inspect.CO_COROUTINE)
        return is_coroutine and self.stopframe is None and self.botframe is not None

    def dispatch_exception(self, frame: FrameType, arg: Any) -> Any:
        """Stop at an exception, but not at the end of some other coroutine (rule 2)."""
        is_end = arg[0] in (StopIteration, GeneratorExit) and self.stopframe is not None
        is_followed = frame is self.stopframe or frame in self._callers
        if (_is_hidden(frame) and not self._is_entering) or (is_end and not is_followed):
            return self.trace_dispatch
        return super().dispatch_exception(frame, arg)

    def set_next(self, frame: FrameType) -> None:
        """Stop at the next line of the frame, or of a caller."""
        self._follow(frame)
        super().set_next(frame)

    def set_until(self, frame: FrameType, lineno: int | None = None) -> None:
        """Stop at a later line of the frame, or at the next of a caller."""
        self._follow(frame)
        super().set_until(frame, lineno)

    def set_return(self, frame: FrameType) -> None:
        """Stop when the frame returns, or at the next line of a caller."""
        self._follow(frame)
        super().set_return(frame)

    def set_step(self) -> None:
        """Stop at the next line, whosever."""
        self._forget()
        super().set_step()

    def set_continue(self) -> None:
        """Stop at breakpoints only."""
        self._forget()
        super().set_continue()

    def set_quit(self) -> None:
        """Stop debugging."""
        self._forget()
        super().set_quit()

    def _follow(self, frame: FrameType) -> None:
        self._forget()
        callers = [known for known, _ in self.stack]
        callers = callers[: callers.index(frame)] if frame in callers else stack_of(frame)[:-1]
        self._callers = frozenset(caller for caller in callers if not _is_hidden(caller))
        for followed in (*self._callers, frame):
            if followed.f_trace is None:  # suspended since before the debugger came
                followed.f_trace = self.trace_dispatch
                self._traced += (followed,)

    def _forget(self) -> None:
        for frame in self._traced:
            frame.f_trace = None
        self._callers, self._traced = frozenset(), ()


def _operation(frame: FrameType) -> int:
    """The code of the instruction that the frame is at."""
    return frame.f_code.co_code[frame.f_lasti]


def _is_hidden(frame: FrameType) -> bool:
    module = module_of(frame)
    return any(module == hidden or module.startswith(f"{hidden}.") for hidden in _HIDDEN)


def _works_for_hidden(frame: FrameType | None) -> bool:
    """Whether it is a library function that what is hidden has called: no user's code."""
    while frame is not None and package_of(frame) in _HELPERS:
        if _is_hidden(frame):
            return True
        frame = frame.f_back
    return frame is not None and _is_hidden(frame)


# ---- breakpoint()

_last: Pdb | None = None


def adopt(debugger: object) -> None:
    """Let a running ``pdb.Pdb`` keep the rules above. One of a class of its own stays as it is."""
    if type(debugger) is pdb.Pdb:
        debugger.__class__ = Pdb


def enter(
    running: object,
    frame: FrameType,
    *,
    header: str | None = None,
    commands: Iterable[str] | None = None,
) -> None:
    """What ``breakpoint(...)`` does: as ``pdb.set_trace(...)``, in the frame that called it.

    In the debugger that runs the program, if there is one: it has the user's breakpoints.
    """
    debugger = running if isinstance(running, Pdb) else _debugger()
    if header is not None:
        debugger.message(header)
    if commands is None:
        debugger.set_trace(frame)
    else:  # Python 3.14
        debugger.set_trace(frame, commands=commands)


def _debugger() -> Pdb:
    """A new one, or the last one where ``pdb`` does so: it knows what was displayed, and more."""
    global _last
    if _last is None or sys.version_info < (3, 14):
        options = inspect.signature(pdb.Pdb).parameters
        inline: dict[str, Any] = {"mode": "inline", "backend": "settrace", "colorize": True}
        _last = Pdb(**{name: value for name, value in inline.items() if name in options})
    return _last
