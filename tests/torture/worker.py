"""One campaign on one engine, in a process of its own: what it breaks it breaks alone.

``python -m tests.torture.worker NAME ENGINE SEED SIZES``; its standard output has a line of JSON
for each progress, and one for the end: ``{"figures": ...}`` or ``{"broken": ...}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from .campaigns import HERE, campaign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = HERE.parent.parent
SECONDS_BETWEEN = 0.2
"""Two progress lines: what a terminal shows is no reason to slow a campaign."""
STOPS = {signal.SIGINT, signal.SIGTERM}
CLEANS_UP = 20.0
"""Seconds that a worker has to end its children when it is interrupted."""


def in_its_own_process(
    name: str, engine: str, seed: int, sizes: dict[str, Any], progress: Callable[[int, int], None]
) -> dict[str, int | float | str]:
    """Run it; its figures, or an ``AssertionError`` that says what is broken."""
    command = [sys.executable, "-m", f"{__package__}.worker", name, engine, str(seed)]
    environment = {**os.environ, "TRIO_BRIDGE_ENGINE": engine}
    with contextlib.ExitStack() as stack:
        with _held_back():  # else one that comes now would leave the worker alone
            worker = stack.enter_context(
                subprocess.Popen(
                    [*command, json.dumps(sizes)],
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                    env=environment,
                )
            )
            stack.enter_context(_ends_with_us(worker))
        end = _last_line(worker, progress)
    if "figures" in end:
        return end["figures"]
    raise AssertionError(end.get("broken", f"the process ended with status {worker.returncode}"))


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl-C and SIGTERM come when the block ends. A process that it starts inherits that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


@contextlib.contextmanager
def _ends_with_us(worker: subprocess.Popen[str]) -> Iterator[None]:
    """If the block is interrupted the worker is too, and gets the time to clean up after itself.

    A terminal's Ctrl-C has come to it by itself: a second one would end its clean-up.
    """
    try:
        yield
    except KeyboardInterrupt:
        _read_to_the_end(worker)
        raise
    except BaseException:
        worker.send_signal(signal.SIGINT)
        _read_to_the_end(worker)
        raise


def _last_line(
    worker: subprocess.Popen[str], progress: Callable[[int, int], None]
) -> dict[str, Any]:
    assert worker.stdout is not None
    end: dict[str, Any] = {}
    for line in worker.stdout:
        message = json.loads(line)
        if isinstance(message, list):
            progress(*message)
        else:
            end = message
    return end


def _read_to_the_end(worker: subprocess.Popen[str]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.communicate(timeout=CLEANS_UP)  # else it would write to a pipe that is closed
    worker.kill()


def main() -> None:
    """The worker's side."""
    name, engine, seed, sizes = sys.argv[1:]
    # The campaign may print, and so may its children: not between the lines.
    lines = os.fdopen(os.dup(1), "w")
    os.set_inheritable(lines.fileno(), False)
    os.dup2(2, 1)
    # A shell's background job ignores SIGINT; the attacks by Ctrl-C need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    shown_at = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown_at
        if (now := time.monotonic()) - shown_at >= SECONDS_BETWEEN or done == total:
            shown_at = now
            print(json.dumps([done, total]), file=lines, flush=True)

    try:
        figures = campaign(name).run(engine, progress, seed=int(seed), **json.loads(sizes))
        end = {"figures": figures}
    except BaseException:
        end = {"broken": traceback.format_exc()}
    print(json.dumps(end), file=lines, flush=True)


if __name__ == "__main__":
    main()
