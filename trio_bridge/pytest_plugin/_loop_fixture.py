"""The fixture that is the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_trio import trio_fixture

from .._run import open_loop
from ._options import loop_options

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator

    import pytest


# A plain function that returns the generator: an async one would be taken by pytest-asyncio's auto
# mode, and run on its own loop.
@trio_fixture  # type: ignore[untyped-decorator]
def bridge_loop(
    request: pytest.FixtureRequest, bridge_engine: str | None
) -> AsyncGenerator[asyncio.AbstractEventLoop, None]:
    """An asyncio loop that is open for this Trio test and for all its async fixtures."""
    return _opened(request.node, bridge_engine)


async def _opened(
    item: pytest.Item, engine: str | None
) -> AsyncGenerator[asyncio.AbstractEventLoop, None]:
    async with open_loop(engine=engine, **loop_options(item)) as loop:
        yield loop
