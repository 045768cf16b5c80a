"""Worker processes, from the outside: see ``worker.py`` for what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from timing import Times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

HERE: Final = Path(__file__).parent
HANG: Final = 120.0
"""Seconds after which a round has hung: the slowest takes a few."""


class WorkerError(Exception):
    """A round failed, or hung; the message has the worker's traceback."""


class Worker:
    """One contender in a process of its own.

    Args:
      contender: its name.
      under: the command that runs the worker's own: valgrind, say.
      args: for ``worker.py``, behind the name.
      env: what is added to the environment.
      hang: after so many seconds a round has hung.
    """

    def __init__(
        self,
        contender: str,
        *args: str,
        under: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        hang: float = HANG,
    ) -> None:
        self.contender: Final = contender
        self._hang = hang
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- closed in __exit__
        self._process = subprocess.Popen(
            [*under, sys.executable, str(HERE / "worker.py"), contender, *args],
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        hello = self._receive()
        self.workloads: Final[list[str]] = hello.get("ready", [])
        self.unavailable: Final[str | None] = hello.get("unavailable")

    def run(self, workload: str, scale: int) -> Times:
        """One round; raises as :meth:`ask`."""
        return Times(**self.ask(workload, scale))

    def ask(self, workload: str, scale: int) -> dict[str, Any]:
        """One round; what it has measured.

        Raises:
          WorkerError: it failed; or hung, or died, and so will all rounds after it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"workload": workload, "scale": scale}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"{self.contender}: the worker has ended") from None
        answer = self._receive()
        if "error" in answer:
            raise WorkerError(f"{self.contender}, {workload}:\n{answer['error']}")
        return answer

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(self._hang, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            self._process.wait()
            raise WorkerError(
                f"{self.contender}: the worker hung or died ({self._process.returncode}):\n"
                + self._last_words()
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read()[-5000:]

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5 if exc is None else 0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._stderr.close()


@contextmanager
def workers(contenders: Sequence[str]) -> Iterator[tuple[list[Worker], dict[str, str]]]:
    """A live worker for each contender that can run here; why the others can't."""
    with ExitStack() as stack:
        started = [stack.enter_context(Worker(name)) for name in contenders]
        yield (
            [worker for worker in started if worker.unavailable is None],
            {w.contender: w.unavailable for w in started if w.unavailable is not None},
        )
