"""From the rounds to ratios; kept as JSON."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bars import Bar
    from rounds import Rounds

DIGITS: Final = 4


class Spread(NamedTuple):
    """Of all rounds."""

    median: float
    least: float
    quarter: float
    three_quarters: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """The median, and how far the values lie from it."""
    quarters = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    numbers = (statistics.median(values), min(values), quarters[0], quarters[2], max(values))
    return Spread(*(round(number, DIGITS) for number in numbers))


@dataclass
class Results:
    """What a run of ``compare.py`` has measured."""

    machine: dict[str, Any]
    rounds: int
    scale: int
    skipped: dict[str, str] = field(default_factory=dict)
    """Contenders that can't run here, and why."""
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    """By workload and contender."""
    seconds: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    """By workload and contender: ``cpu`` and ``wall`` seconds of each round."""

    def add(self, workload: str, rounds: Rounds, errors: dict[str, str]) -> None:
        """Take what :func:`rounds.alternate` has given; more than once, of other processes."""
        row = self.seconds.setdefault(workload, {})
        if errors:
            self.errors.setdefault(workload, {}).update(errors)
        failed = self.errors.get(workload, {})
        for contender, results in rounds.items():
            seconds = row.setdefault(contender, {"cpu": [], "wall": []})
            seconds["cpu"] += [round(times.cpu, 6) for times in results]
            seconds["wall"] += [round(times.wall, 6) for times in results]
        for contender in failed:
            row.pop(contender, None)

    def ratio(
        self, cell: tuple[str, str], yardstick: tuple[str, str], what: str = "cpu"
    ) -> Spread | None:
        """Of two cells (workload, contender), round by round; ``None`` if one is missing."""
        ours = self._seconds(*cell, what)
        theirs = self._seconds(*yardstick, what)
        if not ours or not theirs:
            return None
        return spread([one / other for one, other in zip(ours, theirs, strict=True)])

    def median(self, workload: str, contender: str, what: str = "cpu") -> float | None:
        """Seconds of the median round; ``None`` if there is none."""
        seconds = self._seconds(workload, contender, what)
        return statistics.median(seconds) if seconds else None

    def _seconds(self, workload: str, contender: str, what: str) -> list[float]:
        return self.seconds.get(workload, {}).get(contender, {}).get(what, [])

    def failed(self, bars: Iterable[Bar]) -> list[str]:
        """The bars that don't hold, and what of ours raised an error."""
        sentences = []
        for bar in bars:
            ratio = self.ratio((bar.workload, bar.contender), bar.yardstick)
            error = self.errors.get(bar.workload, {}).get(bar.contender)
            if ratio is not None and ratio.median > bar.limit:
                sentences.append(
                    f"{bar.workload}, {bar.contender}: {ratio.median:.3f} of {bar.against}, "
                    f"where {bar.limit:.2f} is the bar"
                )
            elif error is not None:
                sentences.append(error)
        return sentences

    def save(self, path: Path) -> None:
        """Keep it as JSON."""
        command_line.save(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what :meth:`save` has written."""
        return cls(**json.loads(path.read_text()))
