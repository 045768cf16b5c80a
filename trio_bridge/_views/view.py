"""One object of one side as the other sees it, and the way back to the original."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from .._crossing.errors import readable
from .awaitables import AwaitableView
from .callbacks import Callback
from .functions import original_of
from .iterators import originals
from .kinds import has_special
from .view_type import ViewType

if TYPE_CHECKING:
    from collections.abc import Callable

    from .iterators import Iteration
    from .objects import Views

T = TypeVar("T")

CALLABLES: Final = (types.FunctionType, types.MethodType, functools.partial, Callback)


class View(metaclass=ViewType):
    """What each view class inherits: attributes, identity, printing, copying.

    The names of its own begin with ``trio_bridge``, to leave all others to the original.
    """

    __slots__ = ("__weakref__", "trio_bridge_iteration", "trio_bridge_original")

    trio_bridge_original: Any
    trio_bridge_iteration: Iteration | None
    trio_bridge_views: ClassVar[Views]
    trio_bridge_runs_code: ClassVar[dict[str, bool]]
    """Of the attributes that were got so far, whether getting them may run the original's code."""
    trio_bridge_adapts_awaited: ClassVar[bool] = True

    # ---- attributes

    def __getattr__(self, name: str) -> Any:
        # Only what the view class doesn't have comes here: see Views.install.
        original = self.trio_bridge_original
        if name.startswith("__"):
            return getattr(original, name)
        views = self.trio_bridge_views
        if name not in self.trio_bridge_runs_code and views.install(type(self), original, name):
            return getattr(self, name)
        try:
            return views.adapt(self._get(name))
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    def _get(self, name: str) -> Any:
        """An attribute; on the original's side if getting it may run code of the original's."""
        original = self.trio_bridge_original
        runs_code = self.trio_bridge_runs_code.get(name)
        if runs_code is None:
            static = inspect.getattr_static(type(original), name, None)
            is_descriptor = static is not None and hasattr(type(static), "__get__")
            runs_code = is_descriptor or has_special(type(original), "__getattr__")
            self.trio_bridge_runs_code[name] = runs_code
        if runs_code:
            return self._on_its_side(getattr, original, name)
        return getattr(original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        views = self.trio_bridge_views
        value = views.own_argument(value) if views.side.is_own() else views.argument(value)
        try:
            self._on_its_side(setattr, self.trio_bridge_original, name, value)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    def __delattr__(self, name: str) -> None:
        try:
            self._on_its_side(delattr, self.trio_bridge_original, name)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    def _on_its_side(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        side = self.trio_bridge_views.side
        # Without a loop too: a module's attributes are wanted at import time.
        return side.call(fn, *args) if side.can_call() else fn(*args)

    def __dir__(self) -> list[str]:
        return dir(self.trio_bridge_original)

    # ---- what it equals, how it is printed, copied and pickled

    def __eq__(self, another: object) -> Any:
        return self.trio_bridge_original == unview(another)

    def __ne__(self, another: object) -> Any:
        return self.trio_bridge_original != unview(another)

    def __hash__(self) -> int:
        return hash(self.trio_bridge_original)

    def __repr__(self) -> str:
        return f"{self.trio_bridge_views.side.adapter}({self.trio_bridge_original!r})"

    def __str__(self) -> str:
        cls: Any = type(self.trio_bridge_original)
        has_own = cls.__str__ is not object.__str__
        return str(self.trio_bridge_original) if has_own else repr(self)

    def __format__(self, spec: str) -> str:
        cls: Any = type(self.trio_bridge_original)
        has_own = cls.__format__ is not object.__format__
        return format(self.trio_bridge_original, spec) if spec or has_own else str(self)

    def __copy__(self) -> Any:
        return self.trio_bridge_views.adapt(copy.copy(self.trio_bridge_original))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.trio_bridge_views.adapt(copy.deepcopy(self.trio_bridge_original, memo))

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return self.trio_bridge_views.reduce(self.trio_bridge_original)


_set_original: Final = View.__dict__["trio_bridge_original"].__set__
set_iteration: Final = View.__dict__["trio_bridge_iteration"].__set__


def new_view(view_class: type[View], original: Any) -> Any:
    """A view of an object."""
    view = object.__new__(view_class)
    _set_original(view, original)
    set_iteration(view, None)
    return view


def unview(v: T) -> T:
    """The original behind a view.

    Args:
      v: what ``trio2aio`` or ``aio2trio`` returned, or something that was got from it.

    Returns:
      The original; ``v`` itself if it is no view. Not a checkpoint.
    """
    original: T = original_behind(v)
    return original


def original_behind(v: Any, views: Views | None = None) -> Any:
    """As :func:`unview`; with ``views``, only what stands for an original of theirs."""
    cls = type(v)
    if issubclass(cls, View):
        found = v.trio_bridge_views, v.trio_bridge_original
        return found[1] if views in (None, found[0]) else v
    if issubclass(cls, CALLABLES):
        adapter = original_of(v)
    elif cls is AwaitableView:
        adapter = v.side, v.original
    elif cls is types.AsyncGeneratorType:
        adapter = originals.get(v)
    else:
        return v
    if adapter is None or (views is not None and adapter[0] is not views.side):
        return v
    return adapter[1]
