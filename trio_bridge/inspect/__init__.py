"""The task tree of both worlds as one: Trio's tasks, nurseries and scopes, and asyncio's tasks.

:func:`print_tree` shows it, :func:`tree` gives it as data, :func:`write_html` as a page. All of
them only look: no task is made, no checkpoint passed, no exception retrieved, nothing kept. They
may be called from any code: Trio's, asyncio's, a signal handler, another thread.

The tree has all Trio runs and loops of the process that the bridge knows of, and what runs in the
calling thread. What a thing hangs under:

1. a Trio task: its nursery, and that the scopes around it, in the task that opened them;
2. a guest: the scopes around the crossing, in its host's task;
3. a Trio call: the asyncio task that made it, or the nursery which that has open around it;
4. an asyncio task that asyncio code started: the asyncio nursery that owns it, or else its loop; a
   loop hangs where it was opened.

Frames of the bridge's own are left out, and of those of Trio or asyncio in a row all but the first.
"""

from ._collect import tree
from ._data import Frame, Node, Tree
from ._html import write_html
from ._text import print_tree

__all__ = ["Frame", "Node", "Tree", "print_tree", "tree", "write_html"]
