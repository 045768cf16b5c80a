"""TLS handshakes that are cut in the middle, by clients and by servers.

Promised: a connection that is cut ends, at once or within the limit of its handshake
(``ssl_handshake_timeout``) or of its good-bye (``ssl_shutdown_timeout``); the good ones beside it
are unharmed, and each byte comes back; no descriptor, task or transport is left; nobody complains.

Servers on the bridge have TLS in each way: asyncio's with streams, with protocols and by
``start_tls``, Trio's over an asyncio stream, asyncio's over a Trio stream. Threads with plain
sockets visit them and stop, by TLS 1.2 and 1.3, at any byte of any flight of the handshake, of a
message or of the good-bye; then they close, reset, half-close, send garbage or stall. Then clients
on the bridge visit servers that do the same, and are cancelled by Trio scopes at any moment.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from .child import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENGINES = ("selector", "uvloop", "portable")
SHORT = {"count": 150, "at_once": 30, "timeout": 0.3, "limit": 100}
LONG = {"count": 20_000, "at_once": 50, "timeout": 0.5, "limit": 3600}

LATE = 40.0
"""Seconds after its limit within which a connection has ended; most have in milliseconds."""
IDLE_WATCHERS = 100  # the portable engine keeps so many Trio tasks for the next connections


def run(
    engine: str,
    progress: Callable[[int, int], None],
    *,
    seed: int,
    count: int,
    at_once: int,
    timeout: float,
    limit: float,
) -> dict[str, int | float | str]:
    repeat = f"handshakes, engine {engine}, seed {seed}, count {count}, at_once {at_once}"
    with tempfile.TemporaryDirectory() as directory:
        common = {
            **_certificates(Path(directory)),
            "timeout": timeout,
            "seed": seed,
            "count": count,
            "at_once": at_once,
            "limit": limit,
            "repeat": repeat,
        }
        with Child("cutters", engine, **common) as cutters:
            ports = cutters.hear("ports")
            with Child("secure_echo", engine, ports=ports, **common) as bridge:
                cutters.tell(ways=bridge.hear("ways"))
                try:
                    cutters.hear("visited", lambda done, total: progress(done, 2 * total))
                except AssertionError as exc:
                    exc.add_note(f"the bridge's stderr: {bridge.complaints()}")
                    raise
                bridge.tell(go_on=True)
                on_bridge = bridge.figures(lambda done, total: progress(total + done, 2 * total))
            cutters.tell(end=True)
            outside = cutters.figures()
    return _judge(on_bridge, outside, repeat)


def _certificates(directory: Path) -> dict[str, str]:
    """Files of an authority's and of a server's that it vouches for."""
    authority = trustme.CA()
    paths = directory / "authority.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(paths[0])
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(paths[1])
    return {"authority": str(paths[0]), "certificate": str(paths[1])}


def _judge(on_bridge: dict, outside: dict, repeat: str) -> dict[str, int | float | str]:
    before = on_bridge["before"]
    for when in ("between", "after"):
        found = on_bridge[when]
        more = {name: found[name] - before[name] for name in before if found[name] > before[name]}
        if more.get("trio_tasks", 0) <= IDLE_WATCHERS and "portable" in repeat:
            more.pop("trio_tasks", None)
        assert not more, f"{when}: more is open than before: {more} ({before}); {repeat}"
    assert on_bridge["descriptors_left"] == 0, f"descriptors left: {on_bridge}; {repeat}"
    slowest = max(on_bridge["slowest"], outside["slowest"])
    assert slowest < LATE, f"ended {slowest:.1f} s after its limit; {repeat}"
    visits, clients, served = outside["visits"], on_bridge["visits"], outside["served"]
    return {
        "connections to servers on the bridge": sum(visits.values()),
        **{f"client: {kind}": ends for kind, ends in _by_kind(visits)},
        "connections of clients on the bridge": sum(clients.values()),
        **{f"server: {kind}": ends for kind, ends in _by_kind(served)},
        **{f"client on the bridge: {end}": number for end, number in sorted(clients.items())},
        "bytes that came back": outside["echoed"] + on_bridge["echoed"],
        "slowest after its limit, s": round(max(0.0, slowest), 2),
        "descriptors left": on_bridge["descriptors_left"],
    }


def _by_kind(ends: dict[str, int]) -> Iterator[tuple[str, int | str]]:
    """How many of each kind there were, and how they ended."""
    kinds = sorted(ends.items())
    for kind, of in itertools.groupby(kinds, key=lambda item: item[0].partition(", ")[0]):
        numbers = {end.partition(", ")[2]: number for end, number in of}
        plain = numbers.get("")
        yield kind, plain or ", ".join(f"{number} {end}" for end, number in numbers.items())
