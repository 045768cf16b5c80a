"""What ``run``, ``open_loop``, ``new_event_loop`` and the policy are given."""

from __future__ import annotations

import asyncio
import sys
import warnings

import trio

import trio_bridge

from .hostile import RaisesOnEquality, RaisesOnRepr
from .kinds import asyncio_side, bad, outside


async def main(*args):
    pass


async def numbers():
    yield 1


@outside(TypeError, "the async function, not a coroutine object", "    trio_bridge.run(main, ...)")
def run_of_a_coroutine_object():
    """`run(main())`"""
    trio_bridge.run(main(1))


@outside(TypeError, "takes an async function, not 42", "    trio_bridge.run(main, ...)")
def run_of_a_number():
    """`run(42)`"""
    trio_bridge.run(42)


@outside(TypeError, "takes an async function, not None", "    trio_bridge.run(main, ...)")
def run_of_nothing():
    """`run(None)`"""
    trio_bridge.run(None)


@outside(TypeError, "no async function: it returned None", "write `async def`")
def run_of_a_plain_function():
    """`run(plain_function)`"""
    trio_bridge.run(lambda: None)


@outside(TypeError, "no async function: it returned <async_generator", "write `async def`")
def run_of_an_async_generator_function():
    """`run(async_generator_function)`"""
    trio_bridge.run(numbers)


@outside(TypeError, "takes an async function, not <RaisesOnRepr object>")
def run_of_what_cannot_be_printed():
    """`run(object)`, where its `__repr__` raises"""
    trio_bridge.run(RaisesOnRepr())


@outside(TypeError, "positional argument")
def run_with_arguments_that_do_not_fit():
    """`run(main, 1)`, where `main` takes none"""

    async def takes_none():
        pass

    trio_bridge.run(takes_none, 1)


@outside(TypeError, "enigne")
def run_with_an_option_that_there_is_not():
    """`run(main, enigne=...)`"""
    trio_bridge.run(main, enigne="selector")


@outside(ValueError, "unknown engine 'nonesuch'", "engine='selector'")
def an_unknown_engine():
    """`engine="nonesuch"`"""
    trio_bridge.run(main, engine="nonesuch")


@outside(ValueError, "unknown engine ''", "engine='selector'")
def an_engine_without_a_name():
    """`engine=""`"""
    trio_bridge.run(main, engine="")


@outside(ValueError, "unknown engine 'Selector '", "engine='selector'")
def an_engine_that_is_nearly_one():
    """`engine="Selector "`"""
    trio_bridge.run(main, engine="Selector ")


@outside(TypeError, "of type 'int'", "engine='selector'")
def a_number_for_an_engine():
    """`engine=5`"""
    trio_bridge.run(main, engine=5)


@outside(TypeError, "of type 'list'", "engine='selector'")
def a_list_for_an_engine():
    """`engine=["uvloop"]`"""
    trio_bridge.run(main, engine=["uvloop"])


@outside(TypeError, "of type 'bytes'", "engine='selector'")
def bytes_for_an_engine():
    """`engine=b"selector"`"""
    trio_bridge.run(main, engine=b"selector")


@outside(TypeError, "of type 'type'", "engine='selector'")
def a_class_for_an_engine():
    """`engine=asyncio.SelectorEventLoop`"""
    trio_bridge.run(main, engine=asyncio.SelectorEventLoop)


@outside(TypeError, "of type 'RaisesOnEquality'", "engine='selector'")
def an_engine_that_cannot_be_compared():
    """`engine=object`, where its `__eq__` and `__repr__` raise"""
    trio_bridge.run(main, engine=RaisesOnEquality())


@outside(ValueError, "unknown engine 'nonesuch'", "engine='selector'")
def a_loop_with_an_unknown_engine():
    """`new_event_loop(engine="nonesuch")`"""
    trio_bridge.new_event_loop(engine="nonesuch")


@outside(TypeError, "of type 'int'", "engine='selector'")
def a_loop_with_a_number_for_an_engine():
    """`new_event_loop(engine=5)`"""
    trio_bridge.new_event_loop(engine=5)


if sys.version_info < (3, 16):

    @outside(ValueError, "unknown engine 'nonesuch'", "engine='selector'")
    def a_policy_with_an_unknown_engine():
        """`EventLoopPolicy(engine="nonesuch")`"""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            trio_bridge.EventLoopPolicy(engine="nonesuch")

    @outside(TypeError, "of type 'int'", "engine='selector'")
    def installing_with_a_number_for_an_engine():
        """`install(engine=5)`"""
        trio_bridge.install(engine=5)


@outside(ValueError, "on_error='explode'", "on_error='raise', on_error='log'", "a function")
def an_unknown_way_with_errors():
    """`on_error="explode"`"""
    trio_bridge.run(main, on_error="explode")


@outside(ValueError, "on_error=None", "on_error='raise', on_error='log'")
def no_way_with_errors():
    """`on_error=None`"""
    trio_bridge.run(main, on_error=None)


@outside(ValueError, "on_error=<RaisesOnEquality object>", "on_error='raise', on_error='log'")
def a_way_with_errors_that_cannot_be_compared():
    """`on_error=object`, where its `__eq__` and `__repr__` raise"""
    trio_bridge.run(main, on_error=RaisesOnEquality())


@outside(ValueError, "write a plain function", "loop.create_task(report(context))")
def an_async_function_for_errors():
    """`on_error=async_function`"""
    trio_bridge.run(main, on_error=main)


class AsyncCallable:
    async def __call__(self, loop, context):
        pass


@outside(ValueError, "write a plain function", "loop.create_task(report(context))")
def an_async_object_for_errors():
    """`on_error=object`, where its `__call__` is async"""
    trio_bridge.run(main, on_error=AsyncCallable())


@outside(TypeError, "cancel_warn_after='5': write a number of seconds, or None")
def a_string_of_seconds():
    """`cancel_warn_after="5"`"""
    trio_bridge.run(main, cancel_warn_after="5")


@outside(ValueError, "cancel_warn_after=0: write a positive number of seconds, or None")
def no_seconds():
    """`cancel_warn_after=0`"""
    trio_bridge.run(main, cancel_warn_after=0)


@outside(ValueError, "cancel_warn_after=nan: write a positive number of seconds, or None")
def seconds_that_are_no_number():
    """`cancel_warn_after=nan`"""
    trio_bridge.run(main, cancel_warn_after=float("nan"))


@outside(ValueError, "redeliver_cancel_after=-1: write a positive number of seconds, or None")
def less_than_no_seconds():
    """`redeliver_cancel_after=-1`"""
    trio_bridge.run(main, redeliver_cancel_after=-1)


@outside(ValueError, "tree_signal='SIGNONE': there is no such signal", "'SIGUSR1'")
def an_unknown_signal():
    """`tree_signal="SIGNONE"`"""
    trio_bridge.run(main, tree_signal="SIGNONE")


@outside(ValueError, "tree_signal='SIGINT': this signal has another meaning", "'SIGUSR1'")
def a_signal_that_is_taken():
    """`tree_signal="SIGINT"`"""
    trio_bridge.run(main, tree_signal="SIGINT")


@outside(TypeError, "tree_signal=1.5 is no signal", "'SIGUSR1'")
def a_fraction_for_a_signal():
    """`tree_signal=1.5`"""
    trio_bridge.run(main, tree_signal=1.5)


@outside(TypeError, "tree_signal=<RaisesOnRepr object> is no signal", "'SIGUSR1'")
def an_object_for_a_signal():
    """`tree_signal=object`, where its `__repr__` raises"""
    trio_bridge.run(main, tree_signal=RaisesOnRepr())


@outside(RuntimeError, "of another thread", "trio_bridge.inspect.print_tree()")
def a_signal_in_a_thread():
    """`tree_signal="SIGUSR1"` in another than the main thread"""
    trio_bridge.run(main, tree_signal="SIGUSR1")


@outside(TypeError, "clock=42", "trio.testing.MockClock()")
def a_number_for_a_clock():
    """`clock=42`"""
    trio_bridge.run(main, clock=42)


@asyncio_side(RuntimeError, "called from asyncio code", "await aio2trio(async_fn)(*args)")
async def run_in_asyncio_code():
    """`run(main)` in asyncio code"""
    trio_bridge.run(main)


@bad(RuntimeError, "called from Trio code", "async with trio_bridge.open_loop():")
async def run_in_trio_code():
    """`run(main)` in Trio code"""
    trio_bridge.run(main)


@asyncio_side(RuntimeError, "open_loop() needs a Trio task", "trio_bridge.run(main)")
async def a_loop_in_asyncio_code():
    """`async with open_loop()` in asyncio code"""
    async with trio_bridge.open_loop():
        pass


@bad(TypeError, "    async with trio_bridge.open_loop():")
async def a_loop_by_a_plain_with():
    """`with open_loop():`"""
    with trio_bridge.open_loop():
        pass


@bad(RuntimeError, "for one block", "    async with trio_bridge.open_loop():")
async def a_loop_that_is_entered_twice():
    """The object that `open_loop()` returned is entered while it is open"""
    loop = trio_bridge.open_loop()
    async with loop:
        async with loop:
            pass


@bad(RuntimeError, "for one block", "    async with trio_bridge.open_loop():")
async def a_loop_that_is_entered_again():
    """The object that `open_loop()` returned is entered once more"""
    loop = trio_bridge.open_loop()
    async with loop:
        pass
    async with loop:
        pass


@bad(RuntimeError, "was not entered", "    async with trio_bridge.open_loop():")
async def a_loop_that_is_left_only():
    """The object that `open_loop()` returned is left, and was not entered"""
    await trio_bridge.open_loop().__aexit__(None, None, None)


@outside(RuntimeError, "neither Trio nor asyncio runs", "trio_bridge.run(main)")
def the_current_loop_nowhere():
    """`current_loop()` where nothing runs"""
    trio_bridge.current_loop()


@outside(RuntimeError, "no asyncio loop is open here", "async with trio_bridge.open_loop():")
def the_current_loop_without_one():
    """`current_loop()` in Trio code, no loop open"""

    async def ask():
        trio_bridge.current_loop()

    trio.run(ask)
