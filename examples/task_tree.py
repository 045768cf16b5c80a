"""The task tree of a program that lives in both worlds: a server of asyncio's, and its clients.

    python examples/task_tree.py              # prints the tree
    python examples/task_tree.py tree.html    # writes it as a page, too

Run it as ``python examples/task_tree.py wait``, and it prints the tree on each ``kill -USR1``.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import trio

import trio_bridge
from trio_bridge import aio2trio, trio2aio


# ---- asyncio code
async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer):
        await reader.readline()
        await aio2trio(look_up)()


async def fetch(port: int, page: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(f"{page}\n".encode())
        async with asyncio.timeout(20):
            await reader.read()


async def report() -> None:
    async with aio2trio(trio.open_nursery()) as nursery:  # a Trio nursery around asyncio code
        nursery.start_soon(trio.sleep, 60)
        await aio2trio(crawl)()


# ---- Trio code
async def look_up() -> None:
    with trio.fail_after(5):
        await trio.sleep(3600)


async def crawl() -> None:
    with trio.move_on_after(1, shield=True):
        await trio2aio(asyncio.sleep)(3600)


async def main() -> None:
    server = await trio2aio(asyncio.start_server)(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with contextlib.closing(server):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio2aio(report))
            with trio.move_on_after(30):
                await run_clients(port)


async def run_clients(port: int) -> None:
    async with trio_bridge.open_asyncio_nursery() as clients:
        clients.start_soon(fetch, port, "first")
        clients.start_soon(fetch, port, "second")
        await trio.sleep(0.5)
        show()
        if sys.argv[1:] == ["wait"]:
            await trio.sleep_forever()
        sys.exit()


def show() -> None:
    trio_bridge.inspect.print_tree()
    if sys.argv[1:] and sys.argv[1] != "wait":
        trio_bridge.inspect.write_html(sys.argv[1])


if __name__ == "__main__":
    trio_bridge.run(main, tree_signal="SIGUSR1")
