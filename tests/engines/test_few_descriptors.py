"""Rule 4.6, loop services: descriptors that run out."""

import asyncio
import errno
import os

import pytest
import trio

from trio_bridge import current_loop, open_loop, trio2aio

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors")


def count():
    return len(os.listdir("/proc/self/fd"))


class Few:
    """In the block so many descriptors are free."""

    def __init__(self, free):
        self.free = free

    def __enter__(self):
        self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (count() + 50, self.limits[1]))
        self.used = []
        try:
            while True:
                self.used.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            for _ in range(self.free):
                os.close(self.used.pop())

    def __exit__(self, *error):
        for descriptor in self.used:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)


@pytest.mark.parametrize("free", [0, 1])
async def test_4_6_a_loop_that_gets_no_descriptors_leaves_none_open(free, recwarn):
    async def open_another():
        async with open_loop():
            pass

    await open_another()
    before = count()
    with pytest.raises(OSError) as caught:
        with Few(free):
            await open_another()
    assert caught.value.errno == errno.EMFILE
    assert count() == before
    del caught
    await open_another()
    assert not recwarn.list


async def test_4_6_a_server_without_a_descriptor_for_a_client_goes_on(caplog):
    """asyncio asks again in a second; nothing has failed that anybody could handle."""
    if "uvloop" in repr(type(current_loop())).lower():
        pytest.skip("libuv closes the connection")

    def served(reader, writer):
        writer.close()

    async with await trio2aio(asyncio.start_server)(served, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        client = trio.socket.socket()
        with Few(0):
            await client.connect(address)
            while "out of system resource" not in caplog.text:
                await trio.sleep(0.01)
        with trio.fail_after(40):
            assert await client.recv(1) == b""
        client.close()
        # asyncio has a timer for each time it failed, which fails if its server is closed by then.
        await trio2aio(asyncio.sleep)(1.1)
