"""The rude end of ``handshakes``: threads with plain sockets, clients and servers, and no loop.

Says its own ports, is told those of the servers on the bridge, and visits them; then it serves the
bridge's clients until it is told to end. What one connection does is told by its number.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from .cut_tls import (
    ENDINGS,
    GARBAGE,
    HALF_CLOSE,
    PATIENCE,
    RESET,
    STALL,
    Cut,
    Peer,
    end,
)
from .worlds import program, say

GOOD, CUT, UNREAD, UNTRUSTED, MID_TALK, MID_SHUTDOWN, THEIR_SHUTDOWN = range(7)
KINDS = (
    "good",
    "handshake cut",
    "answer unread",
    "certificate refused",
    "cut in the middle of a message",
    "cut in the good-bye",
    "good-bye not answered",
)
TOO_SLOW = "too slow for the limit"
"""Of this machine, where others work too."""
WEIGHTS = 30, 40, 4, 6, 8, 8, 4
VERSIONS = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
TIMED = GARBAGE, STALL
"""What only a limit of the other end's may end: garbage may be taken for the rest of a record."""
GO = b"go\n"
CLOSE_FIRST = b"C"
"""The server is to send that back, and then to close."""


class Ledger:
    """What all threads have seen."""

    def __init__(self):
        self._lock = threading.Lock()
        self.ends = Counter()
        self.echoed = 0
        self.slowest = 0.0

    def note(self, what, echoed=0, seconds=0.0):
        with self._lock:
            self.ends[what] += 1
            self.echoed += echoed
            self.slowest = max(self.slowest, seconds)


def contexts(authority, certificate):
    """Of clients, by version, of one that trusts nobody, and of servers, by version."""
    clients = {version: ssl.create_default_context(cafile=authority) for version in VERSIONS}
    servers = {version: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for version in VERSIONS}
    for version in VERSIONS:
        clients[version].maximum_version = servers[version].maximum_version = version
        servers[version].load_cert_chain(certificate)
    return clients, ssl.create_default_context(), servers


class Visit:
    """One connection to a server on the bridge.

    Args:
      ways: each server's name, and its ports: of one that waits for long, and of one that doesn't.
      timeout: how long the second one waits.
    """

    def __init__(self, number, seed, contexts, ways, timeout):
        self.name = f"visit {number}"
        self.chance = chance = random.Random(f"{seed}-{number}")
        (self.kind,) = chance.choices(range(len(KINDS)), WEIGHTS)
        self.way, ports = chance.choice(ways)
        self.ending = chance.randrange(len(ENDINGS))
        if self.kind in (MID_TALK, MID_SHUTDOWN) and self.ending in TIMED:
            self.ending = HALF_CLOSE  # TLS has been made: they may wait for ever
        self.is_timed = self.kind == THEIR_SHUTDOWN or self.ending in TIMED
        self.is_impatient = self.kind != GOOD and (self.is_timed or chance.random() < 0.3)
        self.port = ports[self.is_impatient]
        self.timeout = timeout
        clients, untrusting, _ = contexts
        self.context = clients[chance.choice(VERSIONS)]
        if self.kind == UNTRUSTED:
            self.context = untrusting
        self.cut = (chance.randrange(2), chance.random()) if self.kind == CUT else None

    def go(self, ledger):
        began = time.monotonic()
        echoed, outcome, waited = 0, None, None
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                echoed, outcome = self._talk(sock)
            except (ConnectionError, EOFError, ssl.SSLError):
                if not self.is_impatient or time.monotonic() - began < 0.95 * self.timeout:
                    raise
                outcome = TOO_SLOW
            if outcome is None:
                waited = end(sock, self.ending, self.chance)
        if self.kind == CUT and self.ending == STALL:
            lasted = time.monotonic() - began
            what = f"ended after {lasted:.3f} s, before the handshake's limit"
            assert lasted > 0.95 * self.timeout, f"{self.name}: {what}"
        ledger.note(outcome or self.words(), echoed, self._late(waited))

    def _late(self, waited):
        """By how much the other end ended later than it had to."""
        if waited is None:
            return 0.0
        late = max(0.0, waited - (self.timeout if self.is_timed else 0))
        assert late < PATIENCE, f"{self.name}: ended {late:.1f} s late"
        return late

    def words(self):
        if self.kind == UNTRUSTED:
            return KINDS[UNTRUSTED]
        return f"{KINDS[self.kind]}, {ENDINGS[self.ending]}"

    def _talk(self, sock):
        """How many bytes came back; and the outcome, if the connection has ended by then."""
        if self.way == "start_tls":
            sock.sendall(b"STARTTLS\n")
            assert sock.recv(len(GO)) == GO, f"{self.name}: no answer"
        peer = Peer(sock, self.context, cut=self.cut)
        if self.kind == UNREAD:
            peer.say_hello()
            return 0, None
        try:
            peer.handshake()
        except Cut:
            return 0, None
        except ssl.SSLCertVerificationError:
            assert self.kind == UNTRUSTED, f"{self.name}: not trusted"
            return 0, None
        echoed = self._ask(peer, self.kind == THEIR_SHUTDOWN)
        if self.kind == GOOD:
            peer.say_good_bye()
            return echoed, KINDS[GOOD]
        if self.kind == MID_TALK:
            peer.tls.write(self.chance.randbytes(1000))
            peer.send_part(self.chance.random())
        elif self.kind == MID_SHUTDOWN:
            peer.begin_good_bye()
            peer.send_part(self.chance.choice([0, 0.5, 1]))
        return echoed, None

    def _ask(self, peer, to_end):
        """Send, and get the same back, each time."""
        echoed = 0
        least = self.kind == GOOD
        for _ in range(1 if to_end else self.chance.randrange(least, 6)):
            data = self.chance.randbytes(self.chance.choice([2, 100, 5000, 40_000]))
            if to_end:
                data = CLOSE_FIRST
            peer.send(data)
            got = b""
            while len(got) < len(data):
                more = peer.receive()
                if not more:
                    raise EOFError(f"{len(got)} of {len(data)} bytes")
                got += more
            assert got == data, f"{self.name}: other bytes came back"
            echoed += len(data)
        return echoed


class Server:
    """Serves clients on the bridge, on two ports: well, and rudely."""

    def __init__(self, seed, contexts, ledger):
        self._seed = seed
        self._contexts = contexts[2]
        self._ledger = ledger
        self._listeners = [socket.create_server(("127.0.0.1", 0), backlog=500) for _ in range(2)]
        self.ports = [listener.getsockname()[1] for listener in self._listeners]
        self._threads = ThreadPoolExecutor(300)
        self._served = []

    def start(self):
        for is_rude, listener in enumerate(self._listeners):
            threading.Thread(target=self._accept, args=(listener, is_rude), daemon=True).start()

    def _accept(self, listener, is_rude):
        number = 0
        with suppress(OSError):  # when it is closed
            while True:
                sock, _ = listener.accept()
                served = self._threads.submit(self._serve, sock, is_rude, number)
                self._served.append(served)
                number += 1

    def stop(self):
        """When all is served; raise what went wrong."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for served in self._served:
            served.result(2 * PATIENCE)

    def _serve(self, sock, is_rude, number):
        chance = random.Random(f"{self._seed}-{number}-{is_rude}")
        sock.settimeout(2 * PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock:
            try:
                if sock.recv(1, socket.MSG_PEEK) == b"S":
                    sock.recv(100)
                    sock.sendall(GO)
                if is_rude:
                    self._be_rude(sock, chance)
                else:
                    self._echo(
                        Peer(sock, self._contexts[chance.choice(VERSIONS)], server_side=True)
                    )
            except (ConnectionError, ssl.SSLError):
                self._ledger.note("the client left")  # it was cancelled

    def _echo(self, peer):
        peer.handshake()
        while data := peer.receive():
            peer.send(data)
        peer.say_good_bye()
        self._ledger.note("good")

    def _be_rude(self, sock, chance):
        version = chance.choice(VERSIONS)
        ending = chance.randrange(len(ENDINGS))
        # In 1.3 the client's handshake has ended with the server's first flight.
        last = 0 if version == VERSIONS[1] and ending in TIMED else 1
        kind = chance.choice([CUT, CUT, CUT, MID_TALK, MID_SHUTDOWN, THEIR_SHUTDOWN])
        cut = (chance.randint(0, last), chance.random()) if kind == CUT else None
        peer = Peer(sock, self._contexts[version], server_side=True, cut=cut)
        with suppress(Cut):
            peer.handshake()
            data = peer.receive()
            if kind == THEIR_SHUTDOWN:
                while data:
                    peer.send(data)
                    data = peer.receive()
            elif kind == MID_TALK:
                peer.tls.write(data)
                peer.send_part(chance.random())
            elif kind == MID_SHUTDOWN:
                peer.begin_good_bye()
                peer.send_part(chance.choice([0.5, 1]))
            if kind != THEIR_SHUTDOWN and ending in TIMED:
                ending = RESET
        end(sock, ending, chance)
        self._ledger.note(f"{KINDS[kind]}, {ENDINGS[ending]}")


def main(world, *, authority, certificate, timeout, seed, count, at_once):
    tls = contexts(authority, certificate)
    of_visits, of_server = Ledger(), Ledger()
    server = Server(seed, tls, of_server)
    say(ports=server.ports)
    ways = json.loads(sys.stdin.readline())["ways"]
    server.start()
    done = Counter()

    def visit(number):
        one = Visit(number, seed, tls, ways, timeout)
        try:
            one.go(of_visits)
        except Exception as exc:
            exc.add_note(f"{one.name} ({one.way}, {one.words()}, cut {one.cut})")
            raise
        done["visits"] += 1
        if done["visits"] % 20 == 0:
            say(done=done["visits"], total=count)

    with ThreadPoolExecutor(at_once) as threads:
        try:
            for _ in threads.map(visit, range(count)):
                pass
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    say(visited=True)
    sys.stdin.readline()
    server.stop()
    return {
        "visits": of_visits.ends,
        "served": of_server.ends,
        "echoed": of_visits.echoed,
        "slowest": of_visits.slowest,
    }


if __name__ == "__main__":
    program(main)
