"""A busy program that is ended at a random moment: in time, cleaned up once, with the right status.

The program (``busy/``) does on both sides all that programs on the bridge do: servers and clients,
crossings both ways, nested nurseries, generators, managers, threads, channels. It is started in
each of five ways, and ended in each of some thirty: cancelled, by an error, by Ctrl-C, by SIGTERM,
by ``sys.exit`` in odd places of either side, by ``loop.stop``; and in two ways more, by a loop that
is left, or closed, with everything in flight; at a moment that the seed says. Promised is that

1. it has ended within two seconds (in which it didn't wait for a processor that others had);
2. everything that it had acquired was released, once;
3. its exit status says how it ended;
4. its stderr has nothing to say, but what Python says itself of ``sys.exit`` in ``__del__``, and
    asyncio, where it starts, of a task that has called ``sys.exit`` and is awaited by nobody, of
    what a closed loop has left, on Python 3.11 of a stream's handler that was cancelled, and rarely
    of a connection that was reset.

A storm of Ctrl-C is promised less, where Trio starts: it may come out in a group, or when Python is
about to end, and Trio itself may fail, with a ``TrioInternalError``.
"""

from __future__ import annotations

import collections
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from .busy.processor import waited_for_processor
from .campaigns import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORT: Final = {"shutdowns": 4, "seconds": 20.0}
LONG: Final = {"shutdowns": 340, "seconds": 2.0}

AT_ONCE: Final = 2
"""Programs that run at a time."""
HANG: Final = 60.0
"""Seconds after which a program is said to hang, and killed."""

TRIO_FIRST: Final = ("run", "open_loop")
ASYNCIO_FIRST: Final = ("runner", "launcher")
STARTERS: Final = (*TRIO_FIRST, *ASYNCIO_FIRST, "run_forever")
MOST: Final = (*TRIO_FIRST, *ASYNCIO_FIRST)
IN_FLIGHT: Final = ("left", "closed")

CANCELLED, FAILED, EXITED, INTERRUPTED = 0, 3, 7, 130


class Ending(NamedTuple):
    """One way to end."""

    name: str
    status: int
    starters: tuple[str, ...] = STARTERS
    signal: signal.Signals | None = None
    times: int = 1
    """How many of the signal are sent, one soon after the other."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """Those that are right."""
        is_storm = self.times > 1
        return (self.status, 1, -signal.SIGINT) if is_storm else (self.status,)


ENDINGS: Final = (
    Ending("cancel", CANCELLED, (*MOST, *IN_FLIGHT)),
    Ending("trio_handled_sigterm", CANCELLED, MOST),
    Ending("handled_sigterm", CANCELLED, MOST),
    Ending("exit_in_del", CANCELLED, MOST),
    Ending("stop", CANCELLED, ("run_forever",)),
    Ending("trio_error", FAILED, MOST),
    Ending("asyncio_error", FAILED, MOST),
    # A bare run_forever raises Ctrl-C wherever it comes, and asyncio may lose a callback.
    Ending("nothing", INTERRUPTED, MOST, signal.SIGINT),
    Ending("nothing", INTERRUPTED, TRIO_FIRST, signal.SIGINT, times=20),
    Ending("nothing", -signal.SIGTERM, STARTERS, signal.SIGTERM),
    *(
        Ending(name, EXITED)
        for name in (
            *("trio_exit", "trio_exit_in_finally"),
            *("trio_exit_in_generators_finally", "trio_exit_in_thread", "trio_exit_on_signal"),
            *("trio_exit_in_handler", "asyncio_exit_in_handler"),
            "asyncio_exit_in_handler_in_callback",
            *("asyncio_exit", "asyncio_exit_in_task", "asyncio_exit_in_callback"),
            *("asyncio_exit_in_timer", "asyncio_exit_in_done_callback", "asyncio_exit_in_finally"),
            *("asyncio_exit_in_generators_finally", "asyncio_exit_in_thread"),
            *("asyncio_exit_on_signal", "asyncio_exit_from_another_thread"),
        )
    ),
    # Where asyncio starts, task groups raise it one after the other, each ends asyncio.run's own
    # clean-up, and what is left is destroyed: so it is in stock asyncio.
    Ending("trio_exit_deep_down", EXITED, TRIO_FIRST),
    # uvloop reports what a protocol raises, but where Trio turns it.
    Ending("asyncio_exit_in_connection", EXITED, TRIO_FIRST),
)


IN_DEL: Final = re.compile(
    rf"\AException ignored .*?^SystemExit: {EXITED}\n", re.DOTALL | re.MULTILINE
)
NOT_RETRIEVED: Final = re.compile(
    rf"^Task exception was never retrieved\n.*?^SystemExit: {EXITED}\n", re.DOTALL | re.MULTILINE
)


# Of tasks that a closed loop has left asyncio complains, but not of our code.
BRIDGES_FRAME: Final = re.compile(r'File ".*/trio_bridge/')

ASYNCIOS: Final = re.compile(r"asyncio|handler|client|producer|consumer")

# Python 3.11's streams fall over a handler that was cancelled, before it began perhaps.
HANDLER_CANCELLED: Final = re.compile(
    r"^Exception in callback [^\n]*StreamReaderProtocol.*?^asyncio\.exceptions\.CancelledError\n",
    re.DOTALL | re.MULTILINE,
)

# asyncio's stream protocols keep a connection's error in a future of their own too, which they mark
# as seen when they are collected. Once in two thousand runs one was collected before its protocol.
CONNECTION_LOST: Final = re.compile(
    r"^Future exception was never retrieved\nfuture: <Future finished exception=Connection\w+Error"
    r".*?^ConnectionResetError: [^\n]*\n",
    re.DOTALL | re.MULTILINE,
)


class Shutdown(NamedTuple):
    """One run of the program."""

    engine: str
    starter: str
    ending: Ending
    moment: float
    """How many seconds after it was busy."""

    def command(self) -> list[str]:
        """What a shell would run."""
        launcher = ["-m", "trio_bridge", "--engine", self.engine]
        seconds = 0.0 if self.ending.signal else self.moment
        return [
            sys.executable,
            *(launcher if self.starter == "launcher" else []),
            *(str(HERE / "busy"), self.starter, self.ending.name, f"{seconds:.4f}"),
        ]

    def __str__(self) -> str:
        sent = ""
        if self.ending.signal:
            times = f"{self.ending.times} " if self.ending.times > 1 else ""
            sent = f", {times}{self.ending.signal.name} after {self.moment:.4f} s"
        return f"TRIO_BRIDGE_ENGINE={self.engine} {' '.join(self.command())}{sent}"


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    shutdowns: int,
    seconds: float,
) -> dict[str, int | float | str]:
    """Attack; see the module."""
    todo = list(itertools.islice(_schedule(engine, random.Random(seed)), shutdowns))
    slowest, released, failures, statuses = 0.0, 0, 0, collections.Counter[int]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for done, outcome in enumerate(pool.map(_shut_down, todo)):
                problems = outcome.problems(seconds)
                assert not problems, f"seed {seed}: {outcome.shutdown}\n" + "\n".join(problems)
                slowest = max(slowest, outcome.took)
                released += outcome.released
                failures += outcome.is_trios_failure
                statuses[outcome.status] += 1
                progress(done + 1, shutdowns)
        finally:
            pool.shutdown(cancel_futures=True)
    return {
        "shutdowns": shutdowns,
        "ways": len({(shutdown.starter, shutdown.ending) for shutdown in todo}),
        "slowest, s": round(slowest, 2),
        "things held and released": released,
        "Trio's own failures in a storm of Ctrl-C": failures,
        "exit statuses": ", ".join(f"{status}: {of}" for status, of in sorted(statuses.items())),
    }


def _schedule(engine: str, chance: random.Random) -> Iterator[Shutdown]:
    """Every ending in every way of starting, in any order, over and over."""
    ways = [(starter, ending) for ending in ENDINGS for starter in ending.starters]
    while True:
        chance.shuffle(ways)
        for starter, ending in ways:
            yield Shutdown(engine, starter, ending, chance.uniform(0, 0.5))


class Outcome(NamedTuple):
    """How it went."""

    shutdown: Shutdown
    status: int
    took: float
    held: collections.Counter[str]
    """How often each thing was acquired and released, less one: as it should be."""
    released: int
    err: str

    def problems(self, seconds: float) -> list[str]:
        """What is not as promised."""
        ending, found = self.shutdown.ending, []
        if self.took > seconds:
            found.append(f"it took {self.took:.2f} s to end")
        if self.status not in ending.statuses:
            found.append(f"exit status {self.status}, not {ending.statuses}")
        if odd := self.odd():
            found.append(f"acquired (+) or released (-) too often: {odd}")
        err = self.err
        if ending.times > 1:
            return found
        if self.shutdown.starter == "closed":
            err = err if BRIDGES_FRAME.search(err) else ""
        if ending.name == "exit_in_del":
            err = IN_DEL.sub("", err)
        if ending.status == EXITED and self.shutdown.starter not in TRIO_FIRST:
            err = NOT_RETRIEVED.sub("", err)
        if sys.version_info < (3, 12):
            err = HANDLER_CANCELLED.sub("", err)
        err = CONNECTION_LOST.sub("", err)
        if err:
            found.append(f"stderr:\n{err}")
        return found

    def odd(self) -> dict[str, int]:
        """What is not as it should be: all is released once, unless the program was killed."""
        if self.shutdown.ending.status == -signal.SIGTERM:
            return {}
        odd = dict(self.held)
        if self.is_trios_failure:
            odd = {what: count for what, count in odd.items() if count < 0}
        elif self.shutdown.starter == "closed":  # asyncio drops its own tasks then, as they are
            odd = {what: n for what, n in odd.items() if n < 0 or not ASYNCIOS.search(what)}
        return odd

    @property
    def is_trios_failure(self) -> bool:
        """Whether a storm has broken Trio."""
        return self.shutdown.ending.times > 1 and "TrioInternalError" in self.err


def _shut_down(shutdown: Shutdown) -> Outcome:
    environment = {
        **os.environ,
        "TRIO_BRIDGE_ENGINE": shutdown.engine,
        "PYTHONPATH": str(HERE.parent.parent),
    }
    with subprocess.Popen(
        shutdown.command(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as program:
        assert program.stdout is not None
        ledger = []
        ends = None
        hung = threading.Timer(HANG, program.kill)
        hung.start()
        if shutdown.ending.signal is not None:
            for line in program.stdout:
                ledger.append(line)
                if line.startswith("busy"):
                    break
            time.sleep(shutdown.moment)
            ends = f"{time.monotonic()} {waited_for_processor(program.pid)}"
            for _ in range(shutdown.ending.times):
                os.kill(program.pid, shutdown.ending.signal)  # which is waited for below only
                time.sleep(shutdown.moment / 100)
        with ThreadPoolExecutor(1) as reader:
            err = reader.submit(program.stderr.read)  # type: ignore[union-attr]
            ledger += program.stdout
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        ended = time.monotonic() - waited_for_processor(program.pid)
        hung.cancel()
    return _outcome(shutdown, program.returncode, ledger, err.result(), ends, ended)


def _outcome(
    shutdown: Shutdown,
    status: int,
    ledger: list[str],
    err: str,
    ends: str | None,
    ended: float,
) -> Outcome:
    held: collections.Counter[str] = collections.Counter()
    released = 0
    for line in ledger:
        word, _, what = line.strip().partition(" ")
        if word == "ends" and ends is None:
            ends = what
        elif word in ("+", "-"):
            held[what] += 1 if word == "+" else -1
            released += word == "-"
    odd = collections.Counter({what: count for what, count in held.items() if count})
    took = HANG
    if ends is not None:
        at, waited = map(float, ends.split())
        took = ended - (at - waited)
    return Outcome(shutdown, status, took, odd, released, err)
