"""What strikes a program from outside, before the n-th step of Trio's tasks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .program import Strike
    from .running import Run


class Strikes(trio.abc.Instrument):
    def __init__(self) -> None:
        self.run: Run | None = None
        self.steps = 0
        self.waiting: list[Strike] = []

    @contextlib.contextmanager
    def on(self, run: Run) -> Iterator[None]:
        """While the block lasts, strike a run as its program says."""
        self.run, self.steps = run, 0
        self.waiting = sorted(run.program.strikes, key=lambda strike: strike.at)
        if self.waiting:
            trio.lowlevel.add_instrument(self)
        try:
            yield
        finally:
            if run.program.strikes:
                trio.lowlevel.remove_instrument(self)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        while self.waiting and self.waiting[0].at <= self.steps:
            self.strike(self.waiting.pop(0))

    def strike(self, strike: Strike) -> None:
        run = self.run
        assert run is not None
        if strike.what == "task":
            has_struck = run.cancel_a_task(strike.which)
        elif strike.what == "deadline":
            has_struck = run.let_a_deadline_pass(strike.which)
        else:
            has_struck = run.cancel_a_scope(strike.which)
        if has_struck:
            run.ledger.happened[f"strike at the n-th step: {strike.what}"] += 1
