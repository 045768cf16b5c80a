"""Runs a program's nodes on the bridge, and tells the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from trio_bridge import (
    aio2trio,
    channels,
    current_loop,
    open_asyncio_nursery,
    open_loop,
    trio2aio,
    unview,
)

from . import laws
from .ledger import VALUE, Catastrophe, Failure, Instance, Ledger
from .managers import (
    asyncio_clean_up,
    asyncio_items,
    cleaning,
    crossing_clean_up,
    make_manager,
    trio_clean_up,
    trio_items,
)

if TYPE_CHECKING:
    from .program import Node, Program

OLD_TASK_GROUPS = sys.version_info < (3, 13)
LONG = 500
"""Seconds. Not for ever: asyncio code that swallowed its cancellation may wait for so long."""
OPEN_OPTIONS: dict[str, Any] = {"cancel_warn_after": None}


@dataclass
class Shared:
    """What the nodes of one loop share."""

    queue: Any = field(default_factory=lambda: asyncio.Queue(1))
    future: Any = None

    def __post_init__(self) -> None:
        self.queue_ends = channels.to_trio(self.queue)
        self.channel_ends = trio.open_memory_channel[int](1)
        self.channel = channels.to_asyncio(*self.channel_ends)
        self.callback, self.calls = channels.from_callback(math.inf)

    def drain(self) -> list[int]:
        """What is left in it."""
        left: list[int] = []
        for take in (
            self.queue.get_nowait,
            self.channel_ends[1].receive_nowait,
            self.calls.receive_nowait,
        ):
            with contextlib.suppress(asyncio.QueueEmpty, trio.WouldBlock, trio.EndOfChannel):
                while True:
                    left.append(take())
        return left


class Run:
    """One run of a program. Called in a Trio task, for a loop of which is open, or not."""

    def __init__(self, program: Program, engine: str) -> None:
        self.program = program
        self.engine = engine
        self.ledger = Ledger()
        self.scopes: dict[Instance, trio.CancelScope] = {}
        """Those that are open."""
        self.tasks: dict[Instance, asyncio.Task[Any]] = {}
        """Those that run, and may be struck."""
        self.shared: dict[asyncio.AbstractEventLoop, Shared] = {}
        self.resolved: dict[Any, int] = {}

    async def main(self) -> None:
        with contextlib.suppress(Failure, Catastrophe, BaseExceptionGroup):
            await self.trio(self.program.root, None)
        for shared in self.shared.values():
            self.ledger.taken.update(shared.drain())
        laws.judge_all(self.ledger)

    # ---- one node, on either side

    async def trio(self, node: Node, up: Instance | None, **options: Any) -> int:
        me = self.ledger.begin(node, up, **options)
        try:
            await getattr(self, f"trio_{node.kind}")(node, me)
        except BaseException as exc:
            self.ended(me, exc)
            raise
        self.ended(me, None)
        return me.number

    async def asyncio(self, node: Node, up: Instance | None, **options: Any) -> int:
        me = self.ledger.begin(node, up, **options)
        if me.is_task and up is not None and (up.node.kind == "spawn" or up.node.how == "guarded"):
            task = asyncio.current_task()
            assert task is not None
            self.tasks[me] = task
            del task
        try:
            await getattr(self, f"asyncio_{node.kind}")(node, me)
        except BaseException as exc:
            self.ended(me, exc)
            raise
        finally:
            self.tasks.pop(me, None)
        self.ended(me, None)
        self.check_count(me)
        return me.number

    def ended(self, me: Instance, exc: BaseException | None) -> None:
        if me.outcome is not None:
            self.ledger.complain(f"{me} ended twice")
        me.outcome = VALUE if exc is None else self.ledger.outcome_of(exc, me.node.side)
        me.ended = self.ledger.time()
        laws.judge(me)
        if me.up is not None:
            laws.ends_loose(me)

    def check_count(self, me: Instance) -> None:
        count = cancelling()
        if count and not me.is_cancelled() and not self.has_old_task_group(me):
            self.ledger.complain(f"{me} goes on, and its task's cancelling() is {count}")

    def has_old_task_group(self, me: Instance) -> bool:
        # Before Python 3.13 a TaskGroup counts a cancellation too many, if a child fails when the
        # body has ended.
        return OLD_TASK_GROUPS and any(
            instance.node.kind == "group" for instance in self.ledger.instances
        )

    @contextlib.contextmanager
    def open(self, me: Instance, scope: trio.CancelScope) -> Any:
        me.scope = self.scopes[me] = scope
        try:
            yield
        finally:
            del self.scopes[me]

    def cancel_a_scope(self, which: int) -> bool:
        """Cancel one of the open ones; whether there was one. Trio side, or in the scheduler."""
        if not self.scopes:
            return False
        me = list(self.scopes)[which % len(self.scopes)]
        me.cut_now()
        self.scopes[me].cancel()
        return True

    def let_a_deadline_pass(self, which: int) -> bool:
        """As above, by its deadline, which Trio sees in its next pass."""
        if not self.scopes:
            return False
        me = list(self.scopes)[which % len(self.scopes)]
        me.cut_now()
        self.scopes[me].deadline = self.ledger.time()
        return True

    def cancel_a_task(self, which: int) -> bool:
        """Call ``Task.cancel()`` in the next turn of the loop. In the scheduler."""
        if not self.tasks:
            return False
        me, task = list(self.tasks.items())[which % len(self.tasks)]

        def cancel() -> None:
            if me in self.tasks:
                me.was_struck = True
                task.cancel()

        task.get_loop().call_soon(cancel)
        return True

    def shared_here(self) -> Shared:
        loop = current_loop()
        if loop not in self.shared:
            self.shared[loop] = Shared()
        return self.shared[loop]

    def finish(self, node: Node, me: Instance) -> None:
        if node.how == "error":
            raise me.failure()
        if node.how == "base":
            raise me.failure(Catastrophe)

    # ---- leaves, Trio side

    async def trio_leaf(self, node: Node, me: Instance) -> None:
        try:
            await trio.sleep(LONG if node.how == "forever" else node.n)
        except trio.Cancelled:
            if not node.also:
                raise
            with cleaning(self.ledger, me):
                if node.also == "cross":
                    with trio.CancelScope(shield=True):
                        await trio2aio(asyncio_clean_up)()
                else:
                    await trio_clean_up()
            if node.also == "swallow":
                return
            if node.also == "fail":
                raise me.failure() from None
            raise
        self.finish(node, me)

    async def trio_cancel(self, node: Node, me: Instance) -> None:
        self.cancel_a_scope(node.n)
        await trio.lowlevel.checkpoint()

    async def trio_put(self, node: Node, me: Instance) -> None:
        shared, item = self.shared_here(), self.ledger.number()
        with trio.move_on_after(node.n + 1):
            if node.how == "callback":
                await trio.lowlevel.checkpoint()
                shared.callback(item)
            elif node.how == "channel":
                await shared.channel_ends[0].send(item)
            elif node.also:
                await trio2aio(shared.queue).put(item)
            else:
                await shared.queue_ends[0].send(item)
            self.ledger.put[item] += 1

    async def trio_get(self, node: Node, me: Instance) -> None:
        shared = self.shared_here()
        with trio.move_on_after(node.n + 1):
            if node.how == "callback":
                item = await shared.calls.receive()
            elif node.how == "channel":
                item = await shared.channel_ends[1].receive()
            elif node.also:
                item = await trio2aio(shared.queue).get()
            else:
                item = await shared.queue_ends[1].receive()
            self.ledger.taken[item] += 1

    async def trio_wait(self, node: Node, me: Instance) -> None:
        future = self.future_here()
        with trio.move_on_after(node.n + 1):
            self.check_future(me, future, await trio2aio(asyncio.shield)(future))

    async def trio_resolve(self, node: Node, me: Instance) -> None:
        future = self.future_here()
        if not future.done():
            self.resolved[future] = self.ledger.number()
            trio2aio(future).set_result(self.resolved[future])
        await trio.lowlevel.checkpoint()

    def future_here(self) -> asyncio.Future[int]:
        shared = self.shared_here()
        if shared.future is None:
            shared.future = current_loop().create_future()
        future: asyncio.Future[int] = shared.future
        return future

    def check_future(self, me: Instance, future: Any, value: int) -> None:
        self.ledger.happened["value of a future"] += 1
        if value != self.resolved[future]:
            self.ledger.complain(f"{me} got {value} from a future that has {self.resolved[future]}")

    # ---- leaves, asyncio side

    async def asyncio_leaf(self, node: Node, me: Instance) -> None:
        try:
            await asyncio.sleep(LONG if node.how == "forever" else node.n)
        except asyncio.CancelledError:
            if not node.also:
                raise
            with cleaning(self.ledger, me):
                if node.also == "cross":
                    await crossing_clean_up()
                else:
                    await asyncio_clean_up()
            if node.also == "swallow":
                return
            if node.also == "fail":
                raise me.failure() from None
            raise
        self.finish(node, me)

    async def asyncio_cancel(self, node: Node, me: Instance) -> None:
        aio2trio(self.cancel_a_scope)(node.n)
        await asyncio.sleep(0)

    async def asyncio_put(self, node: Node, me: Instance) -> None:
        shared, item = self.shared_here(), self.ledger.number()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(node.n + 1):
                if node.how == "callback":
                    await asyncio.sleep(0)
                    shared.callback(item)
                elif node.how == "queue":
                    await shared.queue.put(item)
                elif node.also:
                    await aio2trio(shared.channel_ends[0].send)(item)
                else:
                    await shared.channel.put(item)
                self.ledger.put[item] += 1

    async def asyncio_get(self, node: Node, me: Instance) -> None:
        shared = self.shared_here()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(node.n + 1):
                if node.how == "callback":
                    item = await aio2trio(shared.calls.receive)()
                elif node.how == "queue":
                    item = await shared.queue.get()
                elif node.also:
                    item = await aio2trio(shared.channel_ends[1].receive)()
                else:
                    item = await shared.channel.get()
                self.ledger.taken[item] += 1

    async def asyncio_wait(self, node: Node, me: Instance) -> None:
        future = self.future_here()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(node.n + 1):
                self.check_future(me, future, await asyncio.shield(future))

    async def asyncio_resolve(self, node: Node, me: Instance) -> None:
        future = self.future_here()
        if not future.done():
            self.resolved[future] = self.ledger.number()
            future.set_result(self.resolved[future])
        await asyncio.sleep(0)

    # ---- one after the other, one in the other

    async def trio_seq(self, node: Node, me: Instance) -> None:
        for part in node.parts:
            me.receives(await self.trio(part, me))

    async def asyncio_seq(self, node: Node, me: Instance) -> None:
        for part in node.parts:
            me.receives(await self.asyncio(part, me))

    async def trio_catch(self, node: Node, me: Instance) -> None:
        try:
            me.receives(await self.trio(node.parts[0], me))
        except* Failure:
            self.ledger.happened["error caught"] += 1

    async def asyncio_catch(self, node: Node, me: Instance) -> None:
        try:
            me.receives(await self.asyncio(node.parts[0], me))
        except* Failure:
            self.ledger.happened["error caught"] += 1

    async def trio_deadline(self, node: Node, me: Instance) -> None:
        if node.how == "own":
            with trio.move_on_after(node.n) as scope, self.open(me, scope):
                me.receives(await self.trio(node.parts[0], me))
        else:
            with contextlib.suppress(TimeoutError):
                async with trio2aio(asyncio.timeout)(node.n):
                    me.receives(await self.trio(node.parts[0], me))

    async def asyncio_deadline(self, node: Node, me: Instance) -> None:
        if node.how == "own":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(node.n):
                    me.receives(await self.asyncio(node.parts[0], me))
        else:
            async with aio2trio(trio.move_on_after(node.n)) as scope:
                with self.open(me, unview(scope)):
                    me.receives(await self.asyncio(node.parts[0], me))

    async def trio_scope(self, node: Node, me: Instance) -> None:
        with trio.CancelScope(shield=me.is_shield) as scope, self.open(me, scope):
            # A nursery's tasks are cancelled with it. What is shielded needs one of its own.
            async with open_asyncio_nursery() if me.is_shield else contextlib.nullcontext():
                me.receives(await self.trio(node.parts[0], me))

    async def asyncio_scope(self, node: Node, me: Instance) -> None:
        async with aio2trio(trio.CancelScope(shield=node.how == "shield")) as scope:
            with self.open(me, unview(scope)):
                me.receives(await self.asyncio(node.parts[0], me))

    async def trio_manager(self, node: Node, me: Instance) -> None:
        made = trio2aio(make_manager)(self.ledger, me)
        async with made:
            me.receives(await self.trio(node.parts[0], me))

    async def asyncio_manager(self, node: Node, me: Instance) -> None:
        made = aio2trio(make_manager)(self.ledger, me)
        async with made:
            me.receives(await self.asyncio(node.parts[0], me))

    async def trio_generator(self, node: Node, me: Instance) -> None:
        async with contextlib.aclosing(trio2aio(asyncio_items)(self.ledger, me)) as items:
            async for item in items:
                for part in node.parts:
                    me.receives(await self.trio(part, me))
                if node.how == "early" and item == 1:
                    self.ledger.happened["generator closed early"] += 1
                    break

    async def asyncio_generator(self, node: Node, me: Instance) -> None:
        async with contextlib.aclosing(aio2trio(trio_items)(self.ledger, me)) as items:
            async for item in items:
                for part in node.parts:
                    me.receives(await self.asyncio(part, me))
                if node.how == "early" and item == 1:
                    self.ledger.happened["generator closed early"] += 1
                    break

    # ---- crossings

    async def trio_cross(self, node: Node, me: Instance) -> None:
        self.ledger.happened["crossing to asyncio"] += 1
        part = node.parts[0]
        if node.how == "function":
            me.receives(await trio2aio(self.asyncio)(part, me))
        elif node.how == "view":
            me.receives(await trio2aio(Caller(self.asyncio)).call(part, me))
        else:
            task = current_loop().create_task(self.asyncio(part, me, is_task=True))
            waiting = trio2aio(task)
            del task
            try:
                me.receives(await waiting)
            except asyncio.CancelledError:
                # Its owner has cancelled it, which Trio didn't ask for: rule 4.2, row 4.
                if not (me.parts and me.parts[0].outcome and me.parts[0].outcome.is_cancelled):
                    raise
                self.ledger.happened["cancellation that Trio didn't ask for"] += 1

    async def asyncio_cross(self, node: Node, me: Instance) -> None:
        self.ledger.happened["crossing to Trio"] += 1
        part = node.parts[0]
        if node.how == "view":
            me.receives(await aio2trio(Caller(self.trio)).call(part, me))
        else:
            me.receives(await aio2trio(self.trio)(part, me))

    # ---- nurseries

    async def trio_nursery(self, node: Node, me: Instance) -> None:
        async with trio.open_nursery() as nursery:
            with self.open(me, nursery.cancel_scope):
                for child in node.parts[1:]:
                    nursery.start_soon(self.trio_child, child, me)
                me.receives(await self.trio(node.parts[0], me))

    async def asyncio_nursery(self, node: Node, me: Instance) -> None:
        async with aio2trio(trio.open_nursery()) as nursery:
            with self.open(me, unview(nursery).cancel_scope):
                for child in node.parts[1:]:
                    nursery.start_soon(self.trio_child, child, me)
                me.receives(await self.asyncio(node.parts[0], me))

    async def trio_asyncio_nursery(self, node: Node, me: Instance) -> None:
        async with open_asyncio_nursery() as nursery:
            with self.open(me, nursery.cancel_scope):
                for child in node.parts[1:]:
                    if node.how == "start":
                        await nursery.start(self.asyncio_started, child, me)
                    else:
                        nursery.start_soon(self.asyncio_child, child, me)
                me.receives(await self.trio(node.parts[0], me))

    async def asyncio_asyncio_nursery(self, node: Node, me: Instance) -> None:
        async with aio2trio(open_asyncio_nursery()) as nursery:
            with self.open(me, unview(nursery).cancel_scope):
                for child in node.parts[1:]:
                    if node.how == "start":
                        await nursery.start(self.asyncio_started, child, me)
                    else:
                        nursery.start_soon(self.asyncio_child, child, me)
                me.receives(await self.asyncio(node.parts[0], me))

    async def trio_child(self, node: Node, up: Instance) -> None:
        await self.trio(node, up, is_child=True)

    async def asyncio_child(self, node: Node, up: Instance) -> None:
        await self.asyncio(node, up, is_child=True)

    async def asyncio_started(self, node: Node, up: Instance, *, task_status: Any) -> None:
        await asyncio.sleep(0)
        task_status.started()
        await self.asyncio(node, up, is_child=True)

    async def trio_block(self, node: Node, me: Instance) -> None:
        """An asyncio nursery that ends as a loop does: what is left is cancelled."""
        async with open_asyncio_nursery() as nursery:
            with self.open(me, nursery.cancel_scope):
                for child in node.parts[1:]:
                    nursery.start_soon(self.asyncio_child, child, me)
                me.receives(await self.trio(node.parts[0], me))
            me.cut_now()
            nursery.cancel_scope.cancel()

    async def trio_loop(self, node: Node, me: Instance) -> None:
        async with open_loop(engine=self.engine, **OPEN_OPTIONS) as loop:
            try:
                me.receives(await self.trio(node.parts[0], me))
            finally:
                me.body_ended = True
                left = len(asyncio.all_tasks(loop))
                self.ledger.happened[
                    "loop shut down with work left" if left else "loop shut down"
                ] += 1
        if asyncio.all_tasks(loop) or not loop.is_closed():
            self.ledger.complain(f"{me} has left its loop open, or a task in it")

    # ---- asyncio's own

    async def asyncio_await(self, node: Node, me: Instance) -> None:
        task = asyncio.create_task(self.asyncio(node.parts[0], me, is_task=True))
        try:
            me.receives(await task)
        except asyncio.CancelledError:
            part = me.parts[0] if me.parts else None
            is_own = part is not None and part.was_struck and task.cancelled() and not cancelling()
            if node.how != "guarded" or not is_own:
                raise
        finally:
            del task

    async def asyncio_spawn(self, node: Node, me: Instance) -> None:
        asyncio.create_task(self.asyncio(node.parts[0], me, is_task=True))
        await asyncio.sleep(node.n)

    async def asyncio_gather(self, node: Node, me: Instance) -> None:
        values = await asyncio.gather(
            *(self.asyncio(part, me, is_task=True) for part in node.parts)
        )
        for value in values:
            me.receives(value)

    async def asyncio_group(self, node: Node, me: Instance) -> None:
        async with asyncio.TaskGroup() as group:
            for child in node.parts[1:]:
                group.create_task(self.asyncio(child, me, is_task=True, is_child=True))
            me.receives(await self.asyncio(node.parts[0], me))


class Caller:
    """For a view to call through."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def call(self, node: Node, me: Instance) -> int:
        value: int = await self._call(node, me)
        return value


def cancelling() -> int:
    # In a function of its own: an error leads to frames that hold the task.
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()
