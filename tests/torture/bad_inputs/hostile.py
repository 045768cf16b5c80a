"""Objects that are as bad as Python lets them be."""

from __future__ import annotations


class Mischief(Exception):
    """What they raise: it has to come out as it is."""


def fails(*args, **kwargs):
    raise Mischief("of the object's own")


class RaisesOnRepr:
    __repr__ = __str__ = fails


class RaisesOnEquality(RaisesOnRepr):
    __eq__ = __ne__ = __hash__ = __bool__ = __len__ = __format__ = fails


class RaisesOnEverything(RaisesOnEquality):
    """Every look at it fails."""

    __getattribute__ = __setattr__ = __delattr__ = __dir__ = fails
    __call__ = __iter__ = __getitem__ = __contains__ = fails


class SaysYes:
    """``__getattr__`` lies: it has whatever it is asked for."""

    def __getattr__(self, name):
        return SaysYes()

    def __call__(self, *args, **kwargs):
        return SaysYes()


class LooksForever:
    """``__getattr__`` looks for what it needs by ``__getattr__``."""

    def __getattr__(self, name):
        return getattr(self, name + "_")


class RaisingProperty:
    @property
    def value(self):
        raise Mischief("of the object's own")

    @property
    def missing(self):
        raise AttributeError("of the object's own")

    def method(self):
        return 1


class UnhashableMeta(type):
    """A class of it can't be a key."""

    def __eq__(cls, other):
        return NotImplemented


class RaisingMeta(type):
    def __getattr__(cls, name):
        raise Mischief("of the class's own")

    def __hash__(cls):
        raise Mischief("of the class's own")

    __eq__ = __repr__ = __instancecheck__ = __subclasscheck__ = __getattr__


class Unhashable(metaclass=UnhashableMeta):
    def method(self):
        return 1


class OfRaisingMeta(metaclass=RaisingMeta):
    def method(self):
        return 1


def claims(cls):
    """An object whose ``__class__`` says that it is a ``cls``."""

    class Claims:
        __class__ = property(lambda self: cls)

    return Claims()
