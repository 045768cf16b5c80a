"""The other end of the workloads in ``workloads/elsewhere.py``.

``python client.py PORT CONNECTIONS MESSAGES`` connects, begins when its input ends, and each time
waits for the answers on all connections before it sends again.
"""

from __future__ import annotations

import socket
import sys

from workloads.echo import MESSAGE


def main(port: int, connections: int, messages: int) -> None:
    """Send and receive."""
    ends = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    sys.stdin.read()
    for _ in range(messages):
        for end in ends:
            end.sendall(MESSAGE)
        for end in ends:
            missing = len(MESSAGE)
            while missing:
                data = end.recv(missing)
                if not data:
                    sys.exit("The server has hung up")
                missing -= len(data)
    for end in ends:
        end.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
