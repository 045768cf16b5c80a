"""``trio_bridge.streams``: byte streams for the other side, on real sockets where it counts.

A wait that is no event of the test's is :func:`eventually`: it polls, and so can't come too early.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import gc
import os
import random
import socket
import struct
import sys
import weakref

import pytest
import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, current_loop, trio2aio
from trio_bridge.streams import to_asyncio, to_transport, to_trio

LOCALHOST = "127.0.0.1"
MEGABYTE = 1 << 20


# ---- what the tests stand on


async def eventually(condition):
    with trio.fail_after(30):
        while not condition():
            await trio.sleep(0.001)


def tcp_sockets(buffer_size=None):
    """Two connected TCP sockets; with a buffer size they don't grow."""
    with socket.socket() as listener:
        left = socket.socket()
        if buffer_size is not None:
            for sock in (listener, left):  # what is accepted inherits it
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_size)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
        listener.bind((LOCALHOST, 0))
        listener.listen()
        left.connect(listener.getsockname())
        right, _ = listener.accept()
    for sock in (left, right):
        sock.setblocking(False)
    return left, right


def trio_stream(sock):
    return trio.SocketStream(trio.socket.from_stdlib_socket(sock))


@trio2aio
async def open_asyncio(sock, *, tls=None, server_side=False):
    """A reader and a writer on a connected socket, of a client's side or a server's."""
    loop = asyncio.get_running_loop()
    if not server_side:
        name = "localhost" if tls else None
        return await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name)
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    # Not its second value: with TLS that of uvloop is another protocol.
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def asyncio_pair(buffer_size=None):
    """Two ends of a connection, as Trio streams of asyncio's, and the first one's writer."""
    left, right = tcp_sockets(buffer_size)
    reader, writer = await open_asyncio(left)
    return to_trio(reader, writer), to_trio(*await open_asyncio(right)), writer


async def mixed_pair(buffer_size=None):
    """A Trio stream of asyncio's, its writer, and a Trio stream as the other end."""
    left, right = tcp_sockets(buffer_size)
    reader, writer = await open_asyncio(left)
    return to_trio(reader, writer), writer, trio_stream(right)


@contextlib.asynccontextmanager
async def closing(*streams):
    try:
        yield
    finally:
        for stream in streams:
            await trio.aclose_forcefully(stream)


async def clog(*streams):
    """Send on all of them until nothing goes any more, and return them.

    For sockets with buffers of a normal size, as with small ones TCP waits for its timers. What
    goes one way makes the kernel take more the other way, hence all at once, and again.
    """
    quiet = 0

    async def fill(stream):
        nonlocal quiet
        while True:
            await stream.send_all(bytes(2**16))
            quiet = 0

    while quiet < 2:  # on a busy machine the kernel may take some only after the first time
        quiet += 1
        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(fill, stream)
            await trio.testing.wait_all_tasks_blocked(0.03)
            nursery.cancel_scope.cancel()
    return streams


async def receive_exactly(stream, size):
    data = bytearray()
    while len(data) < size:
        piece = await stream.receive_some(size - len(data))
        assert piece, "the stream ended early"
        data += piece
    return bytes(data)


async def receive_all(stream):
    return b"".join([bytes(piece) async for piece in stream])


def reset(stream):
    """Close the socket below a Trio stream so that the other end sees a reset."""
    sock = stream.socket
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# ---- to_trio: Trio's own checks


async def test_to_trio_passes_trios_checks_over_tcp():
    async def make():
        left, right, _ = await asyncio_pair()
        return left, right

    async def make_clogged():
        return await clog(*await make())

    await trio.testing.check_half_closeable_stream(make, make_clogged)


async def test_to_trio_passes_trios_checks_over_tls(certificates):
    server_tls, client_tls = certificates

    async def make():
        left, right = tcp_sockets()
        streams = {}
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def client():
                streams[0] = to_trio(*await open_asyncio(left, tls=client_tls))

            streams[1] = to_trio(*await open_asyncio(right, tls=server_tls, server_side=True))
        return streams[0], streams[1]

    async def make_clogged():
        return await clog(*await make())

    await trio.testing.check_two_way_stream(make, make_clogged)

    left, right = await make()
    async with closing(left, right):
        with pytest.raises(NotImplementedError, match="aclose"):
            await left.send_eof()


async def test_to_trio_passes_trios_checks_over_unix_sockets(tmp_path):
    path = str(tmp_path / "socket")

    async def make():
        send_accepted, accepted = trio.open_memory_channel(1)

        async def accept(reader, writer):
            send_accepted.send_nowait((reader, writer))

        server = await trio2aio(asyncio.start_unix_server)(accept, path)
        left = to_trio(*await trio2aio(asyncio.open_unix_connection)(path))
        right = to_trio(*await accepted.receive())
        trio2aio(server.close)()
        return left, right

    await trio.testing.check_half_closeable_stream(make, None)


# ---- to_trio: backpressure


async def test_to_trio_a_stream_shows_its_transport():
    stream, writer, peer = await mixed_pair()
    async with closing(stream, peer):
        assert repr(writer.transport) in repr(stream)


async def test_to_trio_a_sender_waits_for_a_stopped_reader_and_its_buffer_is_bounded():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    transport = writer.transport
    transport.set_write_buffer_limits(high=50_000)
    message = random.Random(0).randbytes(MEGABYTE)
    sizes = []
    sent = trio.Event()

    async def send():
        await stream.send_all(message)  # at once, and
        for start in range(0, MEGABYTE, 1000):  # by and by
            await stream.send_all(message[start : start + 1000])
        sent.set()

    async with closing(stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await eventually(lambda: transport.get_write_buffer_size() > 12_500)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not sent.is_set()
        received = bytearray()
        while len(received) < 2 * MEGABYTE:
            received += await peer.receive_some(30_000)
            sizes.append(transport.get_write_buffer_size())
        assert received == 2 * message
        await sent.wait()
    assert max(sizes) <= 50_001


async def test_to_trio_keeps_to_the_limits_that_the_writer_has():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    transport = writer.transport
    transport.set_write_buffer_limits(high=0)
    async with closing(stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, bytes(100_000))
        await eventually(lambda: transport.get_write_buffer_size() > 0)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert transport.get_write_buffer_size() == 1
        transport.set_write_buffer_limits(high=1000)
        received = 0
        while received < 100_000:
            received += len(await peer.receive_some(30_000))
            assert transport.get_write_buffer_size() <= 1001
    assert received == 100_000


async def test_to_trio_a_writer_that_is_over_its_limit_already_is_waited_for():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    trio2aio(writer.write)(bytes(MEGABYTE))  # asyncio code that ignores backpressure
    async with closing(stream, peer), trio.open_nursery() as nursery:
        size = writer.transport.get_write_buffer_size()
        assert size > 500_000
        nursery.start_soon(stream.send_all, b"the end")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert writer.transport.get_write_buffer_size() <= size
        assert await receive_exactly(peer, MEGABYTE + 7) == bytes(MEGABYTE) + b"the end"


async def test_to_trio_a_long_send_lets_asyncio_tasks_run():
    """Even if there is always room, and drain() never waits."""
    stream, writer, peer = await mixed_pair()
    writer.transport.set_write_buffer_limits(high=999)
    turns = 0

    @trio2aio
    async def count():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    def write(data):
        turns_of_writes.add(turns)
        original_write(data)

    turns_of_writes = set()
    original_write, writer.write = writer.write, write
    async with closing(stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await eventually(lambda: turns)
        await stream.send_all(bytes(50_000))
        assert len(turns_of_writes) >= 45
        nursery.cancel_scope.cancel()


async def test_to_trio_data_is_the_callers_again_when_send_all_returns():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream, peer):
        expected = b""
        data = bytearray(1000)
        for number in range(60):
            data[:] = bytes([number]) * 1000
            expected += data
            await stream.send_all(data if number % 2 else memoryview(data)[:])
            data += b"."  # it isn't locked either
            del data[1000:]
        assert writer.transport.get_write_buffer_size() > 0
        assert await receive_exactly(peer, 60_000) == expected


async def test_to_trio_send_all_takes_any_contiguous_buffer():
    stream, _writer, peer = await mixed_pair()
    async with closing(stream, peer):
        await stream.send_all(memoryview(struct.pack("4H", 1, 2, 3, 4)).cast("H"))
        assert await receive_exactly(peer, 8) == struct.pack("4H", 1, 2, 3, 4)
        with pytest.raises(TypeError):
            await stream.send_all("text")


# ---- to_trio: half-close, the end


async def test_to_trio_half_close_sends_the_buffer_first():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream, peer):
        await stream.send_all(bytes(60_000))
        assert writer.transport.get_write_buffer_size() > 0
        await stream.send_eof()
        with pytest.raises(trio.ClosedResourceError, match="send_eof"):
            await stream.send_all(b"more")
        with pytest.raises(trio.ClosedResourceError, match="send_eof"):
            await stream.wait_send_all_might_not_block()
        assert len(await receive_all(peer)) == 60_000
        await peer.send_all(b"an answer")
        assert await stream.receive_some() == b"an answer"
        await peer.send_eof()
        assert await stream.receive_some() == b""
        assert await stream.receive_some() == b""


async def test_to_trio_aclose_waits_until_the_buffer_is_sent():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream, peer), trio.open_nursery() as nursery:
        await stream.send_all(bytes(60_000))
        assert writer.transport.get_write_buffer_size() > 0
        nursery.start_soon(stream.aclose)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(stream.aclose)  # a second task may, too
        assert len(await receive_all(peer)) == 60_000
    await stream.aclose()


async def test_to_trio_a_cancelled_aclose_throws_the_buffer_away():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream, peer), trio.open_nursery() as nursery:
        await stream.send_all(bytes(60_000))
        nursery.start_soon(stream.aclose)
        await trio.testing.wait_all_tasks_blocked()
        assert writer.transport.get_write_buffer_size() > 0
        nursery.cancel_scope.cancel()
    # It's not «soon»: the descriptor is gone when aclose() has returned.
    assert writer.get_extra_info("socket").fileno() == -1
    await stream.aclose()
    del stream, writer
    gc.collect()  # no ResourceWarning


@pytest.mark.parametrize("method", ["send_all", "wait_send_all_might_not_block", "receive_some"])
async def test_to_trio_closing_wakes_the_tasks_that_wait(method):
    stream, _writer, peer = await mixed_pair(buffer_size=4096)
    if method != "receive_some":
        await clog(stream)

    async def wait():
        with pytest.raises(trio.ClosedResourceError):
            await getattr(stream, method)(*([b"x"] if method == "send_all" else []))

    async with closing(stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await trio.aclose_forcefully(stream)


async def test_to_trio_a_closed_stream_stays_closed_after_the_loop():
    async with trio_bridge.open_loop():
        stream, _writer, peer = await mixed_pair()
        await stream.aclose()
        await peer.aclose()
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()


# ---- to_trio: errors


async def test_to_trio_a_reset_is_a_broken_resource():
    stream, _writer, peer = await mixed_pair()
    async with closing(stream), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def receive():
            with pytest.raises(trio.BrokenResourceError) as caught:
                await stream.receive_some()
            assert isinstance(caught.value.__cause__, ConnectionResetError)

        await trio.testing.wait_all_tasks_blocked()
        reset(peer)
    for attempt in (
        functools.partial(stream.send_all, b"x"),
        functools.partial(stream.send_all, b""),
        stream.wait_send_all_might_not_block,
        stream.receive_some,
        stream.send_eof,
    ):
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await attempt()
    await stream.aclose()


async def test_to_trio_a_reset_wakes_a_sender_with_the_cause():
    stream, _writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send():
            with pytest.raises(trio.BrokenResourceError) as caught:
                await stream.send_all(bytes(MEGABYTE))
            assert isinstance(caught.value.__cause__, ConnectionError)

        await trio.testing.wait_all_tasks_blocked(0.01)
        reset(peer)
        await trio.lowlevel.checkpoint()


async def test_to_trio_a_writer_that_asyncio_code_closes_is_a_broken_resource():
    stream, writer, peer = await mixed_pair()
    async with closing(stream, peer):
        trio2aio(writer.close)()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"lost")
        assert await stream.receive_some() == b""


async def test_to_trio_a_writer_that_is_closing_takes_nothing_more():
    stream, writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream, peer):
        await stream.send_all(bytes(60_000))
        trio2aio(writer.close)()
        assert writer.transport.get_write_buffer_size() > 0
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"not this")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_eof()
        assert await receive_all(peer) == bytes(60_000)


@pytest.mark.parametrize("turns", range(8))
async def test_to_trio_an_aclose_that_is_cancelled_at_the_end(turns):
    """When the connection has just ended, or is about to: some transports can't be aborted then."""
    stream, _writer, peer = await mixed_pair(buffer_size=4096)
    await stream.send_all(bytes(60_000))
    async with closing(stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(stream.aclose)
        assert await receive_exactly(peer, 60_000) == bytes(60_000)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_to_trio_the_cause_is_the_kernels_error():
    stream, _writer, peer = await mixed_pair()
    await peer.aclose()
    async with closing(stream):
        with pytest.raises(trio.BrokenResourceError) as caught:
            while True:
                await stream.send_all(b"x")
        assert caught.value.__cause__.errno in (errno.EPIPE, errno.ECONNRESET)


async def test_to_trio_two_tasks_in_one_direction():
    stream, _writer, peer = await mixed_pair(buffer_size=4096)
    await clog(stream)
    async with closing(stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive_some)
        nursery.start_soon(stream.wait_send_all_might_not_block)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="receiving from"):
            await stream.receive_some()
        with pytest.raises(trio.BusyResourceError, match="sending on"):
            await stream.send_all(b"x")
        with pytest.raises(trio.BusyResourceError, match="sending on"):
            await stream.send_eof()
        nursery.cancel_scope.cancel()


async def test_to_trio_max_bytes():
    stream, _writer, peer = await mixed_pair()
    async with closing(stream, peer):
        await peer.send_all(b"abc")
        for wrong in (0, -1):
            with pytest.raises(ValueError, match="max_bytes"):
                await stream.receive_some(wrong)
        for wrong in (1.5, "1"):
            with pytest.raises(TypeError):
                await stream.receive_some(wrong)
        assert await stream.receive_some(2) == b"ab"
        assert await stream.receive_some(2) == b"c"


# ---- to_trio: cancellation


async def test_to_trio_a_cancelled_receive_loses_no_data():
    stream, _writer, peer = await mixed_pair()
    chance = random.Random(0)
    sent = bytes(chance.randrange(256) for _ in range(300))
    received = bytearray()

    async def receive(scope):
        with scope:
            received.extend(await stream.receive_some(chance.randint(1, 3)))

    async with closing(stream, peer):
        for byte in sent:
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(receive, scope)
                for _ in range(chance.randrange(4)):
                    await trio.lowlevel.checkpoint()
                await peer.send_all(bytes([byte]))
                for _ in range(chance.randrange(4)):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
        await peer.send_eof()
        received += await receive_all(stream)
    assert received == sent


async def test_to_trio_a_cancelled_send_has_sent_a_part_and_the_stream_goes_on():
    stream, _writer, peer = await mixed_pair(buffer_size=4096)
    async with closing(stream, peer):
        await clog(stream)
        received = bytearray()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def send():
                await stream.send_all(b"the end")
                await stream.send_eof()

            received += await receive_all(peer)
    assert received.endswith(b"the end")
    assert not received.removesuffix(b"the end").strip(b"\0")
    assert 0 < len(received) < 2 * MEGABYTE


async def test_to_trio_a_pending_cancellation_sends_nothing():
    stream, _writer, peer = await mixed_pair()
    async with closing(stream, peer):
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.send_all(b"not this")
        assert scope.cancelled_caught
        await stream.send_all(b"this")
        await stream.send_eof()
        assert await receive_all(peer) == b"this"


# ---- to_trio: pipes


async def test_to_trio_the_pipes_of_a_subprocess():
    pipe = asyncio.subprocess.PIPE
    script = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    process = await trio2aio(asyncio.create_subprocess_exec)(
        sys.executable, "-c", script, stdin=pipe, stdout=pipe
    )
    stream = to_trio(process.stdout, process.stdin)
    message = os.urandom(300_000)
    await stream.send_all(message)
    await stream.send_eof()
    assert await receive_all(stream) == message[::-1]
    await stream.aclose()
    assert await trio2aio(process.wait)() == 0


@pytest.mark.parametrize("is_clogged", [False, True])
@pytest.mark.parametrize("is_half_closed", [False, True])
async def test_to_trio_a_cancelled_aclose_of_a_pipe(is_clogged, is_half_closed):
    pipe = asyncio.subprocess.PIPE
    process = await trio2aio(asyncio.create_subprocess_exec)(
        sys.executable, "-c", "import time; time.sleep(1000)", stdin=pipe, stdout=pipe
    )
    stream = to_trio(process.stdout, process.stdin)
    try:
        if is_clogged:
            await clog(stream)
        if is_half_closed:
            await stream.send_eof()
        await trio.aclose_forcefully(stream)
        await trio.aclose_forcefully(stream)
    finally:
        process.kill()
        await trio2aio(process.wait)()


# ---- to_transport: a protocol over a Trio stream


class Recorder(asyncio.Protocol):
    """Writes down what it is told. ``lost`` is set at the end."""

    keep_open = False

    def __init__(self):
        self.calls = []
        self.data = b""
        self.lost = trio.Event()
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data):
        assert type(data) is bytes
        self.data += data

    def eof_received(self):
        self.calls.append("eof")
        return self.keep_open

    def pause_writing(self):
        self.calls.append("pause")

    def resume_writing(self):
        self.calls.append("resume")

    def connection_lost(self, exc):
        self.calls.append(("lost", exc))
        aio_lost(self)

    @property
    def error(self):
        kind, exc = self.calls[-1]
        assert kind == "lost"
        return exc


def aio_lost(recorder):
    # Trio's Event may be set from asyncio code of the same thread.
    recorder.lost.set()


class HalfClosed(Recorder):
    keep_open = True


class Echo(Recorder):
    """Sends back what it gets."""

    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


class Wrapped(trio.abc.Stream):
    """A stream that a test gives a flaw."""

    def __init__(self, stream):
        self.stream = stream

    async def send_all(self, data):
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes=None):
        return await self.stream.receive_some(max_bytes)

    async def aclose(self):
        await self.stream.aclose()


async def received(recorder, data):
    await eventually(lambda: len(recorder.data) >= len(data))
    assert recorder.data == data


MAKERS = {
    "memory": trio.testing.memory_stream_pair,
    "lockstep": trio.testing.lockstep_stream_pair,
    "tcp": lambda: tuple(map(trio_stream, tcp_sockets())),
    "small tcp": lambda: tuple(map(trio_stream, tcp_sockets(4096))),
}


@pytest.fixture(params=MAKERS)
def stream_pair(request):
    """A function that makes two connected Trio streams."""
    return MAKERS[request.param]


async def test_to_transport_an_echo_protocol(stream_pair):
    stream, peer = stream_pair()
    transport, protocol = to_transport(stream, Echo)
    assert type(protocol) is Echo
    assert transport.get_protocol() is protocol
    assert protocol.calls == ["made"]
    message = os.urandom(200_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.send_all, message)
        assert await receive_exactly(peer, len(message)) == message
    assert protocol.data == message
    await peer.send_eof()
    with trio.fail_after(30):
        await protocol.lost.wait()
    assert protocol.calls[-2:] == ["eof", ("lost", None)]
    assert await receive_all(peer) == b""
    assert transport.is_closing()
    assert "closed" in repr(transport)
    await peer.aclose()


async def test_to_transport_is_for_both_sides():
    @trio2aio
    async def in_asyncio():
        left, right = trio.testing.memory_stream_pair()
        transport, protocol = to_transport(left, Echo)
        await aio2trio(right.send_all)(b"asyncio-side")
        assert await aio2trio(right.receive_some)() == b"asyncio-side"
        transport.close()
        await aio2trio(protocol.lost.wait)()

    await in_asyncio()
    async with trio_bridge.open_loop():  # the innermost loop
        left, right = trio.testing.memory_stream_pair()
        loops = []

        class WhichLoop(Echo):
            def data_received(self, data):
                loops.append(asyncio.get_running_loop())
                super().data_received(data)

        transport, protocol = to_transport(left, WhichLoop)
        await right.send_all(b"Trio-side")
        assert await right.receive_some() == b"Trio-side"
        assert loops == [current_loop()]
        trio2aio(transport.close)()
        await protocol.lost.wait()


async def test_to_transport_eof_may_leave_it_open():
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, HalfClosed)
    await right.send_all(b"a question")
    await right.send_eof()
    await eventually(lambda: "eof" in protocol.calls)
    assert not transport.is_closing()
    trio2aio(transport.write)(b"an ")
    trio2aio(transport.writelines)([b"ans", bytearray(b"w"), memoryview(b"er")])
    assert transport.can_write_eof()
    trio2aio(transport.write_eof)()
    with pytest.raises(RuntimeError, match="write_eof"):
        transport.write(b"more")
    assert await receive_all(right) == b"an answer"
    assert not transport.is_closing()
    trio2aio(transport.close)()
    await protocol.lost.wait()
    assert protocol.error is None


async def test_to_transport_pause_reading_holds_data_and_the_end_back():
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    assert transport.is_reading()
    await trio.testing.wait_all_tasks_blocked()
    trio2aio(transport.pause_reading)()
    trio2aio(transport.pause_reading)()
    assert not transport.is_reading()
    await right.send_all(b"one")
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert protocol.data == b""
    trio2aio(transport.resume_reading)()
    await received(protocol, b"one")
    await trio.testing.wait_all_tasks_blocked()
    trio2aio(transport.pause_reading)()
    await right.send_eof()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert protocol.calls == ["made"]
    trio2aio(transport.resume_reading)()
    await protocol.lost.wait()
    assert protocol.calls == ["made", "eof", ("lost", None)]
    await right.aclose()


async def test_to_transport_closes_while_it_is_paused():
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    trio2aio(transport.pause_reading)()
    await right.send_all(b"too late")
    await trio.testing.wait_all_tasks_blocked()
    trio2aio(transport.close)()
    await protocol.lost.wait()
    assert protocol.calls == ["made", ("lost", None)]
    assert protocol.data == b""


async def test_to_transport_pauses_and_resumes_the_writer():
    left, right = trio.testing.lockstep_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    assert transport.get_write_buffer_limits() == (16_384, 65_536)
    trio2aio(transport.set_write_buffer_limits)(high=1000)
    assert transport.get_write_buffer_limits() == (250, 1000)
    data = bytearray(b"x" * 1000)
    trio2aio(transport.write)(data)
    data[:] = b"y" * 1000  # it has its own copy
    assert protocol.calls == ["made"]
    trio2aio(transport.write)(b"z")
    assert transport.get_write_buffer_size() == 1001
    assert protocol.calls == ["made", "pause"]
    trio2aio(transport.set_write_buffer_limits)(high=2000)
    trio2aio(transport.set_write_buffer_limits)(high=1000)
    assert protocol.calls == ["made", "pause"]
    assert await receive_exactly(right, 1001) == b"x" * 1000 + b"z"
    await eventually(lambda: transport.get_write_buffer_size() == 0)
    assert protocol.calls == ["made", "pause", "resume"]
    trio2aio(transport.set_write_buffer_limits)(low=10)
    assert transport.get_write_buffer_limits() == (10, 40)
    with pytest.raises(ValueError, match="must be >= low"):
        transport.set_write_buffer_limits(high=1, low=2)
    trio2aio(transport.abort)()
    await protocol.lost.wait()


async def test_to_transport_close_sends_what_is_buffered(stream_pair):
    left, right = stream_pair()
    transport, protocol = to_transport(left, Recorder)
    trio2aio(transport.write)(bytes(MEGABYTE))
    trio2aio(transport.close)()
    trio2aio(transport.close)()
    assert transport.is_closing()
    assert not transport.is_reading()
    assert await receive_exactly(right, MEGABYTE) == bytes(MEGABYTE)
    assert await receive_all(right) == b""
    await protocol.lost.wait()
    assert protocol.calls[-1] == ("lost", None)
    await right.aclose()


@pytest.mark.parametrize("turns", range(5))
async def test_to_transport_gives_its_protocol_nothing_once_it_is_closed(turns):
    """Not what was on its way then: the protocol has said that it wants no more."""
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    await trio.testing.wait_all_tasks_blocked()

    async def close():
        await aio2trio(right.send_all)(b"data")
        for _ in range(turns):
            await asyncio.sleep(0)
        received.append(bytes(protocol.data))
        transport.close()

    received = []
    await trio2aio(close)()
    await protocol.lost.wait()
    assert received == [protocol.data]
    assert protocol.error is None


async def test_to_transport_abort_does_not():
    left, _right = trio.testing.lockstep_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    trio2aio(transport.write)(bytes(MEGABYTE))
    await trio.testing.wait_all_tasks_blocked()
    trio2aio(transport.close)()
    trio2aio(transport.abort)()
    trio2aio(transport.abort)()
    await protocol.lost.wait()
    assert protocol.calls == ["made", "pause", ("lost", None)]
    assert transport.get_write_buffer_size() == 0
    with pytest.raises(trio.ClosedResourceError):
        await left.send_all(b"x")


async def test_to_transport_abort_ends_a_graceful_close_that_takes_long():
    closed = []

    class SlowToClose(Wrapped):
        async def aclose(self):
            try:
                await trio.sleep_forever()
            finally:
                closed.append(True)

    left, _right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(SlowToClose(left), Recorder)
    trio2aio(transport.close)()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert protocol.calls == ["made"]
    trio2aio(transport.abort)()
    await protocol.lost.wait()
    assert protocol.calls == ["made", ("lost", None)]
    assert closed == [True]


@pytest.mark.parametrize("method", ["close", "abort"])
async def test_to_transport_a_protocol_may_end_it_from_anywhere(method):
    class EndsAtOnce(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"hello")
            getattr(transport, method)()

    class EndsOnData(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"hello")
            getattr(self.transport, method)()

    for factory in (EndsAtOnce, EndsOnData):
        left, right = trio.testing.memory_stream_pair()
        _transport, protocol = to_transport(left, factory)
        with contextlib.suppress(trio.BrokenResourceError):
            await right.send_all(b"data")
        await protocol.lost.wait()
        assert protocol.calls == ["made", ("lost", None)]
        assert await receive_all(right) == (b"hello" if method == "close" else b"")
        await right.aclose()


async def test_to_transport_writing_to_a_closed_transport_is_ignored_but_said(caplog):
    left, _right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    trio2aio(transport.close)()
    trio2aio(transport.write_eof)()
    await protocol.lost.wait()
    for _ in range(4):
        transport.write(b"x")
    assert not caplog.records
    transport.write(b"x")
    assert "after the connection was closed" in caplog.text
    with pytest.raises(TypeError, match="bytes"):
        transport.write("text")


async def test_to_transport_what_is_written_while_a_closed_transport_sends_is_sent(stream_pair):
    class SaysGoodBye(Recorder):
        """As asyncio's TLS, which can't while it is paused, and closes all the same."""

        def resume_writing(self):
            super().resume_writing()
            self.transport.write(b"good-bye")

    stream, peer = stream_pair()
    transport, protocol = to_transport(stream, SaysGoodBye)
    message = os.urandom(200_000)

    @trio2aio
    def write_and_close():
        transport.write(message)
        transport.close()

    write_and_close()
    assert protocol.calls == ["made", "pause"]
    assert await receive_all(peer) == message + b"good-bye"
    await protocol.lost.wait()
    assert protocol.calls == ["made", "pause", "resume", ("lost", None)]
    transport.write(b"too late")
    await peer.aclose()


async def test_to_transport_set_protocol():
    left, right = trio.testing.memory_stream_pair()
    transport, first = to_transport(left, Recorder)
    await right.send_all(b"first")
    await received(first, b"first")
    second = Recorder()
    trio2aio(transport.set_protocol)(second)
    assert transport.get_protocol() is second
    await right.send_all(b"second")
    await received(second, b"second")
    await right.aclose()
    await second.lost.wait()
    assert first.calls == ["made"]


async def test_to_transport_a_buffered_protocol():
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self):
            self.buffer = bytearray(10)
            self.data = b""

        def get_buffer(self, sizehint):
            assert sizehint > 0
            return self.buffer

        def buffer_updated(self, nbytes):
            self.data += self.buffer[:nbytes]

    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Buffered)
    await right.send_all(b"a message of some length")
    await received(protocol, b"a message of some length")
    await right.aclose()
    await eventually(transport.is_closing)


@pytest.mark.bridge(on_error="log")
async def test_to_transport_a_buffered_protocol_without_a_buffer_loses_its_connection():
    lost = trio.Event()

    class NoBuffer(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint):
            return bytearray()

        def connection_lost(self, exc):
            self.exc = exc
            lost.set()

    left, right = trio.testing.memory_stream_pair()
    _, protocol = to_transport(left, NoBuffer)
    await right.send_all(b"Riri")
    await lost.wait()
    assert str(protocol.exc) == "get_buffer() returned an empty buffer"
    await right.aclose()


async def test_to_transport_the_peers_name_of_a_socket_that_is_closed_is_none():
    left, right = map(trio_stream, tcp_sockets())
    await left.aclose()
    transport, protocol = to_transport(left, Recorder)
    assert transport.get_extra_info("peername") is None
    assert transport.get_extra_info("sockname") is None
    trio2aio(transport.abort)()
    await protocol.lost.wait()
    await right.aclose()


async def test_to_transport_extra_info():
    left, right = map(trio_stream, tcp_sockets())
    transport, protocol = to_transport(left, Recorder)
    assert transport.get_extra_info("sockname") == right.socket.getpeername()
    assert transport.get_extra_info("peername") == right.socket.getsockname()
    sock = transport.get_extra_info("socket")
    assert sock.family == socket.AF_INET
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert transport.get_extra_info("sslcontext") is None
    assert transport.get_extra_info("unknown", 42) == 42
    trio2aio(transport.abort)()
    await protocol.lost.wait()
    await right.aclose()
    left, _right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    assert transport.get_extra_info("socket") is None
    trio2aio(transport.abort)()
    await protocol.lost.wait()


# ---- to_transport: errors


async def test_to_transport_a_reset_is_asyncios():
    left, right = map(trio_stream, tcp_sockets())
    _transport, protocol = to_transport(left, Recorder)
    await trio.testing.wait_all_tasks_blocked()
    reset(right)
    await protocol.lost.wait()
    assert isinstance(protocol.error, ConnectionResetError)


async def test_to_transport_a_broken_pipe_is_asyncios():
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, HalfClosed)
    await right.aclose()
    await eventually(lambda: "eof" in protocol.calls)
    trio2aio(transport.write)(b"x")
    await protocol.lost.wait()
    assert isinstance(protocol.error, BrokenPipeError)
    assert isinstance(protocol.error.__cause__, trio.BrokenResourceError)


async def test_to_transport_a_stream_that_others_close():
    left, right = trio.testing.memory_stream_pair()
    _transport, protocol = to_transport(left, Recorder)
    await trio.testing.wait_all_tasks_blocked()
    await left.aclose()
    await protocol.lost.wait()
    assert isinstance(protocol.error, ConnectionAbortedError)
    await right.aclose()


@pytest.mark.parametrize("callback", ["data_received", "eof_received"])
async def test_to_transport_an_error_of_the_protocol_leaves_the_loop(callback):
    error = ZeroDivisionError("the protocol's")

    class Fails(Recorder):
        pass

    def fail(self, *args):
        raise error

    setattr(Fails, callback, fail)
    left, right = trio.testing.memory_stream_pair()
    with pytest.raises(ExceptionGroup) as caught:
        async with trio_bridge.open_loop():
            _transport, protocol = to_transport(left, Fails)
            await right.send_all(b"x")
            await right.send_eof()
            await trio.sleep_forever()
    assert caught.value.exceptions == (error,)
    assert protocol.error is error
    assert await receive_all(right) == b""


async def test_to_transport_an_error_of_a_callback_is_reported():
    reports = []
    current_loop().set_exception_handler(lambda loop, context: reports.append(context))

    class Fails(Recorder):
        def pause_writing(self):
            raise ZeroDivisionError

        connection_lost = Recorder.connection_lost

    left, _right = trio.testing.lockstep_stream_pair()
    transport, protocol = to_transport(left, Fails)
    trio2aio(transport.write)(bytes(MEGABYTE))
    trio2aio(transport.abort)()
    await protocol.lost.wait()
    (report,) = reports
    assert report["message"] == "protocol.pause_writing() failed"
    assert type(report["exception"]) is ZeroDivisionError
    assert report["transport"] is transport
    assert report["protocol"] is protocol


async def test_to_transport_a_stream_that_fails_when_it_is_closed_is_reported():
    class Buggy(Wrapped):
        async def aclose(self):
            await super().aclose()
            raise ZeroDivisionError

    reports = []
    current_loop().set_exception_handler(lambda loop, context: reports.append(context))
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(Buggy(left), Recorder)
    trio2aio(transport.close)()
    await protocol.lost.wait()
    assert type(protocol.error) is ZeroDivisionError
    assert [report["message"] for report in reports] == ["closing a Trio stream failed"]
    assert await receive_all(right) == b""


async def test_to_transport_a_bug_in_a_stream_is_reported():
    class Buggy(Wrapped):
        async def receive_some(self, max_bytes=None):
            raise ZeroDivisionError

    reports = []
    current_loop().set_exception_handler(lambda loop, context: reports.append(context))
    left, right = trio.testing.memory_stream_pair()
    _transport, protocol = to_transport(Buggy(left), Recorder)
    await protocol.lost.wait()
    assert type(protocol.error) is ZeroDivisionError
    assert [report["message"] for report in reports] == ["receiving from a Trio stream failed"]
    assert await receive_all(right) == b""


async def test_to_transport_an_error_of_connection_made_is_the_callers():
    class Fails(Recorder):
        def connection_made(self, transport):
            raise ZeroDivisionError

    left, right = trio.testing.memory_stream_pair()
    with pytest.raises(ZeroDivisionError):
        to_transport(left, Fails)
    await left.send_all(b"still mine")
    assert await right.receive_some() == b"still mine"


# ---- to_transport: the loop's end


@pytest.mark.parametrize("turns", [0, 1, 5, None])
async def test_to_transport_a_loop_that_ends_closes_the_stream_and_warns(turns):
    left, right = trio.testing.memory_stream_pair()
    async with trio_bridge.open_loop():
        transport, protocol = to_transport(left, Recorder)
        trio2aio(transport.write)(b"x")
        if turns is None:
            await trio.testing.wait_all_tasks_blocked()
        else:
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
    assert protocol.lost.is_set()
    assert isinstance(protocol.error, ConnectionAbortedError)
    assert transport.is_closing()
    await receive_all(right)
    with pytest.raises(trio.ClosedResourceError):
        await left.send_all(b"x")
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        protocol.transport = transport = None


@pytest.mark.parametrize("method", ["close", "abort"])
async def test_to_transport_a_loop_that_ends_after_close_does_not_warn(method):
    left, right = trio.testing.memory_stream_pair()
    async with trio_bridge.open_loop():
        transport, protocol = to_transport(left, Recorder)
        trio2aio(getattr(transport, method))()
    assert protocol.lost.is_set()
    assert protocol.error is None
    assert await receive_all(right) == b""
    del transport, protocol
    gc.collect()


async def test_to_transport_a_loop_that_ends_after_the_end_of_what_comes_in():
    left, right = trio.testing.memory_stream_pair()
    async with trio_bridge.open_loop():
        _, protocol = to_transport(left, HalfClosed)
        await right.send_eof()
        await eventually(lambda: "eof" in protocol.calls)
    assert isinstance(protocol.error, ConnectionAbortedError)
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        protocol.transport = _ = None
    assert await receive_all(right) == b""


async def test_to_transport_when_the_surroundings_of_the_loop_are_cancelled():
    left, right = trio.testing.memory_stream_pair()
    with trio.CancelScope() as scope:
        async with trio_bridge.open_loop():
            transport, protocol = to_transport(left, Recorder)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            with trio.CancelScope(shield=True):
                await protocol.lost.wait()
            trio2aio(transport.close)()  # it was meant to be closed: no warning
    assert isinstance(protocol.error, ConnectionAbortedError)
    assert await receive_all(right) == b""
    protocol.transport = transport = None
    gc.collect()


@pytest.mark.parametrize("method", ["close", "abort", None])
@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("times", [1, 2, 30])
async def test_to_transport_survives_code_that_cancels_every_task(turns, method, times):
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)

    @trio2aio
    async def cancel_every_task():
        if method is not None:
            getattr(transport, method)()
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

    await cancel_every_task()
    with trio.fail_after(30):
        await protocol.lost.wait()
    assert protocol.calls.count("made") == 1
    assert len(protocol.calls) == 2
    assert (protocol.error is None) == (method is not None)
    with pytest.raises(trio.ClosedResourceError):
        await left.send_all(b"x")
    assert await receive_all(right) == b""
    trio2aio(transport.close)()


async def test_to_transport_lives_though_nobody_holds_it():
    left, right = trio.testing.memory_stream_pair()
    forgotten = weakref.ref(to_transport(left, HalfClosed)[0])
    await right.send_eof()
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()
    transport = forgotten()
    protocol = transport.get_protocol()
    trio2aio(transport.close)()
    await protocol.lost.wait()
    await right.aclose()


# ---- real use


@contextlib.asynccontextmanager
async def serving_tls(certificates):
    """A client's trio.SSLStream, and a server's, on one connection."""
    server_tls, client_tls = certificates
    left, right = map(trio_stream, tcp_sockets())
    client = trio.SSLStream(left, client_tls, server_hostname="localhost")
    server = trio.SSLStream(right, server_tls, server_side=True)
    async with closing(client, server):
        yield client, server


async def test_an_asyncio_protocol_over_trios_tls(certificates):
    async with serving_tls(certificates) as (client, server):
        transport, protocol = to_transport(server, Echo)
        assert transport.get_extra_info("sslcontext") is certificates[0]
        assert transport.get_extra_info("cipher", "none yet") == "none yet"
        assert not transport.can_write_eof()
        with pytest.raises(NotImplementedError):
            transport.write_eof()
        message = os.urandom(200_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, message)
            assert await receive_exactly(client, len(message)) == message
        assert transport.get_extra_info("cipher") == client.cipher()
        assert transport.get_extra_info("peername") == client.transport_stream.socket.getsockname()
        trio2aio(transport.close)()
        assert await client.receive_some() == b""  # a good-bye, not just an end
        await client.aclose()
        await protocol.lost.wait()
        assert protocol.error is None


async def test_asyncio_streams_over_trios_tls(certificates):
    async with serving_tls(certificates) as (client, server):
        reader, writer = to_asyncio(client)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer():
                assert await server.receive_some() == b"question\n"
                await server.send_all(b"answer\n")
                await server.aclose()

            @trio2aio
            async def ask():
                writer.write(b"question\n")
                answers = await reader.read()
                writer.close()
                await writer.wait_closed()
                return answers

            assert await ask() == b"answer\n"


async def test_trios_tls_over_an_asyncio_stream(certificates):
    server_tls, client_tls = certificates
    left, right, _ = await asyncio_pair()
    client = trio.SSLStream(left, client_tls, server_hostname="localhost")
    server = trio.SSLStream(right, server_tls, server_side=True)
    message = os.urandom(200_000)
    async with closing(client, server), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send():
            await client.send_all(message)
            await client.aclose()

        assert await receive_all(server) == message


async def test_asyncio_tls_over_a_trio_stream(certificates):
    server_tls, client_tls = certificates
    left, right = trio.testing.memory_stream_pair()
    client = trio.SSLStream(left, client_tls, server_hostname="localhost", https_compatible=True)
    reader, writer = to_asyncio(right)

    @trio2aio
    async def serve():
        loop = asyncio.get_running_loop()
        secure = await loop.start_tls(
            writer.transport, writer.transport.get_protocol(), server_tls, server_side=True
        )
        line = await reader.readline()
        secure.write(line.upper())
        await reader.read()
        secure.close()
        return line

    async with trio.open_nursery() as nursery, closing(client):

        @nursery.start_soon
        async def talk():
            await client.send_all(b"hello\n")
            assert await client.receive_some() == b"HELLO\n"
            await client.aclose()

        assert await serve() == b"hello\n"
    await eventually(writer.is_closing)
    trio2aio(writer.close)()


async def test_an_asyncio_protocol_over_a_stapled_stream():
    to_protocol, incoming = trio.testing.memory_stream_one_way_pair()
    outgoing, from_protocol = trio.testing.memory_stream_one_way_pair()
    _transport, protocol = to_transport(trio.StapledStream(outgoing, incoming), Echo)
    await to_protocol.send_all(b"hello")
    assert await from_protocol.receive_some() == b"hello"
    await to_protocol.aclose()
    await protocol.lost.wait()
    assert await from_protocol.receive_some() == b""


# ---- to_asyncio


async def test_to_asyncio_a_reader_and_a_writer():
    left, right = trio.testing.memory_stream_pair()
    reader, writer = to_asyncio(left)
    await right.send_all(b"one\ntwo\nthr")

    @trio2aio
    async def talk():
        assert await reader.readline() == b"one\n"
        assert await reader.readuntil(b"o") == b"two"
        assert await reader.readexactly(3) == b"\nth"
        writer.write(b"answer")
        await writer.drain()
        assert writer.can_write_eof()
        writer.write_eof()
        assert await reader.read() == b"ree"
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ConnectionResetError):
            await writer.drain()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        assert await receive_all(right) == b"answer"
        await right.send_all(b"ee")
        await right.send_eof()


async def test_to_asyncio_has_backpressure_in_both_directions():
    left, right = map(trio_stream, tcp_sockets(4096))
    reader, writer = to_asyncio(left, limit=1000)
    message = os.urandom(MEGABYTE)
    sent = trio.Event()

    @trio2aio
    async def send():
        for start in range(0, MEGABYTE, 10_000):
            writer.write(message[start : start + 10_000])
            await writer.drain()
            assert writer.transport.get_write_buffer_size() <= 65_536
        aio_set(sent)

    async with closing(right), trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await eventually(lambda: writer.transport.get_write_buffer_size() > 16_384)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not sent.is_set()
        assert await receive_exactly(right, MEGABYTE) == message
        await sent.wait()

        await clog(right)  # it ends: nobody reads, and so nothing more is taken
        assert not writer.transport.is_reading()
        await right.send_eof()
        assert len(await trio2aio(reader.read)()) < 4 * MEGABYTE
        trio2aio(writer.close)()
        await trio2aio(writer.wait_closed)()


def aio_set(event):
    event.set()


async def test_to_asyncio_a_line_over_the_limit():
    left, right = trio.testing.memory_stream_pair()
    reader, writer = to_asyncio(left, limit=10)
    await right.send_all(b"x" * 100 + b"\n")
    with pytest.raises(ValueError, match="limit"):
        await trio2aio(reader.readline)()
    trio2aio(writer.close)()
    await trio2aio(writer.wait_closed)()
    with pytest.raises(ValueError, match="Limit"):
        to_asyncio(right, limit=0)


async def test_to_asyncio_a_reset():
    left, right = map(trio_stream, tcp_sockets())
    reader, writer = to_asyncio(left)
    await trio.testing.wait_all_tasks_blocked()
    reset(right)
    with pytest.raises(ConnectionResetError):
        await trio2aio(reader.read)()
    trio2aio(writer.close)()
    with pytest.raises(ConnectionResetError):
        await trio2aio(writer.wait_closed)()


async def test_to_asyncio_a_writer_that_is_forgotten_warns():
    left, right = trio.testing.memory_stream_pair()
    with pytest.warns(ResourceWarning, match="unclosed <StreamWriter"):
        to_asyncio(left)
    assert await receive_all(right) == b""


async def test_there_and_back_passes_trios_checks():
    def there_and_back(pair):
        return tuple(to_trio(*to_asyncio(stream)) for stream in pair)

    async def make():
        return there_and_back(trio.testing.memory_stream_pair())

    async def make_clogged():
        return await clog(*there_and_back(trio.testing.lockstep_stream_pair()))

    await trio.testing.check_half_closeable_stream(make, make_clogged)


# ---- wrong arguments


async def test_to_trio_wrong_arguments():
    left, right = tcp_sockets()
    reader, writer = await open_asyncio(left)
    stream = trio_stream(right)
    async with closing(stream, to_trio(reader, writer)):
        for args, advice in [
            ((writer, reader), r"swapped. Write\n    to_trio\(reader, writer\)"),
            ((stream, stream), r"Trio's already.*to_asyncio\(stream\)"),
            ((left, left), r"not a socket.*trio.SocketStream"),
            ((reader, writer.transport), r"asyncio.open_connection"),
            ((None, writer), r"not None.*asyncio.open_connection"),
            ((reader, asyncio.StreamWriter), r"not the class StreamWriter"),
        ]:
            with pytest.raises(TypeError, match=f"(?s){advice}"):
                to_trio(*args)


async def test_to_asyncio_and_to_transport_wrong_streams():
    left, right = tcp_sockets()
    reader, writer = await open_asyncio(left)
    send_stream, receive_stream = trio.testing.memory_stream_one_way_pair()
    with trio.socket.from_stdlib_socket(right) as trio_socket:
        for stream, advice in [
            (reader, r"asyncio's already.*to_trio\(reader, writer\)"),
            (writer.transport, r"asyncio's already"),
            (trio_socket, r"not a socket.*\(trio.SocketStream\(sock\)"),
            (left, r"not a socket.*open_connection\(sock=sock\)"),
            (send_stream, r"both directions.*StapledStream\(send_stream, receive_stream\)"),
            (receive_stream, r"both directions"),
            (trio.SocketStream, r"not the class SocketStream.*open_tcp_stream"),
            (None, r"not None"),
        ]:
            with pytest.raises(TypeError, match=f"(?s){advice}"):
                to_asyncio(stream)
            with pytest.raises(TypeError, match=f"(?s){advice}"):
                to_transport(stream, Recorder)
    await to_trio(reader, writer).aclose()


async def test_to_transport_wrong_factories():
    left, right = trio.testing.memory_stream_pair()

    async def async_factory():
        return Recorder()

    for factory, advice in [
        (Recorder(), r"not the protocol .*to_transport\(stream, lambda: protocol\)"),
        (None, r"not None.*to_transport\(stream, MyProtocol\)"),
        (lambda: Recorder, r"gave the class Recorder.*to_transport\(stream, Recorder\)"),
        (lambda: None, r"gave None, which is no asyncio.Protocol"),
        (asyncio.DatagramProtocol, r"which is no asyncio.Protocol"),
        (async_factory, r"is an async function"),
    ]:
        with pytest.raises(TypeError, match=f"(?s){advice}"):
            to_transport(left, factory)
    await left.send_all(b"still mine")
    assert await right.receive_some() == b"still mine"


def test_where_no_loop_is_open():
    async def main():
        left, _right = trio.testing.memory_stream_pair()
        for call in (to_asyncio, functools.partial(to_transport, protocol_factory=Recorder)):
            with pytest.raises(RuntimeError, match=r"trio_bridge.run\(main\)"):
                call(left)

    trio.run(main)


# ---- what is left of them


@pytest.fixture
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("end", ["close", "abort"])
async def test_to_transport_is_in_no_cycle_when_it_has_ended(end):
    left, right = trio.testing.memory_stream_pair()
    transport, protocol = to_transport(left, Recorder)
    trio2aio(transport.write)(b"some")
    await right.receive_some()
    trio2aio(getattr(transport, end))()
    await protocol.lost.wait()
    await trio.testing.wait_all_tasks_blocked()
    is_alive = weakref.ref(transport)
    del transport, protocol.transport, protocol
    assert is_alive() is None


@pytest.mark.usefixtures("_no_collector")
async def test_to_trio_is_in_no_cycle():
    stream, _writer, other = await mixed_pair()
    async with closing(other):
        await other.send_all(b"some")
        await stream.receive_some()
        await stream.aclose()
        is_alive = weakref.ref(stream)
        del stream
        await trio.testing.wait_all_tasks_blocked()
        assert is_alive() is None
