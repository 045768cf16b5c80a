"""Three crossings in each direction, with scopes, nurseries and tasks of both worlds on the way.

Prints the tree as text, and then as JSON.
"""

import asyncio
import json

import trio
import trio.testing

import trio_bridge
from trio_bridge import aio2trio, trio2aio

shields = []
held = []  # asyncio holds tasks by weak references


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, nursery)
        nursery.start_soon(trio_sibling)
        with trio.fail_after(60):
            await trio2aio(asyncio_1)()


async def asyncio_1():
    held.append(asyncio.create_task(background(), name="background"))
    await aio2trio(trio_1)()


async def trio_1():
    async with trio_bridge.open_asyncio_nursery() as nursery:
        nursery.start_soon(owned)
        await trio2aio(asyncio_2)()


async def asyncio_2():
    async with asyncio.timeout(50), aio2trio(trio.open_nursery()) as nursery:
        nursery.start_soon(trio_sibling)
        await aio2trio(trio_2)()


async def trio_2():
    with trio.CancelScope(shield=True) as scope:
        scope.cancel()
        async with trio_bridge.open_loop():
            with trio.CancelScope(shield=True) as shield:
                shields.append(shield)
                await trio2aio(asyncio_3)()


async def asyncio_3():
    async with aio2trio(trio.move_on_after)(40):
        await aio2trio(trio_3)()


async def trio_3():
    async with trio2aio(asyncio.timeout)(30):
        await trio.sleep_forever()


async def background():
    await asyncio.gather(called_by_background(), asyncio.create_task(waits(), name="waiting"))


async def called_by_background():
    await aio2trio(trio.sleep)(20)


async def owned():
    held.append(asyncio.create_task(waits(), name="owned"))
    await waits()


async def waits():
    held.append(asyncio.current_task())
    await asyncio.get_running_loop().create_future()


async def trio_sibling():
    await trio.sleep(10)


async def look(nursery):
    await trio.testing.wait_all_tasks_blocked()
    tree = trio_bridge.inspect.tree()
    print(tree)
    print(json.dumps(tree.to_json()))
    nursery.cancel_scope.cancel()
    shields[0].cancel()


if __name__ == "__main__":
    trio_bridge.run(main, clock=trio.testing.MockClock())
