"""``trio2aio`` and ``aio2trio``: what an object of one side looks like from the other."""

from .directions import aio2trio, aio_as_trio, trio2aio, trio_as_aio
from .view import unview

__all__ = ["aio2trio", "aio_as_trio", "trio2aio", "trio_as_aio", "unview"]
