"""Programs that start from asyncio: the loops that they get."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._engines import StdlibLoop, engine_name
from ._guest import bridge_of, guest_of
from ._guest_context import TrioToCome

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    _AnyLoop = asyncio.SelectorEventLoop
else:
    _AnyLoop = object


class HostLoop(_AnyLoop):
    """Mixed into a loop's class: Trio is the loop's guest, from the first call into Trio on."""

    def run_forever(self) -> None:
        """Run until :meth:`stop` is called. Trio goes on from where it stood."""
        # Before anything else: what follows would take Trio from the run that goes on. (And CPython
        # 3.13.0 looks only after it has un-marked the running loop.)
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        to_come = TrioToCome(lambda: bridge_of(self))
        try:
            if (guest := guest_of(self)) is not None:
                guest.resume()
            to_come.stand_in()
            super().run_forever()
        except BaseException:
            if (guest := guest_of(self)) is not None:
                guest.look_again()
            raise
        finally:
            to_come.withdraw()
            if (guest := guest_of(self)) is not None:
                guest.suspend()
                guest.ctrl_c.raise_it()


class SelectorEventLoop(HostLoop, StdlibLoop):
    """The standard library's loop, which serves the portable engine as well: it waits by itself."""


@functools.cache
def _uvloop_class() -> type[asyncio.AbstractEventLoop]:
    uvloop: Any = import_module("uvloop")

    class UvloopEventLoop(HostLoop, uvloop.Loop):  # type: ignore[misc]
        """uvloop's loop, but for how it calls task factories."""

        _factory: Any = None

        def set_task_factory(self, factory: Any) -> None:
            """As asyncio's."""
            super().set_task_factory(_for_uvloop(factory) if callable(factory) else factory)
            self._factory = factory

        def get_task_factory(self) -> Any:
            """As asyncio's."""
            return self._factory

    return UvloopEventLoop


def _for_uvloop(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Call it as asyncio does. uvloop names arguments that have no value, which some don't know."""

    def make(loop: object, coro: object, **options: Any) -> Any:
        given = {name: value for name, value in options.items() if value is not None}
        return factory(loop, coro, **given)

    return make


def new_event_loop(*, engine: str | None = None) -> asyncio.AbstractEventLoop:
    """A new event loop, for a program that starts from asyncio.

    It is asyncio's own (or uvloop's) in all that it does, and costs the same. What is adapted by
    :func:`aio2trio` can be called on it: Trio starts with the first such call, and stands still
    while the loop does not run. Closing the loop cancels what Trio tasks there are, and waits for
    them to clean up. For example::

        with asyncio.Runner(loop_factory=trio_bridge.new_event_loop) as runner:
            runner.run(main())

    Args:
      engine: what implements the loop: ``"selector"``, ``"portable"`` (here the same loop),
        ``"uvloop"``, or ``None`` for the ``TRIO_BRIDGE_ENGINE`` variable and else the default.

    Returns:
      The loop; close it as any other.

    Raises:
      TypeError: ``engine`` is no string.
      ValueError: an unknown engine.
      ImportError: ``"uvloop"`` is meant, and is not installed.

    Not a checkpoint. Rules: 4.7 of the contract.
    """
    return _uvloop_class()() if engine_name(engine) == "uvloop" else SelectorEventLoop()
