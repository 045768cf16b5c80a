"""What SQLAlchemy marks: greenlets in which plain code may wait, and classes that it maps."""

from __future__ import annotations

import sys


def may_wait_in_greenlet() -> bool:
    """Whether plain code that is called here may suspend the asyncio task."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return False
    return getattr(greenlet.getcurrent(), "__sqlalchemy_greenlet_provider__", False)


def is_mapped(cls: type) -> bool:
    """Whether SQLAlchemy keeps instances of the class in tables."""
    return any("_sa_class_manager" in vars(base) for base in cls.__mro__)
