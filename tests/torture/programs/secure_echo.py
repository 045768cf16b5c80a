"""The end of ``handshakes`` that is on the bridge: its servers, and then its clients.

Says the ports of its servers and serves until it is told to go on; then its clients visit those of
``cutters``. Counts what is open before and after.
"""

from __future__ import annotations

import ssl
import sys
from collections import Counter

from .secure_clients import PATIENT, Clients
from .secure_servers import Servers
from .worlds import descriptors, open_things, program, say


class Ledger:
    """Of the connections of one kind."""

    def __init__(self):
        self.open = self.opened = 0
        self.ends = Counter()
        self.echoed = 0
        self.slowest = 0.0

    def __enter__(self):
        self.open += 1
        self.opened += 1

    def __exit__(self, *error):
        self.open -= 1

    def note(self, end, late):
        self.ends[end] += 1
        self.slowest = max(self.slowest, late)


def main(world, *, authority, certificate, ports, timeout, seed, count, at_once):
    of_servers, of_clients = Ledger(), Ledger()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate)
    without_loop = descriptors()
    counts = {}

    async def visit_all():
        context = ssl.create_default_context(cafile=authority)
        clients = Clients(world, of_clients, context, ports=ports, timeout=timeout, seed=seed)
        numbers = iter(range(count))

        async def visit_on():
            for number in numbers:
                await clients.visit(number)
                if (number + 1) % 20 == 0:
                    say(done=number + 1, total=count)

        await world.together([visit_on] * at_once)

    async def everything():
        servers = Servers(world, of_servers, server_context)
        async with world.background() as start:
            ways = await servers.open((PATIENT, timeout), start)
            await world.in_thread(int)  # the thread is one of the open things
            counts["before"] = open_things(world)
            say(ways=ways)
            await world.in_thread(sys.stdin.readline)
            await world.until(lambda: of_servers.open == 0, 30, "the end of what is served")
            counts["between"] = await world.settled(counts["before"])
            await visit_all()
            counts["after"] = await world.settled(counts["before"])
            await servers.close()

    world.run(everything)
    return {
        **counts,
        "served": of_servers.opened,
        "visits": of_clients.ends,
        "echoed": of_clients.echoed,
        "slowest": of_clients.slowest,
        "descriptors_left": descriptors() - without_loop,
    }


if __name__ == "__main__":
    program(main)
