"""Views that go in inside of containers: the originals take their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .kinds import holds_simple, is_container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Unview = Callable[[Any], Any]


def unview_contents(container: Any, unview: Unview) -> Any:
    """The container with originals for views, however deep; the same object if it has none.

    The same, as the code that gets it may keep it, or fill it. A container that holds itself stays
    as it is where it does.
    """
    if not any(unview(value) is not value for value in _all_values(container)):
        return container
    return _Copy(unview).of(container)


def _all_values(container: Any) -> Iterator[Any]:
    """What the containers in a container hold, each once."""
    seen: set[int] = set()
    found = [container]
    while found:
        part = found.pop()
        if id(part) in seen or holds_simple(part):
            continue
        seen.add(id(part))
        for value in _values(part):
            if is_container(type(value)):
                found.append(value)
            else:
                yield value


def _values(container: Any) -> list[Any]:
    return [*container, *container.values()] if isinstance(container, dict) else list(container)


class _Copy:
    def __init__(self, unview: Unview) -> None:
        self._unview = unview
        # Each container is copied once, however often it is held. (The container is kept too: its
        # id is its own as long as it lives.)
        self._copies: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any) -> Any:
        if not is_container(type(value)):
            return self._unview(value)
        if id(value) not in self._copies:
            self._copies[id(value)] = (value, value)  # until the copy is made: it may hold itself
            self._copies[id(value)] = (value, self._copy(value))
        return self._copies[id(value)][1]

    def _copy(self, container: Any) -> Any:
        old = _values(container)
        new = [self.of(value) for value in old]
        if all(one is another for one, another in zip(old, new, strict=True)):
            return container
        if isinstance(container, tuple):
            return tuple.__new__(type(container), new)  # a named tuple may have a __new__
        if isinstance(container, frozenset):
            return frozenset(new)
        copy = container.copy()  # keeps a deque's maxlen, a defaultdict's default_factory
        copy.clear()
        if isinstance(container, dict):
            half = len(container)
            copy.update(zip(new[:half], new[half:], strict=True))
        elif isinstance(container, set):
            copy.update(new)
        else:
            copy.extend(new)
        return copy
