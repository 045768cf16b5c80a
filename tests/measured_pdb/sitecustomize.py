"""Lets coverage see the debugger, in a process that has this directory on its path.

While a trace function runs, and a debugger is one, Python traces nothing: neither ``sys.settrace``
nor ``sys.monitoring`` tells what it does. ``sys.call_tracing`` lifts that. Then the debugger is
called for its own lines as well; to these it says no here.
"""

from __future__ import annotations

import bdb
import sys
import threading

dispatch = bdb.Bdb.trace_dispatch
dispatching = threading.local()


def trace_dispatch(self, frame, event, arg):
    if getattr(dispatching, "is_on", False):
        return None
    dispatching.is_on = True
    try:
        return sys.call_tracing(dispatch, (self, frame, event, arg))
    finally:
        dispatching.is_on = False


bdb.Bdb.trace_dispatch = trace_dispatch
