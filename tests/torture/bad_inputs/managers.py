"""Context managers that are broken, and those that are used in a broken way."""

from __future__ import annotations

import asyncio

import trio

from trio_bridge import aio2trio, open_loop, trio2aio

from .hostile import Mischief, fails
from .kinds import asyncio_own, asyncio_side, bad, own


async def nothing(*args):
    pass


class Manager:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *details):
        pass


def made_of(**methods):
    """A manager with these methods instead."""
    return type("Broken", (Manager,), methods)()


@own(TypeError, "__aenter__", "await")
async def an_enter_that_is_not_async():
    """`__aenter__` is no async function"""
    async with trio2aio(made_of(__aenter__=lambda self: 42)):
        pass


@own(Mischief, "of the object's own")
async def an_enter_that_raises():
    """`__aenter__` raises"""
    async with trio2aio(made_of(__aenter__=fails)):
        pass


@own(Mischief, "of the object's own")
async def an_exit_that_raises():
    """`__aexit__` raises"""
    async with trio2aio(made_of(__aexit__=fails)):
        pass


@own(TypeError, "__aexit__", "await")
async def an_exit_that_is_not_async():
    """`__aexit__` is no async function"""
    async with trio2aio(made_of(__aexit__=lambda self, *details: 42)):
        pass


@own(TypeError, "__aexit__")
async def no_exit():
    """There is no `__aexit__`"""

    class NoExit:
        async def __aenter__(self):
            return self

    async with trio2aio(NoExit()):
        pass


@asyncio_own(TypeError, "__aexit__")
async def no_exit_in_trio():
    """There is no `__aexit__` in a Trio manager"""

    class NoExit:
        async def __aenter__(self):
            return self

    async with aio2trio(NoExit()):
        pass


@own(TypeError, "asynchronous context manager")
async def no_plain_exit():
    """There is no `__exit__`"""

    class NoExit:
        def __enter__(self):
            return self

    async with trio2aio(NoExit()):
        pass


@own(Mischief, "of the object's own")
async def an_exit_with_no_answer():
    """What `__aexit__` returns raises in its `__bool__`"""

    class Answer:
        __bool__ = fails

    async def leave(self, *details):
        return Answer()

    async with trio2aio(made_of(__aexit__=leave)):
        raise ValueError


@asyncio_own(Mischief, "of the object's own")
async def a_trio_enter_that_raises():
    """`__aenter__` of a Trio manager raises"""
    async with aio2trio(made_of(__aenter__=fails)):
        pass


@asyncio_own(Mischief, "of the object's own")
async def a_trio_exit_that_raises():
    """`__aexit__` of a Trio manager raises"""
    async with aio2trio(made_of(__aexit__=fails)):
        pass


@asyncio_own(TypeError, "__aenter__", "await")
async def a_trio_enter_that_is_not_async():
    """`__aenter__` of a Trio manager is no async function"""
    async with aio2trio(made_of(__aenter__=lambda self: 42)):
        pass


@own(TypeError, "asynchronous context manager")
async def entering_plain_data():
    """`async with trio2aio(42)`"""
    async with trio2aio(42):
        pass


@own(TypeError, "asynchronous context manager")
async def entering_a_class():
    """`async with trio2aio(asyncio.TaskGroup)`, with no call"""
    async with trio2aio(asyncio.TaskGroup):
        pass


@bad(RuntimeError, "was not entered, or was left already")
async def leaving_what_was_not_entered():
    """A manager is left that was not entered"""
    await trio2aio(Manager()).__aexit__(None, None, None)


@bad(RuntimeError, "was not entered, or was left already")
async def leaving_twice():
    """A manager is left twice"""
    manager = trio2aio(Manager())
    async with manager:
        pass
    await manager.__aexit__(None, None, None)


@bad(RuntimeError, "was not entered, or was left already")
async def leaving_what_cannot_be_printed():
    """A manager is left that was not entered, and whose `__repr__` raises"""
    await trio2aio(made_of(__repr__=fails)).__aexit__(None, None, None)


@asyncio_side(RuntimeError, "was not entered, or was left already")
async def leaving_a_trio_manager_that_was_not_entered():
    """A Trio manager is left that was not entered"""
    await aio2trio(Manager()).__aexit__(None, None, None)


@bad(RuntimeError, "left before", "in the reverse order")
async def leaving_in_the_wrong_order():
    """Managers are left in the order in which they were entered"""
    first, second = trio2aio(Manager()), trio2aio(Manager())
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)


@bad(RuntimeError, "was entered in the Trio task", "Leave it in the task that entered it")
async def leaving_in_another_task():
    """A manager is left in another task than the one that entered it"""
    manager = trio2aio(Manager())
    await manager.__aenter__()
    errors = []

    async def leave():
        try:
            await manager.__aexit__(None, None, None)
        except BaseException as exc:
            errors.append(exc)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave)
    await manager.__aexit__(None, None, None)
    raise errors.pop()


@bad(ExceptionGroup, "entered and not left before its loop ended", "async with trio2aio(manager):")
async def never_leaving():
    """A manager is not left before its loop ends"""
    async with open_loop():
        await trio2aio(Manager()).__aenter__()


@bad(ExceptionGroup, "entered and not left before its loop ended", "<Broken object>")
async def never_leaving_what_cannot_be_printed():
    """A manager is not left before its loop ends, and its `__repr__` raises"""
    async with open_loop():
        await trio2aio(made_of(__repr__=fails)).__aenter__()


@asyncio_side(RuntimeError, "did not leave", "    async with aio2trio(manager):")
async def never_leaving_a_trio_manager():
    """A task ends and has not left a Trio manager"""
    await aio2trio(Manager()).__aenter__()


@asyncio_side(RuntimeError, "did not leave", "<Broken object>", "    async with aio2trio(manager):")
async def never_leaving_a_trio_manager_that_cannot_be_printed():
    """A task ends and has not left a Trio manager, whose `__repr__` raises"""
    await aio2trio(made_of(__repr__=fails)).__aenter__()
