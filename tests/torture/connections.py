"""Thousands of connections that open, stall, reset and half-close, between two processes.

Promised: every byte that was acknowledged (came back) had arrived; a connection that ended by its
own will brought all of its bytes; each one is closed once; nothing remains open: descriptors,
transports, asyncio's and Trio's tasks are what they were before.

A server echoes, by streams and by a protocol. A client holds many connections open, each in a Trio
task, and visits meanwhile, with streams and with protocols: politely, with a half-close, with a
reset (``SO_LINGER`` 0) in the middle, without reading until the buffers of both sides are full,
until the server resets, without a word, and cancelled by a Trio scope at any moment. Both keep a
ledger, and the two are compared.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .child import Child
from .programs import ledger

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = ("selector", "uvloop", "portable")
SHORT = {"count": 1000, "held": 200, "at_once": 50, "limit": 120}
LONG = {"count": 200_000, "held": 5000, "at_once": 100, "limit": 7200}

# Each has its own ports: a closed connection keeps its pair of ports for a second.
ADDRESSES = [f"127.0.0.{number}" for number in range(1, 5)]
IDLE_WATCHERS = 100  # the portable engine keeps so many Trio tasks for the next connections


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    count: int,
    held: int,
    at_once: int,
    limit: float,
) -> dict[str, int | float | str]:
    repeat = f"connections, engine {engine}, seed {seed}, count {count}, held {held}"
    common = {"files": held + at_once + 200, "limit": limit, "repeat": repeat}
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory, name) for name in ("server", "client")]
        with Child(
            "echo_server", engine, addresses=ADDRESSES, path=str(paths[0]), **common
        ) as server:
            ports = server.hear("ports")
            with Child(
                "visitors",
                engine,
                ports=ports,
                path=str(paths[1]),
                seed=seed,
                count=count,
                held=held,
                at_once=at_once,
                **common,
            ) as client:
                of_client = client.figures(progress)
            server.tell(end=True)
            of_server = server.figures()
        records = [ledger.read(path) for path in paths]
    _nothing_is_open(of_client, "client", repeat)
    _nothing_is_open(of_server, "server", repeat)
    assert of_client["held"] == held, f"{of_client['held']} were held; {repeat}"
    assert of_server["peak"] >= held, f"{of_server['peak']} were open at once; {repeat}"
    if engine != "plain-uvloop":  # see docs/engines.md
        assert of_client["never_lost"] == 0, f"protocols without connection_lost(): {repeat}"
    _agree(*records, repeat)
    endings = Counter(ending for _, ending in records[1].values())
    return {
        "held at once": of_client["held"],
        "opened and closed": len(records[1]),
        "seen by the server": of_server["opened"],
        "most at once in the server": of_server["peak"],
        "bytes acknowledged": sum(number for number, _ in records[1].values()),
        **{f"ended: {name}": number for name, number in sorted(endings.items())},
        "protocols without connection_lost()": of_client["never_lost"],
        "descriptors left": of_client["descriptors_left"] + of_server["descriptors_left"],
    }


def _nothing_is_open(figures: dict, who: str, repeat: str) -> None:
    before, after = figures["before"], figures["after"]
    more = {name: after[name] - before[name] for name in before if after[name] > before[name]}
    if more.get("trio_tasks", 0) <= IDLE_WATCHERS and "portable" in repeat:
        more.pop("trio_tasks", None)
    assert not more, f"the {who} has more open than before: {more} ({before}); {repeat}"
    assert figures["descriptors_left"] == 0, f"{figures} in the {who}; {repeat}"


def _agree(server: dict, client: dict, repeat: str) -> None:
    for number, (came_back, ending) in client.items():
        arrived, servers_ending = server.get(number, (0, "unknown"))
        what = f"connection {number} ({ending}; {servers_ending}); {repeat}"
        assert arrived >= came_back, f"{came_back} acknowledged, {arrived} arrived: {what}"
        if ending in ("polite", "half-close"):
            assert servers_ending == "eof", f"the server saw another end: {what}"
            assert arrived == came_back, f"{came_back} sent, {arrived} arrived: {what}"
        assert ending != "failed", what
