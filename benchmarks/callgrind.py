"""Counts instructions from inside a process that runs under valgrind's callgrind.

Valgrind's tools take orders from the program itself: a sequence of instructions that does nothing
on a processor is a call into the tool. So one process starts once, warms up, and counts one piece
of work after the other. The options rejected: to count whole runs of two lengths and subtract
(Python's start, twenty times over), and to send the orders from outside by ``vgdb`` (it needs
``ptrace``, which containers don't give).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from timing import Workload

# valgrind/valgrind.h, for x86-64: rax points at the request, rdx takes the result.
_CODE: Final = bytes.fromhex(
    "4889f8"  # mov rax, rdi
    "31d2"  # xor edx, edx
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi, 3; 13; 61; 51: once around
    "4887db"  # xchg rbx, rbx
    "4889d0"  # mov rax, rdx
    "c3"  # ret
)
# valgrind/valgrind.h and valgrind/callgrind.h
_RUNNING_ON_VALGRIND: Final = 0x1001
_DUMP_STATS: Final = ord("C") << 24 | ord("T") << 16
_ZERO_STATS: Final = _DUMP_STATS + 1
_START_INSTRUMENTATION: Final = _DUMP_STATS + 4

COMMAND: Final = ("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no")
"""What it needs to run under: counting starts with :class:`Callgrind`, as imports take long."""


class Count(NamedTuple):
    """Instructions, of the whole process, in user space."""

    instructions: int


class Callgrind:
    """The tool that this process runs under; ``out`` is its ``--callgrind-out-file``."""

    def __init__(self, out: Path) -> None:
        if platform.machine() not in ("x86_64", "AMD64"):
            raise RuntimeError(f"on {platform.machine()} instructions can't be counted, on x86-64")
        self._out = out
        self._dumps = 0
        access = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=access)
        self._page.write(_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)
        if not self._request(_RUNNING_ON_VALGRIND):
            raise RuntimeError("this process doesn't run under valgrind")
        self._request(_START_INSTRUMENTATION)

    def _request(self, code: int) -> int:
        request = (ctypes.c_uint64 * 6)(code)
        return int(self._call(ctypes.addressof(request)))

    async def counted(self, workload: Workload, scale: int) -> Count:
        """Like :func:`timing.timed`, but for what is measured."""
        async with workload(scale) as body:
            self._request(_ZERO_STATS)
            await body()
            self._request(_DUMP_STATS)
            self._dumps += 1
        dump = self._out.with_name(f"{self._out.name}.{self._dumps}")
        found = re.search(r"^summary: (\d+)$", dump.read_text(), re.MULTILINE)
        assert found is not None, dump
        dump.unlink()
        return Count(int(found[1]))
