"""Where programs are run: a virtual clock, a seeded scheduler, a watchdog; nothing may be left.

1. Time is virtual: it jumps when all wait. Trio takes the tasks of a batch in an order
   that the program's seed says (what Trio does for Hypothesis), and a turn of the loop is one
   iteration on each engine, however quick the machine.
2. The watchdog counts passes of the scheduler and looks at virtual time. What ends by neither isn't
   slow, it hangs.
3. After each program everything is as it was: tasks of both sides, the bridge's tables, the open
   loops, the scopes around. Nothing was warned of, logged, or raised where nobody could catch it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import traceback
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import trio
import trio._core._run as trio_scheduler
import trio.testing

from trio_bridge import _bridge, _private, open_loop

from .counting import count_outcomes
from .ledger import Broken
from .running import OPEN_OPTIONS, Run
from .strikes import Strikes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .program import Program

MOST_PASSES = 20_000
"""Of Trio's scheduler for one program, which takes some hundreds."""
MOST_SECONDS = 1_000_000
"""Virtual ones, for one program."""
TABLES = (
    *("hosts", "adopters", "entered", "open_managers", "asyncio_owners", "trio_owners"),
    *("in_iterations", "in_steps", "starting", "started", "first_call", "calls_plainly"),
)


class Hung(BaseException):
    """The watchdog's."""


class BrokenProgram(Broken):
    """A program that broke a law."""

    def __init__(self, program: Program, complaints: Sequence[str]) -> None:
        super().__init__("\n".join(complaints))
        self.program = program


def play(programs: Sequence[Program], engine: str) -> Counter[str]:
    """Run programs one after the other, in one Trio run, and count what happened.

    Raises:
      BrokenProgram: one of them broke a law. The others that follow were not run.
    """
    stage = Stage(engine)
    try:
        with _deterministic(engine), _complaints(stage.heard):
            trio.run(stage.main, programs, clock=stage.clock)
    except (BrokenProgram, KeyboardInterrupt):
        _sweep()
        raise
    except BaseException as exc:
        hangs = isinstance(exc, Hung) or isinstance(exc.__cause__, Hung)
        what = "it hangs" if hangs else "".join(traceback.format_exception(exc))
        _sweep()
        raise BrokenProgram(stage.program, [what, *stage.heard]) from None
    return stage.happened


class Stage:
    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.happened: Counter[str] = Counter()
        self.heard: list[str] = []
        self.passes = 0
        self.program: Any = None
        self.clock = trio.testing.MockClock(autojump_threshold=0)
        # The class is final. Trio asks for the time in each pass, wherever all tasks hang.
        self._time = self.clock.current_time
        self.clock.current_time = self._current_time  # type: ignore[method-assign]

    def _current_time(self) -> float:
        self.passes += 1
        if self.passes > MOST_PASSES:
            raise Hung
        return self._time()

    async def main(self, programs: Sequence[Program]) -> None:
        strikes = Strikes()
        for program in programs:
            if program.root.kind == "loop":
                await self.run(program, strikes)
        async with open_loop(engine=self.engine, **OPEN_OPTIONS):
            for program in programs:
                if program.root.kind != "loop":
                    await self.run(program, strikes)

    async def run(self, program: Program, strikes: Strikes) -> None:
        self.program, self.passes = program, 0
        await _settle()
        trio_scheduler._r.seed(program.schedule)
        before = _what_there_is()
        run = Run(program, self.engine)
        complaints = run.ledger.complaints
        with trio.move_on_after(MOST_SECONDS) as scope, strikes.on(run):
            await run.main()
        if scope.cancelled_caught:
            complaints.append("it did not end before the end of virtual time")
        await _settle()
        after = _what_there_is()
        complaints += [
            f"left: {name}: {after[name]}, was {before[name]}"
            for name in after
            if after[name] != before[name]
        ]
        complaints += self.heard
        if complaints:
            raise BrokenProgram(program, complaints)
        self.happened += run.ledger.happened
        self.happened["program"] += 1
        self.happened["node"] += len(run.ledger.instances)
        count_outcomes(run, self.happened)


async def _settle() -> None:
    """Who was told in the last step to begin or to end does so."""
    for _ in range(3):
        await trio.lowlevel.checkpoint()


# ---- the surroundings


@contextlib.contextmanager
def _deterministic(engine: str) -> Iterator[None]:
    """Trio's scheduler does what a seed says. By the clock nothing is decided."""
    was = trio_scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    trio_scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    if engine == "uvloop":
        from trio_bridge._engines import uvloop

        seconds, uvloop.SECONDS_PER_TURN = uvloop.SECONDS_PER_TURN, -1.0  # type: ignore[misc]
    try:
        yield
    finally:
        trio_scheduler._ALLOW_DETERMINISTIC_SCHEDULING = was  # type: ignore[misc]
        if engine == "uvloop":
            uvloop.SECONDS_PER_TURN = seconds  # type: ignore[misc]


@contextlib.contextmanager
def _complaints(heard: list[str]) -> Iterator[None]:
    """What is warned of, logged, or raised where nobody can catch it."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(f"logged: {record.getMessage()}")

    handler = Handler()
    hook = sys.unraisablehook
    sys.unraisablehook = lambda args: heard.append(f"unraisable: {args.exc_value!r} {args.err_msg}")
    logging.getLogger("asyncio").addHandler(handler)
    logging.getLogger("trio").addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *rest: heard.append(f"warned: {message}")
            yield
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
        logging.getLogger("trio").removeHandler(handler)
        sys.unraisablehook = hook


def _what_there_is() -> dict[str, Any]:
    bridges = list(_bridge.by_loop.values())
    found: dict[str, Any] = {
        "Trio tasks": _living_tasks(),
        "scopes": len(_private.scopes_of(trio.lowlevel.current_task())),
        "loops": len(bridges),
    }
    for bridge in bridges:
        found["asyncio tasks"] = [repr(task) for task in asyncio.all_tasks(bridge.loop)]
        for name in TABLES:
            found[name] = repr(getattr(bridge, name))
    return found


def _living_tasks() -> int:
    """How many Trio tasks there are, but for the idle ones that the portable engine keeps."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    count, nurseries = 1, list(root.child_nurseries)
    while nurseries:
        for task in nurseries.pop().child_tasks:
            nurseries += task.child_nurseries
            count += not task.name.startswith("trio_bridge._engines.portable.")
    return count


def _sweep() -> None:
    """After a hang: forget what is left, so that another program may be run."""
    _private.set_running_loop(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hook, sys.unraisablehook = sys.unraisablehook, lambda args: None
        logging.disable()
        for loop in list(_bridge.by_loop):
            with contextlib.suppress(Exception):
                loop.close()
        _bridge.by_loop.clear()
        gc.collect()
        logging.disable(logging.NOTSET)
        sys.unraisablehook = hook
