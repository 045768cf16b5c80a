"""What the standard library's selector loop can't do on Windows, and why."""

from __future__ import annotations

from typing import Any, NoReturn

_SOCKETS_ONLY = (
    "on Windows asyncio's selector loop, which trio_bridge uses there, waits for sockets only"
)


class WindowsLimits:
    """Raises the standard library's :exc:`NotImplementedError`, with the reason in it.

    To stand before the loop's class; asyncio's own errors have no text.
    """

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(
            "asyncio has no signal handlers on Windows. Write signal.signal(sig, handler), "
            "where the handler calls loop.call_soon_threadsafe(callback)"
        )

    def remove_signal_handler(self, sig: int) -> NoReturn:
        """Refuse."""
        raise NotImplementedError("asyncio has no signal handlers on Windows")

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(
            f"no asyncio subprocesses: {_SOCKETS_ONLY}, and a subprocess has pipes. "
            "Write trio.run_process(...) in Trio code, or subprocess.run in a thread"
        )

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        await self.subprocess_exec()

    async def connect_read_pipe(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(f"no pipes: {_SOCKETS_ONLY}")

    async def connect_write_pipe(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(f"no pipes: {_SOCKETS_ONLY}")
