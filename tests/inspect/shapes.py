"""What the tests compare trees by."""

from __future__ import annotations

import re
from pathlib import Path

from trio_bridge.inspect import Tree

HERE = str(Path(__file__).parent)


def settled(tree):
    """The tree without what differs from run to run, and from one Trio or Python to the next.

    Lines of libraries lose their number and text, and asyncio's own task names are counted anew.
    """
    data = tree.to_json()
    numbers = {}

    def renumber(name):
        if re.fullmatch(r"Task-\d+", name):
            return f"Task-{numbers.setdefault(name, len(numbers) + 1)}"
        return name

    for node in nodes(data):
        if node["kind"] == "asyncio task":
            node["name"] = renumber(node["name"])
        if node["kind"] == "asyncio loop":
            node["name"] = ""  # it depends on the engine
        node["waits_for"] = [renumber(name) for name in node["waits_for"]]
        for frame in node["stack"]:
            if not frame["file"].startswith(HERE):
                frame.update(line=0, code="")
    return Tree.from_json(data)


def nodes(data):
    """All nodes of a tree that is JSON, parents first."""
    pending = list(reversed(data["roots"]))
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(node["children"])


def outline(tree):
    """The text of a tree without stacks, and without seconds."""
    data = tree.to_json()
    for node in nodes(data):
        node["stack"] = []
        node["deadline"] = None if node["deadline"] is None else round(node["deadline"])
    return str(settled(Tree.from_json(data)))


def find(tree, kind, name=None):
    """The one node of a kind, or of a name."""
    found = [node for _, node in tree.walk() if node.kind == kind and name in (None, node.name)]
    assert len(found) == 1, f"{len(found)} of {kind} {name}:\n{tree}"
    return found[0]
