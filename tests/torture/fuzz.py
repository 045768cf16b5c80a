"""Bad input of all kinds: an error of a documented type, and the loop goes on.

1. The catalogue (:mod:`.bad_inputs`) in random order, all of it in one loop, again and again.
2. Random coroutines, generators and managers, which ignore their end, catch what they shouldn't,
   yield nonsense: each does on the bridge, from the other side, what it does by stock asyncio or
   stock Trio. After each program values and errors cross both ways, timers come, and no task is
   left.
3. Random hostile objects: their views do what they do.
4. Random command lines of ``python -m trio_bridge``, against a model of what they mean.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed

import trio_bridge

from .bad_inputs import INPUTS
from .bad_inputs.probe import HANG, check_goes_on, check_nothing_is_left
from .fuzzing import awaitables, command_lines, generators, managers, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

SHORT = {"rounds": 1, "examples": 25, "command_lines": 2}
LONG = {"rounds": 10, "examples": 3000, "command_lines": 150}

Figures = dict[str, "int | float | str"]


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    rounds: int,
    examples: int,
    command_lines: int,
) -> Figures:
    """See the module."""
    attack = _Attack(engine, progress, seed, rounds, examples, command_lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "never awaited": of the random programs
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", SyntaxWarning)  # "return" in a "finally"
        return attack.run()


class _Attack:
    def __init__(
        self,
        engine: str,
        progress: Callable[[int, int], None],
        seed: int,
        rounds: int,
        examples: int,
        lines: int,
    ) -> None:
        self.engine = engine
        self.progress = progress
        self.seed = seed
        self.rounds, self.examples, self.lines = rounds, examples, lines
        self.programs: dict[str, tuple[SearchStrategy[Any], Callable[..., None]]] = {
            "asyncio functions": (awaitables.functions("asyncio"), awaitables.check_function),
            "Trio functions": (awaitables.functions("Trio"), awaitables.check_function),
            "asyncio awaitables": (awaitables.programs(), awaitables.check),
            "asyncio generators": (generators.programs("asyncio"), generators.check),
            "Trio generators": (generators.programs("Trio"), generators.check),
            "asyncio managers": (managers.programs("asyncio"), managers.check),
            "Trio managers": (managers.programs("Trio"), managers.check),
            "hostile objects": (objects.programs(), objects.check),
        }
        self.total = rounds * len(INPUTS) + examples * len(self.programs) + lines
        self.done = 0

    def run(self) -> Figures:
        figures: Figures = {}
        began = time.monotonic()
        unraisable, sys.unraisablehook = sys.unraisablehook, self._unraisable
        try:
            trio_bridge.run(self._give_all, engine=self.engine)
            figures["bad inputs given"] = self.rounds * len(INPUTS)
            for name, (programs, check) in self.programs.items():
                figures[name] = self._search(name, programs, check)
            figures["command lines"] = self.lines
            for line in command_lines.some(random.Random(self.seed), self.lines):
                command_lines.check(self.engine, line)
                self._advance()
        except BaseException as exc:
            raise AssertionError(self._described(exc)) from exc
        finally:
            sys.unraisablehook = unraisable
        figures["seconds"] = round(time.monotonic() - began, 1)
        return figures

    def _advance(self) -> None:
        self.done += 1
        self.progress(min(self.done, self.total), self.total)

    def _described(self, exc: BaseException) -> str:
        words = "".join(traceback.format_exception_only(exc))  # with the notes: the program
        return (
            f"seed {self.seed}; to repeat it: python -m tests.torture fuzz --engine {self.engine} "
            f"--seed {self.seed}\n{words}"
        )

    def _unraisable(self, unraisable: Any) -> None:
        # Of the programs' own, which ignore their end. The bridge's functions keep the rules.
        where = getattr(getattr(unraisable.object, "__code__", None), "co_filename", "")
        assert "trio_bridge" not in where, unraisable

    async def _give_all(self) -> None:
        """The catalogue, in one loop."""
        chance = random.Random(self.seed)
        loop = trio_bridge.current_loop()
        for _ in range(self.rounds):
            for bad_input in chance.sample(INPUTS, len(INPUTS)):
                tasks = asyncio.all_tasks(loop)
                with trio.fail_after(HANG):
                    bad_input.check(await bad_input.given())
                await check_goes_on()
                await check_nothing_is_left(tasks)
                self._advance()

    def _search(self, name: str, programs: SearchStrategy[Any], check: Callable[..., None]) -> int:
        count = 0

        @with_seed(f"{self.seed} {name}")
        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(programs)
        def search(program: Any) -> None:
            nonlocal count
            count += 1
            check(self.engine, *program)
            self._advance()

        search()
        return count
