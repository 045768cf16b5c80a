"""websockets, client and server: the server's handlers are Trio code."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager

import pytest
import trio

from trio_bridge import aio2trio, open_asyncio_nursery, trio2aio

LIBRARIES = ("websockets",)

websockets = pytest.importorskip("websockets")
ws = trio2aio(websockets)
HANG = 30
"""Seconds after which what is waited for has hung."""


class Chat:
    """A server that shouts back, and knows who is connected."""

    def __init__(self):
        self.connections = set()
        self.waits = trio.Event()
        self.gone = trio.Event()

    async def talk(self, connection):
        connection = trio2aio(connection)
        self.connections.add(connection)
        try:
            async with aclosing(aiter(connection)) as messages:
                async for message in messages:
                    await self.answer(connection, message)
        finally:
            self.connections.discard(connection)

    async def answer(self, connection, message):
        if message == "fail":
            raise KeyError("no")
        if message == "wait":
            self.waits.set()
            try:
                await connection.wait_closed()
            finally:
                self.gone.set()
        await trio.sleep(0)
        await connection.send(message.upper())


@asynccontextmanager
async def serving(chat=None):
    """The address of a chat, and its server; afterwards no task of websockets is left."""
    chat = chat or Chat()
    with trio.fail_after(HANG):
        async with open_asyncio_nursery():
            async with ws.serve(aio2trio(chat.talk), "127.0.0.1", 0) as server:
                yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", server
    assert not chat.connections


async def test_messages_go_both_ways():
    async with serving() as (uri, _), ws.connect(uri) as connection:
        await connection.send("riri")
        assert await connection.recv() == "RIRI"
        await connection.send(["fi", "fi"])  # in fragments
        assert [part async for part in connection.recv_streaming()] == ["FIFI"]
        pong = await connection.ping()
        assert await pong >= 0


async def test_a_lost_connection_is_made_again():
    answers = []
    async with serving() as (uri, server):
        async with aclosing(aiter(ws.connect(uri))) as connections:
            async for connection in connections:
                await connection.send(f"n{len(answers)}")
                answers.append(await connection.recv())
                if len(answers) == 3:
                    break
                [peer] = server.connections
                await peer.close()
                with pytest.raises(websockets.ConnectionClosedOK):
                    await connection.send("too late")
        await connection.close()
    assert answers == ["N0", "N1", "N2"]


async def test_tasks_share_a_connection_and_a_server():
    answers = set()

    async def ask(connection, number):
        await connection.send(f"n{number}")

    async def talk(uri, first):
        async with ws.connect(uri) as connection:
            async with trio.open_nursery() as nursery:
                for number in range(first, first + 5):
                    nursery.start_soon(ask, connection, number)
                answers.update([await connection.recv() for _ in range(5)])

    async with serving() as (uri, _), trio.open_nursery() as nursery:
        for first in range(0, 20, 5):
            nursery.start_soon(talk, uri, first)
    assert answers == {f"N{number}" for number in range(20)}


async def test_a_broadcast_reaches_everybody():
    chat = Chat()
    async with serving(chat) as (uri, server), ws.connect(uri) as one, ws.connect(uri) as other:
        for connection in (one, other):
            await connection.send("riri")
            await connection.recv()
        ws.broadcast(server.connections, "to all")
        ws.broadcast(chat.connections, "again")  # a set of Trio's, with views in it
        for connection in (one, other):
            assert [await connection.recv() for _ in range(2)] == ["to all", "again"]


async def test_a_deadline_cancels_a_receive_and_the_connection_goes_on():
    async with serving() as (uri, _), ws.connect(uri) as connection:
        with trio.move_on_after(0.05) as deadline:
            await connection.recv()
        assert deadline.cancelled_caught
        await connection.send("riri")
        assert await connection.recv() == "RIRI"


async def test_a_deadline_around_a_connection_closes_it_on_both_ends():
    chat = Chat()
    async with serving(chat) as (uri, _):
        with trio.CancelScope() as scope:
            async with ws.connect(uri) as connection:
                await connection.send("wait")
                await chat.waits.wait()
                scope.deadline = trio.current_time() + 0.01
                await connection.recv()
        assert scope.cancelled_caught
        await chat.gone.wait()


async def test_an_error_of_the_handler_is_a_code_and_is_logged(caplog):
    async with serving() as (uri, _), ws.connect(uri) as connection:
        await connection.send("fail")
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            await connection.recv()
        assert caught.value.rcvd.code == 1011
        async with ws.connect(uri) as another:
            await another.send("riri")
            assert await another.recv() == "RIRI"
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is KeyError
    with pytest.raises(ConnectionRefusedError):
        await ws.connect(uri)


async def test_nothing_is_left_of_a_server_that_closes():
    async with serving() as (uri, server):
        connection = await ws.connect(uri)
        await connection.send("riri")
        assert await connection.recv() == "RIRI"
        server.close()
        with pytest.raises(websockets.ConnectionClosedOK):
            await connection.recv()
        assert connection.close_code == 1001
