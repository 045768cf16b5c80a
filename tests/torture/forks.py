"""A busy program forks, wherever its code is, and goes on.

Promised: the parent's loops go on, on both sides, with the connections and descriptors that they
had; the child's exit status arrives; and a child that leaves by ``os._exit`` may run programs of
its own before, with ``trio_bridge.run``, in new threads too, with ``asyncio.run`` and with
``new_event_loop``, wherever it was forked.

The program, started from Trio and from asyncio, forks by ``os.fork`` in Trio code, in asyncio code,
in callbacks of both, in threads of both, and by ``multiprocessing`` with the ``fork`` method, a
process and a pool. Meanwhile it makes crossings, ticks on both sides, and talks to itself over a
connection that lives through all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .child import Child

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = ("selector", "uvloop", "portable")
STARTERS = ("run", "runner")
SHORT = {"count": 28, "limit": 100}
LONG = {"count": 2000, "limit": 3600}

CHILDREN = {
    "exit_with": "children that exit",
    "run_its_own": "children that run trio_bridge.run",
    "run_in_a_thread": "children that run it in a new thread",
    "run_each_kind": "children that run it, and asyncio.run",
}


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    count: int,
    limit: float,
) -> dict[str, int | float | str]:
    repeat = f"forks, engine {engine}, seed {seed}, count {count}"
    with Child(
        "forking",
        engine,
        seed=seed,
        count=count,
        starters=STARTERS,
        limit=limit,
        repeat=repeat,
    ) as child:
        figures = child.figures(progress)
    assert figures["descriptors_left"] == 0, f"{figures}; {repeat}"
    found: dict[str, int | float | str] = {}
    for starter in STARTERS:
        of = figures[starter]
        before, after = of["before"]["descriptors"], of["after"]["descriptors"]
        assert after <= before, f"{starter}: {before} descriptors, then {after}; {repeat}"
        found[f"{starter}: forks"] = sum(of["forks"].values())
        found |= {
            f"{starter}: {words}": of["forks"][work]
            for work, words in CHILDREN.items()
            if work in of["forks"]
        }
    return found | {"descriptors left": figures["descriptors_left"]}
