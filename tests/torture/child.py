"""A program in a process of its own, which a campaign watches.

The programs are those of ``tests/torture/programs``. Such a program gets the engine and its sizes,
and says lines of JSON: how far it is, what the campaign asked for, and at the end its figures. It
has failed if it says anything on stderr, has another status than 0, or takes longer than its limit:
then it says where each of its threads is, and dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import trio_bridge

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(trio_bridge.__file__).parent.parent  # installed, or this checkout


class Child:
    """One process, from its start to :meth:`figures`. By ``with``: it dies at the latest then.

    Args:
      program: its module in ``tests/torture/programs``.
      limit: after so many seconds it has hung.
      repeat: how to repeat this run, for the message of a failure.
    """

    def __init__(
        self, program: str, engine: str, *, limit: float, repeat: str, **sizes: Any
    ) -> None:
        self._name = program
        self._repeat = repeat
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- closed with the child
        words = json.dumps({"limit": limit, **sizes})
        path = os.pathsep.join(map(str, (PACKAGE, ROOT, ROOT / "tests")))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-W", "always::ResourceWarning"),
                *("-m", f"{__package__}.programs.{program}", engine, words),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            bufsize=1,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):  # what it hasn't read
            self.process.stdin.close()
        self.process.stdout.close()
        self._stderr.close()

    def tell(self, **words: Any) -> None:
        """Say something to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self, word: str, progress: Any = None) -> Any:
        """Wait for what it says under this word; what it says of its progress goes on."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if word in said:
                return said[word]
            if progress is not None and "done" in said:
                progress(said["done"], said["total"])
        self._fail(f"ended before it said {word!r}")
        raise AssertionError  # not reached

    def figures(self, progress: Any = None) -> dict[str, Any]:
        """Its figures; it ends by itself after them."""
        figures: dict[str, Any] = self.hear("figures", progress)
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self._fail("didn't end after its figures")
        if status:
            self._fail("failed")
        if self.complaints():
            self._fail("complained")
        return figures

    def complaints(self) -> str:
        """What it has said on stderr."""
        self._stderr.seek(0)
        return self._stderr.read()

    def _fail(self, what: str) -> None:
        try:
            status: int | None = self.process.wait(5)
        except subprocess.TimeoutExpired:
            status = None
        raise AssertionError(
            f"{self._name} {what} (status {status}); repeat: {self._repeat}\n"
            f"{self.complaints()[-20_000:]}"
        )
