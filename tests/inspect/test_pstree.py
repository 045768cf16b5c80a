"""``python -m asyncio ps`` and ``pstree``, of Python 3.14, see our loops' tasks from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import trio_bridge

PYTHONPATH = str(Path(trio_bridge.__file__).parent.parent)
pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")

FROM_TRIO = """
import asyncio, trio, trio_bridge

async def main():
    await trio_bridge.trio2aio(asyncio_main)()

async def asyncio_main():
    asyncio.current_task().set_name("guest")
    asyncio.get_running_loop().call_later(0.1, print, "ready")
    async with asyncio.TaskGroup() as group:
        group.create_task(calls_trio(), name="child")

async def calls_trio():
    await trio_bridge.aio2trio(trio.sleep_forever)()

trio_bridge.run(main)
"""
FROM_ASYNCIO = FROM_TRIO.replace(
    "trio_bridge.run(main)",
    "asyncio.run(asyncio_main(), loop_factory=trio_bridge.new_event_loop)",
)
_FORBIDDEN = ("Permission", "permitted", "ptrace", "root")


@pytest.mark.parametrize("script", [FROM_TRIO, FROM_ASYNCIO], ids=["from Trio", "from asyncio"])
@pytest.mark.parametrize("command", ["ps", "pstree"])
def test_our_asyncio_tasks_are_shown(script, command):
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    alarm = threading.Timer(40, process.kill)
    alarm.start()
    try:
        assert process.stdout.readline() == "ready\n"
        result = subprocess.run(
            [sys.executable, "-m", "asyncio", command, str(process.pid)],
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        alarm.cancel()
        process.kill()
        process.communicate()
    if result.returncode and any(word in result.stderr for word in _FORBIDDEN):
        pytest.skip(f"the kernel forbids it: {result.stderr.strip().splitlines()[-1]}")
    assert result.returncode == 0, result.stderr
    guest, _, child = result.stdout.partition("child")
    assert "guest" in guest + child
    assert "calls_trio" in result.stdout
