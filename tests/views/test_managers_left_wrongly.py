"""Context managers that are left twice, or in the wrong order, by hand: an error that says so."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager

import pytest

from trio_bridge import aio2trio, trio2aio

NOTHING = (None, None, None)


def managers(log, *, fails=()):
    """Make managers that write down how they are left; some fail when they are."""

    @asynccontextmanager
    async def manager(name):
        try:
            yield name
        except RuntimeError:
            log.append(f"{name} left with an error")
            if name in fails:
                raise OSError(f"{name} fails") from None
            raise
        else:
            log.append(f"{name} left")

    return manager


async def in_trio(program, **options):
    log = []
    await program(trio2aio(managers(log, **options)))
    return log


async def in_asyncio(program, **options):
    log = []
    await trio2aio(program)(aio2trio(managers(log, **options)))
    return log


sides = pytest.mark.parametrize("run", [in_trio, in_asyncio])


@sides
async def test_left_twice(run):
    async def program(manager):
        once = manager("Riri")
        assert await once.__aenter__() == "Riri"
        await once.__aexit__(*NOTHING)
        with pytest.raises(RuntimeError, match="left already"):
            await once.__aexit__(*NOTHING)

    assert await run(program) == ["Riri left"]


@sides
async def test_what_fails_when_it_is_left_out_of_order_is_in_the_errors_notes(run):
    async def program(manager):
        first, second, third = map(manager, ("Riri", "Fifi", "Loulou"))
        for each in (first, second, third):
            await each.__aenter__()
        with pytest.raises(RuntimeError, match="was entered later") as caught:
            await first.__aexit__(*NOTHING)
        (note,) = (note for note in caught.value.__notes__ if "was left with" in note)
        assert re.search(r"OSError\('Fifi fails'\)", note)

    assert await run(program, fails=["Fifi"]) == [
        f"{name} left with an error" for name in ("Loulou", "Fifi", "Riri")
    ]


@sides
@pytest.mark.parametrize("exits", [SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("in_group", [False, True])
async def test_4_2_7_an_exit_when_it_is_left_out_of_order_goes_on(run, exits, in_group):
    @asynccontextmanager
    async def leaves(name):
        log.append(name)
        try:
            yield
        finally:
            log.append(name)
            if name == "Loulou":
                raise BaseExceptionGroup("several", [exits, OSError()]) if in_group else exits
            if name == "Fifi":
                raise OSError("after that")

    async def program(_):
        sides = trio2aio if run is in_trio else aio2trio
        first, second, third = (sides(leaves)(name) for name in ("Riri", "Fifi", "Loulou"))
        for each in (first, second, third):
            await each.__aenter__()
        await first.__aexit__(*NOTHING)

    log = []
    with pytest.raises(type(exits)) as caught:
        await run(program)
    assert caught.value is exits
    assert "was entered later" in str(exits.__cause__)
    assert log == ["Riri", "Fifi", "Loulou", "Loulou", "Fifi", "Riri"]
