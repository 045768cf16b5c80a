"""Threads call a loop that is busy, whose executor is full, and that closes meanwhile.

Promised: each ``call_soon_threadsafe`` is either run or refused with ``RuntimeError``, each future
of ``run_coroutine_threadsafe`` ends, ``trio.from_thread.run`` returns or is refused, and no thread
is left waiting. Stock asyncio promises none of that: it drops what it has accepted when it closes.

Several threads call as fast as they can, each in one way, until they are refused; the main function
returns at a moment of chance, while the default executor has more jobs than workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .child import Child

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = ("selector", "uvloop", "portable")
SHORT = {"count": 10, "callers": 6, "limit": 100}
LONG = {"count": 1500, "callers": 8, "limit": 3600}


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    count: int,
    callers: int,
    limit: float,
) -> dict[str, int | float | str]:
    repeat = f"threads, engine {engine}, seed {seed}, count {count}, callers {callers}"
    with Child(
        "calling_threads",
        engine,
        seed=seed,
        count=count,
        callers=callers,
        limit=limit,
        repeat=repeat,
    ) as child:
        figures = child.figures(progress)
    if engine in ENGINES:  # and not a stock loop, for comparison
        assert figures["lost"] == 0, f"calls were accepted and never run: {figures}; {repeat}"
        assert figures["never_ended"] == 0, f"futures never end: {figures}; {repeat}"
    assert figures["left"] == [0, 0], f"descriptors, threads: {figures}; {repeat}"
    return {
        "loops closed": count,
        "calls run": figures["run"],
        "calls refused": figures["refused"],
        "calls cancelled": figures["cancelled"],
        "calls lost": figures["lost"],
        "futures that never end": figures["never_ended"],
    }
