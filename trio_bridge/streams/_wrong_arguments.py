"""Wrong arguments get an error that shows the line to write."""

from __future__ import annotations

import asyncio
import socket
from typing import NoReturn

import trio

from .._untrusted import shown


def check_asyncio_streams(reader: object, writer: object) -> None:
    if not isinstance(reader, asyncio.StreamReader) or not isinstance(writer, asyncio.StreamWriter):
        raise _not_asyncio_streams(reader, writer)


def _not_asyncio_streams(reader: object, writer: object) -> TypeError:
    call = "to_trio(reader, writer)"
    if isinstance(reader, asyncio.StreamWriter) and isinstance(writer, asyncio.StreamReader):
        return TypeError(f"{call} takes the reader first; these are swapped. Write\n    {call}")
    wrong = writer if isinstance(reader, asyncio.StreamReader) else reader
    what = _describe(wrong)
    if isinstance(wrong, trio.abc.SendStream | trio.abc.ReceiveStream):
        return TypeError(
            f"{what} is Trio's already: Trio code uses it as it is. For asyncio code write\n"
            "    reader, writer = to_asyncio(stream)"
        )
    if isinstance(wrong, socket.socket):
        return TypeError(
            f"{call} takes asyncio's streams, not a socket. Trio needs no asyncio for one. Write\n"
            "    stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))"
        )
    return TypeError(
        f"{call} takes an asyncio.StreamReader and an asyncio.StreamWriter, not {what}. Write\n"
        "    reader, writer = await trio2aio(asyncio.open_connection)(host, port)\n"
        f"    stream = {call}"
    )


def check_trio_stream(function: str, stream: object) -> None:
    if isinstance(stream, trio.abc.Stream):
        return
    what = _describe(stream)
    # By what all transports have: uvloop's are no asyncio.BaseTransport.
    if isinstance(stream, asyncio.StreamReader) or hasattr(stream, "get_extra_info"):
        advice = (
            f"{what} is asyncio's already: asyncio code uses it as it is. For Trio code write\n"
            "    stream = to_trio(reader, writer)"
        )
    elif isinstance(stream, trio.socket.SocketType):
        advice = (
            f"{function}() takes a Trio stream, not a socket. Write\n"
            f"    {function}(trio.SocketStream(sock)"
        ) + _more_arguments(function)
    elif isinstance(stream, socket.socket):
        advice = (
            f"{function}() takes a Trio stream, not a socket. asyncio needs no Trio for that. "
            "Write\n    reader, writer = await asyncio.open_connection(sock=sock)"
        )
    elif isinstance(stream, trio.abc.SendStream | trio.abc.ReceiveStream):
        advice = (
            f"{function}() takes a stream of both directions, not {what}. Write\n"
            f"    {function}(trio.StapledStream(send_stream, receive_stream)"
        ) + _more_arguments(function)
    else:
        advice = (
            f"{function}() takes a Trio stream, not {what}. Write\n"
            "    stream = await trio.open_tcp_stream(host, port)\n"
            f"    {function}(stream"
        ) + _more_arguments(function)
    raise TypeError(advice)


def _more_arguments(function: str) -> str:
    return ", protocol_factory)" if function == "to_transport" else ")"


def check_factory(factory: object) -> None:
    if isinstance(factory, asyncio.BaseProtocol):
        raise TypeError(
            f"to_transport() takes a function that gives the protocol, not the protocol "
            f"{shown(factory)}. Write\n    to_transport(stream, lambda: protocol)"
        )
    if not callable(factory):
        raise TypeError(
            f"to_transport() takes a function that gives the protocol, not {_describe(factory)}. "
            "Write\n    to_transport(stream, MyProtocol)"
        )


def check_protocol(protocol: object, factory: object) -> None:
    if isinstance(protocol, type):
        _refuse(
            f"{shown(factory)} gave the class {protocol.__name__}, not a protocol",
            f"to_transport(stream, {protocol.__name__})",
        )
    if asyncio.iscoroutine(protocol):
        protocol.close()
        _refuse(f"{shown(factory)} is an async function", "to_transport(stream, MyProtocol)")
    if not hasattr(protocol, "data_received") and not hasattr(protocol, "get_buffer"):
        _refuse(
            f"{shown(factory)} gave {_describe(protocol)}, which is no asyncio.Protocol",
            "to_transport(stream, MyProtocol)",
        )


def _refuse(mistake: str, line: str) -> NoReturn:
    raise TypeError(
        f"to_transport() needs a function that gives the protocol: {mistake}. Write\n    {line}"
    )


def _describe(x: object) -> str:
    return f"the class {x.__name__}" if isinstance(x, type) else shown(x)
