"""Ways across, by whatever adapters: for each bridge that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .asyncio_code import Service, after_a_turn, at_once, numbers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from timing import AsyncFn

    Adapter = Callable[[Any], Any]

__all__ = ["after_a_turn", "at_once", "attribute_calls", "calls", "steps"]


def calls(adapter: Adapter, async_fn: AsyncFn) -> Callable[[int], Awaitable[None]]:
    """Calls of an async function of the other side."""

    async def workload(scale: int) -> None:
        crossing = adapter(async_fn)
        for _ in range(50 * scale):
            await crossing()

    return workload


def attribute_calls(adapter: Adapter) -> Callable[[int], Awaitable[None]]:
    """Calls through a view of an object."""

    async def workload(scale: int) -> None:
        service = adapter(Service())
        for _ in range(50 * scale):
            await service.at_once()

    return workload


def steps(adapter: Callable[[AsyncIterator[int]], AsyncIterator[int]]) -> AsyncFn:
    """Steps of an async generator of the other side."""

    async def workload(scale: int) -> None:
        async for _ in adapter(numbers(50 * scale)):
            pass

    return workload
