"""Objects, classes and modules as seen from the other side.

1. There is one view class for each type of object (:mod:`.view`). It has the special methods that
   the type has (:mod:`.protocols`), so that ``async with`` and ``len()`` find what they look for.
2. An attribute is adapted when it is got. A function of the object's type becomes a method of the
   view class when it is used first, and costs from then on little more than a decorated function.
3. What goes in loses its view: the original code sees its own objects. A plain function that goes
   in belongs to the caller's side, and becomes a callback that runs on that side. An async function
   goes in as it is: it belongs to the side that will run it (``nursery.start_soon``).
4. On the object's own side a view does what the object does.
"""

from __future__ import annotations

import importlib
import inspect
import types
from typing import TYPE_CHECKING, Any, Final

from .awaitables import AwaitableView
from .by_identity import ByIdentity
from .contents import unview_contents
from .functions import CallbackCaller, Caller, as_is, is_async_function, original_of
from .iterators import generator, originals
from .kinds import SIMPLE, is_container, is_data, is_data_class, is_data_type
from .protocols import view_class_of
from .sides import ASYNCIO, TRIO, other
from .view import CALLABLES, View, new_view, original_behind
from .view_type import ViewType

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sides import Side

FUNCTIONS: Final = (
    *(*CALLABLES, types.BuiltinFunctionType, types.MethodWrapperType),
    *(types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType),
)


class InstalledMethod:
    """A function of the originals' type, as a method of its view class."""

    def __init__(self, views: Views, name: str, function: Any) -> None:
        self._views: Final = views
        self._name: Final = name
        self._function: Final = function
        self.adapter: Final = views.functions.adapt(function)

    def __get__(self, view: View | None, owner: type) -> Any:
        if view is None:
            return self.adapter
        current = getattr(view.trio_bridge_original, self._name)
        if type(current) is types.MethodType and current.__func__ is self._function:
            return types.MethodType(self.adapter, view)
        return self._views.adapt(current)  # it was exchanged, in the object or in its class


class InstalledFunction(InstalledMethod):
    """A function of a module, in the view class of that module."""

    def __get__(self, view: View | None, owner: type) -> Any:
        if view is None:
            return self.adapter
        current = getattr(view.trio_bridge_original, self._name)
        return self.adapter if current is self._function else self._views.adapt(current)


class Views:
    """The views of one side's objects, and how things cross to and from that side."""

    def __init__(self, side: Side) -> None:
        self.side: Final = side
        self.functions: Final = Caller(side, self.argument, self.adapt, self.own_argument)
        # Weak: types that are gone are forgotten. (A view class has no reference to its type.)
        self._makers: Final[ByIdentity[Callable[[Any], Any]]] = ByIdentity()
        self._maker_of: Final = self._makers.value_of
        self._makers_of_kinds: Final = (
            (View, self._adapt_view),
            (type, self._adapt_class),
            (types.ModuleType, self._adapt_module),
            (FUNCTIONS, self._adapt_function),
            (types.CoroutineType, self._adapt_coroutine),
            (types.GeneratorType, self._adapt_plain_generator),
            (types.AsyncGeneratorType, self._adapt_generator),
            (AwaitableView, as_is),
        )
        self._classes: Final[ByIdentity[type[View]]] = ByIdentity()

    # ---- out of the side

    def adapt(self, value: Any) -> Any:
        """What the other side gets for a value of this side."""
        cls = type(value)
        if value is None or cls is int or cls is str or id(cls) in SIMPLE:
            return value
        maker = self._maker_of(id(cls))
        if maker is None:
            maker = self._makers[cls] = self._maker(cls)
        return maker(value)

    def _maker(self, cls: type) -> Callable[[Any], Any]:
        if is_container(cls):
            return self._adapt_container
        if not issubclass(cls, View | type) and is_data_type(cls):
            return as_is
        for kinds, maker in self._makers_of_kinds:
            if issubclass(cls, kinds):
                return maker
        view_class = self.view_class(cls)
        return lambda value: new_view(view_class, value)

    def _adapt_view(self, view: View) -> Any:
        return view if view.trio_bridge_views is self else view.trio_bridge_original

    def _adapt_class(self, cls: type) -> Any:
        return cls if is_data_class(cls) else new_view(self.view_class(type(cls)), cls)

    def _adapt_container(self, container: Any) -> Any:
        if is_data(container):
            return container
        if isinstance(container, tuple):
            items = map(self.adapt, container)
            return tuple.__new__(type(container), items)  # a named tuple may have a __new__
        return new_view(self.view_class(type(container)), container)

    def _adapt_module(self, module: types.ModuleType) -> Any:
        return new_view(self.view_class(type(module), module), module)

    def _adapt_function(self, fn: Any) -> Any:
        found = original_of(fn)
        if found is None:
            return self.functions.adapt_once(fn)
        return fn if found[0] is self.side else found[1]

    def _adapt_coroutine(self, coroutine: Any) -> Any:
        return AwaitableView(self.side, coroutine, self.adapt)

    def _adapt_plain_generator(self, original: Any) -> Any:
        if inspect.isawaitable(original):  # made by @types.coroutine
            return self._adapt_coroutine(original)
        return new_view(self.view_class(type(original)), original)

    def _adapt_generator(self, original: Any) -> Any:
        found = originals.get(original)
        if found is None:
            return generator(self.side, original, self.adapt)
        return original if found[0] is self.side else found[1]

    # ---- into the side

    def argument(self, value: Any) -> Any:
        """What this side gets for a value of the other side."""
        cls = type(value)
        if issubclass(type(cls), ViewType):  # first, as each call of a method has one
            return value.trio_bridge_original if value.trio_bridge_views is self else value
        if value is None or cls is int or cls is str or id(cls) in SIMPLE:
            return value
        # Functions written in C (json's, a list's append) and classes run on any side.
        if issubclass(cls, CALLABLES):
            return self._callback(value)
        return self.own_argument(value)

    def own_argument(self, value: Any) -> Any:
        """What this side gets for a value that comes from this side, perhaps in a view.

        The views of the other side's objects are made for this side, and stay.
        """
        if is_container(type(value)):
            return unview_contents(value, self.own_argument)
        return original_behind(value, self)

    def _callback(self, fn: Any) -> Any:
        found = original_of(fn)
        if found is not None:
            return found[1] if found[0] is self.side else fn
        if is_async_function(fn) or inspect.isasyncgenfunction(fn):
            return fn  # who takes it runs it: nursery.start_soon(trio_function)
        return CALLBACKS[self.side].adapt_once(fn)

    # ---- pickles

    def reduce(self, original: Any) -> tuple[Any, ...]:
        """How to pickle a view: its original, which a module is found again by name."""
        if isinstance(original, types.ModuleType):
            return _view_of_module, (self.side.adapter, original.__name__)
        return _view_of_object, (self.side.adapter, original)

    # ---- view classes

    def view_class(self, cls: type, module: types.ModuleType | None = None) -> type[View]:
        """The class of the views of a type, or of one module."""
        key = cls if module is None else module
        view_class = self._classes.value_of(id(key))
        if view_class is None:
            view_class = self._classes[key] = view_class_of(self, cls)
        return view_class

    def raw_view(self, awaitable: Any) -> Any:
        """A view of a future or task, that gives the very value which the other side has set."""
        base = self.view_class(type(awaitable))
        view_class: Any = self._classes.value_of(id(base))
        if view_class is None:
            namespace = {"__slots__": (), "trio_bridge_adapts_awaited": False}
            view_class = self._classes[base] = ViewType(base.__name__, (base,), namespace)  # type: ignore[assignment]
        return new_view(view_class, awaitable)

    def install(self, view_class: type[View], original: Any, name: str) -> bool:
        """Make a function of the original's type a method of the view class, if it is one."""
        if isinstance(original, types.ModuleType):
            function = vars(original).get(name)
            if isinstance(function, types.FunctionType) and original_of(function) is None:
                setattr(view_class, name, InstalledFunction(self, name, function))
                return True
            return False
        if isinstance(original, type):
            return False
        function = inspect.getattr_static(type(original), name, None)
        if not isinstance(function, types.FunctionType) or original_of(function) is not None:
            return False
        current = getattr(original, name)
        if type(current) is not types.MethodType or current.__func__ is not function:
            return False
        setattr(view_class, name, InstalledMethod(self, name, function))
        return True


def _view_of_module(adapter: str, name: str) -> Any:
    return _view_of_object(adapter, importlib.import_module(name))


def _view_of_object(adapter: str, original: Any) -> Any:
    side = ASYNCIO if adapter == ASYNCIO.adapter else TRIO
    return VIEWS[side].adapt(original)


VIEWS: Final[dict[Side, Views]] = {ASYNCIO: Views(ASYNCIO), TRIO: Views(TRIO)}
CALLBACKS: Final[dict[Side, Caller]] = {
    side: CallbackCaller(other(side), views.adapt, views.argument, as_is)
    for side, views in VIEWS.items()
}
"""For each side: how the other side's functions are called by its code."""
