"""Workloads of functions that prepare nothing."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from timing import Body, Workload


def plain(async_fn: Callable[[int], Awaitable[Any]]) -> Workload:
    """The workload of which all is timed that the function does."""

    @asynccontextmanager
    async def prepared(scale: int) -> AsyncIterator[Body]:
        yield functools.partial(async_fn, scale)

    return prepared
