"""Rule 4.6, loop services: the network. Real sockets on the loopback interface."""

import asyncio
import contextlib
import os
import socket
import ssl

import pytest
import trio
import trio.testing

from trio_bridge import current_loop, trio2aio

LOCALHOST = "127.0.0.1"
MEGABYTE = 1 << 20


async def echo(reader, writer):
    """A connection's handler: send back what comes, until the end."""
    while data := await reader.read(MEGABYTE):
        writer.write(data)
        await writer.drain()
    await close(writer)


async def close(writer):
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(handler, **options):
    """A server on a free port of the loopback interface, which is the value."""
    server = await asyncio.start_server(handler, LOCALHOST, 0, **options)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exchange(reader, writer, message):
    writer.write(message)
    await writer.drain()
    return await reader.readexactly(len(message))


@contextlib.contextmanager
def socket_pair():
    with contextlib.ExitStack() as stack:
        pair = [stack.enter_context(sock) for sock in socket.socketpair()]
        for sock in pair:
            sock.setblocking(False)
        yield pair


@contextlib.contextmanager
def listening_socket():
    with socket.create_server((LOCALHOST, 0)) as sock:
        sock.setblocking(False)
        yield sock


@pytest.fixture
def big_file(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(os.urandom(MEGABYTE))
    return path


# ---- TCP


async def test_4_6_echo_with_many_connections():
    async def serve():
        server = await asyncio.start_server(echo, LOCALHOST, 0)
        return server, server.sockets[0].getsockname()[1]

    @trio2aio
    async def visit(n):
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        for round_ in range(5):
            message = b"%d:%d" % (n, round_)
            assert await exchange(reader, writer, message) == message
        await close(writer)
        visitors.append(n)

    async def stop():
        server.close()
        await server.wait_closed()

    visitors = []
    server, port = await trio2aio(serve)()
    async with trio.open_nursery() as nursery:
        for n in range(100):
            nursery.start_soon(visit, n)
    await trio2aio(stop)()
    assert sorted(visitors) == list(range(100))


@trio2aio
async def test_4_6_large_transfer():
    data = os.urandom(4 * MEGABYTE)
    async with serving(echo) as port, asyncio.TaskGroup() as group:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        received = group.create_task(reader.readexactly(len(data)))
        writer.write(data)
        assert writer.transport.get_write_buffer_size() > 0, "more than fits a socket"
        await writer.drain()
        assert await received == data
        await close(writer)


@trio2aio
async def test_4_6_protocols_and_transports():
    loop = asyncio.get_running_loop()
    events = asyncio.Queue()

    class Shout(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data.upper())

        def eof_received(self):
            events.put_nowait("server saw the end")

    class Listen(asyncio.Protocol):
        def data_received(self, data):
            events.put_nowait(data)

        def connection_lost(self, exc):
            events.put_nowait(exc)

    server = await loop.create_server(Shout, LOCALHOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(Listen, LOCALHOST, port)
        transport.write(b"quack")
        assert await events.get() == b"QUACK"
        transport.write_eof()
        assert await events.get() == "server saw the end"
        assert await events.get() is None


@trio2aio
async def test_4_6_refused_connection():
    with listening_socket() as sock:
        port = sock.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOCALHOST, port)


@trio2aio
async def test_4_6_getaddrinfo():
    loop = asyncio.get_running_loop()
    (found,) = await loop.getaddrinfo(LOCALHOST, 80, type=socket.SOCK_STREAM)
    assert found[4] == (LOCALHOST, 80)
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    assert await loop.getnameinfo((LOCALHOST, 80), flags) == (LOCALHOST, "80")


# ---- TLS


@trio2aio
async def test_4_6_tls_server_and_client(certificates):
    server_tls, client_tls = certificates
    message = os.urandom(MEGABYTE)
    async with serving(echo, ssl=server_tls) as port:
        reader, writer = await asyncio.open_connection(
            LOCALHOST, port, ssl=client_tls, server_hostname="localhost"
        )
        assert ("DNS", "localhost") in writer.get_extra_info("peercert")["subjectAltName"]
        assert await exchange(reader, writer, message) == message
        await close(writer)


@trio2aio
async def test_4_6_tls_client_refuses_an_unknown_certificate(certificates):
    server_tls, _ = certificates
    async with serving(echo, ssl=server_tls) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                LOCALHOST, port, ssl=ssl.create_default_context(), server_hostname="localhost"
            )


@trio2aio
async def test_4_6_start_tls(certificates):
    server_tls, client_tls = certificates

    async def upgrade(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.start_tls(server_tls)
        await echo(reader, writer)

    async with serving(upgrade) as port:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        assert writer.get_extra_info("cipher") is None
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        await writer.start_tls(client_tls, server_hostname="localhost")
        assert writer.get_extra_info("cipher") is not None
        assert await exchange(reader, writer, b"secret") == b"secret"
        await close(writer)


# ---- UDP, Unix sockets, pipes


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.Queue()
        self.closed = asyncio.Event()

    def datagram_received(self, data, address):
        self.received.put_nowait((data, address))

    def connection_lost(self, exc):
        self.closed.set()


@trio2aio
async def test_4_6_udp():
    loop = asyncio.get_running_loop()
    here, server = await loop.create_datagram_endpoint(Datagrams, local_addr=(LOCALHOST, 0))
    there, client = await loop.create_datagram_endpoint(
        Datagrams, remote_addr=here.get_extra_info("sockname")
    )
    there.sendto(b"question")
    data, address = await server.received.get()
    assert (data, address) == (b"question", there.get_extra_info("sockname"))
    here.sendto(b"answer", address)
    assert (await client.received.get())[0] == b"answer"
    here.close()
    there.close()
    await server.closed.wait()
    await client.closed.wait()


@trio2aio
async def test_4_6_unix_sockets(tmp_path):
    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(echo, path):
        reader, writer = await asyncio.open_unix_connection(path)
        assert await exchange(reader, writer, b"quack") == b"quack"
        await close(writer)


@trio2aio
async def test_4_6_pipes():
    loop = asyncio.get_running_loop()
    read_fd, write_fd = os.pipe()
    reader = asyncio.StreamReader()
    read_end, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb", buffering=0)
    )
    write_end, _ = await loop.connect_write_pipe(
        asyncio.BaseProtocol, os.fdopen(write_fd, "wb", buffering=0)
    )
    data = os.urandom(MEGABYTE)
    write_end.write(data)
    assert write_end.get_write_buffer_size() > 0, "more than fits a pipe"
    assert await reader.readexactly(len(data)) == data
    write_end.close()
    assert await reader.read() == b""
    read_end.close()


# ---- sockets and descriptors


@trio2aio
async def test_4_6_socket_methods():
    loop = asyncio.get_running_loop()
    with listening_socket() as listener, socket.socket() as client:
        client.setblocking(False)
        accepting = asyncio.create_task(loop.sock_accept(listener))
        await loop.sock_connect(client, listener.getsockname())
        server, address = await accepting
        with server:
            assert address == client.getsockname()
            await loop.sock_sendall(client, b"question")
            assert await loop.sock_recv(server, 100) == b"question"
            buffer = bytearray(100)
            receiving = asyncio.create_task(loop.sock_recv_into(client, buffer))
            await asyncio.sleep(0)  # so that it has to wait
            await loop.sock_sendall(server, b"answer")
            assert buffer[: await receiving] == b"answer"


@trio2aio
async def test_4_6_datagram_socket_methods():
    loop = asyncio.get_running_loop()
    with (
        socket.socket(type=socket.SOCK_DGRAM) as here,
        socket.socket(type=socket.SOCK_DGRAM) as there,
    ):
        for sock in (here, there):
            sock.setblocking(False)
            sock.bind((LOCALHOST, 0))
        receiving = asyncio.create_task(loop.sock_recvfrom(here, 100))
        await asyncio.sleep(0)
        await loop.sock_sendto(there, b"quack", here.getsockname())
        assert await receiving == (b"quack", there.getsockname())


@trio2aio
async def test_4_6_add_reader_and_add_writer():
    loop = asyncio.get_running_loop()
    with socket_pair() as (left, right):
        events = asyncio.Queue()
        loop.add_reader(left, lambda: events.put_nowait(left.recv(100)))
        loop.add_writer(right, events.put_nowait, "writable")
        assert await events.get() == "writable"
        assert loop.remove_writer(right)
        assert not loop.remove_writer(right)
        right.send(b"quack")
        while (event := await events.get()) == "writable":
            pass
        assert event == b"quack"
        assert loop.remove_reader(left)
        right.send(b"nobody listens")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert events.empty()


async def test_4_6_add_reader_in_trio_code():
    loop = current_loop()
    with socket_pair() as (left, right):
        readable = trio.Event()
        loop.add_reader(left, readable.set)
        await trio.testing.wait_all_tasks_blocked()
        right.send(b"quack")
        with trio.fail_after(30):
            await readable.wait()
        loop.remove_reader(left)


@trio2aio
async def test_4_6_sendfile(big_file):
    async def send(reader, writer):
        with big_file.open("rb") as file:
            await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
        await close(writer)

    async with serving(send) as port:
        reader, writer = await asyncio.open_connection(LOCALHOST, port)
        assert await reader.read() == big_file.read_bytes()
        await close(writer)


@trio2aio
async def test_4_6_sock_sendfile(big_file):
    loop = asyncio.get_running_loop()
    with socket_pair() as (left, right), big_file.open("rb") as file:

        async def receive():
            received = bytearray()
            while data := await loop.sock_recv(right, MEGABYTE):
                received += data
            return received

        receiving = asyncio.create_task(receive())
        assert await loop.sock_sendfile(left, file, fallback=False) == MEGABYTE
        left.shutdown(socket.SHUT_WR)
        assert await receiving == big_file.read_bytes()
