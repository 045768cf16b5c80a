"""asyncio's event loop policy: imported on use, as it is deprecated from Python 3.14 on."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

from ._asyncio_first import new_event_loop
from ._engines import engine_name

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    if not hasattr(asyncio, "DefaultEventLoopPolicy"):  # pragma: no cover -- Python 3.16 and later
        raise RuntimeError(
            "this Python has no event loop policies any more. Write\n"
            "    asyncio.run(main(), loop_factory=trio_bridge.new_event_loop)"
        )
    if TYPE_CHECKING:
        _DefaultPolicy = asyncio.DefaultEventLoopPolicy
    else:
        _DefaultPolicy = asyncio.DefaultEventLoopPolicy


class EventLoopPolicy(_DefaultPolicy):
    """asyncio's default policy, with loops made by :func:`new_event_loop`.

    ``asyncio.set_event_loop_policy(trio_bridge.EventLoopPolicy())`` is what :func:`install` does.

    Args:
      engine: as for :func:`new_event_loop`.

    Raises:
      TypeError: ``engine`` is no string.
      ValueError: an unknown engine.
      ImportError: ``"uvloop"`` is meant, and is not installed.
    """

    def __init__(self, *, engine: str | None = None) -> None:
        super().__init__()
        self._engine = engine_name(engine)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A new loop, as by the function :func:`.new_event_loop`. Not a checkpoint."""
        return new_event_loop(engine=self._engine)


def install(*, engine: str | None = None) -> None:
    """Make :class:`EventLoopPolicy` asyncio's policy: ``asyncio.run`` makes our loops from now on.

    Policies are deprecated from Python 3.14 on, and this gives no warning of that. Where the
    program can name its loop, pass :func:`new_event_loop` as ``loop_factory``.

    Args:
      engine: as for :func:`new_event_loop`.

    Raises:
      TypeError: ``engine`` is no string.
      ValueError: an unknown engine.
      ImportError: ``"uvloop"`` is meant, and is not installed.
      RuntimeError: this Python has no policies any more.

    Not a checkpoint.
    """
    policy = EventLoopPolicy(engine=engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(policy)
