"""What pytest-trio and pytest-asyncio set on the function of a fixture of theirs."""

from __future__ import annotations


def is_trio_fixture(function: object) -> bool:
    """Whether ``pytest_trio.trio_fixture`` made a fixture of it, of a method too."""
    return getattr(function, "_force_trio_fixture", False) is True


def is_pytest_asyncio_fixture(function: object) -> bool:
    """Whether ``pytest_asyncio.fixture`` made a fixture of it, of a method too."""
    return getattr(function, "_force_asyncio_fixture", False) is True
