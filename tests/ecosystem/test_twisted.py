"""Twisted: its asyncio reactor on the bridge's loop.

A process has one reactor, which is tied to one loop and can't be started twice: so each program has
a process of its own. It begins with ``open_reactor`` as ``docs/recipes/twisted.md`` has it.
"""

from __future__ import annotations

import re
import textwrap

import pytest
from conftest import ROOT

LIBRARIES = ("twisted",)

pytest.importorskip("twisted")

PAGE = (ROOT / "docs" / "recipes" / "twisted.md").read_text()
OPEN_REACTOR = re.search(r"```python\n(.*?)\n# ---- The program\n", PAGE, re.DOTALL)[1]
BEGIN = """
import asyncio, gc, threading
from trio_bridge import aio2trio, current_loop, trio2aio, unview
from twisted.internet import defer, endpoints, protocol, task, threads

tasks, ends, pool = map(trio2aio, (task, endpoints, threads))

class Shout(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())

class Ask(protocol.Protocol):
    def connectionMade(self):
        self.waiting = []

    def ask(self, word):
        answer = defer.Deferred()
        self.waiting.append(answer)
        self.transport.write(word)
        return answer

    def dataReceived(self, data):
        self.waiting.pop(0).callback(data)

@asynccontextmanager
async def listening(reactor, protocol_class):
    server = ends.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await server.listen(protocol.Factory.forProtocol(protocol_class))
    try:
        yield port.getHost().port
    finally:
        with trio.CancelScope(shield=True):
            await trio2aio(defer).maybeDeferred(port.stopListening)

async def connect(reactor, port):
    return await ends.connectProtocol(ends.TCP4ClientEndpoint(reactor, "127.0.0.1", port), Ask())
"""


@pytest.fixture
def prints(run_script):
    """Run ``async def main()`` of Trio code, which prints what is expected and nothing else."""

    def check(main, *expected):
        code = f"{OPEN_REACTOR}{BEGIN}{textwrap.dedent(main)}\ntrio_bridge.run(main)\n"
        result = run_script(code, args=("-W", "error"))
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines() == list(expected)

    return check


def test_a_twisted_server_and_client_talk(prints):
    prints(
        """
        async def main():
            async with open_reactor() as reactor, listening(reactor, Shout) as port:
                print(unview(reactor)._asyncioEventloop is current_loop())
                connection = await connect(reactor, port)
                print(await connection.ask(b"riri"))
                connection.transport.loseConnection()
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(b"fifi")
                    print(bytes(await stream.receive_some()))
        """,
        *("True", "b'RIRI'", "b'FIFI'"),
    )


def test_tasks_share_a_connection_and_the_reactor(prints):
    prints(
        """
        class Square(protocol.Protocol):
            def dataReceived(self, data):
                for line in data.split(b";")[:-1]:
                    self.transport.write(b"%d;" % int(line) ** 2)

        class Line(Ask):
            def dataReceived(self, data):
                for line in data.split(b";")[:-1]:
                    self.waiting.pop(0).callback(int(line))

        async def ask(connection, number):
            squares[number] = await connection.ask(b"%d;" % number)

        squares = {}

        async def main():
            async with open_reactor() as reactor, listening(reactor, Square) as port:
                client = ends.TCP4ClientEndpoint(reactor, "127.0.0.1", port)
                connection = await ends.connectProtocol(client, Line())
                async with trio.open_nursery() as nursery:
                    for number in range(20):
                        nursery.start_soon(ask, connection, number)
                        nursery.start_soon(tasks.deferLater, reactor, 0.01)
                connection.transport.loseConnection()
            print(squares == {number: number**2 for number in range(20)})
        """,
        "True",
    )


def test_a_deferred_becomes_a_future_and_the_reverse(prints):
    prints(
        """
        async def double(number):
            await trio.sleep(0.001)
            return 2 * number

        async def asyncio_code(reactor):
            loop = asyncio.get_running_loop()
            print(await task.deferLater(reactor, 0.001, int, "42").asFuture(loop))
            future = asyncio.ensure_future(aio2trio(double)(4))
            deferred = defer.Deferred.fromFuture(future).addCallback(lambda eight: eight + 1)
            print(await deferred.asFuture(loop))

        async def main():
            async with open_reactor() as reactor:
                await trio2aio(asyncio_code)(reactor)
                # Twisted's coroutines await Deferreds, and a Trio task awaits what they give.
                async def twisted_code():
                    future = asyncio.ensure_future(aio2trio(double)(5))
                    return await defer.Deferred.fromFuture(future)
                print(await trio2aio(defer).ensureDeferred(twisted_code()))
        """,
        *("42", "9", "10"),
    )


def test_timers_and_threads_are_twisteds(prints):
    prints(
        """
        async def main():
            async with open_reactor() as reactor:
                rung = trio.Event()
                reactor.callLater(0.001, rung.set)
                await rung.wait()
                never = reactor.callLater(3600, print, "never")
                never.cancel()
                print(await pool.deferToThread(threading.current_thread) is threading.main_thread())
                reactor.callFromThread(print, "from a thread")
                await pool.deferToThread(int)
                print(len(reactor.getDelayedCalls()))
            print([thread.name for thread in threading.enumerate() if "oolThread" in thread.name])
        """,
        *("False", "from a thread", "0", "[]"),
    )


def test_a_deadline_cancels_a_deferred_and_the_connection_goes_on(prints):
    prints(
        """
        class Slow(Ask):
            def ask(self, word):
                answer = defer.Deferred(lambda _: print("cancelled"))
                if word != b"slow":
                    self.waiting.append(answer)
                    self.transport.write(word)
                return answer

        async def main():
            async with open_reactor() as reactor, listening(reactor, Shout) as port:
                client = ends.TCP4ClientEndpoint(reactor, "127.0.0.1", port)
                connection = await ends.connectProtocol(client, Slow())
                with trio.move_on_after(0.1) as deadline:
                    await connection.ask(b"slow")
                print(deadline.cancelled_caught)
                print(await connection.ask(b"quick"))
                with trio.move_on_after(0.1):
                    await tasks.deferLater(reactor, 3600, print, "never")
                print(reactor.getDelayedCalls())
                connection.transport.loseConnection()
        """,
        *("cancelled", "True", "b'QUICK'", "[]"),
    )


def test_an_error_in_a_deferred_climbs(prints):
    prints(
        """
        async def main():
            async with open_reactor() as reactor:
                try:
                    await tasks.deferLater(reactor, 0.001, int, "Loulou")
                except ValueError as error:
                    print(error)
                print(await tasks.deferLater(reactor, 0.001, int, "42"))
        """,
        *("invalid literal for int() with base 10: 'Loulou'", "42"),
    )


@pytest.mark.parametrize(
    "fail",
    [
        "reactor.callLater(0.001, crash)",
        "trio2aio(forget)()",
        "unview(reactor).callInThread(crash)",
        "await connect(reactor, port)",
    ],
    ids=["timer", "deferred", "thread", "protocol"],
)
def test_an_error_that_nobody_awaits_ends_the_program(run_script, fail):
    code = f"""
def crash(*args):
    raise KeyError("Loulou")

def forget():
    defer.fail(KeyError("Loulou"))
    gc.collect()

Crash = type("Crash", (protocol.Protocol,), {{"connectionMade": crash}})

async def main():
    async with open_reactor() as reactor, listening(reactor, Crash) as port:
        {fail}
        await trio.sleep_forever()

try:
    trio_bridge.run(main)
except* KeyError as group:
    print(len(group.exceptions), group.exceptions[0])
"""
    result = run_script(OPEN_REACTOR + BEGIN + code, args=("-W", "error"))
    assert (result.returncode, result.stdout) == (0, "1 'Loulou'\n"), result.stderr
    assert result.stderr.count("KeyError: 'Loulou'") == 1  # Twisted logs it too


def test_twisted_code_stops_the_reactor(prints):
    prints(
        """
        class Stop(protocol.Protocol):
            def dataReceived(self, data):
                from twisted.internet import reactor
                reactor.stop()

        async def main():
            async with open_reactor() as reactor, listening(reactor, Stop) as port:
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(b"stop")
                    print(bytes(await stream.receive_some()))
            print(unview(reactor).running)
        """,
        *("b''", "False"),
    )


def test_a_cancelled_block_shuts_the_reactor_down(prints):
    prints(
        """
        async def main():
            with trio.move_on_after(0.1):
                async with open_reactor() as reactor:
                    reactor.addSystemEventTrigger("before", "shutdown", deferred_print)
                    await trio.sleep_forever()
            print(unview(reactor).running)

        def deferred_print():
            from twisted.internet import reactor
            return task.deferLater(reactor, 0.001, print, "shut down")
        """,
        *("shut down", "False"),
    )
