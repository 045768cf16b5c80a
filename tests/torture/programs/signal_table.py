"""What two processes share of signals: how many were sent, and what was handled.

A number has three words: ``sent``, which only the sender writes, before it sends; ``handled``, how
often its handler ran; ``seen``, how many had been sent when it last did.
"""

from __future__ import annotations

import mmap
import os

WORD = 8


class SignalTable:
    """In a file that both have mapped. By ``with``: unmapped at the end."""

    def __init__(self, path, slots):
        size = 3 * slots * WORD
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, size)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("q")
        self.sent, self.handled, self.seen = (
            self._words[start : start + slots] for start in range(0, 3 * slots, slots)
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for words in (self.sent, self.handled, self.seen, self._words):
            words.release()
        self._map.close()

    def note(self, slot):
        """A handler runs."""
        self.handled[slot] += 1
        # A plain handler may run in the middle of itself.
        while self.seen[slot] != self.sent[slot]:
            self.seen[slot] = self.sent[slot]
