"""What ``python -m tests.torture`` takes, checked before anything is run."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import secrets
from typing import TYPE_CHECKING, Any, Final, NoReturn

from . import campaigns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

COMMAND: Final = "python -m tests.torture"


@dataclasses.dataclass(frozen=True)
class Run:
    """One campaign on one engine."""

    name: str
    engine: str
    seed: int
    sizes: dict[str, Any]
    is_long: bool
    own_sizes: dict[str, Any]
    """Those that differ from the form's."""

    @property
    def command(self) -> str:
        """What does the same."""
        words = [COMMAND, self.name, *["--long"] * self.is_long, "--engine", self.engine]
        sizes = [f"--set {size}={json.dumps(value)}" for size, value in self.own_sizes.items()]
        return " ".join([*words, "--seed", str(self.seed), *sizes])


class Options:
    """What is to be done."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._parser: Final = parser()
        given = self._parser.parse_args(arguments)
        self._given: Final = given
        self.writes_docs: Final[bool] = given.docs
        self.runs: Final[list[Run]] = []
        if given.docs and not (given.names or given.long):
            if given.engine or given.set or given.seed is not None:
                self._refuse("--docs alone runs nothing. Say which campaigns, or --long for all")
            return
        seed = secrets.randbelow(2**32) if given.seed is None else given.seed
        for name in given.names or campaigns.names():
            self.runs += self._runs_of(name, seed)
        if not self.runs:
            self._refuse(f"no campaign that was named is for the engine {given.engine[0]}")

    def _runs_of(self, name: str, seed: int) -> list[Run]:
        if name not in campaigns.names():
            self._refuse(f"no campaign {name!r}; there are {', '.join(campaigns.names())}")
        module = campaigns.campaign(name)
        form = module.LONG if self._given.long else module.SHORT
        own = {
            size: self._checked(name, module, size, text)
            for size, text in (given.partition("=")[::2] for given in self._given.set)
        }
        return [
            Run(name, engine, seed, {**form, **own}, self._given.long, own)
            for engine in self._engines(module)
        ]

    def _engines(self, module: ModuleType) -> list[str]:
        wanted, here = self._given.engine, campaigns.engines(module)
        if "uvloop" in (wanted or ()) and not campaigns.has_uvloop():
            self._refuse("uvloop isn't installed here: pip install uvloop")
        return [engine for engine in here if not wanted or engine in wanted]

    def _checked(self, name: str, module: ModuleType, size: str, text: str) -> object:
        """The value of ``--set SIZE=VALUE``."""
        examples = sizes_of(module)
        if size not in examples:
            sizes = ", ".join(f"{one}={json.dumps(value)}" for one, value in examples.items())
            self._refuse(f"{name} has no size {size!r}; those of its long form are {sizes}")
        example = examples[size]
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not _is_like(value, example):
            self._refuse(f"--set {size}={text}: write it as in --set {size}={json.dumps(example)}")
        return value

    def _refuse(self, why: str) -> NoReturn:
        self._parser.error(why)


def sizes_of(module: ModuleType) -> dict[str, Any]:
    """Those of the long form, and what else the campaign takes, with its default."""
    parameters = inspect.signature(module.run).parameters.values()
    keywords = [one for one in parameters if one.kind is one.KEYWORD_ONLY and one.name != "seed"]
    return {one.name: module.LONG.get(one.name, one.default) for one in keywords}


def _is_like(value: object, example: object) -> bool:
    """Whether it may stand for the example: of its type, and positive if that is."""
    if isinstance(example, list | tuple):
        return isinstance(value, list) and len(value) == len(example)
    number = int if isinstance(example, int) else int | float
    if not isinstance(value, number) or isinstance(value, bool):
        return False
    return value > 0 or value == example


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog=COMMAND,
        description="Attack the bridge: all campaigns, or those that are named, each on each "
        "engine, one after the other, in the root of the checkout. The long form's results are "
        "kept in tests/torture/results/.",
    )
    names = ", ".join(campaigns.names())
    result.add_argument("names", nargs="*", metavar="NAME", help=names)
    result.add_argument("--long", action="store_true", help="the long form, whose results are kept")
    result.add_argument(
        "--engine", choices=campaigns.ENGINES, action="append", help="only this one"
    )
    result.add_argument("--seed", type=int, help="repeat a run; else one by chance")
    result.add_argument(
        "--set",
        metavar="SIZE=VALUE",
        action="append",
        default=[],
        help="another size than the form's: seconds=300. Such a run isn't kept",
    )
    result.add_argument(
        "--docs", action="store_true", help="write docs/guarantees.md from what is kept"
    )
    return result
