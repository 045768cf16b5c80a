"""A server whose handler crashes one time in four.

Who gets to know? On stock asyncio (``python examples/russian_roulette.py --stock``) the crash is
printed and forgotten: the server goes on, and the program ends as if nothing had happened. On the
bridge (without ``--stock``) the crash ends the program, with a traceback that names the handler.
The asyncio code is the same. It needs nothing but ``trio_bridge``.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import random

import trio_bridge
from trio_bridge import trio2aio


class BangError(Exception):
    """The chamber was loaded."""


# ---- asyncio code: a server and its players


async def pull_the_trigger(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chamber: random.Random
) -> None:
    """The server's handler: one connection is one shot."""
    player = (await reader.readline()).decode().strip()
    try:
        if chamber.randrange(4) == 0:
            raise BangError(f"{player} is dead")
        writer.write(b"click\n")
        await writer.drain()
    finally:
        writer.close()


async def play(players: int, seed: int) -> None:
    """Let one player after the other connect to the server."""
    handler = functools.partial(pull_the_trigger, chamber=random.Random(seed))
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        for number in range(1, players + 1):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"player {number}\n".encode())
                answer = await reader.readline()
            finally:
                writer.close()
            print(f"player {number}: {answer.decode().strip() or 'no answer'}", flush=True)
    print("The server is closed. All went well, it seems.")


def main() -> None:
    """Run the same game on stock asyncio or on the bridge."""
    parser = argparse.ArgumentParser(description="Russian roulette, over the network.")
    parser.add_argument("--stock", action="store_true", help="run it on stock asyncio")
    parser.add_argument("--players", type=int, default=8, help="default: 8")
    parser.add_argument("--seed", type=int, default=1, help="of the revolver; default: 1")
    options = parser.parse_args()
    if options.stock:
        asyncio.run(play(options.players, options.seed))
    else:
        trio_bridge.run(trio2aio(play), options.players, options.seed)


if __name__ == "__main__":
    main()
