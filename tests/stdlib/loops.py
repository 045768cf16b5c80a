"""Which loops the tests of asyncio get, and a record of those that they made.

A test makes its loop in many ways: through the policy, by the class's name in ``asyncio``, with
``Runner`` or ``run``, in a process that it spawns. So:

1. Our class stands wherever asyncio keeps its own: as each name in its modules, and as what the
   default policy makes. This is done before a test module is imported.
2. Every loop that is made is recorded with its class, whoever made it. A test that still got a loop
   of the stock class is found by this record, and by nothing else.
3. In the mode ``"guest"`` Trio is started in our loop by the first callback of its first run.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio import base_events, unix_events
from dataclasses import dataclass, field
from typing import Final

MODES: Final = ("stock", "bridge", "guest")

# Bound before anything is replaced.
_stock: Final = unix_events._UnixSelectorEventLoop
_init: Final = base_events.BaseEventLoop.__init__


@dataclass
class Record:
    """What became of the loops of one test."""

    loops: list[str] = field(default_factory=list)
    """A kind for each: ``ours``, ``stock``, or the name of a class that a test defines itself."""
    trio_starts: int = 0
    failed_starts: list[str] = field(default_factory=list)


record = Record()


def take_record() -> Record:
    """What was recorded since the last call."""
    global record
    taken, record = record, Record()
    return taken


def start_trio(loop: asyncio.AbstractEventLoop) -> None:
    """Make Trio the guest of our loop. Called in the loop, while it runs."""
    from trio_bridge._guest import bridge_of

    bridge_of(loop)


def install(mode: str) -> None:
    """Have the loops recorded, and ours in the place of asyncio's unless the mode is ``stock``."""
    ours = None
    if mode != "stock":
        ours = _class_of_ours()
        _replace_stock_by(ours)
    if mode == "guest":
        _start_trio_in(ours)

    def __init__(loop, *args, **kwargs):
        record.loops.append(_kind(type(loop), ours))
        _init(loop, *args, **kwargs)

    base_events.BaseEventLoop.__init__ = __init__


def _class_of_ours() -> type[asyncio.AbstractEventLoop]:
    import trio_bridge

    loop = trio_bridge.new_event_loop(engine="selector")
    loop.close()
    return type(loop)


def _replace_stock_by(ours: type) -> None:
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "asyncio"]
    for module in modules:
        for name, value in list(vars(module).items()):
            if value is _stock:
                setattr(module, name, ours)
            elif isinstance(value, type) and vars(value).get("_loop_factory") is _stock:
                value._loop_factory = ours  # a policy


def _kind(loop_class: type, ours: type | None) -> str:
    if ours is not None and issubclass(loop_class, ours):
        return "ours"
    if issubclass(loop_class, _stock):
        return "stock"
    return f"{loop_class.__module__}.{loop_class.__qualname__}"


def _start_trio_in(ours: type) -> None:
    run_forever = ours.run_forever
    has_run = weakref.WeakSet()

    def start(loop):
        try:
            start_trio(loop)
        except BaseException as exc:
            record.failed_starts.append(repr(exc))
            raise
        record.trio_starts += 1

    def run(loop):
        may_run = not loop.is_closed() and asyncio._get_running_loop() is None
        if may_run and loop not in has_run:
            has_run.add(loop)
            # In front of what was scheduled before the loop ran.
            loop._ready.appendleft(asyncio.Handle(start, (loop,), loop))
        run_forever(loop)

    ours.run_forever = run
