"""What two processes say of the same connections: who sent, got and acknowledged how many bytes.

What is sent on a connection is told by its number and the place, so that a byte that is lost, comes
twice or belongs to another connection is found where it arrives.
"""

from __future__ import annotations

import json
import struct

HEAD = struct.Struct("!BII")  # the kind of visit, the connection's number, a size

_ROW = bytes(range(251)) * 4000


class Wrong(AssertionError):
    """A connection brought what nobody sent on it there."""


def piece(number, place, size):
    """The bytes of this connection from this place on."""
    start = (number * 7 + place) % 251
    return _ROW[start : start + size]


def check(number, place, data):
    """They are what this connection is to bring at this place."""
    if piece(number, place, len(data)) != data:
        raise Wrong(f"connection {number}: other bytes at {place} than were sent")


class Ledger:
    """One side's."""

    def __init__(self):
        self.bytes = {}  # by the connection's number
        self.endings = {}
        self.open = 0
        self.peak = 0
        self.opened = 0

    def begin(self):
        self.open += 1
        self.opened += 1
        self.peak = max(self.peak, self.open)

    def end(self, number, count, ending):
        self.open -= 1
        if number is not None:
            if number in self.endings:
                raise Wrong(f"connection {number} ended twice")
            self.bytes[number] = count
            self.endings[number] = ending

    def write(self, path):
        with open(path, "w") as file:
            json.dump([[n, self.bytes[n], ending] for n, ending in self.endings.items()], file)


def read(path):
    """What was written: the bytes and the ending of each connection."""
    with open(path) as file:
        return {number: (count, ending) for number, count, ending in json.load(file)}
