"""Calls a function with each line of the mutated modules that this process comes to.

A line is noticed at its first run since :func:`restart`, in any thread or greenlet
(``sys.monitoring``, Python 3.12 and later).
"""

from __future__ import annotations

import sys
from pathlib import Path

MUTATED = (
    "_crossing",
    "_nursery.py",
    "_task_nursery.py",
    "_call_nursery.py",
    "_guest_nursery.py",
    "_cancelled_once.py",
)
PACKAGE = Path(__file__).parents[2] / "trio_bridge"
TOOL = 4
monitoring = sys.monitoring


def _module(filename):
    """Its path below the package, if it is one of the mutated."""
    path = Path(filename)
    if not path.is_relative_to(PACKAGE):
        return None
    below = path.relative_to(PACKAGE)
    return below.as_posix() if below.parts[0] in MUTATED else None


def watch(came_to):
    """Call ``came_to(module, number)`` from now on."""
    modules = {}

    def line(code, number):
        filename = code.co_filename
        if filename not in modules:
            modules[filename] = _module(filename)
        if modules[filename] is not None:
            came_to(modules[filename], number)
        return monitoring.DISABLE

    monitoring.use_tool_id(TOOL, "tests/mutation")
    monitoring.register_callback(TOOL, monitoring.events.LINE, line)
    monitoring.set_events(TOOL, monitoring.events.LINE)


def restart():
    """Notice once more what was noticed already."""
    monitoring.restart_events()


def stop():
    monitoring.set_events(TOOL, monitoring.events.NO_EVENTS)
    monitoring.free_tool_id(TOOL)
