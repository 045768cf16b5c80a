"""The end of a Trio guest, when its loop is closed: the loop runs until Trio has cleaned up.

1. The asyncio tasks that are in Trio code are cancelled, and awaited.
2. Trio's tasks are cancelled; the guest makes its ticks until all of them have ended.
3. What Trio's tasks have entered on the asyncio side and not left is left.

Whatever is raised on the way is somebody's: errors go to the loop's exception handler, exits leave
the loop's ``close()``.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

import trio

from . import _private
from ._exits import bare_exit
from ._guest_ctrl_c import uninterrupted

if TYPE_CHECKING:
    from ._guest import TrioGuest


class GuestEnd:
    """Of one guest."""

    def __init__(self, guest: TrioGuest) -> None:
        self._guest: Final = guest
        self._begins: Final = trio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trio_ends: asyncio.Future[None] | None = None

    # ---- asked by who closes the loop

    def run(self, exits: list[BaseException]) -> None:
        """End Trio, with the loop running as long as it takes.

        Args:
          exits: gets the first exit (Ctrl-C) that leaves the loop meanwhile.

        Raises:
          BaseException: the second one.
        """
        guest = self._guest
        if guest.bridge.is_inherited:
            guest.forget()
        elif _private.get_running_loop() is None:
            self._run_loop(exits)
        else:  # another loop runs in this thread, and is closing ours
            guest.suspend()
            thread = threading.Thread(target=self._run_loop, args=(exits,))
            thread.start()
            thread.join()
            guest.ctrl_c.give_back()

    def _run_loop(self, exits: list[BaseException]) -> None:
        loop = self._guest.loop
        if self._task is None:
            self._task = loop.create_task(self._end())
        while not self._task.done():  # somebody else may have called stop() before
            try:
                self._task.add_done_callback(_stop_loop)
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as exc:
                self._guest.look_again()
                if exits:
                    raise
                exits.append(exc)  # Trio's tasks are being cancelled: give them the time they need
            finally:
                self._task.remove_done_callback(_stop_loop)
        self._task.result()

    @uninterrupted
    async def _end(self) -> None:
        guest = self._guest
        guest.resume()
        guest.look_again()
        await self._end_callers()
        # What asyncio's tasks have left open ends now. Not so what Trio's have: they may be in the
        # body of a manager of asyncio's for as long as they clean up. So is_ending comes later.
        guest.owner.lets_managers_outlive_tasks = False
        await self._end_trio()
        await self._end_owners()

    async def _end_callers(self) -> None:
        """Cancel the asyncio tasks that are in Trio code: they may need Trio to clean up."""
        cancelled: set[asyncio.Task[Any]] = set()
        owner = self._guest.owner
        while callers := {task for task in owner.callers if not task.done()} - cancelled:
            for task in callers:
                task.cancel()
            cancelled |= callers
            await _wait(callers)

    async def _end_trio(self) -> None:
        guest = self._guest
        self._trio_ends = guest.loop.create_future()
        guest.call_for_tick()
        guest.side.call_trio(None, self._begins.set)
        while not self._trio_ends.done():
            await _wait([self._trio_ends])

    async def _end_owners(self) -> None:
        """Leave what Trio's tasks have entered and not left: they are gone."""
        owners = list(self._guest.bridge.asyncio_owners)
        while tasks := {task for owner in owners if (task := owner.end()) and not task.done()}:
            await _wait(tasks)
            for task in tasks:
                if task.done() and not task.cancelled() and (exc := task.exception()) is not None:
                    self.report(exc)

    # ---- asked by Trio's main task

    async def wait_for_begin(self) -> None:
        """Until Trio's tasks are to be cancelled. Ctrl-C that Trio raises here is the owner's."""
        while True:
            try:
                await self._begins.wait()
            except KeyboardInterrupt as exc:
                self._guest.owner.exit(exc)
            else:
                return

    def trio_has_ended(self) -> None:
        """There is no more tick."""
        if self._trio_ends is not None:
            self._trio_ends.set_result(None)

    def report(self, error: BaseException) -> None:
        """Of what nobody awaits any more."""
        error = bare_exit(error)
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self._guest.owner.exit(error)
        else:
            self._guest.owner.fail(error)


async def _wait(futures: Any) -> None:
    """For all of them, or until who cancels all tasks cancels this one: the caller looks."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait(futures)


def _stop_loop(task: asyncio.Task[None]) -> None:
    task.get_loop().stop()
