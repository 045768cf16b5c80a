"""Signals by the thousand to a busy program, from another process.

Promised, for handlers of each kind (``loop.add_signal_handler`` of an outer and an inner loop,
``trio.open_signal_receiver``, ``signal.signal``): a signal that is sent is handled, once if it is
sent when the last one of its number has been handled, and otherwise at least once after the last
one was sent, as the system makes one of those that wait; none is handled that wasn't sent; a loop
that waits is woken; afterwards each number has the handler that it had before, Ctrl-C ends the
program, and no descriptor is left.

The program, started from Trio or from asyncio, installs its handlers in each round anew. It is busy
with crossings in half of the rounds and does nothing in the others. The sender notes in shared
memory what it is about to send, and the handlers what they have seen.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .child import Child
from .programs.signal_table import SignalTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENGINES: Final = ("selector", "uvloop", "portable")
SHORT: Final = {"rounds": 4, "in_a_row": 40, "in_a_storm": 400, "limit": 100}
LONG: Final = {"rounds": 40, "in_a_row": 500, "in_a_storm": 10_000, "limit": 3600}

STARTERS: Final = ("run", "runner")
HANDLED_TWICE: Final = {("uvloop", "runner"): ("add_signal_handler",)}
"""There the loop is uvloop's own, which calls some handlers twice: see docs/engines.md."""
LIBC: Final = ctypes.CDLL(None)
HANDLED: Final = 30.0
"""Seconds within which a signal is handled; most are in less than a millisecond."""


def ways(starter: str) -> list[tuple[str, int]]:
    """How each signal is handled, and its number."""
    loops = ["add_signal_handler", "inner loop"] if starter == "run" else ["add_signal_handler"]
    kinds = [*loops, "receiver", "signal.signal"]
    named = [signal.SIGUSR1, signal.SIGWINCH, signal.SIGUSR2, signal.SIGURG, signal.SIGHUP]
    numbers = [*named, *range(signal.SIGRTMIN + 1, signal.SIGRTMIN + 8)]
    return [(kinds[place % len(kinds)], int(number)) for place, number in enumerate(numbers)]


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    rounds: int,
    in_a_row: int,
    in_a_storm: int,
    limit: float,
) -> dict[str, int | float | str]:
    figures: dict[str, int | float | str] = {}
    for place, starter in enumerate(STARTERS):
        sizes = f"rounds {rounds}, in_a_row {in_a_row}, in_a_storm {in_a_storm}"
        repeat = f"signals, engine {engine}, seed {seed}, {sizes} ({starter})"
        slots = ways(starter)
        with (
            tempfile.TemporaryDirectory() as directory,
            SignalTable(path := Path(directory, "table"), len(slots)) as table,
            Child(
                "signalled",
                engine,
                path=str(path),
                ways=slots,
                starter=starter,
                rounds=rounds,
                limit=limit,
                repeat=repeat,
            ) as child,
        ):
            sender = Sender(
                child.process.pid,
                table,
                slots,
                f"{seed}-{starter}",
                repeat,
                HANDLED_TWICE.get((engine, starter), ()),
            )
            for number in range(rounds):
                sender.thread = child.hear("ready")
                sender.send_in_a_row(in_a_row)
                sender.send_a_storm(in_a_storm)
                sender.wait_until_delivered()
                child.tell(go_on=True)
                progress(place * rounds + number + 1, len(STARTERS) * rounds)
            child.hear("waiting")
            os.kill(child.process.pid, signal.SIGINT)
            end = child.figures()
            assert end["interrupted"], f"Ctrl-C didn't end it; {repeat}"
            assert end["descriptors_left"] == 0, f"{end}; {repeat}"
            sender.check()
            figures |= sender.figures(starter)
    return figures


class Sender:
    """The other process."""

    def __init__(
        self,
        pid: int,
        table: SignalTable,
        slots: list[tuple[str, int]],
        seed: str,
        repeat: str,
        twice: tuple[str, ...],
    ) -> None:
        self._pid = pid
        self._table = table
        self._slots = slots
        self._chance = random.Random(seed)
        self._repeat = repeat
        self._twice = twice
        self.thread = pid
        self._one_by_one = 0
        self._slowest = 0.0

    def send_in_a_row(self, count: int) -> None:
        """Each when the last one has been handled: it is handled once."""
        before = [*self._table.sent], [*self._table.handled]
        for slot in self._some(count):
            self._send(slot)
            began = time.monotonic()
            self._wait_for([slot])
            self._slowest = max(self._slowest, time.monotonic() - began)
        self._one_by_one += count
        for slot, (way, number) in enumerate(self._slots):
            sent = self._table.sent[slot] - before[0][slot]
            handled = self._table.handled[slot] - before[1][slot]
            what = f"signal {number} ({way}): {handled} handled of {sent}; {self._repeat}"
            assert handled == sent or (way in self._twice and handled > sent), what

    def send_a_storm(self, count: int) -> None:
        """As fast as may be, with a short rest now and then; wait after each hundred at most.

        More that wait don't fit in asyncio's own pipe, which then loses some.
        """
        while count > 0:
            burst = min(count, self._chance.randint(1, 100))
            count -= burst
            for slot in self._some(burst):
                self._send(slot)
                if self._chance.random() < 0.05:
                    time.sleep(self._chance.choice([0, 0.0001, 0.001]))
            self._wait_for(range(len(self._slots)))
        self.check()

    def wait_until_delivered(self) -> None:
        """Until none waits for one of the threads: it would find the handler gone, and kill."""
        ours = sum({1 << number - 1 for _, number in self._slots})
        end = time.monotonic() + HANDLED
        while any(pending & ours for pending in self._pending()):
            assert time.monotonic() < end, f"a signal is not delivered; {self._repeat}"
            time.sleep(0.0005)

    def _pending(self) -> Iterator[int]:
        for status in Path("/proc", str(self._pid), "task").glob("*/status"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread has ended
                for line in status.read_text().splitlines():
                    name, _, value = line.partition(":")
                    if name in ("SigPnd", "ShdPnd"):
                        yield int(value, 16)

    def check(self) -> None:
        """None was handled that wasn't sent."""
        for (way, number), handled, sent in zip(
            self._slots, self._table.handled, self._table.sent, strict=True
        ):
            if way in self._twice:
                continue
            what = f"signal {number} ({way}): {handled} handled, {sent} sent; {self._repeat}"
            assert handled <= sent, what

    @property
    def handled(self) -> str:
        """How often each was that was sent alone."""
        return "handled, some twice" if self._twice else "handled once each"

    def figures(self, starter: str) -> dict[str, int | float | str]:
        handled, sent = sum(self._table.handled), sum(self._table.sent)
        by_way = {
            way: sum(
                handled
                for (of, _), handled in zip(self._slots, self._table.handled, strict=True)
                if of == way
            )
            for way in dict(self._slots)
        }
        return {
            f"{starter}: sent": sent,
            f"{starter}: sent one by one, {self.handled}": self._one_by_one,
            f"{starter}: handled": handled,
            **{f"{starter}: by {way}": number for way, number in by_way.items()},
            f"{starter}: slowest, ms": round(1000 * self._slowest, 1),
        }

    def _some(self, count: int) -> Iterator[int]:
        yield from self._chance.choices(range(len(self._slots)), k=count)

    def _send(self, slot: int) -> None:
        """To the process, which means the main thread mostly, or to another thread of it."""
        self._table.sent[slot] += 1
        number = self._slots[slot][1]
        if self._chance.random() < 0.5:
            os.kill(self._pid, number)
        else:
            assert LIBC.tgkill(self._pid, self.thread, number) == 0, self._repeat

    def _wait_for(self, slots: list[int] | range) -> None:
        end = time.monotonic() + HANDLED
        for slot in slots:
            while self._table.seen[slot] != self._table.sent[slot]:
                way, number = self._slots[slot]
                what = f"signal {number} ({way}) is not handled; {self._repeat}"
                assert time.monotonic() < end, what
                time.sleep(0.00005)
