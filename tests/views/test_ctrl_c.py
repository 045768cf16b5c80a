"""Ctrl-C at each instruction of ours that it can interrupt: it comes out, and nothing is dropped.

A coroutine that was made and is not awaited yet would be: Python warns of it, where nobody expects
it to, and the suite takes warnings for errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from pathlib import Path

import pytest
import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio
from trio_bridge._bridge import by_loop
from trio_bridge._crossing import trio_manager
from trio_bridge._views import by_identity

PACKAGE = Path(trio_bridge.__file__).parent
OURS = tuple(f"{PACKAGE / part}/" for part in ("_views", "_crossing"))


class CtrlC:
    """Interrupts the process once, at an instruction of ours that has not had its Ctrl-C."""

    def __init__(self, done, files=OURS):
        self.done = done
        self.files = files
        self.where = None

    def __enter__(self):
        sys._getframe().f_trace_opcodes = True  # Python 3.12 looks for one in settrace()
        self.before = sys.gettrace()  # coverage's, on Python 3.11
        sys.settrace(self.on_call)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self.before)

    def on_call(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(self.files):
            return None
        frame.f_trace_opcodes = True
        return self.on_instruction

    def on_instruction(self, frame, event, arg):
        where = (frame.f_code.co_filename, frame.f_code.co_qualname, frame.f_lasti)
        if event == "opcode" and where not in self.done:
            self.done.add(where)
            if not trio.lowlevel.currently_ki_protected():
                self.where = where
                sys.settrace(None)
                # The handler is no part of this trace function: coverage is to see it.
                sys.call_tracing(signal.raise_signal, (signal.SIGINT,))
        return self.on_instruction


class Library:
    """Has all that a view adapts; it knows neither Trio nor Ctrl-C."""

    def __init__(self):
        self.open = 0

    async def method(self, value):
        await asyncio.sleep(0)
        return [value]

    async def __call__(self):
        await asyncio.sleep(0)

    def __await__(self):
        return asyncio.sleep(0).__await__()

    def future(self):
        future = asyncio.get_running_loop().create_future()
        future.set_result(1)
        return future

    async def __aenter__(self):
        self.open += 1
        await asyncio.sleep(0)

    async def __aexit__(self, *exc_info):
        await asyncio.sleep(0)
        self.open -= 1

    async def generator(self):
        async with self:
            yield 1
            yield 2

    def __aiter__(self):
        return Items()


class Items:
    def __init__(self):
        self.left = 2

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
        return self.left


async def use(library):
    view = trio2aio(library)
    await view.method(1)
    await view()
    await view
    await view.future()
    async with view:
        await view.method(2)
    async with contextlib.aclosing(view.generator()) as generator:
        async for _ in generator:
            pass
    async with contextlib.aclosing(view.generator()) as generator:
        await anext(generator)
    async for _ in view:
        pass
    items = aiter(view)
    await anext(items)
    await items.aclose()
    await trio2aio(library.method)(3)


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("error")
def test_ctrl_c_at_every_instruction():
    trio_bridge.run(use, Library())  # what is made once for each class is made here
    done = set()
    interrupted = 0
    while True:
        library = Library()
        came = False
        with CtrlC(done) as ctrl_c:
            try:
                trio_bridge.run(use, library)
            except KeyboardInterrupt:
                came = True
        if ctrl_c.where is None:
            break
        interrupted += 1
        assert came, ctrl_c.where
        assert library.open == 0, ctrl_c.where
        assert not by_loop, ctrl_c.where
    assert len(done) > 2000
    assert interrupted > 100


@pytest.mark.filterwarnings("error")
def test_ctrl_c_while_the_views_keep_or_forget_a_class():
    """A table forgets in a callback of a weak reference; what that raises Python drops."""

    class Key:
        pass

    async def keep_and_forget():
        for _ in range(2):  # Python 3.14 gives a function's instructions from its second call on
            table[Key()] = "value"
            await trio.lowlevel.checkpoint()

    done = set()
    interrupted = 0
    while True:
        table = by_identity.ByIdentity()
        came = False
        with CtrlC(done, by_identity.__file__) as ctrl_c:
            try:
                trio.run(keep_and_forget)
            except KeyboardInterrupt:
                came = True
        gc.collect()  # the Ctrl-C's traceback had the key
        assert not table._keys, ctrl_c.where
        assert not table._values, ctrl_c.where
        if ctrl_c.where is None:
            break
        interrupted += 1
        assert came, ctrl_c.where
    assert "ByIdentity.__setitem__.<locals>.forget" in {name for _, name, _ in done}
    assert interrupted > 10


def test_ctrl_c_before_the_exit_of_a_trio_manager_has_begun():
    """It comes there, as it isn't held back from Trio's code. The manager is left all the same."""
    log = []

    class Manager:
        async def __aenter__(self):
            await trio.lowlevel.checkpoint()
            sys.settrace(interrupt)

        async def __aexit__(self, *exc_info):
            await trio.lowlevel.checkpoint()
            log.append("left")

    def interrupt(frame, event, arg):
        if frame.f_code is trio_manager._interruptible.__code__:
            sys.settrace(before)
            sys.call_tracing(signal.raise_signal, (signal.SIGINT,))

    @trio2aio
    async def guest():
        async with aio2trio(Manager()):
            pass

    before = sys.gettrace()
    try:
        with pytest.raises(KeyboardInterrupt):
            trio_bridge.run(guest)
    finally:
        sys.settrace(before)
    assert log == ["left"]


class TriosOwn:
    """Tells whether Ctrl-C can interrupt it."""

    def __init__(self):
        self.held_back = []

    def look(self):
        self.held_back.append(trio.lowlevel.currently_ki_protected())

    async def method(self):
        self.look()

    async def generator(self):
        self.look()
        yield

    def __await__(self):
        self.look()
        return iter(())

    async def __aenter__(self):
        self.look()

    async def __aexit__(self, *exc_info):
        self.look()

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.look()
        raise StopAsyncIteration


async def test_trios_own_code_can_be_interrupted():
    own = TriosOwn()
    view = aio2trio(own)
    await view.method()
    async for _ in view.generator():
        pass
    await view
    async with view:
        pass
    async for _ in view:
        pass
    await aio2trio(own.method)()
    assert own.held_back == 7 * [False]
