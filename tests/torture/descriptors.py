"""Descriptors run out, and come back.

Promised: what needs a descriptor that isn't there fails by an ``OSError`` that says so (``EMFILE``)
or is its cause, leaves nothing open, and works when there are descriptors again. A server goes on:
who connects meanwhile is served afterwards.

A process with room for few descriptors uses all but 0, 1, 2 ... of them, and then connects, serves,
runs processes, opens pipes, datagram endpoints and loops, from asyncio and from Trio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .child import Child

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = ("selector", "uvloop", "portable")
NOT_ON_UVLOOP = ("run_process", "run_shell")
"""uvloop leaves pipes and handles open of processes that it can't start: see docs/engines.md."""
SHORT = {"count": 1, "most_free": 3, "limit": 100}
LONG = {"count": 5, "most_free": 12, "limit": 3600}


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    count: int,
    most_free: int,
    limit: float,
) -> dict[str, int | float | str]:
    repeat = f"descriptors, engine {engine}, count {count}, most_free {most_free} (seed {seed})"
    with Child(
        "few_descriptors",
        engine,
        count=count,
        most_free=most_free,
        without=NOT_ON_UVLOOP if engine == "uvloop" else (),
        limit=limit,
        repeat=repeat,
    ) as child:
        figures = child.figures(progress)
    assert not figures["wrong"], f"errors of another kind: {figures['wrong']}; {repeat}"
    assert not figures["more"], f"more is open than before: {figures['more']}; {repeat}"
    assert not figures["leaks"], f"these left descriptors open: {figures['leaks']}; {repeat}"
    assert figures["left"] == 0, f"descriptors left: {figures}; {repeat}"
    return {
        "refused": figures["refused"],
        "worked with the few": figures["worked"],
        "worked again": figures["refused"] + figures["worked"],
        "clients served afterwards": figures["accepted_later"],
    }
