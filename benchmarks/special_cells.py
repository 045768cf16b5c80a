"""What a worker can run besides the workloads of ``compare.py``: of growth, memory and fairness."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from contenders import Bridging
from contenders.asyncio_loops import Loop
from timing import timed
from workloads import growing, waking, weighing

if TYPE_CHECKING:
    from collections.abc import Callable

    from contenders import Contender
    from contenders._contender import Cells


def special_cells(contender: Contender) -> Cells:
    """By name; each is called with a size."""
    if isinstance(contender, Loop):
        return {**_on_any(contender), **_yardsticks(contender)}
    if isinstance(contender, Bridging):
        return {**_on_any(contender), **_on_bridge(contender)}
    return {}


def _on_any(contender: Contender) -> Cells:
    run = contender.run_asyncio
    return {
        growing.ECHO: functools.partial(run, timed, growing.echo),
        growing.TIMERS: functools.partial(run, timed, growing.timers),
        **_weighed(weighing.CONNECTION, run, weighing.connections),
        **_weighed(weighing.TASK, run, weighing.tasks),
    }


def _weighed(name: str, run: Callable[..., Any], *weigh: Any) -> Cells:
    return {
        name: functools.partial(run, *weigh, True),
        name + weighing.RESIDENT: functools.partial(run, *weigh, False),
    }


def _yardsticks(loop: Loop) -> Cells:
    run = loop.run_asyncio
    return {
        growing.CROSSINGS: functools.partial(run, timed, growing.tasks),
        **_weighed(weighing.CROSSING, run, weighing.tasks_of_tasks),
        waking.BESIDE_ECHO: functools.partial(run, waking.task_beside_echo),
        waking.BESIDE_TRIO: functools.partial(run, waking.task_beside_task),
    }


def _on_bridge(bridge: Bridging) -> Cells:
    run, to_asyncio = bridge.run_trio, bridge.to_asyncio
    return {
        growing.CROSSINGS: functools.partial(run, timed, growing.crossings(to_asyncio)),
        **_weighed(weighing.CROSSING, run, weighing.crossings, to_asyncio),
        weighing.LEFT: functools.partial(run, weighing.timers_left, to_asyncio),
        waking.BESIDE_ECHO: functools.partial(run, waking.trio_beside_echo, to_asyncio),
        waking.BESIDE_TRIO: functools.partial(run, waking.asyncio_beside_trio, to_asyncio),
    }
