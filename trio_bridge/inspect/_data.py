"""The tree as data: frozen, with nothing in it that leads back into the program."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind: TypeAlias = Literal[
    "Trio run",
    "Trio task",
    "Trio call",
    "nursery",
    "cancel scope",
    "asyncio loop",
    "asyncio task",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Frame:
    """One function in a stack, and the line that it has come to."""

    function: str
    """Its qualified name."""
    file: str
    """Its path."""
    line: int
    """The line's number; 0 if Python doesn't know."""
    code: str
    """The text of the line; empty if there is no source."""


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the tree.

    The kinds: a ``"Trio run"``; an ``"asyncio loop"``; a ``"Trio task"``; a ``"Trio call"``, which
    an asyncio task has made and waits for; an ``"asyncio task"``; a ``"nursery"``, which is a
    cancel scope too; and a ``"cancel scope"`` of its own.
    """

    kind: Kind
    """Which of these it is."""
    name: str
    """The task's, or of a Trio call its function's; of a loop its class's. Scopes have none."""
    function: str = ""
    """What an asyncio task runs."""
    waits_for: tuple[str, ...] = ()
    """The names of the tasks that an asyncio task awaits, or has given to ``gather``."""
    thread: str = ""
    """The name of the thread of a Trio run or a loop."""
    deadline: float | None = None
    """In how many seconds that of a nursery or scope is. Negative if it has passed; ``None`` if
    there is none."""
    is_shielded: bool = False
    """Whether a nursery or scope is."""
    is_cancelled: bool = False
    """Of a scope, whether ``cancel()`` was called on it or its deadline has passed; of an asyncio
    task, whether it is being cancelled; of a Trio call, whether asyncio has cancelled it; of a
    loop, whether its block has been cancelled."""
    is_running: bool = False
    """Whether it is in the middle of a step."""
    stack: tuple[Frame, ...] = ()
    """Where it waits, outermost first. A host's ends where it crosses; its guest's goes on."""
    children: tuple[Node, ...] = ()
    """What is inside of it, ends with it, and is cancelled with it."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What :func:`tree` returns. As a string it is what :func:`print_tree` prints."""

    roots: tuple[Node, ...]
    """The Trio runs, and the loops of programs that start from asyncio."""

    def walk(self) -> Iterator[tuple[int, Node]]:
        """All nodes, parents before children, each with its depth (0 for a root)."""
        pending = [(0, node) for node in reversed(self.roots)]
        while pending:
            depth, node = pending.pop()
            yield depth, node
            pending += [(depth + 1, child) for child in reversed(node.children)]

    def to_json(self) -> dict[str, Any]:
        """The tree as dicts, lists, strings, numbers, booleans and ``None``.

        ``{"roots": [NODE, ...]}``, where a NODE has the attributes of :class:`Node` by their names,
        with a list of NODEs as ``children`` and of FRAMEs as ``stack``; a FRAME has those of
        :class:`Frame`.
        """
        roots: list[dict[str, Any]] = []
        pending = [(node, roots) for node in reversed(self.roots)]
        while pending:
            node, siblings = pending.pop()
            data: dict[str, Any] = {name: getattr(node, name) for name in _NODE}
            data["waits_for"] = list(node.waits_for)
            data["stack"] = [
                {name: getattr(frame, name) for name in _FRAME} for frame in node.stack
            ]
            children: list[dict[str, Any]] = []
            data["children"] = children
            siblings.append(data)
            pending += [(child, children) for child in reversed(node.children)]
        return {"roots": roots}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tree:
        """The tree of which ``data`` is the :meth:`to_json`.

        Raises:
          ValueError: ``data`` is something else.
        """
        try:
            return cls(freeze(_drafts_from_json(data)))
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(
                "this is not what Tree.to_json() gives. Write\n"
                "    Tree.from_json(json.loads(json.dumps(tree.to_json())))"
            ) from exc

    def __str__(self) -> str:
        from ._text import plain  # it needs this module, to know what a tree is

        return plain(self)


_NODE: Final = Node.__match_args__
_FRAME: Final = Frame.__match_args__


class Draft:
    """A node that is being made."""

    __slots__ = ("attributes", "children", "is_hidden", "parent")

    def __init__(self, kind: Kind, name: str = "", **attributes: Any) -> None:
        self.attributes: Final[dict[str, Any]] = {"kind": kind, "name": name, **attributes}
        self.children: Final[list[Draft]] = []
        self.parent: Draft | None = None
        self.is_hidden = False
        """Its children take its place."""

    def attach(self, child: Draft) -> None:
        """Make it the parent of ``child``, if that has none."""
        # What looks in the middle of a step may see a thing in two places: there are no cycles.
        if child.parent is None and not self._is_inside(child):
            child.parent = self
            self.children.append(child)

    def _is_inside(self, other: Draft) -> bool:
        draft: Draft | None = self
        while draft is not None and draft is not other:
            draft = draft.parent if other.children else None
        return draft is not None


def freeze(roots: list[Draft]) -> tuple[Node, ...]:
    """The nodes of drafts. Without recursion: tasks may be nested as deep as they like."""
    visible: list[tuple[Draft, Draft | None]] = []  # with its parent, parents first
    pending: list[tuple[Draft, Draft | None]] = [(root, None) for root in reversed(roots)]
    while pending:
        draft, parent = pending.pop()
        if not draft.is_hidden:
            visible.append((draft, parent))
            parent = draft
        pending += [(child, parent) for child in reversed(draft.children)]
    nodes: defaultdict[Draft | None, list[Node]] = defaultdict(list)  # the last child first
    for draft, parent in reversed(visible):
        children = tuple(reversed(nodes.pop(draft, [])))
        nodes[parent].append(Node(**draft.attributes, children=children))
    return tuple(reversed(nodes[None]))


def _drafts_from_json(data: Mapping[str, Any]) -> list[Draft]:
    top = Draft("Trio run")
    pending = [(root, top) for root in reversed(data["roots"])]
    while pending:
        attributes, parent = pending.pop()
        attributes = dict(attributes)
        children = attributes.pop("children")
        attributes["waits_for"] = tuple(attributes["waits_for"])
        attributes["stack"] = tuple(Frame(**frame) for frame in attributes["stack"])
        if attributes["kind"] not in KINDS:
            raise TypeError(attributes["kind"])
        draft = Draft(**attributes)
        parent.attach(draft)
        pending += [(child, draft) for child in reversed(children)]
    return top.children
