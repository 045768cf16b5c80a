"""What the functions of `trio_bridge.streams` and `trio_bridge.channels` are given."""

from __future__ import annotations

import asyncio

import trio
import trio.testing

from trio_bridge import channels, streams

from .hostile import RaisesOnRepr
from .kinds import bad


@bad(TypeError, "to_trio(reader, writer) takes", "not 42", "    stream = to_trio(reader, writer)")
async def a_number_for_asyncios_streams():
    """`streams.to_trio(42, 42)`"""
    streams.to_trio(42, 42)


@bad(TypeError, "not <RaisesOnRepr object>", "    stream = to_trio(reader, writer)")
async def what_cannot_be_printed_for_asyncios_streams():
    """`streams.to_trio(object, object)`, where its `__repr__` raises"""
    streams.to_trio(RaisesOnRepr(), RaisesOnRepr())


@bad(TypeError, "to_asyncio() takes a Trio stream, not 42", "    to_asyncio(stream)")
async def a_number_for_a_trio_stream():
    """`streams.to_asyncio(42)`"""
    streams.to_asyncio(42)


@bad(TypeError, "takes a Trio stream, not <RaisesOnRepr object>", "    to_asyncio(stream)")
async def what_cannot_be_printed_for_a_trio_stream():
    """`streams.to_asyncio(object)`, where its `__repr__` raises"""
    streams.to_asyncio(RaisesOnRepr())


@bad(TypeError, "is an async function", "    to_transport(stream, MyProtocol)")
async def an_async_factory_of_protocols():
    """`streams.to_transport(stream, factory)`, where `factory` is an `async def`"""

    async def factory():
        return asyncio.Protocol()

    one, other = trio.testing.memory_stream_pair()
    async with one, other:
        streams.to_transport(one, factory)


@bad(TypeError, "gave <RaisesOnRepr object>, which is no asyncio.Protocol")
async def a_factory_of_what_cannot_be_printed():
    """`streams.to_transport(stream, factory)` of no protocol, whose `__repr__` raises"""
    one, other = trio.testing.memory_stream_pair()
    async with one, other:
        streams.to_transport(one, RaisesOnRepr().__class__)


@bad(TypeError, "to_trio() takes an asyncio.Queue, not 42")
async def a_number_for_a_queue():
    """`channels.to_trio(42)`"""
    channels.to_trio(42)


@bad(TypeError, "to_trio() takes an asyncio.Queue, not <RaisesOnRepr object>")
async def what_cannot_be_printed_for_a_queue():
    """`channels.to_trio(object)`, where its `__repr__` raises"""
    channels.to_trio(RaisesOnRepr())


@bad(TypeError, "must be a trio.abc.SendChannel, not <RaisesOnRepr object>", "    to_asyncio(")
async def what_cannot_be_printed_for_a_channel():
    """`channels.to_asyncio(send_channel=object)`, where its `__repr__` raises"""
    channels.to_asyncio(send_channel=RaisesOnRepr())


@bad(TypeError, "max_buffer_size must be an int", "= from_callback(100)")
async def no_number_for_a_size():
    """`channels.from_callback(object)`, where its `__repr__` raises"""
    channels.from_callback(RaisesOnRepr())


@bad(ValueError, "max_buffer_size must be 1 or more, not 0", "= from_callback(100)")
async def no_room():
    """`channels.from_callback(0)`"""
    channels.from_callback(0)


@bad(ValueError, "when_full=<RaisesOnRepr object>: write when_full='raise'")
async def no_policy():
    """`channels.from_callback(1, when_full=object)`, where its `__repr__` raises"""
    channels.from_callback(1, when_full=RaisesOnRepr())


@bad(TypeError, "when_full must be a plain function", "    def when_full(item): ...")
async def an_async_policy():
    """`channels.from_callback(1, when_full=function)`, where `function` is an `async def`"""

    async def when_full(item):
        pass

    channels.from_callback(1, when_full=when_full)
