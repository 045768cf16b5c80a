"""The memory that the standard library's transports read into is kept by the C library.

For each read they ask for a quarter of a MiB, and give back all of it but what has come. glibc maps
a block of that size by a system call, and unmaps it again, if its heap has none in one piece: a
small program's has not. That makes a read nine times as dear (12 µs instead of 1.4, by two page
faults and three system calls).

glibc takes it from the heap, and keeps it there, once a larger block that was mapped has been freed
("dynamic mmap threshold" in mallopt(3)). So one is, when the first loop is made. It is as small as
serves, since glibc from then on keeps up to twice as much free memory for the program.
Rejected: ``mallopt``, by ``ctypes``, which ends that adaption for the whole program; a smaller
``max_size`` of the transports, which makes more reads of large messages. To other C libraries it
means nothing.
"""

from __future__ import annotations

import functools
from typing import Final

_BLOCK: Final = 1 << 20
"""Bytes: more than a heap has in one piece by chance."""


@functools.cache
def keep_read_memory() -> None:
    """See above; once in a process is enough."""
    bytes(_BLOCK)
