"""The other end of ``asks()`` in ``workloads/elsewhere.py``.

``python server.py`` prints its port, and sends back what comes by one connection.
"""

from __future__ import annotations

import socket

from workloads.echo import MESSAGE


def main() -> None:
    """Send back what comes, until the other end hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while data := connection.recv(len(MESSAGE)):
            connection.sendall(data)


if __name__ == "__main__":
    main()
