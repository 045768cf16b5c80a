"""What people do wrong, and the error that each gets: one catalogue.

A bad input is a function that does one thing wrong, with the type of the error that is documented
for it and the words that its message must hold. ``docs/errors.md`` is made from it
(``python -m tests.torture.bad_inputs``); ``tests/test_misuse.py`` gives each one to a loop of its
own, and the campaign ``fuzz`` all of them to one loop, in any order, which must go on.
"""

from __future__ import annotations

from . import (
    adapters,
    awaitables,
    calls,
    generators,
    launcher,
    loops,
    managers,
    nurseries,
    objects,
    options,
    sides,
)
from .kinds import BadInput, CommandLine

MODULES = (
    *(options, sides, awaitables, generators, managers, nurseries, objects, adapters, calls),
    loops,
)
INPUTS: tuple[BadInput, ...] = tuple(
    value for module in MODULES for value in vars(module).values() if isinstance(value, BadInput)
)
COMMAND_LINES: tuple[CommandLine, ...] = launcher.COMMAND_LINES
