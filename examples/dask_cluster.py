"""A Dask cluster for the example: a scheduler and its workers, each a process on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

END = 30
"""Seconds that a process has to end in."""


@contextmanager
def cluster(address: str | None = None, workers: int = 2) -> Iterator[str]:
    """The address of a scheduler; of one that we start, with its workers, if none is given."""
    if address is not None:
        yield address
        return
    address = f"tcp://127.0.0.1:{_free_port()}"
    with tempfile.TemporaryDirectory(prefix="trio-bridge-") as directory, ExitStack() as processes:
        scheduler = ["scheduler", "--host", address]
        processes.enter_context(_running(scheduler, directory))
        worker = ["worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"]
        worker += ["--death-timeout", f"{END}"]  # how long to look for the scheduler
        for _ in range(workers):
            processes.enter_context(_running(worker, directory))
        yield address


@contextmanager
def _running(arguments: list[str], directory: str) -> Iterator[None]:
    """A process of Dask's, which has nothing to say unless something is wrong."""
    command = [sys.executable, "-m", "dask", *arguments]
    command += ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    environment = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "error"}
    # In a session of its own, so that Ctrl-C is ours: the cluster ends when we have left it.
    process = subprocess.Popen(command, cwd=directory, env=environment, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait(END)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
