"""Plain functions of one side that code of the other side was given to call.

Some of them are called in another process: that of a pool, or of a cluster's worker. There is no
side to come back to there, so that what goes is the function itself. A function can't say so:
pickle takes it for what is found under its name. Hence a class.
"""

from __future__ import annotations

import copy
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from .._crossing.errors import readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .functions import Caller


class Callback:
    """Calls a function, method or partial on its own side. All else of it is the original's.

    ``isinstance`` takes it for an original, as frameworks look whether they got a function.

    Each caller has a class of its own: ``WeakMethod`` keeps of a method its class, its function and
    its object, and calls the first with the others to have the method again.
    """

    __slots__ = ("__dict__", "__weakref__", "__wrapped__")

    trio_bridge_caller: ClassVar[Caller]
    __wrapped__: Any

    def __new__(cls, fn: Callable[..., Any], *instance: object) -> Callback:
        if instance:
            adapter: Any = cls.trio_bridge_caller.adapt_once(MethodType(fn, *instance))
            return adapter  # type: ignore[no-any-return]
        self = object.__new__(cls)
        # What one may set on a function is set here, and not on the original.
        vars(self).update(vars(fn), __doc__=fn.__doc__, __module__=fn.__module__)
        self.__wrapped__ = fn
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.trio_bridge_caller.call(self.__wrapped__, args, kwargs)
        except BaseException as exc:
            raise readable(exc)  # noqa: B904 -- the same exception, with a shorter traceback

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> Callback:
        return self

    def __deepcopy__(self, memo: object) -> Callback:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        # copy() gives a function back as it is, and is there where trio_bridge isn't installed.
        return copy.copy, (self.__wrapped__,)


def callback_class(caller: Caller) -> type[Callback]:
    """The class of the callbacks of one caller."""
    return type("Callback", (Callback,), {"__slots__": (), "trio_bridge_caller": caller})
