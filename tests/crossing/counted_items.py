"""An async iterator that is no generator, for either side."""

from __future__ import annotations


class Items:
    """Two of them, each after a checkpoint of the side that it is given."""

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint
        self.left = 2

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.checkpoint()
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
